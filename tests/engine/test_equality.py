"""Greedy output with HSD is token for token what vLLM gives without speculation."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from engine_process import EngineProcess
from prompts import KINDS


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
    engine = EngineProcess(hsd=True, additional_config={"hola": {"hsd": {"control": {"mode": "static"}}}})
    yield engine
    engine.close()


@pytest.mark.parametrize("batch", [1, 4, 16])
@pytest.mark.parametrize("kind", KINDS)
def test_greedy_output_is_identical(
    drafting: EngineProcess, expected: dict[str, list[list[int]]], kind: str, batch: int
) -> None:
    assert [one["ids"] for one in drafting.generate(KINDS[kind](), batch=batch)] == expected[kind]


def test_drafts_were_sent_and_accepted(drafting: EngineProcess) -> None:
    snapshot = drafting.snapshot()
    assert snapshot["errors"] == 0
    assert snapshot["tokens"]["accepted"] > 100
    assert snapshot["tokens"]["emitted"] > snapshot["tokens"]["rows"]
    assert snapshot["levels"]["request"]["accepted"] > 0


@pytest.mark.parametrize(
    "arguments",
    [
        {"enable_chunked_prefill": True, "max_num_batched_tokens": 144, "enable_prefix_caching": True},
        {"num_gpu_blocks_override": 8, "max_model_len": 512},
    ],
    ids=["chunked prefill and prefix caching", "preemption"],
)
def test_greedy_output_is_identical_under(
    arguments: dict[str, object], expected: dict[str, list[list[int]]]
) -> None:
    engine = EngineProcess(hsd=True, **arguments)
    try:
        for _ in range(2):
            for kind, make in KINDS.items():
                assert [one["ids"] for one in engine.generate(make())] == expected[kind]
        assert engine.snapshot()["errors"] == 0
    finally:
        engine.close()


def test_aborts_leave_the_others_alone(drafting: EngineProcess, plain: EngineProcess) -> None:
    prompts = [make()[0] for make in KINDS.values()] * 3
    kept = drafting.abort_half_way(prompts, aborted=5, tokens=48)
    expected = [one["ids"] for one in plain.generate(prompts[5:], max_tokens=48, ignore_eos=True)]
    assert kept == expected
