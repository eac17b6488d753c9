"""HSD beside vLLM's other features: structured output, logprobs, penalties, length limits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

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


def _both(engines: Engines, prompts: list[str], **sampling: Any) -> list[list[dict[str, Any]]]:
    """Generates without and with HSD, of whose drafts the target must have verified some and accepted some."""
    drafting = engines[1]
    verified, accepted = drafting.verified(), drafting.snapshot()["tokens"]["accepted"]
    answers = [engine.generate(prompts, **sampling) for engine in engines]
    assert drafting.verified() > verified
    assert drafting.snapshot()["tokens"]["accepted"] > accepted
    return answers


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
    answers = _both(engines, free_text(6), max_tokens=96, json_schema=schema)
    assert [one["ids"] for one in answers[0]] == [one["ids"] for one in answers[1]]
    for one in answers[1]:
        assert one["finish"] == "stop"
        found = json.loads(one["text"])
        assert set(found) == {"place", "count", "found"}
        assert found["place"] in schema["properties"]["place"]["enum"]
        assert 0 <= found["count"] <= 9
        assert isinstance(found["found"], bool)


def test_logprobs_are_those_without_speculation(engines: Engines) -> None:
    plain, drafted = _both(engines, repetitive(4), logprobs=2, max_tokens=32)
    for one, other in zip(plain, drafted, strict=True):
        assert one["ids"] == other["ids"]
        assert len(other["logprobs"]) == len(other["ids"])
        for token, left, right in zip(one["ids"], one["logprobs"], other["logprobs"], strict=True):
            assert left[str(token)] == pytest.approx(right[str(token)], abs=1e-3)


def test_penalties_are_kept(engines: Engines) -> None:
    penalties = {"presence_penalty": 0.6, "frequency_penalty": 0.4, "repetition_penalty": 1.1}
    plain, drafted = _both(engines, repetitive(8), **penalties)
    assert [one["ids"] for one in plain] == [one["ids"] for one in drafted]


def test_one_row_reaches_the_longest_context(engines: Engines) -> None:
    prompts = [repetitive(1)[0] + " " + "the old mill and " * 30, *[make()[0] for make in KINDS.values()]]
    plain, drafted = _both(engines, prompts, max_tokens=400, ignore_eos=True)
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


@pytest.fixture(scope="module")
def isolated(engines: Engines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    """An isolated store with a corpus of what the model says to two prompts."""
    prompts = free_text(2)
    texts = [prompt + one["text"] for prompt, one in zip(prompts, engines[0].generate(prompts), strict=True)]
    corpus = tmp_path_factory.mktemp("corpus") / "corpus.txt"
    corpus.write_text("\n".join(texts))
    settings = {"deterministic": True, "store": {"isolated": True, "corpus": str(corpus)}}
    engine = EngineProcess(
        hsd=True,
        max_model_len=256,
        additional_config={"hola": {"hsd": _STATIC["hola"]["hsd"] | settings}},
    )
    yield engine
    engine.close()


def test_a_corpus_serves_the_first_request(engines: Engines, isolated: EngineProcess) -> None:
    prompts = free_text(2)
    answers = engines[0].generate(prompts)
    assert [one["ids"] for one in isolated.generate(prompts)] == [one["ids"] for one in answers]
    assert isolated.snapshot()["levels"]["store"]["accepted"] > 16


def _drafted_for(engine: EngineProcess, prompts: list[str]) -> tuple[int, int]:
    """Gives the tokens that were drafted and accepted for these prompts, one at a time."""
    before = engine.snapshot()["tokens"]
    engine.generate(prompts, batch=1, ignore_eos=True)
    after = engine.snapshot()["tokens"]
    return after["drafted"] - before["drafted"], after["accepted"] - before["accepted"]


def test_drafts_do_not_tell_what_another_tenant_sent(engines: Engines, isolated: EngineProcess) -> None:
    mine = free_text(4)
    alone = _drafted_for(isolated, mine)
    _drafted_for(isolated, [*mine, *repetitive(4)])
    assert _drafted_for(isolated, mine) == alone
    assert alone[0] > 0


def test_a_shared_store_tells(engines: Engines) -> None:
    mine = free_text(4)
    assert _drafted_for(engines[1], mine) != _drafted_for(engines[1], mine)


def test_a_misspelt_setting_stops_the_engine_at_start(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match="died"):
        EngineProcess(hsd=True, additional_config={"hola": {"hsd": {"taw": 1.0}}})
    assert "unknown HSD setting 'taw'; did you mean 'tau'?" in capfd.readouterr().err
