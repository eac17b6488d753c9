"""What two servers answered to the same requests: alike, or where they part and by how much."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

import httpx

from soak_traffic import Outcome, Request, completion


@dataclass(slots=True)
class Comparison:
    """Counts over all requests of a soak.

    Attributes:
        requests: Requests by category.
        aborted: Requests whose client went away.
        tokens: Tokens that were compared.
        failures: What failed on both sides, by reason.
        lacking: What failed on one side only.
        differences: Answers that differ, each with the gap of the two tokens where they part.
    """

    requests: Counter[str] = field(default_factory=Counter)
    aborted: int = 0
    tokens: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    lacking: list[dict[str, Any]] = field(default_factory=list)
    differences: list[dict[str, Any]] = field(default_factory=list)

    async def compare(
        self, client: httpx.AsyncClient, plain_url: str, request: Request, plain: Outcome, drafted: Outcome
    ) -> None:
        """Takes in one request; asks the server without speculation how near the tokens were where answers part."""
        self.requests[request.category] += 1
        self.aborted += request.abort_after is not None
        if plain.failure or drafted.failure:
            if plain.failure == drafted.failure:
                self.failures[str(plain.failure)] += 1
            else:
                failed = {"without": plain.failure, "hsd": drafted.failure}
                self.lacking.append({"category": request.category} | failed)
            return
        same = len(
            list(takewhile(lambda pair: pair[0] == pair[1], zip(plain.ids, drafted.ids, strict=False)))
        )
        self.tokens += same
        ends = (len(plain.ids), len(drafted.ids))
        if same == min(ends) and (request.abort_after is not None or ends[0] == ends[1]):
            return
        pair = [ids[same] if same < len(ids) else None for ids in (plain.ids, drafted.ids)]
        gap = await _gap(client, plain_url, plain.prompt_ids + plain.ids[:same], pair)
        self.differences.append(
            {"category": request.category, "place": same, "of": max(ends), "tokens": pair, "gap": gap}
        )


async def _gap(
    client: httpx.AsyncClient, url: str, context: list[int], pair: list[int | None]
) -> float | None:
    """Gives the difference of two next tokens' log probabilities; None where they are not among the likeliest,
    or where the server does not say.
    """
    further = {"logprobs": 5, "return_tokens_as_token_ids": True}
    body = completion("", 1, **further) | {"prompt": context}
    answer = await client.post(f"{url}/completions", json=body)
    if answer.is_error:
        return None
    likeliest = answer.json()["choices"][0]["logprobs"]["top_logprobs"][0]
    known = [likeliest.get(f"token_id:{token}") for token in pair]
    return None if None in known else abs(known[0] - known[1])
