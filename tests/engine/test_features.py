"""HSD beside vLLM's other features: structured output, logprobs, penalties, length limits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_process import HSD, EngineProcess
from prompts import KINDS, free_text, repetitive

_STATIC = {"hola": {"hsd": {"control": {"mode": "static", "survival": 0.1}}}}

_COMPACT = {"backend": "xgrammar", "disable_any_whitespace": True}


@pytest.fixture(scope="module")
def engines() -> Iterator[tuple[EngineProcess, EngineProcess]]:
    """Without and with HSD, a context of 256 tokens."""
    pair = (
        EngineProcess(hsd=False, max_model_len=256, structured_outputs_config=_COMPACT),
        EngineProcess(
            hsd=True, max_model_len=256, structured_outputs_config=_COMPACT, additional_config=_STATIC
        ),
    )
    yield pair
    for engine in pair:
        engine.close()


Engines = tuple[EngineProcess, EngineProcess]


def test_structured_output_follows_the_schema(engines: Engines) -> None:
    schema = {
        "type": "object",
        "properties": {
            "place": {"enum": ["mill", "river", "harbour"]},
            "count": {"type": "integer", "minimum": 0, "maximum": 9},
            "found": {"type": "boolean"},
        },
        "required": ["place", "count", "found"],
        "additionalProperties": False,
    }
    answers = [engine.generate(free_text(6), max_tokens=96, json_schema=schema) for engine in engines]
    assert [one["ids"] for one in answers[0]] == [one["ids"] for one in answers[1]]
    for one in answers[1]:
        assert one["finish"] == "stop"
        found = json.loads(one["text"])
        assert set(found) == {"place", "count", "found"}
        assert found["place"] in schema["properties"]["place"]["enum"]
        assert 0 <= found["count"] <= 9
        assert isinstance(found["found"], bool)


def test_logprobs_are_those_without_speculation(engines: Engines) -> None:
    plain, drafted = (engine.generate(repetitive(4), logprobs=2, max_tokens=32) for engine in engines)
    for one, other in zip(plain, drafted, strict=True):
        assert one["ids"] == other["ids"]
        assert len(other["logprobs"]) == len(other["ids"])
        for token, left, right in zip(one["ids"], one["logprobs"], other["logprobs"], strict=True):
            assert left[str(token)] == pytest.approx(right[str(token)], abs=1e-3)


def test_penalties_are_kept(engines: Engines) -> None:
    plain, drafted = (
        engine.generate(repetitive(8), presence_penalty=0.6, frequency_penalty=0.4, repetition_penalty=1.1)
        for engine in engines
    )
    assert [one["ids"] for one in plain] == [one["ids"] for one in drafted]


def test_one_row_reaches_the_longest_context(engines: Engines) -> None:
    prompts = [repetitive(1)[0] + " " + "the old mill and " * 30, *[make()[0] for make in KINDS.values()]]
    plain, drafted = (engine.generate(prompts, max_tokens=400, ignore_eos=True) for engine in engines)
    assert [one["ids"] for one in plain] == [one["ids"] for one in drafted]
    assert all(one["prompt_length"] + len(one["ids"]) == 256 for one in drafted)


def test_a_failing_level_leaves_the_output_alone(engines: Engines) -> None:
    expected = [one["ids"] for one in engines[0].generate(repetitive(8))]
    failing = EngineProcess(
        hsd=True,
        max_model_len=256,
        additional_config=_STATIC,
        speculative_config=HSD | {"model": "failing_proposer.FailingProposer"},
    )
    try:
        assert [one["ids"] for one in failing.generate(repetitive(8))] == expected
        snapshot = failing.snapshot()
        assert snapshot["levels"]["failing"]["errors"] >= 1
        assert snapshot["tokens"]["accepted"] > 0
    finally:
        failing.close()


def test_a_corpus_serves_the_first_request(engines: Engines, tmp_path: Path) -> None:
    prompts = repetitive(2)
    answers = engines[0].generate(prompts)
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("\n".join(prompt + one["text"] for prompt, one in zip(prompts, answers, strict=True)))
    settings = {"levels": ["store"], "store": {"isolated": True, "corpus": str(corpus)}}
    engine = EngineProcess(
        hsd=True,
        max_model_len=256,
        additional_config={"hola": {"hsd": _STATIC["hola"]["hsd"] | settings}},
    )
    try:
        assert [one["ids"] for one in engine.generate(prompts)] == [one["ids"] for one in answers]
        assert engine.snapshot()["levels"]["store"]["accepted"] > 32
    finally:
        engine.close()


def test_a_misspelt_setting_stops_the_engine_at_start(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match="died"):
        EngineProcess(hsd=True, additional_config={"hola": {"hsd": {"taw": 1.0}}})
    assert "unknown HSD setting 'taw'; did you mean 'tau'?" in capfd.readouterr().err
