"""The drafter: orders the steps of one call and holds what they share. No host, no arithmetic."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

import numpy as np

from hola_plugins import __version__
from hola_plugins.hsd.block import fill_drafts, make_block, open_rows
from hola_plugins.hsd.call_check import MalformedCallError, count_emitted
from hola_plugins.hsd.config import HSDConfig
from hola_plugins.hsd.control import DraftControl
from hola_plugins.hsd.entropy_gate import AUTO_SURE, sure_probability
from hola_plugins.hsd.feedback import Feedback
from hola_plugins.hsd.hierarchy import Hierarchy
from hola_plugins.hsd.level import FIRST_FURTHER, WINDOW, Gate, Int32, Level, Tokens
from hola_plugins.hsd.prior import prior_calibration
from hola_plugins.hsd.sanitiser import DraftLimits, sanitise
from hola_plugins.hsd.telemetry import CallTimes, Reporter, Snapshot, Totals
from hola_plugins.hsd.tracker import Tracker

logger = logging.getLogger(__name__)


def tracked_requests(config: HSDConfig, max_rows: int) -> int:
    """Gives how many requests are remembered at once, for a largest batch of ``max_rows``."""
    return max(config.max_requests or 2 * max_rows + 16, max_rows)


class HierarchicalDrafter:
    """Hierarchical drafting over the requests of one engine. Not thread-safe: one call at a time.

    Args:
        config: The settings.
        limits: What the engine accepts.
        max_rows: Largest batch.
        further_levels: Levels behind the ones without a model, numbered from `level.FIRST_FURTHER` on.
        judge: The level that judges the drafts of all others, number `level.INTERMEDIATE`; None for none.

    Raises:
        ValueError: A further level with another number.
    """

    def __init__(
        self,
        config: HSDConfig,
        limits: DraftLimits,
        max_rows: int,
        further_levels: Sequence[Level] = (),
        judge: Level | None = None,
    ) -> None:
        self._config = config
        self._limits = limits
        self._max_rows = max_rows
        self._further = tuple(further_levels)
        self._judge = judge
        self._corpus: Int32 | None = None
        self._deadline = float("inf") if config.deterministic else config.deadline_ms * 1e-3
        self._sure, self._floor = AUTO_SURE, 0.0
        if config.tau != "auto":
            self._sure = self._floor = sure_probability(config.tau)
        self._totals = Totals()
        self._times = CallTimes()
        self._started = time.monotonic()
        self._ended = 0.0
        self._took = 0.0
        self._drafting = 0
        self._build()
        self._reporter = Reporter(config.telemetry, self.snapshot)

    def _build(self) -> None:
        """Makes all state anew."""
        slots = tracked_requests(self._config, self._max_rows)
        longest = self._limits.max_draft
        self.hierarchy = Hierarchy(self._config, slots, self._further, self._judge)
        if self._corpus is not None:
            self.hierarchy.add_corpus(self._corpus)
        levels = FIRST_FURTHER[self._judge is not None] + len(self._further)
        self.control = DraftControl(
            self._config, self._max_rows, longest, full_graphs=self._limits.full_graphs
        )
        isolated = self._config.store.isolated
        prior = prior_calibration(levels, judged=self._judge is not None)
        self._feedback = Feedback(prior, slots, longest, self._config.rounds, learns=not isolated)
        self._tracker = Tracker(slots, self._max_rows, self.hierarchy.request.descriptors, isolated)
        self._block = make_block(self._max_rows, longest, self._feedback.evidence)

    def add_corpus(self, tokens: Int32) -> None:
        """Loads a static corpus, int32[length], before the first call.

        Raises:
            ValueError: It leaves no room in the store.
        """
        self.hierarchy.add_corpus(tokens)
        self._corpus = tokens

    def propose(
        self, sampled: Sequence[Sequence[int]], lengths: Int32, buffer: Int32, step_tokens: int | None = None
    ) -> list[list[int]]:
        """Drafts for every row; a failure gives empty drafts and is counted, never raised.

        Args:
            sampled: Tokens that each row emitted in this step, already part of it; empty for a row that
                is still in its prompt.
            lengths: Tokens of each row, int32[>= rows].
            buffer: Token ids of each row, int32[>= rows, max length]; read during the call only.
            step_tokens: Tokens that the target ran in this step, where the host tells.

        Returns:
            One list of token ids a row; an empty one where nothing is worth verifying.
        """
        started = time.perf_counter()
        try:
            emitted = count_emitted(sampled, lengths, buffer, self._max_rows)
            drafts = self._propose(started, emitted, lengths[: len(emitted)], buffer, step_tokens)
        except MalformedCallError:
            if self._is_first_error():
                logger.exception("HSD drafts nothing in a call that is no batch")
            drafts = [[] for _ in sampled]
        except Exception:
            if self._is_first_error():
                logger.exception("HSD failed in a call and starts anew; serving goes on without drafts")
            self._build()
            drafts = [[] for _ in sampled]
        self._ended = time.perf_counter()
        self._took = max(0.0, self._ended - started)
        self._times.add(self._took)
        self._report()
        return drafts

    def _report(self) -> None:
        """Writes the counters where they are due."""
        try:
            self._reporter.tick(self._ended)
        except Exception:
            if self._is_first_error():
                logger.exception("HSD cannot report its counters; serving goes on")

    def _is_first_error(self) -> bool:
        """Counts an error; the first is logged."""
        self._totals.errors += 1
        return self._totals.errors == 1

    def _propose(
        self,
        started: float,
        emitted: Int32,
        lengths: Int32,
        buffer: Int32,
        step_tokens: int | None,
    ) -> list[list[int]]:
        rows = len(emitted)
        drafting = int(np.count_nonzero(emitted))
        fresh = sum(emitted.tolist())
        slots, taken = self._tracker.identify(lengths, buffer, emitted)
        left = self._tracker.left()
        if taken or left or self._tracker.jumped:
            self._change_requests(slots, taken, left, lengths - emitted)
        elif drafting == rows == self._drafting:
            self.control.observe_step(rows, fresh, step_tokens, started - self._ended, self._took)
        self._drafting = drafting
        call = self._tracker.call
        tokens = Tokens(slots, lengths, buffer)
        self._totals.count(drafting, fresh, *self._feedback.score(tokens))
        self.hierarchy.learn(call, tokens)
        if not drafting or not self.control.may_draft(drafting):
            self.control.nothing_sent()
            return [[] for _ in range(rows)]
        return self._draft(call, tokens, self._limits.room(emitted, lengths), drafting, started)

    def _draft(
        self, call: int, tokens: Tokens, room: Int32, drafting: int, started: float
    ) -> list[list[int]]:
        """Opens the block, asks the levels, cuts and checks the drafts."""
        block, rows = self._block, len(room)
        opened = open_rows(block.table, tokens.slots, tokens.lengths, room, tokens.buffer)
        if opened:
            deadline = started + self._deadline
            kept = self.hierarchy.extend(call, block, self._gate(drafting), deadline)
            self._totals.deadlines_missed += not kept
        sent = self.control.cut(block, rows, drafting)
        self._feedback.store(tokens, block, sent)
        if self.control.filling.chosen:
            fill_drafts(block.table, sent)
        drafts, cut = sanitise(block.window[:rows, WINDOW:], sent, room, self._limits.vocabulary)
        self._totals.sanitised += cut
        return drafts

    def _gate(self, drafting: int) -> Gate:
        """Gives the gate of this call; a number for tau also ends drafts that no level is sure of."""
        control = self.control
        kept = self._sure, self._floor, control.survival_floor
        if self._judge is None:
            return Gate(*kept)
        return Gate(*kept, control.price(drafting), control.token_seconds)

    def _change_requests(self, slots: Int32, taken: list[int], left: list[int], prompts: Int32) -> None:
        """Starts new requests in their slots and takes up those that go on; outputs are stored, or forgotten where isolated."""
        call = self._tracker.call
        for slot in taken:
            row = int(np.flatnonzero(slots == slot)[0])
            self.hierarchy.admit(call, slot, int(prompts[row]))
            self._feedback.forget(slot)
        for row in self._tracker.ahead(slots, prompts):
            self.hierarchy.go_on(call, int(slots[row]), int(prompts[row]))
        for slot in left:
            self.hierarchy.release(call, slot)
            if self._config.store.isolated:
                self._feedback.forget(slot)

    def snapshot(self) -> Snapshot:
        """Gives all counters as a JSON-ready mapping."""
        return {
            "version": __version__,
            "time": time.time(),
            "uptime_s": round(time.monotonic() - self._started, 1),
            "calls": self._tracker.call,
            "requests": self._tracker.used(),
            "levels": {
                guard.level.name: self._feedback.counts(guard.level.number)
                | {
                    "asked": guard.asked,
                    "errors": guard.errors,
                    "backed_off": guard.backed_off(self._tracker.call),
                }
                for guard in self.hierarchy.guards
            },
            "draft_us": self._times.percentiles(),
            "tokens": self._totals.as_dict(),
            "step_time_ms": self.control.curve.milliseconds(self._drafting),
            "uniform_step_time_ms": self.control.curve.milliseconds(self._drafting, uniform=True),
            "control": {
                "mode": self.control.mode,
                "survival_floor": round(self.control.survival_floor, 4),
                "breaker": self.control.breaker.state,
                "breaker_trips": self.control.breaker.trips,
                "filled_calls": self.control.filling.calls,
            },
            "store": {
                "tokens": self.hierarchy.store.tokens,
                "capacity": self.hierarchy.store.capacity,
                "bytes": self.hierarchy.store.memory_bytes(),
            },
            "index_bytes": self.hierarchy.request.memory_bytes(),
            "errors": self._totals.errors + sum(guard.errors for guard in self.hierarchy.guards),
            "deadlines_missed": self._totals.deadlines_missed,
        }
