"""The OpenAI-compatible server with HSD, as an operator starts it: under concurrent clients, and when it is killed."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager

import httpx
import psutil
import pytest
from engine_process import EXTENSION, HSD, MODEL
from openai import APIError, AsyncOpenAI
from prompts import KINDS
from serving import Server, serving
from typer.testing import CliRunner

from hola_plugins.cli import app

CLIENTS = 32

_STATIC = {"hola": {"hsd": {"control": {"mode": "static"}}}}
"""Drafts are sent however fast steps are: the goodput control may find that none pays here."""

_DRAFTING = ["--speculative-config", json.dumps(HSD), "--worker-extension-cls", EXTENSION]


def _serve(*drafting: str) -> AbstractContextManager[Server]:
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(MODEL)]
    command += [
        "--served-model-name",
        "hola",
        "--enforce-eager",
        "--dtype",
        "float32",
        "--max-model-len",
        "512",
    ]
    command += ["--max-num-seqs", str(CLIENTS), "--kv-cache-memory-bytes", str(256 << 20), *drafting]
    return serving(command, os.environ | {"VLLM_SERVER_DEV_MODE": "1", "VLLM_LOGGING_LEVEL": "WARNING"})


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with _serve(*_DRAFTING) as started:
        yield started


@pytest.fixture
def url(server: Server) -> str:
    return server[1]


def _stream_all(url: str, prompts: list[str]) -> list[str]:
    async def one(client: AsyncOpenAI, prompt: str) -> str:
        stream = await client.completions.create(
            model="hola", prompt=prompt, max_tokens=48, temperature=0.0, stream=True
        )
        return "".join([chunk.choices[0].text async for chunk in stream if chunk.choices])

    async def everyone() -> list[str]:
        async with AsyncOpenAI(base_url=f"{url}/v1", api_key="none", timeout=300) as client:
            return list(await asyncio.gather(*(one(client, prompt) for prompt in prompts)))

    return asyncio.run(everyone())


def _counted(url: str, name: str) -> float:
    """Gives a counter of the server's `/metrics`, summed over its labels."""
    lines = httpx.get(f"{url}/metrics").raise_for_status().text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name}{{"))


def test_concurrent_streams_give_the_text_without_speculation() -> None:
    prompts = [prompt for make in KINDS.values() for prompt in make(CLIENTS // 4)]
    with _serve(*_DRAFTING, "--additional-config", json.dumps(_STATIC)) as (_, url):
        drafted = _stream_all(url, prompts)
        assert _counted(url, "vllm:spec_decode_num_draft_tokens_total") > 0
        assert _counted(url, "vllm:spec_decode_num_accepted_tokens_total") > 0
    with _serve() as (_, plain_url):
        assert drafted == _stream_all(plain_url, prompts)
    assert sum(map(bool, drafted)) > CLIENTS // 2


def test_stats_are_read_over_http(url: str) -> None:
    result = CliRunner().invoke(app, ["stats", url])
    assert result.exit_code == 0, result.output
    assert "request" in result.output
    assert "transitions" in result.output


def _worker(server: subprocess.Popen[bytes]) -> psutil.Process:
    """Gives the process that holds the model."""
    below = psutil.Process(server.pid).children(recursive=True)
    return max(below, key=lambda child: child.memory_info().rss)


def test_stats_that_come_too_late_leave_the_server_alone(server: Server) -> None:
    process, url = server
    prompts = KINDS["repetitive"](4)
    expected = _stream_all(url, prompts)
    worker = _worker(process)
    worker.suspend()
    try:
        result = CliRunner().invoke(app, ["stats", url])
    finally:
        worker.resume()
    assert result.exit_code != 0
    assert "timed out" in " ".join(result.output.split())
    assert _stream_all(url, prompts) == expected


def _kill_while_streaming(server: Server, prompts: list[str]) -> list[BaseException | None]:
    """Kills the engine's process once all clients have a part of their answer; gives what each client got."""
    process, url = server
    worker = _worker(process)  # looked for beforehand: good drafts end an answer while it is
    begun = asyncio.Event()
    waiting = set(range(len(prompts)))

    async def one(client: AsyncOpenAI, place: int) -> None:
        stream = await client.completions.create(
            model="hola", prompt=prompts[place], max_tokens=400, stream=True, extra_body={"ignore_eos": True}
        )
        async for _ in stream:
            waiting.discard(place)
            if not waiting:
                begun.set()

    async def kill() -> None:
        await begun.wait()
        worker.kill()

    async def everyone() -> list[BaseException | None]:
        async with AsyncOpenAI(base_url=f"{url}/v1", api_key="none", timeout=120, max_retries=0) as client:
            killing = asyncio.create_task(kill())
            got = await asyncio.gather(
                *(one(client, place) for place in range(len(prompts))), return_exceptions=True
            )
            await killing
            return got

    return asyncio.run(everyone())


def test_a_killed_worker_ends_the_server_and_a_restart_serves(server: Server) -> None:
    # vLLM 0.32 ends with status 0 then: what supervises it has to start it again whatever the status.
    prompts = KINDS["repetitive"](CLIENTS // 4)
    expected = _stream_all(server[1], prompts)
    for error in _kill_while_streaming(server, prompts):
        assert isinstance(error, APIError | httpx.HTTPError), error
    server[0].wait(timeout=120)
    with _serve(*_DRAFTING) as (_, url):
        assert _stream_all(url, prompts) == expected
