"""A stand-in for vLLM's model runner: replays recorded sequences through a drafter as vLLM would.

It keeps the contract of the real one: rows move when a request ends, requests are preempted and come
back, prompts arrive in chunks, calls are skipped, drafts are truncated, stale drafts stay in the buffer.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from hola_plugins.hsd.drafter import HierarchicalDrafter


@dataclass
class Replay:
    """One request: its whole token sequence, and how far it has come."""

    tokens: list[int]
    prompt: int
    done: int = 0
    drafts: list[int] = field(default_factory=list)


class FakeRunner:
    """Serves replays in a batch and checks the contract on each call."""

    def __init__(
        self, drafter: HierarchicalDrafter, rows: int, max_length: int, vocabulary: int, longest: int
    ) -> None:
        self.drafter = drafter
        self.vocabulary = vocabulary
        self.longest = longest
        self.buffer = np.zeros((rows, max_length), dtype=np.int32)
        self.lengths = np.zeros(rows, dtype=np.int32)
        self.rows: list[Replay] = []
        self.waiting: list[Replay] = []
        self.steps = 0
        self.emitted = 0

    def run(
        self, replays: Sequence[Replay], seed: int = 0, trouble: float = 0.0, chunk: int = 10_000
    ) -> None:
        """Serves all replays; ``trouble`` is the chance a step of each kind of disturbance."""
        self.waiting = list(replays)
        rng = random.Random(seed)
        while self.waiting or self.rows:
            while self.waiting and len(self.rows) < len(self.buffer):
                self.rows.append(self.waiting.pop(0))
            if len(self.rows) > 1 and rng.random() < trouble:
                self.waiting.append(self.rows.pop(rng.randrange(len(self.rows))))
            if rng.random() < trouble:
                rng.shuffle(self.rows)
            self._step(chunk, skipped=rng.random() < trouble, truncated=rng.random() < trouble)

    def _step(self, chunk: int, skipped: bool, truncated: bool) -> None:
        sampled: list[list[int]] = []
        for row, replay in enumerate(self.rows):
            sampled.append(self._advance(replay, chunk, truncated))
            known = max(replay.done, replay.prompt)
            self.buffer[row, :known] = replay.tokens[:known]
            self.lengths[row] = known
        if not skipped:
            drafts = self.drafter.propose(sampled, self.lengths, self.buffer)
            self._check(drafts, sampled)
            for row, (replay, draft) in enumerate(zip(self.rows, drafts, strict=True)):
                replay.drafts = draft
                self.buffer[row, self.lengths[row] : self.lengths[row] + len(draft)] = draft
        else:
            for replay in self.rows:
                replay.drafts = []
        ended = [row for row, replay in enumerate(self.rows) if replay.done >= len(replay.tokens)]
        for row in reversed(ended):
            self.rows[row] = self.rows[-1]
            self.rows.pop()

    def _advance(self, replay: Replay, chunk: int, truncated: bool) -> list[int]:
        """Runs the target for one request: a chunk of its prompt, or the verification of its draft."""
        if replay.done < replay.prompt:
            replay.done = min(replay.prompt, replay.done + chunk)
            if replay.done < replay.prompt:
                return []
        draft = replay.drafts[: len(replay.drafts) // 2] if truncated else replay.drafts
        accepted = 0
        left = len(replay.tokens) - replay.done
        while (
            accepted < min(len(draft), left - 1) and draft[accepted] == replay.tokens[replay.done + accepted]
        ):
            accepted += 1
        fresh = replay.tokens[replay.done : replay.done + accepted + 1]
        replay.done += len(fresh)
        self.steps += 1
        self.emitted += len(fresh)
        return fresh

    def _check(self, drafts: list[list[int]], sampled: list[list[int]]) -> None:
        assert isinstance(drafts, list) and len(drafts) == len(sampled)
        for draft, fresh, length in zip(drafts, sampled, self.lengths, strict=False):
            assert isinstance(draft, list)
            assert all(type(token) is int and 0 <= token < self.vocabulary for token in draft)
            assert len(draft) <= min(self.longest, self.buffer.shape[1] - 1 - length)
            assert fresh or not draft
