"""Reading snapshots of HSD's counters: from a JSONL file, a stream, or a running vLLM server."""

from __future__ import annotations

import http.client
import ipaddress
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hola_plugins.files.input_file import InputFileError, parse_json, read_end

RPC_METHOD = "hola_hsd_stats"
"""The worker method that returns the snapshot."""

WORKER_EXTENSION = "hola_plugins.vllm.HSDWorkerExtension"
"""The class that gives the workers that method."""

_TAIL_BYTES = 1 << 20
"""The last part of a file that is read; a snapshot is a few kilobytes."""

_TIMEOUT = 10.0
"""Seconds to wait for a server's whole answer."""

_ANSWER_BYTES = 16 << 20
"""Most bytes of an answer that are read."""

_SHOWN = 60
"""Characters of foreign text that an error repeats."""


class SnapshotError(ValueError):
    """There is no snapshot to show; the message says why and what to do."""


def read_snapshot(source: str) -> dict[str, Any]:
    """Reads the newest snapshot.

    Args:
        source: A path of a JSONL file, or the address of a vLLM server (`http://host:port`, as well with `/v1`).

    Raises:
        SnapshotError: If there is none.
    """
    if "://" in source:
        return fetch_snapshot(source)
    return read_last_line(Path(source))


def read_last_line(path: Path) -> dict[str, Any]:
    """Reads the last line of a JSONL file that is whole: a writer that was killed leaves a part of one.

    Raises:
        SnapshotError: If the file is missing, unreadable, no plain file, empty, or not of snapshots.
    """
    try:
        tail = read_end(path, _TAIL_BYTES).decode("utf-8", errors="replace")
    except (OSError, InputFileError) as error:
        message = (
            f"source must be a readable JSONL file, '-' or http://host:port, got {str(path)!r} "
            f"({getattr(error, 'strerror', None) or error}): give the file that the proposer writes"
        )
        raise SnapshotError(message) from error
    message = f"{str(path)!r} must hold at least one snapshot, got an empty file: wait for the first requests"
    damaged = None
    for line in reversed(tail.split("\n")):
        if not line.strip():
            continue
        try:
            return parse_line(line)
        except SnapshotError as error:
            damaged = damaged or error
    raise damaged or SnapshotError(message)


def read_lines(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Reads snapshots from a stream, one a line; damaged lines are passed over.

    Raises:
        SnapshotError: If there is no snapshot at all.
    """
    count, damaged = 0, None
    for line in lines:
        if not line.strip():
            continue
        try:
            snapshot = parse_line(line)
        except SnapshotError as error:
            damaged = error
            continue
        count += 1
        yield snapshot
    if damaged is not None and not count:
        raise damaged
    if not count:
        message = (
            "standard input must hold at least one snapshot, got nothing: pipe the proposer's file into it"
        )
        raise SnapshotError(message)


def parse_line(line: str) -> dict[str, Any]:
    """Parses one line.

    Raises:
        SnapshotError: If it is not a JSON object.
    """
    try:
        snapshot = parse_json(line)
    except ValueError as error:
        message = (
            f"a line must be one JSON object, got {_shorten(line)} ({error}): "
            "give the file that the proposer writes; if it is just starting, try again"
        )
        raise SnapshotError(message) from error
    if not isinstance(snapshot, dict):
        message = (
            f"a line must be one JSON object, got {_shorten(line)}: give the file that the proposer writes"
        )
        raise SnapshotError(message)
    return snapshot


def fetch_snapshot(address: str) -> dict[str, Any]:
    """Asks a vLLM server for the snapshot of its workers.

    The server has to run with VLLM_SERVER_DEV_MODE=1, which opens `/collective_rpc`. Workers without a
    drafter answer null; where several have one (data parallelism), the first answer is taken. The time limit is
    this side's alone: given one, vLLM 0.32 takes an answer that comes late for that of the next step, and ends.

    Raises:
        SnapshotError: If the address is not http(s), or the server does not answer with a snapshot.
    """
    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        message = f"the scheme must be http or https, got {address!r}: write http://host:port"
        raise SnapshotError(message)
    path = parts.path.rstrip("/").removesuffix("/v1")
    url = f"{parts.scheme}://{parts.netloc}{path}/collective_rpc"
    body = json.dumps({"method": RPC_METHOD}).encode()
    request = urllib.request.Request(  # noqa: S310 - the scheme is checked above
        url, data=body, headers={"Content-Type": "application/json"}, method="POST"
    )
    try:
        answer = parse_json((_answer(request) or b"null").decode())
    except urllib.error.HTTPError as error:
        message = f"{url} must answer 200, got {error.code} {_shorten(str(error.reason))}: {_http_remedy(error.code)}"
        raise SnapshotError(message) from error
    except (OSError, http.client.HTTPException) as error:
        reason = _shorten(str(getattr(error, "reason", error)))
        message = f"{url} must be a running vLLM server, got no answer ({reason}): check host and port, try again if it is busy"
        raise SnapshotError(message) from error
    except ValueError as error:
        message = f"{url} must answer JSON, got something else ({error}): is this a vLLM server?"
        raise SnapshotError(message) from error
    return _first_snapshot(url, answer)


def _opener(host: str | None) -> urllib.request.OpenerDirector:
    """Gives what opens addresses of a host: this machine itself is asked past the proxies of the environment."""
    return urllib.request.build_opener(*([urllib.request.ProxyHandler({})] if _is_here(host) else []))


def _is_here(host: str | None) -> bool:
    """Tells whether a host is this machine's loopback."""
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def _answer(request: urllib.request.Request) -> bytes:
    """Reads an answer, all of it within the time limit; `urllib` alone would grant as much to each read.

    Raises:
        OSError: The server cannot be reached, or takes too long.
    """
    answer: Future[bytes] = Future()
    opener = _opener(urlsplit(request.full_url).hostname)

    def ask() -> None:
        try:
            with opener.open(request, timeout=_TIMEOUT) as response:
                answer.set_result(response.read(_ANSWER_BYTES))
        except Exception as error:  # noqa: BLE001 - raised again where it is awaited
            answer.set_exception(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        return answer.result(_TIMEOUT)
    except TimeoutError:
        raise TimeoutError(f"timed out after {_TIMEOUT:g} s") from None


def _first_snapshot(url: str, answer: Any) -> dict[str, Any]:
    """Takes the first worker's snapshot from the answer of `/collective_rpc`."""
    results = answer.get("results") if isinstance(answer, dict) else None
    for result in results if isinstance(results, list) else ():
        if isinstance(result, dict):
            return result
    message = (
        f"{url} must answer a snapshot of at least one worker, got {_shorten(json.dumps(answer))}: "
        "start the server with HSD as its proposer"
    )
    raise SnapshotError(message)


def _http_remedy(status: int) -> str:
    """Says what to do about an HTTP error of `/collective_rpc`."""
    if status == 404:
        return "start the server with VLLM_SERVER_DEV_MODE=1, on a network you trust"
    if status in {401, 403}:
        return "ask the server directly, without the proxy that refuses"
    return f"start the server with --worker-extension-cls {WORKER_EXTENSION}; see its log for the error"


def _shorten(text: str) -> str:
    """Quotes the beginning of foreign text."""
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")
