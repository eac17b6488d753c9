import io
import json
from importlib.util import find_spec

import pytest
from rich.console import Console
from typer.main import get_command
from typer.testing import CliRunner

from hola_plugins import doctor
from hola_plugins.cli import app
from hola_plugins.cli.counters import _views
from hola_plugins.cli.results_console import results_console
from hola_plugins.doctor.finding import note, ok, problem


@pytest.fixture
def hola():
    return lambda *arguments, **keywords: CliRunner().invoke(app, list(arguments), **keywords)


def shown(view):
    console = Console(file=io.StringIO(), width=400)
    console.print(view)
    return console.file.getvalue()


@pytest.mark.parametrize(
    "command", ["doctor", "stats", "preload", "index", "ask", "compress", "recipe", "pilot", "tune"]
)
def test_help_has_an_example(hola, command):
    assert f"hola {command}" in hola(command, "--help").output.split("Example")[1]


@pytest.mark.parametrize(
    ("findings", "status"), [([ok("a", "1"), note("b", "2", "do")], 0), ([problem("a", "1", "do")], 1)]
)
def test_doctor_ends_with_whether_hsd_can_run(hola, monkeypatch, findings, status):
    monkeypatch.setattr(doctor, "diagnose", lambda *, quick: findings)
    assert hola("doctor").exit_code == status
    answer = hola("doctor", "--json")
    assert (answer.exit_code, json.loads(answer.output)["can_run"]) == (status, status == 0)


def test_doctor_quick_names_a_remedy_for_everything_else(hola):
    findings = json.loads(hola("doctor", "--quick", "--json").output)["findings"]
    assert all(finding["remedy"] for finding in findings if finding["status"] != "ok")


def test_stats_of_a_file_and_of_a_stream(hola, tmp_path):
    path = tmp_path / "hsd.jsonl"
    path.write_text('{"calls": 1234}\n')
    assert "1,234 calls" in hola("stats", str(path)).output
    assert "1,234 calls" in hola("stats", "-", input=path.read_text()).output
    assert "1,234 calls" in hola("stats", "-", "--follow", input=path.read_text()).output


def test_following_goes_on_over_a_file_that_is_rotated_and_says_so(tmp_path):
    path = tmp_path / "hsd.jsonl"
    path.write_text('{"calls": 1}\n')
    views = _views(str(path), 0.01)
    assert "1 calls" in shown(next(views))
    path.write_text("")
    text = shown(next(views))
    assert "1 calls" in text
    assert "these are 0 s old" in text
    assert "got an empty file" in text
    path.write_text('{"calls": 2}\n')
    assert "2 calls" in shown(next(views))


@pytest.mark.parametrize("text", [None, "", '{"other": 1}\n', '{"calls": "x"}\n'])
def test_stats_without_snapshot_ends_with_2(hola, tmp_path, text):
    path = tmp_path / "hsd.jsonl"
    if text is not None:
        path.write_text(text)
    answer = hola("stats", str(path))
    assert (answer.exit_code, "hola stats:" in answer.output) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["index", "nowhere"], "is no folder: give the folder that holds your documents"),
        (["index", "."], "no file to index in"),
        (["ask", "nowhere", "why?"], "no index at nowhere: make one with `hola index nowhere`"),
    ],
)
def test_what_cannot_be_indexed_or_asked_ends_with_2(hola, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    answer = hola(*arguments)
    assert answer.exit_code == 2
    assert words in " ".join(answer.output.split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--budget", "lots"], "budget 'lots' is not understood: write a share (45%)"),
        (["--budget", "45%", "--prune", "some"], "share 'some' is no number"),
        (["--budget", "45%", "--adapter", "adapter"], "nothing is cut: give --prune too"),
        (["--budget", "45%", "--dtype", "int3"], "--dtype must be one of auto, bfloat16"),
        (["--budget", "45%", "--out", "."], "model lies in ., which the new checkpoint replaces"),
        (["--budget", "45%", "--out", "notes"], "notes holds something else than a checkpoint"),
        (["--budget", "45%", "--out", "model", "--force"], "model is the model itself"),
    ],
)
def test_what_cannot_be_compressed_ends_with_2_before_any_work(hola, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    (tmp_path / "notes" / "mine").mkdir(parents=True)
    answer = hola("compress", "model", "--out", "small", "--cache", str(tmp_path / "scores"), *arguments)
    assert answer.exit_code == 2
    assert words in " ".join(answer.output.split())


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["compress", "runs/step-5"], "runs/step-5 lies in runs, which the new checkpoint replaces"),
        (["compress", "other", "--calibration", "runs/own.txt"], "runs/own.txt lies in runs"),
        (["compress", "other", "--cache", "runs/scores"], "--cache runs/scores lies in runs"),
        (
            ["compress", "other", "--prune", "25%", "--adapter", "runs/lora"],
            "must be runs/adapter, got runs/lora",
        ),
        (["compress", ".runs.unfinished"], ".runs.unfinished lies where runs is made, and would be cleared"),
        (["compress", "other"], "runs holds the folder step-5, which would be lost"),
        (["draft", "--model", "runs/step-5"], "runs/step-5 lies in runs, which the new checkpoint replaces"),
        (["draft", "--model", "other", "--prompts", "runs/own.txt"], "runs/own.txt lies in runs"),
        (["draft", "--model", "other", "--start", "runs/step-5"], "runs/step-5 lies in runs"),
        (["draft", "--model", "other", "--cache", "runs/answers"], "--cache runs/answers lies in runs"),
        (["draft", "--model", "other"], "runs holds the folder step-5, which would be lost"),
    ],
)
def test_what_a_replaced_checkpoint_would_take_along_ends_with_2(hola, tmp_path, monkeypatch, command, words):
    monkeypatch.chdir(tmp_path)
    for folder in ("runs", "runs/step-5", "other", ".runs.unfinished"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "config.json").write_text("{}")
    (tmp_path / "runs" / "own.txt").write_text("text")
    before = sorted(tmp_path.rglob("*"))
    budget = ["--budget", "45%"] if command[0] == "compress" else []
    cache = [] if "--cache" in command else ["--cache", "scores"]
    answer = hola(*command, "--out", "runs", "--force", *budget, *cache)
    assert answer.exit_code == 2
    assert words in " ".join(answer.output.split())
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.skipif(find_spec("llmcompressor") is not None, reason="llmcompressor is installed")
def test_compress_without_llmcompressor_names_the_extra(hola, tmp_path):
    arguments = ["--budget", "45%", "--out", str(tmp_path / "small"), "--cache", str(tmp_path / "scores")]
    answer = hola("compress", "model", *arguments)
    assert answer.exit_code == 2
    assert "pip install 'hola-plugins[llmcompressor]'" in " ".join(answer.output.split())


def test_recipe_of_nothing_ends_with_2(hola, tmp_path):
    answer = hola("recipe", str(tmp_path))
    assert (
        answer.exit_code,
        "give the folder that `hola compress` made" in " ".join(answer.output.split()),
    ) == (2, True)


@pytest.mark.parametrize(
    ("read", "out"), [(".", "recipe.yaml"), ("recipe.yaml", "link.yaml"), ("r.json", "r.json")]
)
def test_a_recipe_is_not_written_over_what_it_is_made_from(hola, tmp_path, monkeypatch, read, out):
    monkeypatch.chdir(tmp_path)
    entry = {"target_bits": 4.5, "plan": {"W4A16": ["lm_head"]}}
    recipe = json.dumps({"a_stage": {"a_modifiers": {"LoBiModifier": entry}}})
    report = json.dumps({"settings": {"target_bits": 4.5}, "decided": entry})
    (tmp_path / "recipe.yaml").write_text(recipe)
    (tmp_path / "link.yaml").symlink_to("recipe.yaml")
    (tmp_path / "r.json").write_text(report)
    answer = hola("recipe", read, "--out", out)
    assert answer.exit_code == 2
    assert "itself, which would be lost: give another file" in " ".join(answer.output.split())
    assert [(tmp_path / name).read_text() for name in ("recipe.yaml", "r.json")] == [recipe, report]
    assert hola("recipe", read, "--out", "new.yaml").exit_code == 0


@pytest.mark.parametrize(
    ("command", "options"),
    [
        (["compress", "~/model", "--budget", "45%"], ["--out", "--calibration", "--adapter", "--cache"]),
        (["draft", "--model", "~/model"], ["--out", "--prompts", "--held-out", "--start", "--cache"]),
        (["recipe", "~/model"], ["--out"]),
        (["index", "docs"], ["--index", "--embedding"]),
        (["pilot"], ["--serve-python", "--compress-python"]),
    ],
)
def test_a_tilde_that_the_shell_left_is_the_home_folder(hola, tmp_path, monkeypatch, command, options):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    given = [f"{option}=~/{option.strip('-')}" for option in options]
    name, *arguments = command
    read = get_command(app).commands[name].make_context(name, [*arguments, *given]).params
    home = str(tmp_path / "home")
    if "~/model" in arguments:
        assert str(read["source" if name == "recipe" else "model"]) == f"{home}/model"
    for option in options:
        parameter = "index_folder" if option == "--index" else option.strip("-").replace("-", "_")
        assert str(read[parameter]) == f"{home}/{option.strip('-')}"


def test_a_home_folder_that_is_not_known_is_named(hola):
    answer = hola("recipe", "~nobody-of-this-name/small")
    assert answer.exit_code == 2
    assert "names no home folder that is known" in " ".join(answer.output.replace("│", "").split())


@pytest.mark.parametrize("arguments", [["ask", "x", "y", "--k", "0"], ["ask", "x", "y", "--budget", "0"]])
def test_numbers_below_one_are_refused(hola, arguments):
    assert hola(*arguments).exit_code == 2


def test_results_in_a_file_have_room_for_a_table(monkeypatch):
    for name in ("COLUMNS", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    assert results_console().width == 120
    monkeypatch.setenv("COLUMNS", "70")
    assert results_console().width == 70


def test_a_question_that_is_stopped_promises_nothing_to_go_on_with(hola, monkeypatch):
    pytest.importorskip("langchain_core")

    def stop(where):
        raise KeyboardInterrupt

    monkeypatch.setattr("hola_plugins.corpus.asking.open_index", stop)
    result = hola("ask", "docs", "why?")
    assert (result.exit_code, result.output) == (130, "stopped\n")
