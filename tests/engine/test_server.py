"""The OpenAI-compatible server with HSD, as an operator starts it: under concurrent clients, and when it is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress

import httpx
import psutil
import pytest
from engine_process import MODEL
from openai import APIError, AsyncOpenAI
from prompts import KINDS
from typer.testing import CliRunner

from hola_plugins.cli import app

CLIENTS = 32

Server = tuple[subprocess.Popen[bytes], str]
"""Its process and its address."""


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _start(speculation: bool, port: int) -> subprocess.Popen[bytes]:
    drafting = [
        "--speculative-config",
        '{"method":"custom_class","model":"hola_plugins.vllm.HSDProposer","num_speculative_tokens":8}',
        "--worker-extension-cls",
        "hola_plugins.vllm.HSDWorkerExtension",
    ]
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(MODEL)]
    command += ["--served-model-name", "hola", "--port", str(port), "--host", "127.0.0.1", "--enforce-eager"]
    command += ["--dtype", "float32", "--max-model-len", "512", "--max-num-seqs", str(CLIENTS)]
    command += ["--kv-cache-memory-bytes", str(256 << 20)]
    environment = os.environ | {"VLLM_SERVER_DEV_MODE": "1", "VLLM_LOGGING_LEVEL": "WARNING"}
    return subprocess.Popen(
        command + (drafting if speculation else []), env=environment, start_new_session=True
    )


def _wait(process: subprocess.Popen[bytes], url: str) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with status {process.returncode}")
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=2):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.5)
    raise RuntimeError("the server did not come up in five minutes")


def _serve(speculation: bool) -> Iterator[Server]:
    port = _free_port()
    process = _start(speculation, port)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(process, url)
        yield process, url
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=60)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    yield from _serve(speculation=True)


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


def test_concurrent_streams_give_the_text_without_speculation(url: str) -> None:
    prompts = [prompt for make in KINDS.values() for prompt in make(CLIENTS // 4)]
    drafted = _stream_all(url, prompts)
    for _, plain_url in _serve(speculation=False):
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
    for _, url in _serve(speculation=True):
        assert _stream_all(url, prompts) == expected
