"""The report: a page that is well formed, complete and escaped, JSON beside it, and a table in the terminal."""

import io
import json
import re
import xml.etree.ElementTree as ET

import pytest

pytest.importorskip("scipy")
pytest.importorskip("jinja2")

from pilot_results import accuracy, failed, full_results, provenance, requests, results, stage
from rich.console import Console

from hola_plugins.page.figures import seconds
from hola_plugins.pilot.report import analysis, print_report, write_report
from hola_plugins.pilot.report.analysis import analyse
from hola_plugins.pilot.report.page import render_page
from hola_plugins.pilot.results import Memory, Results

HTML = "{http://www.w3.org/1999/xhtml}"
SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "</title></svg></pre><script>alert('x')</script>\"&<!-- \x1b[31m"
SHOWN = HOSTILE.replace("\x1b", "\ufffd")


def parse(found):
    return ET.fromstring(render_page(found, analyse(found)))


def texts(element):
    return [text for text in element.itertext() if text.strip()]


def headings(tree):
    return [one.text for one in tree.iter(f"{HTML}h2")]


def printed(found, width=160):
    console = Console(file=io.StringIO(), width=width)
    print_report(found, console)
    return console.file.getvalue()


def test_the_page_holds_every_section_and_the_recommendation_comes_first():
    tree = parse(full_results())
    assert headings(tree) == [
        "Recommendation",
        "All finished steps together",
        "What each step brings",
        "Latency",
        "Memory",
        "Accuracy",
        "Retrieval",
        "Cost of 1,000 answers",
        "Fitted on one domain, measured on another",
        "What is not significant",
        "Settings to copy",
        "How it was measured",
    ]
    drawings = list(tree.iter(f"{SVG}svg"))
    assert len(drawings) == 8
    assert all(one.get("role") == "img" and one.get("aria-label") for one in drawings)
    assert not list(tree.iter(f"{HTML}script"))
    assert not [one for one in tree.iter() if one.get("src") or one.get("href")]


def test_every_comparison_that_shows_nothing_is_listed_however_it_is_worded(monkeypatch):
    monkeypatch.setattr(analysis, "sentence", lambda one, titles: "In other words.")
    tree = parse(full_results())
    (listed,) = [one for one in tree.iter(f"{HTML}ul") if one.get("class") == "sentences"]
    silent = [one for one in analyse(full_results()).comparisons if not (one.improved or one.worsened)]
    assert len(listed) == len(silent) > 0
    assert all(one.measure in said.text for one, said in zip(silent, listed, strict=True))


def test_the_page_says_what_measuring_adds_and_shows_a_command_as_it_is_typed():
    found = full_results()
    shown = texts(parse(found))
    assert "vLLM with --no-enable-prefix-caching" in shown
    assert "hola compress models/target --out small --budget 45%" in shown
    silent = provenance().model_copy(update={"added": ()})
    assert "only to measure" not in texts(parse(full_results(provenance=silent)))


def test_identifiers_are_unique_and_labels_point_to_them():
    tree = parse(full_results())
    identifiers = [one.get("id") for one in tree.iter() if one.get("id")]
    assert len(identifiers) == len({*identifiers})
    assert {one.get("aria-labelledby") for one in tree.iter()} <= {None, *identifiers}


def test_dots_and_intervals_of_the_slope_chart_lie_where_the_numbers_say():
    found = full_results()
    drawing = next(iter(parse(found).iter(f"{SVG}svg")))
    ticks = [one for one in drawing.iter(f"{SVG}text") if one.get("class") == "tick-y"]
    (low, first), (high, last) = (
        (float(one.get("y")) - 4, float(one.text[:-2])) for one in (ticks[0], ticks[-1])
    )

    def at(place):
        return first + (float(place) - low) / (high - low) * (last - first)

    group = next(one for one in drawing.iter(f"{SVG}g") if one.get("class") == "shade-1")
    dots = [at(one.get("cy")) for one in group.iter(f"{SVG}circle")]
    against = [
        one.estimate
        for one in analyse(found).comparisons
        if (one.against, one.measure) == ("baseline", "latency")
    ]
    assert dots == pytest.approx([100, *(100 * one.value for one in against)], abs=0.2)
    intervals = [
        (at(one.get("y1")), at(one.get("y2"))) for one in group.iter(f"{SVG}line") if one.get("class")
    ]
    assert [end for pair in intervals for end in pair] == pytest.approx(
        [100 * end for one in against for end in (one.low, one.high)], abs=0.2
    )


def test_the_latency_table_says_what_was_measured():
    found = full_results()
    page = "".join(texts(parse(found)))
    for one in analyse(found).findings:
        assert seconds(one.speed.latency.mean) in page
        assert seconds(one.speed.latency.p95) in page
    assert "80 of 80" in page


def test_text_of_others_is_escaped():
    hostile = stage(
        "hsd",
        title=HOSTILE,
        adds=HOSTILE,
        model=HOSTILE,
        settings={HOSTILE: {HOSTILE: HOSTILE}},
        accuracy=(accuracy(120, task=HOSTILE, metric=HOSTILE),),
    )
    made = provenance().model_copy(
        update={
            "command": HOSTILE,
            "versions": {HOSTILE: HOSTILE},
            "machine": {HOSTILE: HOSTILE},
            "commit": HOSTILE,
        }
    )
    first = stage(accuracy=(accuracy(124, task=HOSTILE, metric=HOSTILE),))
    broken = failed("adacomp", HOSTILE).model_copy(update={"title": HOSTILE})
    found = results(first, hostile, broken, title=HOSTILE, provenance=made)
    page = render_page(found, analyse(found))
    assert "<script" not in page
    tree = ET.fromstring(page)
    assert SHOWN in [one.text for one in tree.iter(f"{HTML}pre")]
    assert SHOWN in [one.text for one in tree.iter(f"{HTML}th")]
    assert "alert" in printed(found)
    assert "\x1b" not in printed(found)


def test_a_failed_and_a_skipped_stage_are_shown_with_their_error_and_no_figures():
    skipped = stage("lobi", status="skipped", requests=(), error="compress_python is null", memory=Memory())
    found = results(stage(), failed("hsd"), skipped)
    tree = parse(found)
    assert "Failed and skipped steps" in headings(tree)
    shown = [one.text for one in tree.iter(f"{HTML}pre")]
    assert "Traceback\nRuntimeError: the server did not start" in shown
    assert "compress_python is null" in shown
    assert "What each step brings" not in headings(tree)
    assert "+ HSD (failed)" in printed(found)


@pytest.mark.parametrize(
    ("prompts", "repeats", "said"),
    [
        (39, 9, "39 prompts in 9 interleaved repeats,"),
        (5, 1, "5 prompts in one repeat,"),
        (1, 1, "one prompt in one repeat,"),
    ],
)
def test_the_page_says_how_many_prompts_were_sent(prompts, repeats, said):
    sent = stage(requests=requests(prompts=prompts, repeats=repeats))
    assert said in "".join(texts(parse(results(sent, prompts=prompts, repeats=repeats))))


def test_a_pilot_of_the_baseline_alone_has_a_page():
    tree = parse(results(stage(memory=Memory())))
    assert headings(tree) == ["Recommendation", "Latency", "Settings to copy", "How it was measured"]
    assert "Only the baseline was measured." in texts(tree)


def test_pilots_in_which_little_or_nothing_succeeded_have_a_page():
    assert "No step was finished." in texts(parse(results(failed("baseline"), failed("hsd"))))
    later = results(failed("baseline"), stage("hsd"), stage("adacomp", requests=requests(0.8, seed=1)))
    assert "What each step brings" in headings(parse(later))
    parse(results(stage(requests=()), stage("hsd", requests=())))
    parse(results(stage(requests=requests(prompts=1, repeats=1)), stage("hsd", requests=requests(2.0, 1, 1))))


def test_without_accuracy_there_is_no_accuracy_section():
    found = results(stage(), stage("hsd", requests=requests(0.7, seed=1)))
    assert "Accuracy" not in headings(parse(found))


def test_the_report_is_written_whole_with_its_json(tmp_path):
    found = full_results()
    page = write_report(found, tmp_path / "out")
    assert page == tmp_path / "out" / "report.html"
    assert sorted(file.name for file in page.parent.iterdir()) == ["report.html", "report.json"]
    assert page.read_text(encoding="utf-8") == render_page(found, analyse(found))
    content = json.loads((tmp_path / "out" / "report.json").read_text())
    assert Results.model_validate(content["results"]) == found
    assert [one["verdict"] for one in content["analysis"]["advice"]] == [
        one.verdict for one in analyse(found).advice
    ]


def test_the_terminal_shows_stages_verdicts_and_warnings():
    output = printed(full_results())
    assert re.search(r"\+ HSD +│ .*\N{MINUS SIGN}3\d\.\d %", output)
    assert "Switch on HSD, AdaComp and Lo-Bi. Leave off the intermediate level." in output
    assert "Too small a sample" in output
    assert max(len(line) for line in printed(full_results(), width=80).splitlines()) <= 80
