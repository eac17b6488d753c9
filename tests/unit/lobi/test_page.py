"""The page of a run: well formed, complete, escaped, and drawn where the numbers say."""

from __future__ import annotations

import copy
import json
import math
import xml.etree.ElementTree as ET

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("scipy")
pytest.importorskip("peft")

from small_models import make, random_rows, target, target_rows

from hola_plugins.lobi.compression import compress
from hola_plugins.lobi.config import LoBiError, load_config
from hola_plugins.lobi.page import render_page
from hola_plugins.lobi.report import make_report
from hola_plugins.lobi.report_files import write_report
from hola_plugins.lobi.stock_recipe import stock_recipe
from hola_plugins.page.axis import linear_axis, log_axis
from hola_plugins.page.figures import byte_unit, duration, from_to, in_bytes, number

HTML = "{http://www.w3.org/1999/xhtml}"
SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "</title></svg><script>alert('x')</script>\"&<!-- "
CHOICES = ["W4A16", "W4A16_G32", "W8A8", "BF16"]
CASES = {
    "ratio": {"target_ratio": 0.45},
    "cut": {"target_bits": 6.0, "prune": 0.33, "lora": {"steps": 4, "check_every": 2}},
    "prune_only": {"prune": 0.33, "lora": {"steps": 0}},
}
MEASURED = {"kl": 0.25, "perplexity": 60.0, "seen": False}


def run(model, rows, settings):
    """The report of the real stages, and the model."""
    config = load_config({"quantizer": "rtn", "choices": CHOICES, **settings})
    outcome = compress(model, rows, config)
    found = outcome.allocation
    plan = found.best.plan.layers(found.budget.groups) if found else config.plan or {}
    return make_report(model, config, outcome, plan, curve=True) | {"measured": MEASURED}


@pytest.fixture(scope="module")
def reports():
    return {name: run(target(), target_rows(), settings) for name, settings in CASES.items()}


def parse(report):
    return ET.fromstring(render_page(report))


def texts(tree, css):
    return [one.text for one in tree.iter(f"{SVG}text") if one.get("class") == css]


def value_at(tree, axis, place):
    """Reads a number off the ticks of the drawn axis, as a reader would."""
    attribute = axis[-1]
    ticks = [one for one in tree.iter(f"{SVG}text") if one.get("class") == axis]
    known = [(float(one.get(attribute)) - (4 if attribute == "y" else 0), float(one.text)) for one in ticks]
    (low, first), (high, last) = known[0], known[-1]
    part = (place - low) / (high - low)
    return first + part * (last - first) if attribute == "x" else first * (last / first) ** part


@pytest.mark.parametrize("case", CASES)
def test_the_page_is_well_formed_and_loads_nothing(reports, case):
    page = render_page(json.loads(json.dumps(reports[case])))
    assert page.startswith("<!DOCTYPE html>")
    tree = ET.fromstring(page)
    identifiers = [one.get("id") for one in tree.iter() if one.get("id")]
    assert len(identifiers) == len(set(identifiers))
    assert not {"script", "link", "img", "iframe", "object"} & {
        one.tag.rpartition("}")[2] for one in tree.iter()
    }
    assert not [one for one in tree.iter() if one.get("href") or one.get("src")]
    assert all(one.get("scope") in {"row", "col"} for one in tree.iter(f"{HTML}th"))
    assert all(one.get("role") == "img" and one.get("aria-label") for one in tree.iter(f"{SVG}svg"))
    for one in tree.iter():
        assert one.get("aria-labelledby") in {None, *identifiers}


@pytest.mark.parametrize("case", CASES)
def test_every_group_has_one_row_and_one_cell(reports, case):
    tree, report = parse(reports[case]), reports[case]
    (table,) = (one for one in tree.iter(f"{HTML}table") if one.get("class") == "layers")
    names = [one.text for one in table.iter(f"{HTML}th") if one.get("scope") == "row"]
    assert names == [row["group"] for row in report["layers"]]
    cells = [one for one in tree.iter(f"{SVG}rect") if one.get("class") == "group"]
    colours = {row["scheme"]: cell.get("fill") for row, cell in zip(_by_column(report), cells, strict=True)}
    assert len(set(colours.values())) == len(colours)
    assert len({(cell.get("x"), cell.get("y")) for cell in cells}) == len(report["layers"])
    hints = [cell.find(f"{SVG}title").text for cell in cells]
    assert all(f": {row['scheme']}, " in hint for row, hint in zip(_by_column(report), hints, strict=True))
    legend = texts(tree, "legend")
    assert sorted(line.split(" ")[0] for line in legend) == sorted(colours)
    assert sum(int(line.split("(")[1][:-1]) for line in legend) == len(report["layers"])


def _by_column(report):
    roles = list(dict.fromkeys(row["role"] for row in report["layers"]))
    return sorted(report["layers"], key=lambda row: (row["layer"], roles.index(row["role"])))


@pytest.mark.parametrize("case", ["ratio", "cut"])
def test_dots_and_line_lie_where_the_numbers_say(reports, case):
    tree, report = parse(reports[case]), reports[case]
    unit = byte_unit(max(one["bytes"] for one in report["curve"]))[1]
    measured = {}
    for one in tree.iter():
        kind = (one.get("class") or "").split(" ")
        if "measured" in kind:
            half = float(one.get("width", 0)) / 2
            x, y = float(one.get("cx") or one.get("x")) + half, float(one.get("cy") or one.get("y")) + half
            name = one.find(f"{SVG}title").text.partition(":")[0]
            measured[name] = (value_at(tree, "tick-x", x) * unit, value_at(tree, "tick-y", y))
            assert ("chosen" in kind) == name.endswith("(chosen)")
    expected = {one["origin"]: (one["bytes"], one["kl"]) for one in report["plans"][1:]}
    best = report["plans"][0]
    expected[f"{best['origin']} (chosen)"] = (best["bytes"], best["kl"])
    assert set(measured) == set(expected) == set(texts(tree, "name"))
    for name, point in expected.items():
        assert measured[name] == pytest.approx(point, rel=0.01)
    dots = [one for one in tree.iter(f"{SVG}circle") if one.get("class") == "expected"]
    for dot, one in zip(dots, report["curve"], strict=True):
        expected_kl = report["unquantised"]["kl"] + one["score"]
        assert value_at(tree, "tick-x", float(dot.get("cx"))) * unit == pytest.approx(one["bytes"], rel=0.01)
        if expected_kl > best["kl"] / 100:
            assert value_at(tree, "tick-y", float(dot.get("cy"))) == pytest.approx(expected_kl, rel=0.02)
    (limit,) = (one for one in tree.iter(f"{SVG}line") if one.get("class") == "budget")
    assert value_at(tree, "tick-x", float(limit.get("x1"))) * unit == pytest.approx(
        report["allowed"]["bytes"], rel=0.01
    )


def test_more_bytes_never_cost_divergence_and_the_plan_lies_on_the_curve(reports):
    report = reports["ratio"]
    curve = report["curve"]
    assert len(curve) > 10
    assert [one["score"] for one in curve] == sorted((one["score"] for one in curve), reverse=True)
    (solver,) = (plan for plan in report["plans"] if plan["origin"] == "solver")
    smaller = [one for one in curve if one["bytes"] <= report["allowed"]["bytes"]]
    larger = [one for one in curve if one["bytes"] >= report["allowed"]["bytes"]]
    assert larger[0]["score"] <= solver["score"] <= smaller[-1]["score"]


def test_a_budget_in_bits_is_drawn_where_it_ends(reports):
    report = reports["cut"]
    assert report["predicted"]["bytes"] <= report["allowed"]["bytes"] < 1.05 * report["predicted"]["bytes"]


def test_the_page_says_how_the_compared_plans_were_rounded(reports):
    report = reports["ratio"]
    assert "weights rounded to nearest." in render_page(report)
    other = report | {"predicted": report["predicted"] | {"rounding": "gptq"}}
    assert "weights rounded as GPTQ rounds them." in render_page(other)


@pytest.mark.parametrize("case", ["ratio", "prune_only"])
def test_the_page_says_what_other_modifiers_had_a_part_in(reports, case):
    others = {
        "other_modifiers": ["SmoothQuantModifier", "GPTQModifier"],
        "measured": MEASURED | {"seen": True},
    }
    page = "".join(parse(reports[case] | others).itertext())
    named = "SmoothQuantModifier, GPTQModifier did"
    assert f"held-out text, which the recipe has seen, with what {named}" in page
    assert page.count(f"; without what {named}") == (2 if case == "prune_only" else 0)
    assert " did" not in "".join(parse(reports[case]).itertext())


@pytest.mark.parametrize(("seen", "words"), [(True, ", which rtn has seen"), (False, "")])
def test_the_page_says_whether_the_quantiser_has_seen_the_text(reports, seen, words):
    report = reports["ratio"] | {"measured": {"kl": 0.5, "perplexity": 77.0, "seen": seen}}
    notes = [one.text for one in parse(report).iter(f"{HTML}dd") if one.get("class") == "note"]
    assert f"nats a token, measured on held-out text{words}" in notes


def test_text_of_others_is_escaped(reports):
    report = copy.deepcopy(reports["ratio"])
    report["name"] = report["model"] = report["settings"]["cache"] = HOSTILE
    report["layers"][0] |= {"group": HOSTILE, "role": HOSTILE, "scheme": HOSTILE}
    report["plans"][0]["origin"] = report["plans"][1]["origin"] = HOSTILE
    page = render_page(report)
    assert "<script" not in page
    tree = ET.fromstring(page)
    assert HOSTILE in [one.text for one in tree.iter(f"{HTML}th")]
    assert HOSTILE in texts(tree, "name")


def test_the_headline_follows_what_was_measured(reports):
    report = reports["ratio"] | {"measured": {"kl": 0.4321, "perplexity": 77.125, "seen": False}}
    figures = [one.text for one in parse(report).iter(f"{HTML}dd") if one.get("class") == "figure"]
    size = report["predicted"]["bytes"]
    assert figures[0].endswith(f" → {in_bytes(size)}")
    assert in_bytes(report["original"]["bytes"]).startswith(figures[0].split(" ")[0])
    assert figures[1] == "0.432"
    assert figures[2] == f"{number(report['original']['perplexity'], 4)} → 77.12"
    assert float(figures[3]) == pytest.approx(report["predicted"]["bits"], abs=0.01)


def test_numbers_that_are_not_finite_are_said_and_drawn_on_the_edge(reports):
    report = copy.deepcopy(reports["ratio"]) | {
        "measured": {"kl": math.nan, "perplexity": math.inf, "seen": False}
    }
    report["plans"][-1] |= {"kl": math.nan, "perplexity": math.nan}
    page = render_page(json.loads(json.dumps(report)))
    assert "not a finite number" in page
    assert 'cy="nan"' not in page


def test_a_run_without_a_budget_has_no_curve(reports):
    tree = parse(reports["prune_only"])
    assert len(list(tree.iter(f"{SVG}svg"))) == 1
    assert not [one for one in tree.iter() if one.get("class") == "measured"]


def test_a_deep_model_continues_on_a_second_band():
    model = make("llama", num_hidden_layers=30, tie_word_embeddings=True)
    report = run(model, random_rows(), {"target_bits": 8.0, "guard": False})
    cells = [one for one in parse(report).iter(f"{SVG}rect") if one.get("class") == "group"]
    assert len(cells) == 120
    assert len({cell.get("y") for cell in cells}) == 8


def test_a_model_whose_layers_have_one_scheme_has_a_page():
    rows = [{"input_ids": torch.arange(1, 17)} for _ in range(4)]
    report = run(make("gpt2"), rows, {"target_ratio": 1.0})
    assert len(report["curve"]) == 1
    assert {row["scheme"] for row in report["layers"]} == {"BF16"}
    parse(report)


def test_a_finished_plan_that_is_given_is_what_the_report_shows():
    layers = ["model.layers.0.self_attn.o_proj", "model.layers.1.mlp.down_proj"]
    report = run(target(), target_rows(), {"plan": {"W8A8": layers}})
    assert {row["group"] for row in report["layers"] if row["scheme"] == "W8A8"} == set(layers)
    parse(report)


def test_a_report_gives_the_recipe_of_its_plan(reports, tmp_path):
    yaml, report = pytest.importorskip("yaml"), reports["ratio"]
    file = tmp_path / "report.json"
    file.write_text(json.dumps(report))
    stage = yaml.safe_load(stock_recipe(file).text)["lobi_stage"]
    groups = stage["lobi_modifiers"]["QuantizationModifier"]["config_groups"]
    plan = report["decided"]["plan"]
    assert {name: group["targets"] for name, group in groups.items()} == {
        scheme.lower(): layers for scheme, layers in plan.items()
    }
    quantised = [row for row in report["layers"] if row["scheme"] in plan]
    assert sum(len(row["shapes"]) for row in quantised) == sum(map(len, plan.values()))
    assert "decided" not in render_page(report)


def test_a_report_of_a_cut_gives_none(reports, tmp_path):
    file = tmp_path / "report.json"
    file.write_text(json.dumps(reports["cut"]))
    with pytest.raises(LoBiError, match="was cut"):
        stock_recipe(file)


def test_the_page_lies_beside_the_json_file(reports, tmp_path):
    page = write_report(tmp_path / "runs" / "first.json", reports["ratio"])
    assert page == tmp_path / "runs" / "first.html"
    assert sorted(file.name for file in page.parent.iterdir()) == ["first.html", "first.json"]
    assert page.read_text() == render_page(json.loads((page.parent / "first.json").read_text()))
    with pytest.raises(LoBiError, match=r"got 'run\.html'; the page is written beside it"):
        load_config({"report": "run.html"})


def test_provenance_names_versions_settings_and_text(reports):
    report = reports["ratio"]
    made = report["provenance"]
    assert made["versions"]["torch"] == torch.__version__
    assert report["settings"]["seed"] == 0
    assert made["text"]["fitting"]["rows"] + made["text"]["held_out"]["rows"] == len(target_rows())
    assert made["text"] == reports["cut"]["provenance"]["text"]
    assert report["name"].endswith("target")


@pytest.mark.parametrize(
    ("low", "high"), [(0.37, 0.93), (1.0, 1.0), (0.0, 0.0), (120, 99_000), (2.9, 2.9000001)]
)
def test_a_linear_axis_covers_its_values_in_round_steps(low, high):
    axis = linear_axis([low, high], 100, 500)
    assert axis.ticks[0] <= low <= high <= axis.ticks[-1]
    assert 2 <= len(axis.ticks) <= 10
    assert 100 <= axis.place(low) <= axis.place(high) <= 500


@pytest.mark.parametrize("values", [[1e-5, 3.0], [0.02, 0.03], [0.0, 0.0], [0.0, 1e-12, 5.0], [1e-3, 1e-3]])
def test_a_logarithmic_axis_covers_what_it_can(values):
    axis = log_axis(values, 300, 40)
    assert list(axis.ticks) == sorted(set(axis.ticks))
    assert axis.ticks[-1] >= max(values)
    assert all(40 <= axis.place(value) <= 300 for value in values)


def test_times_and_sizes_read_well():
    assert [duration(value) for value in (0.04, 59.9, 200, 7500)] == [
        "0.0 s",
        "59.9 s",
        "3 min 20 s",
        "2 h 5 min",
    ]
    assert [in_bytes(value) for value in (999, 1500, 2.5e9)] == ["999 B", "1.50 kB", "2.50 GB"]
    assert [from_to(2e6, 1e6), from_to(2e6, 1e3)] == ["2.00 → 1.00 MB", "2.00 MB → 1.00 kB"]
