"""The traffic of a soak: waves of requests, sent alike to several servers, and what came of each."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from hola_plugins.pilot.server_plan import SERVED_NAME
from soak_prompts import LONG, Prompt, long_prompt

_LENGTHS = (8, 32, 64, 128)
_ABORTED = 0.1
_LONG = 0.1
_WRONG = 0.02


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Attributes:
        category: Kind of its prompt.
        body: What is sent.
        abort_after: Chunks after which the client goes away; None stays.
    """

    category: str
    body: dict[str, Any]
    abort_after: int | None = None


@dataclass(frozen=True, slots=True)
class Wave:
    """Requests that are sent together, ``gap_s`` seconds apart."""

    requests: list[Request]
    gap_s: float


@dataclass(slots=True)
class Outcome:
    """What came of a request.

    Attributes:
        failure: Why there is no answer; None where there is one.
        ids: Token ids of the answer, as far as it was awaited.
        prompt_ids: Token ids of the prompt.
    """

    failure: str | None = None
    ids: list[int] = field(default_factory=list)
    prompt_ids: list[int] = field(default_factory=list)


def completion(text: str, tokens: int, **further: Any) -> dict[str, Any]:
    """Gives the body of a greedy completion of a text; its answer holds token ids."""
    greedy = {"model": SERVED_NAME, "prompt": text, "max_tokens": tokens, "temperature": 0.0}
    return greedy | {"return_token_ids": True} | further


def waves(prompts: Iterator[Prompt], rng: random.Random, concurrency: int, context: int) -> Iterator[Wave]:
    """Yields bursts, full loads and trickles, without end.

    Args:
        prompts: Where the texts come from.
        rng: Decides all.
        concurrency: Requests that a server runs at once; a burst sends half more.
        context: Tokens that a request and its answer may have.
    """
    while True:
        size, seconds = rng.choice(
            ((concurrency * 3 // 2, 0.0), (concurrency, 1.0), (max(1, concurrency // 4), 2.0))
        )
        yield Wave([_request(prompts, rng, context) for _ in range(size)], seconds / size)


def step_sizes(prompts: Iterator[Prompt], most: int) -> Iterator[Request]:
    """Yields requests that fill one step with 1, 2, up to ``most`` tokens, if sent one by one."""
    for tokens in range(1, most + 1):
        text = long_prompt(prompts, 6 * tokens)
        yield Request("size", completion(text, 1, truncate_prompt_tokens=tokens))


def _request(prompts: Iterator[Prompt], rng: random.Random, context: int) -> Request:
    category, text = next(prompts)
    tokens, stream = rng.choice(_LENGTHS), rng.random() < 0.5
    kind = rng.random()
    if kind < _WRONG:
        return Request("too long", completion(long_prompt(prompts, 40 * context), tokens, stream=stream))
    if kind < _WRONG + _LONG:
        text = long_prompt(prompts, 6 * context)
        cut = completion(text, tokens, stream=stream, truncate_prompt_tokens=context - tokens - 1)
        return Request(LONG, cut)
    abort = rng.randrange(1, 12) if rng.random() < _ABORTED else None
    body = completion(text, tokens, stream=stream or abort is not None, truncate_prompt_tokens=context // 2)
    return Request(category, body, abort)


async def send(client: httpx.AsyncClient, url: str, request: Request) -> Outcome:
    """Sends one request to the API at ``url``; a failure is an outcome, never raised."""
    outcome = Outcome()
    try:
        if request.body.get("stream"):
            await _stream(client, url, request, outcome)
        else:
            answer = await client.post(f"{url}/completions", json=request.body)
            if answer.is_error:
                outcome.failure = f"HTTP {answer.status_code}"
            else:
                _note(outcome, answer.json())
    except httpx.HTTPError as error:
        outcome.failure = type(error).__name__
    return outcome


async def _stream(client: httpx.AsyncClient, url: str, request: Request, outcome: Outcome) -> None:
    """Reads a stream to its end, or as far as the client stays."""
    chunks, ended = 0, False
    async with client.stream("POST", f"{url}/completions", json=request.body) as answer:
        if answer.is_error:
            outcome.failure = f"HTTP {answer.status_code}"
            return
        async for line in answer.aiter_lines():
            data = line.removeprefix("data: ")
            if not data:
                continue
            if data == "[DONE]":
                ended = True
                break
            _note(outcome, json.loads(data))
            chunks += 1
            if chunks == request.abort_after:
                return
    if not ended and outcome.failure is None:
        outcome.failure = "the stream broke off"


def _note(outcome: Outcome, answer: dict[str, Any]) -> None:
    """Adds what an answer or a chunk of it holds."""
    if "error" in answer:
        outcome.failure = f"error {answer['error'].get('code')}"
    for choice in answer.get("choices", ()):
        outcome.ids += choice.get("token_ids") or []
        outcome.prompt_ids += choice.get("prompt_token_ids") or []


async def send_wave(client: httpx.AsyncClient, urls: list[str], wave: Wave) -> list[list[Outcome]]:
    """Sends a wave to all servers at once; gives the outcomes, [server][request]."""

    async def one(url: str, place: int) -> Outcome:
        await asyncio.sleep(place * wave.gap_s)
        return await send(client, url, wave.requests[place])

    places = range(len(wave.requests))
    found = await asyncio.gather(*(one(url, place) for url in urls for place in places))
    return [found[start : start + len(places)] for start in range(0, len(found), len(places))]
