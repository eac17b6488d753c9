"""HSD beside vLLM's other features: sampling, structured output, logprobs, penalties, length limits."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

import pytest
from engine_process import HSD, EngineProcess
from prompts import KINDS, free_text, repetitive

_STATIC = {"hola": {"hsd": {"control": {"mode": "static", "survival": 0.1}}}}


@pytest.fixture(scope="module")
def engines() -> Iterator[tuple[EngineProcess, EngineProcess]]:
    """Without and with HSD, a context of 256 tokens."""
    pair = (
        EngineProcess(hsd=False, max_model_len=256),
        EngineProcess(hsd=True, max_model_len=256, additional_config=_STATIC),
    )
    yield pair
    for engine in pair:
        engine.close()


Engines = tuple[EngineProcess, EngineProcess]


@pytest.mark.xfail(
    strict=True,
    reason="vLLM 0.32 on a CPU does not keep the distribution once any method drafts, its own ngram included",
)
def test_sampling_keeps_the_distribution(engines: Engines) -> None:
    plain, drafted = (_second_to_sixth_tokens(engine) for engine in engines)
    assert engines[1].snapshot()["tokens"]["accepted"] > 0
    for one, other in zip(plain, drafted, strict=True):
        assert _chi_square_per_freedom(one, other) < 2.5


def test_the_distribution_test_accepts_two_runs_without_speculation(engines: Engines) -> None:
    runs = [_second_to_sixth_tokens(engines[0]) for _ in range(2)]
    for one, other in zip(*runs, strict=True):
        assert _chi_square_per_freedom(one, other) < 2.5


def _second_to_sixth_tokens(engine: EngineProcess) -> list[Counter[int]]:
    """Samples one repetitive prompt 800 times and counts the tokens at three positions."""
    outputs = engine.generate(
        ["5 + 5 = 10. 5 + 5 = 10. 5 + 5 ="] * 800, temperature=1.0, max_tokens=6, ignore_eos=True
    )
    return [Counter(one["ids"][position] for one in outputs) for position in (1, 2, 5)]


def _chi_square_per_freedom(first: Counter[int], second: Counter[int]) -> float:
    """Two-sample chi-square over the tokens seen at least ten times, divided by the degrees of freedom."""
    tokens = [token for token in first | second if first[token] + second[token] >= 10]
    total = sum((first[token] - second[token]) ** 2 / (first[token] + second[token]) for token in tokens)
    return total / max(len(tokens) - 1, 1)


def test_structured_output_follows_the_schema(engines: Engines) -> None:
    schema = {
        "type": "object",
        "properties": {
            "name": {"type": "string", "maxLength": 8},
            "count": {"type": "integer", "maximum": 99},
        },
        "required": ["name", "count"],
        "additionalProperties": False,
    }
    answers = [engine.generate(free_text(6), max_tokens=96, json_schema=schema) for engine in engines]
    assert [one["ids"] for one in answers[0]] == [one["ids"] for one in answers[1]]
    for one in answers[1]:
        if one["finish"] == "stop":
            assert set(json.loads(one["text"])) == {"name", "count"}
        else:
            assert one["text"].lstrip().startswith("{")


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
    broken = EngineProcess(
        hsd=True,
        max_model_len=256,
        additional_config=_STATIC,
        speculative_config=HSD | {"model": "broken_proposer.BrokenProposer"},
    )
    try:
        assert [one["ids"] for one in broken.generate(repetitive(8))] == expected
        snapshot = broken.snapshot()
        assert snapshot["levels"]["broken"]["errors"] >= 1
        assert snapshot["tokens"]["accepted"] > 0
    finally:
        broken.close()


def test_a_misspelt_setting_stops_the_engine_at_start(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match="died"):
        EngineProcess(hsd=True, additional_config={"hola": {"hsd": {"taw": 1.0}}})
    assert "unknown HSD setting 'taw'; did you mean 'tau'?" in capfd.readouterr().err
