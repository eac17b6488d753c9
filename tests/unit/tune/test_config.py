"""The configuration: its mistakes are named by key and line, and what `--init` writes is read."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from hola_plugins.cli import app
from hola_plugins.pilot.config import PilotConfig
from hola_plugins.pilot.config_file import ConfigError, read_config
from hola_plugins.tune.config import TuneConfig
from hola_plugins.tune.run import check_limits

LABEL = '"answer": "b"'
PILOT = "model: model\nprompts: prompts.jsonl\n"


@pytest.fixture
def write(tmp_path):
    """Gives a function that writes a configuration beside a pilot's."""
    (tmp_path / "model").mkdir()
    (tmp_path / "prompts.jsonl").write_text('{"prompt": "one"}\n{"prompt": "two"}\n')
    (tmp_path / "pilot.yaml").write_text(PILOT)

    def write(text: str) -> Path:
        path = tmp_path / "tune.yaml"
        path.write_text("pilot: pilot.yaml\n" + text)
        return path

    return write


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("floor:\n  recal: 0.8\n", 3, "unknown key 'floor.recal'; did you mean 'recall'?"),
        ("floor:\n  recall: 1.5\n", 3, "'floor.recall' = 1.5: Input should be less than or equal to 1"),
        ("hsd:\n  levels: [[request, shop]]\n", 3, "HSD setting 'levels[1]' = 'shop'"),
        ("hsd:\n  tau: [auto, 0.0]\n", 3, "up to 20"),
        ("lobi:\n  budget: ['45%', much]\n", 3, "budget 'much' is not understood"),
        ("lobi:\n  prune: [lots]\n", 3, "write 25% or 0.25"),
        ("lobi:\n  prune: [25%, 100%]\n", 3, "Input should be less than 1"),
        ("retrieval:\n  token_budget: []\n", 3, "'retrieval.token_budget' = []"),
        ("held_out: 1\n", 2, "'held_out' = 1"),
    ],
)
def test_a_mistake_is_named_by_line_and_remedy(write, text, line, words):
    with pytest.raises(ConfigError) as error:
        read_config(write(text), TuneConfig)
    assert str(error.value).startswith(f"tune.yaml, line {line}: ")
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("floor: {accuracy: 0.5}\n", "'floor.accuracy' = 0.5 needs questions"),
        ("floor: {recall: 0.5}\n", "'floor.recall' = 0.5 needs documents"),
    ],
)
def test_a_limit_on_what_is_not_measured_is_refused(write, tmp_path, text, words):
    config = read_config(write(text), TuneConfig)
    with pytest.raises(ValueError, match=words):
        check_limits(config, read_config(tmp_path / "pilot.yaml", PilotConfig))


@pytest.mark.parametrize(("labelled", "count"), [(0, "none"), (1, "1")])
def test_a_floor_of_recall_needs_labels_on_both_sides(write, tmp_path, labelled, count):
    queries = tmp_path / "queries.jsonl"
    rows = [f'{{"question": "what {n}"{", " + LABEL if n < labelled else ""}}}\n' for n in range(9)]
    queries.write_text("".join(rows))
    (tmp_path / "pilot.yaml").write_text(PILOT + "documents: {path: model, queries: queries.jsonl}\n")
    config = read_config(write("floor: {recall: 0.5}\n"), TuneConfig)
    with pytest.raises(ValueError, match="two labelled queries at least") as error:
        check_limits(config, read_config(tmp_path / "pilot.yaml", PilotConfig))
    assert f"{queries} has {count}:" in str(error.value)


def test_what_init_writes_is_read(tmp_path):
    path = tmp_path / "tune.yaml"
    answer = CliRunner().invoke(app, ["tune", "--init", str(path)])
    assert answer.exit_code == 0, answer.output
    config = read_config(path, TuneConfig)
    assert config.floor.recall == 0.8
    assert read_config(config.pilot, PilotConfig).documents is not None
    again = CliRunner().invoke(app, ["tune", "--init", str(path)])
    assert (again.exit_code, "is there already" in " ".join(again.output.split())) == (2, True)
