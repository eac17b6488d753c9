"""HSD past one process, with the multiprocessing executor: tensor and data parallel, and no pipeline stages."""

from __future__ import annotations

import json
import os
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engine_process import EXTENSION, HSD, MODEL, EngineProcess
from openai import OpenAI
from prompts import KINDS
from serving import serving

_STATIC = {"hola": {"hsd": {"control": {"mode": "static"}}}}
_PROMPTS = [prompt for make in KINDS.values() for prompt in make(4)]
_TOKENS = 48


@pytest.fixture(scope="module", autouse=True)
def unbound() -> Iterator[None]:
    """Leaves threads unbound: left to itself, vLLM wants a NUMA node for each rank."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VLLM_CPU_OMP_THREADS_BIND", "nobind")
        yield


@pytest.fixture(scope="module")
def expected() -> list[dict[str, Any]]:
    """What one process without speculation answers."""
    engine = EngineProcess(hsd=False)
    answers = engine.generate(_PROMPTS, max_tokens=_TOKENS)
    engine.close()
    return answers


def _generate(expected: list[dict[str, Any]], **parallel: Any) -> list[dict[str, Any] | None]:
    """Compares the answers of parallel ranks with the expected ones; gives the counters of all ranks."""
    engine = EngineProcess(hsd=True, distributed_executor_backend="mp", additional_config=_STATIC, **parallel)
    try:
        answers = engine.generate(_PROMPTS, max_tokens=_TOKENS)
        assert [one["ids"] for one in answers] == [one["ids"] for one in expected]
        return engine.snapshots()
    finally:
        engine.close()


def test_the_first_of_two_tensor_parallel_ranks_drafts(expected: list[dict[str, Any]]) -> None:
    first, second = _generate(expected, tensor_parallel_size=2)
    assert first["tokens"]["accepted"] > 100
    assert first["errors"] == 0
    assert second is None


def test_pipeline_stages_are_refused_at_start(
    expected: list[dict[str, Any]], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RuntimeError):
        _generate(expected, pipeline_parallel_size=2)
    assert "pipeline_parallel_size = 2: vLLM 0.22 to 0.33 cannot draft" in capfd.readouterr().err


def test_both_data_parallel_replicas_draft_for_their_own_requests(
    expected: list[dict[str, Any]], tmp_path: Path
) -> None:
    written = {"telemetry": {"jsonl": str(tmp_path / "hsd.jsonl"), "jsonl_interval_s": 1e-9}}
    settings = {"hola": {"hsd": _STATIC["hola"]["hsd"] | written}}
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(MODEL)]
    command += [
        "--served-model-name",
        "hola",
        "--dtype",
        "float32",
        "--enforce-eager",
        "--max-model-len",
        "1024",
    ]
    command += ["--speculative-config", json.dumps(HSD), "--worker-extension-cls", EXTENSION]
    command += ["--additional-config", json.dumps(settings), "--kv-cache-memory-bytes", str(256 << 20)]
    environment = os.environ | {"VLLM_SERVER_DEV_MODE": "1", "VLLM_LOGGING_LEVEL": "WARNING"}
    with serving([*command, "--data-parallel-size", "2"], environment) as (_, address):
        client = OpenAI(base_url=f"{address}/v1", api_key="none")
        answers = client.completions.create(
            model="hola", prompt=_PROMPTS, max_tokens=_TOKENS, temperature=0.0
        )
        assert [one.text for one in answers.choices] == [one["text"] for one in expected]
        request = urllib.request.Request(
            f"{address}/collective_rpc",
            json.dumps({"method": "hola_hsd_stats"}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as answer:
            replicas = json.loads(answer.read())["results"]
    assert all(replica["tokens"]["accepted"] > 0 and replica["errors"] == 0 for replica in replicas)
    assert {file.name for file in tmp_path.iterdir()} == {"hsd.jsonl", "hsd.1.jsonl"}
