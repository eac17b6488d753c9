"""Greedy output with HSD is token for token what vLLM gives without speculation."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from engine_process import EngineProcess
from prompts import KINDS

_STATIC = {"hola": {"hsd": {"control": {"mode": "static"}}}}


@pytest.fixture(scope="module")
def plain() -> Iterator[EngineProcess]:
    engine = EngineProcess(hsd=False)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def expected(plain: EngineProcess) -> dict[str, list[list[int]]]:
    """The outputs without speculation, by kind."""
    return {kind: [one["ids"] for one in plain.generate(make())] for kind, make in KINDS.items()}


@pytest.fixture(scope="module")
def drafting() -> Iterator[EngineProcess]:
    engine = EngineProcess(hsd=True, additional_config=_STATIC)
    yield engine
    engine.close()


@pytest.mark.parametrize("batch", [1, 4, 16])
@pytest.mark.parametrize("kind", KINDS)
def test_greedy_output_is_identical(
    drafting: EngineProcess, expected: dict[str, list[list[int]]], kind: str, batch: int
) -> None:
    before = drafting.verified()
    assert [one["ids"] for one in drafting.generate(KINDS[kind](), batch=batch)] == expected[kind]
    assert drafting.verified() > before


def test_drafts_were_sent_and_accepted(drafting: EngineProcess) -> None:
    snapshot = drafting.snapshot()
    assert snapshot["errors"] == 0
    assert snapshot["tokens"]["accepted"] > 100
    assert snapshot["tokens"]["emitted"] > snapshot["tokens"]["rows"]
    assert snapshot["levels"]["request"]["accepted"] > 0


def _assert_equal_twice(engine: EngineProcess, expected: dict[str, list[list[int]]]) -> int:
    """Compares two passes over all kinds, and HSD's drafts must have been verified; gives the longest prompt."""
    longest = 0
    for _ in range(2):
        for kind, make in KINDS.items():
            answers = engine.generate(make())
            assert [one["ids"] for one in answers] == expected[kind]
            longest = max(longest, *(one["prompt_length"] for one in answers))
    snapshot = engine.snapshot()
    assert engine.verified() > 0
    assert snapshot["tokens"]["accepted"] > 100
    assert snapshot["errors"] == 0
    return longest


def test_greedy_output_is_identical_in_chunks_and_behind_cached_prefixes(
    expected: dict[str, list[list[int]]],
) -> None:
    budget = 96
    engine = EngineProcess(
        hsd=True,
        enable_chunked_prefill=True,
        max_num_batched_tokens=budget,
        max_num_seqs=8,
        enable_prefix_caching=True,
        additional_config=_STATIC,
    )
    try:
        assert _assert_equal_twice(engine, expected) > budget
        assert engine.counters()["vllm:prefix_cache_hits"] > 0
    finally:
        engine.close()


def test_greedy_output_is_identical_after_preemption(expected: dict[str, list[list[int]]]) -> None:
    engine = EngineProcess(hsd=True, num_gpu_blocks_override=8, max_model_len=512, additional_config=_STATIC)
    try:
        _assert_equal_twice(engine, expected)
        assert engine.counters()["vllm:num_preemptions"] > 0
    finally:
        engine.close()


def test_aborts_leave_the_others_alone(drafting: EngineProcess, plain: EngineProcess) -> None:
    prompts = [make()[0] for make in KINDS.values()] * 3
    before = drafting.snapshot()["tokens"]["accepted"]
    kept = drafting.abort_half_way(prompts, aborted=5, tokens=48)
    assert drafting.snapshot()["tokens"]["accepted"] > before
    expected = [one["ids"] for one in plain.generate(prompts[5:], max_tokens=48, ignore_eos=True)]
    assert kept == expected
