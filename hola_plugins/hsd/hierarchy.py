"""The levels of one engine: built from the settings, fed, asked in order, each behind a guard."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from hola_plugins.hsd.block import commit_offers
from hola_plugins.hsd.config import HSDConfig
from hola_plugins.hsd.guard import LevelGuard, run_together
from hola_plugins.hsd.level import DRAFTED, FIRST_FURTHER, OPEN, Block, Gate, Int32, Level, Tokens
from hola_plugins.hsd.lookups import Lookups
from hola_plugins.hsd.request_index import RequestIndex
from hola_plugins.hsd.shared_store import LEAST_ROOM, SharedStore
from hola_plugins.hsd.transition_table import TransitionTable

_CONTEXT_KEPT = 8
"""Tokens stored again when a request that had left goes on, so that matches reach over the seam."""


class Hierarchy:
    """The request index, the shared store, the transition table and any further levels.

    Args:
        config: The settings.
        slots: Requests tracked at once.
        further: Levels after these, asked in the same rounds.
        judge: The level that judges the finished drafts of all others; None for none.

    Raises:
        ValueError: A further level with a number that is not its own.
    """

    def __init__(
        self, config: HSDConfig, slots: int, further: Sequence[Level] = (), judge: Level | None = None
    ) -> None:
        _check_numbers(further, FIRST_FURTHER[judge is not None])
        budget = config.index_tokens_per_call
        self.request = RequestIndex(slots, budget)
        self.store = SharedStore(config.store.tokens if "store" in config.levels else LEAST_ROOM)
        entries = 1 << (config.store.transitions - 1).bit_length()
        self.transitions = TransitionTable(slots, entries, budget)
        own: list[Level] = [self.request, self.store, self.transitions]
        chosen = [level for level in own if level.name in config.levels]
        limit_s = float("inf") if config.deterministic else config.deadline_ms * 1e-3
        self._own = [LevelGuard(level, config.backoff_calls) for level in chosen]
        self._lookups = Lookups(self.request, self.store, self.transitions)
        self._further = [LevelGuard(level, config.backoff_calls, limit_s, foreign=True) for level in further]
        self._judge = None if judge is None else LevelGuard(judge, config.backoff_calls)
        self.guards = [*self._own, *self._further, *([] if self._judge is None else [self._judge])]
        self._rounds = config.rounds
        self._judgements = config.intermediate.rounds
        self._shares = not config.store.isolated
        self._stores = "store" in config.levels
        self._learners = [
            guard for guard in self.guards if self._shares or guard.level is not self.transitions
        ]
        if "request" not in config.levels:
            self._learners.insert(0, LevelGuard(self.request, config.backoff_calls))
        self._stored = np.zeros(slots, dtype=np.int64)

    def add_corpus(self, tokens: Int32) -> None:
        """Loads a static corpus, int32[length], which stays and serves isolated requests as well.

        Raises:
            ValueError: It leaves no room in the store.
        """
        if self._stores:
            self.store.keep(tokens)
        self.transitions.count(tokens)

    def admit(self, call: int, slot: int, prompt_length: int) -> None:
        """Gives a slot to a new request; what the former one left goes to the store first."""
        self.release(call, slot)
        self._forget(call, slot)
        self._begin(slot, prompt_length)

    def go_on(self, call: int, slot: int, prompt_length: int) -> None:
        """Takes up a request that goes on with tokens it did not emit, as the next turn of a chat does."""
        self.release(call, slot)
        self._begin(slot, prompt_length)

    def _begin(self, slot: int, prompt_length: int) -> None:
        """Notes up to where a request's tokens are a prompt, which is its own and serves no other."""
        self._stored[slot] = prompt_length
        self.transitions.skip(slot, prompt_length)

    def release(self, call: int, slot: int) -> None:
        """Hands the output of a request that left to the store, as far as it is not there yet; isolated, forgets it."""
        if not self._shares:
            self._forget(call, slot)
            return
        tokens = self.request.tokens_of(slot)
        if self._stores and len(tokens) > self._stored[slot]:
            self.store.add(tokens[max(0, int(self._stored[slot]) - _CONTEXT_KEPT) :])
            self._stored[slot] = len(tokens)

    def _forget(self, call: int, slot: int) -> None:
        """Has every level drop what belongs to one request."""
        for guard in self._learners:
            guard.forget(call, slot)

    def learn(self, call: int, tokens: Tokens) -> None:
        """Lets every level take in the new tokens."""
        for guard in self._learners:
            guard.run(call, guard.level.learn, tokens)

    def extend(self, call: int, block: Block, gate: Gate, deadline: float) -> bool:
        """Drafts with the levels without a model, then lets the judge check the drafts and carry them on.

        What the judge corrects or adds is a new start for the others, at most ``intermediate.rounds`` times.

        Args:
            call: Number of the call.
            block: The block to extend, with at least one open row.
            gate: What is kept.
            deadline: Monotonic seconds after which no further level is asked.

        Returns:
            Whether the deadline was kept.
        """
        kept = self._ask_in_rounds(call, block, gate, deadline)
        if self._judge is None:
            return kept
        for _ in range(self._judgements):
            if time.perf_counter() > deadline:
                return False
            started = time.perf_counter()
            if not self._judge.ask(call, block, gate):
                break
            if not commit_offers(block.table, gate.floor, gate.survival):
                break
            deadline += time.perf_counter() - started
            kept = self._ask_in_rounds(call, block, gate, deadline) and kept
        return kept

    def _ask_in_rounds(self, call: int, block: Block, gate: Gate, deadline: float) -> bool:
        """Asks the levels, cheapest first, round by round, while a row is open; gives whether time sufficed."""
        asked = sum(1 << guard.level.number for guard in self._own if guard.takes_part(call))
        at_once = 1 if self._further else self._rounds
        for _ in range(0, self._rounds, at_once):
            look_up = self._lookups.extend
            if asked and not run_together(self._own, call, look_up, block, gate, asked, at_once):
                block.state[:, (DRAFTED, OPEN)] = 0
                break
            for guard in self._further:
                if time.perf_counter() > deadline:
                    return False
                guard.ask(call, block, gate)
            if not commit_offers(block.table, gate.floor, gate.survival):
                break
        return time.perf_counter() <= deadline


def _check_numbers(further: Sequence[Level], first: int) -> None:
    """Refuses levels whose numbers do not follow those of the others."""
    numbers, wanted = [level.number for level in further], list(range(first, first + len(further)))
    if numbers != wanted:
        raise ValueError(f"further levels must have the numbers {wanted}, in this order, got {numbers}")
