"""Requests to a server as its users send them: streamed, a few at a time, each one timed; no proxy stands between."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from hola_plugins.pilot.config import PilotConfig
from hola_plugins.pilot.results import Request
from hola_plugins.pilot.server_plan import SERVED_NAME
from hola_plugins.pilot.workload import Prompt

_WARM_UP = "1, 2, 3,"
"""What is sent before the clock counts; nobody's prompt."""

_WARM_UP_TOKENS = 16


class IncompleteAnswerError(RuntimeError):
    """A stream that ended before its token counts came."""


class Round(BaseModel):
    """What one repeat of a stage gave.

    Attributes:
        requests: Every answered request.
        failures: Why the others got no answer, one line each.
        lost: Those of the failures that are no refusal: the server or the way to it failed, or time ran out.
        seconds: What it took.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    requests: tuple[Request, ...]
    failures: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    seconds: float


@dataclass(frozen=True, slots=True)
class Traffic:
    """How requests are sent.

    Attributes:
        concurrency: Requests in flight at once.
        max_tokens: Most tokens of an answer.
        chat: Whether chat messages are sent.
        timeout_s: Seconds after which a request counts as failed.
    """

    concurrency: int
    max_tokens: int
    chat: bool
    timeout_s: float

    @classmethod
    def of(cls, config: PilotConfig) -> Self:
        """Sends as a configuration says."""
        return cls(config.concurrency, config.max_tokens, config.chat, config.request_timeout_s)

    def run(self, url: str, prompts: Sequence[Prompt], repeat: int, answered: Callable[[int], None]) -> Round:
        """Sends prompts and waits for all answers.

        Args:
            url: Address of the API.
            prompts: What to send.
            repeat: Number of the repeat.
            answered: Told after each request how many have ended.

        Raises:
            ImportError: The openai package is missing.
        """
        return asyncio.run(self._run(url, prompts, repeat, answered))

    async def _run(
        self, url: str, prompts: Sequence[Prompt], repeat: int, answered: Callable[[int], None]
    ) -> Round:
        openai, failures_of = _openai(), _failures()
        free = asyncio.Semaphore(self.concurrency)
        requests: list[Request] = []
        failures: list[str] = []
        lost: list[str] = []

        async def one(prompt: Prompt) -> None:
            async with free:
                try:
                    requests.append(await self._timed(client, prompt, repeat))
                except failures_of as error:
                    failures.append(f"{prompt.id}: {error}")
                    lost.extend([] if _is_refusal(error) else failures[-1:])
                answered(len(requests) + len(failures))

        direct = openai.DefaultAsyncHttpxClient(trust_env=False)
        async with openai.AsyncOpenAI(
            base_url=url, api_key="none", timeout=self.timeout_s, max_retries=0, http_client=direct
        ) as client:
            await self._warm_up(client, failures_of)
            began = time.perf_counter()
            await asyncio.gather(*(one(prompt) for prompt in prompts))
            seconds = time.perf_counter() - began
        order = {prompt.id: place for place, prompt in enumerate(prompts)}
        requests.sort(key=lambda request: order[request.prompt])
        return Round(requests=tuple(requests), failures=tuple(failures), lost=tuple(lost), seconds=seconds)

    async def _warm_up(self, client: Any, failures: tuple[type[Exception], ...]) -> None:
        """Sends as many requests as will be in flight; what fails here fails again when it counts."""
        sent = (self._stream(client, _WARM_UP, _WARM_UP_TOKENS) for _ in range(self.concurrency))
        for result in await asyncio.gather(*(_drain(stream) for stream in sent), return_exceptions=True):
            if isinstance(result, BaseException) and not isinstance(result, failures):
                raise result

    async def _timed(self, client: Any, prompt: Prompt, repeat: int) -> Request:
        """Sends one request and times its stream."""
        began = time.perf_counter()
        first, texts, usage = None, [], None
        async for chunk in self._stream(client, prompt.text, self.max_tokens):
            if chunk.choices and (text := self._text(chunk.choices[0])):
                first = first or time.perf_counter()
                texts.append(text)
            usage = chunk.usage or usage
        ended = time.perf_counter()
        if usage is None:
            raise IncompleteAnswerError("the stream ended before the answer did")
        return Request(
            repeat=repeat,
            prompt=prompt.id,
            category=prompt.category,
            latency_s=ended - began,
            first_token_s=(first or ended) - began,
            tokens_in=usage.prompt_tokens,
            tokens_out=usage.completion_tokens,
            output=hashlib.sha256("".join(texts).encode()).hexdigest(),
            searched=prompt.searched,
        )

    async def _stream(self, client: Any, text: str, tokens: int) -> AsyncIterator[Any]:
        """Sends a text; yields the chunks of its answer."""
        common = {
            "model": SERVED_NAME,
            "temperature": 0.0,
            "max_tokens": tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if self.chat:
            messages = [{"role": "user", "content": text}]
            stream = await client.chat.completions.create(messages=messages, **common)
        else:
            stream = await client.completions.create(prompt=text, **common)
        async for chunk in stream:
            yield chunk

    def _text(self, choice: Any) -> str:
        """Gives the text that a chunk adds."""
        return (choice.delta.content if self.chat else choice.text) or ""


async def _drain(stream: AsyncIterator[Any]) -> None:
    """Waits for the end of a stream."""
    async for _ in stream:
        pass


def _is_refusal(error: Exception) -> bool:
    """Tells whether the server answers that it does not take a request, as it would every time."""
    return isinstance(error, _openai().APIStatusError) and 400 <= error.status_code < 500


def _openai() -> Any:
    try:
        import openai
    except ImportError as error:
        message = "'openai' is not installed. Install it with: pip install 'hola-plugins[pilot]'"
        raise ImportError(message) from error
    return openai


def _failures() -> tuple[type[Exception], ...]:
    """Lists what a request that got no answer raises; a stream that breaks off raises the transport's own errors."""
    import httpx

    return (_openai().OpenAIError, httpx.HTTPError, IncompleteAnswerError)
