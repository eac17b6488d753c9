"""The commands that make a smaller model and a draft, read back by what reads them."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from hola_plugins.cli import app
from hola_plugins.pilot import compression
from hola_plugins.pilot.compression import Compressor
from hola_plugins.pilot.sections import Draft, LoBi
from hola_plugins.pilot.state import State


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Gives a function that makes a model by a method's name; it gives what the command is given."""
    commands = []

    class Process:
        def __init__(self, what, command, log, variables):
            commands.append(command)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def finish(self):
            pass

    monkeypatch.setattr(compression, "LoggedProcess", Process)
    compressor = Compressor(Path("python"), "owner/big", tmp_path, tmp_path, State(tmp_path / "state"), {})

    def make(verb, *given):
        getattr(compressor, verb)(*given)
        (command,) = commands
        assert command[:4] == ["python", "-m", "hola_plugins.cli", verb]
        context = typer.main.get_command(app).commands[verb].make_context(verb, command[4:])
        return context.params

    return make


def test_hola_compress_is_given_every_setting(made, tmp_path):
    (tmp_path / "text.txt").touch()
    settings = LoBi(
        budget="60%",
        calibration=tmp_path / "text.txt",
        device="cpu",
        prune="25%",
        quantizer="rtn",
        choices=("W8A8", "BF16"),
        tune=3,
        samples=9,
        sequence_length=10,
        seed=5,
    )
    given = made("compress", "lobi", settings)
    assert {name: str(given[name]) for name in LoBi.model_fields if name != "checkpoint"} == {
        **{name: str(value) for name, value in settings if name != "checkpoint"},
        "choices": "W8A8,BF16",
    }
    assert (given["model"], given["force"]) == ("owner/big", True)
    assert (given["out"], given["cache"]) == (tmp_path / "lobi", tmp_path / "scores")


def test_hola_draft_is_given_every_setting(made, tmp_path):
    (tmp_path / "prompts.jsonl").touch()
    settings = Draft(
        prompts=tmp_path / "prompts.jsonl", size="30%", steps=7, minutes=1.5, most_prompts=24, seed=5
    )
    given = made("draft", settings)
    assert {name: given[name] for name in Draft.model_fields} == dict(settings)
    assert (given["model"], given["force"]) == ("owner/big", True)
    assert (given["out"], given["cache"]) == (tmp_path / "draft", tmp_path / "answers")


def test_what_has_no_value_is_left_to_the_command():
    assert not {"--calibration", "--device", "--choices"} & set(compression.options(LoBi()))
