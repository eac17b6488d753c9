"""HSD with an intermediate language model in the real vLLM."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engine_process import EngineProcess
from prompts import KINDS

DRAFT = Path(__file__).parents[1] / "models" / "draft"


def settings(model: Path = DRAFT, **hsd: Any) -> dict[str, Any]:
    return {"hola": {"hsd": {"intermediate": {"model": str(model)}, **hsd}}}


@pytest.fixture(scope="module")
def expected() -> dict[str, list[list[int]]]:
    """The outputs without speculation, by kind."""
    engine = EngineProcess(hsd=False)
    outputs = {kind: [one["ids"] for one in engine.generate(make())] for kind, make in KINDS.items()}
    engine.close()
    return outputs


@pytest.fixture(scope="module")
def drafting() -> Iterator[EngineProcess]:
    engine = EngineProcess(hsd=True, additional_config=settings(control={"mode": "static"}))
    yield engine
    engine.close()


@pytest.mark.parametrize("batch", [1, 16])
def test_greedy_output_is_identical(
    drafting: EngineProcess, expected: dict[str, list[list[int]]], batch: int
) -> None:
    for kind, make in KINDS.items():
        assert [one["ids"] for one in drafting.generate(make(), batch=batch)] == expected[kind]


def test_its_tokens_are_accepted_and_nothing_fails(drafting: EngineProcess) -> None:
    snapshot = drafting.snapshot()
    assert snapshot["errors"] == 0
    assert snapshot["levels"]["intermediate"]["accepted"] > 100


def test_a_model_that_cannot_be_loaded_stops_the_engine_at_start(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RuntimeError, match="the engine died"):
        EngineProcess(hsd=True, additional_config=settings(tmp_path))
    assert "HSD setting 'intermediate.model': cannot load" in capfd.readouterr().err
