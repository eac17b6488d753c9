"""How many tokens of each draft are sent: the goodput control, or a fixed threshold without clocks."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np

from hola_plugins.hsd.breaker import CircuitBreaker
from hola_plugins.hsd.config import HSDConfig
from hola_plugins.hsd.filling import Filling
from hola_plugins.hsd.goodput import cut_drafts, keep_above
from hola_plugins.hsd.level import Block, Int32
from hola_plugins.hsd.step_time import StepTimeCurve, bin_of

_LEAST_SURVIVAL = 0.02
_BASELINE_STEPS = 3
_FADING = 0.9
_MOST_WAITING = 32
"""Calls that wait for a step to measure; where requests come so fast that each has a prompt in it, there is none."""
_SAFE_SURVIVAL = 0.7
"""Survival from which a token is sent where its cost could not be measured."""


class DraftControl:
    """Chooses draft lengths and learns from the time that steps take.

    Args:
        config: The settings.
        max_rows: The host's largest batch.
        max_draft: Longest draft.
        full_graphs: Whether the host runs a step in which every draft is the longest in one graph, others not.

    Attributes:
        sent_tokens: Drafted tokens that the last call sent, filling included.
        filling: Whether drafts are filled up to the longest.
    """

    def __init__(
        self, config: HSDConfig, max_rows: int, max_draft: int, *, full_graphs: bool = False
    ) -> None:
        self._settings = config.control
        self._max_draft = max_draft
        self._static = config.deterministic or config.control.mode == "static"
        self._random = random.Random(0)
        self._waiting: Counter[int] = Counter()
        self.sent_tokens = 0
        self._spent = 0.0
        self._emitted = 0.0
        self._steps = 0.0
        self.curve = StepTimeCurve(max_rows * (1 + max_draft))
        self.filling = Filling(self.curve, max_draft, allowed=full_graphs and config.control.fill)
        self.breaker = CircuitBreaker(config.control.breaker_ratio)
        self.threshold = config.control.survival if self._static else 0.1

    @property
    def mode(self) -> str:
        """The mode in force."""
        return "static" if self._static else "goodput"

    @property
    def survival_floor(self) -> float:
        """Survival under which it is not worth to continue a draft."""
        if self._static:
            return self.threshold
        return min(max(0.5 * self.threshold, _LEAST_SURVIVAL), 0.3)

    @property
    def token_seconds(self) -> float | None:
        """Seconds that serving took for one token of the batch lately; None where no clock is kept."""
        return self._spent / self._emitted if self._emitted else None

    def price(self, rows: int) -> float:
        """Survival under which one more token of ``rows`` requests costs more time than it brings; 0 if unknown.

        It costs nothing either where it takes the place of filling, as it then does in most calls that follow.
        """
        if not self._steps or self.filling.chosen:
            return 0.0
        table = self.curve.table(rows)
        sent = min(rows + self.sent_tokens, len(table) - 2)
        more = min(sent + max(rows, 4), len(table) - 1)
        slope = (table[more] - table[sent]) / (more - sent)
        return float(slope / table[sent] * self._emitted / self._steps)

    def observe_step(
        self, rows: int, emitted: int, tokens: int | None, seconds: float, draft_seconds: float = 0.0
    ) -> None:
        """Takes in the time of the step that verified the last drafts; a clock that went back tells nothing.

        A step that is far longer than the others of its kind is a pause, and pays for no draft.

        Args:
            rows: Requests in the step, those of the last call.
            emitted: Tokens that the step emitted.
            tokens: Tokens that the step ran, where the host tells: fewer than were sent where it cut drafts, more
                where it fills up to a size of its graphs.
            seconds: Its duration.
            draft_seconds: What drafting for it took before.
        """
        if self._static or seconds <= 0.0:
            return
        self._waiting[bin_of(rows)] = 0
        sent = rows + self.sent_tokens
        tokens = min(tokens or sent, sent)
        self.filling.came(tokens == sent)
        if not self.curve.observe(rows, tokens, seconds, uniform=self.filling.is_uniform(rows, tokens)):
            return
        self._spent = _FADING * self._spent + seconds + draft_seconds
        self._emitted = _FADING * self._emitted + emitted
        self._steps = _FADING * self._steps + 1.0
        if self.sent_tokens and self._settings.breaker and self._has_baseline(rows):
            baseline = self.curve.seconds(rows, rows)
            self.breaker.observe(emitted * baseline / rows, seconds + draft_seconds)

    def may_draft(self, rows: int) -> bool:
        """Tells whether it is worth to ask the levels at all in this call."""
        if self._settings.max_batch is not None and rows > self._settings.max_batch:
            return False
        return self._static or self.breaker.allows()

    def cut(self, block: Block, rows: int, drafting: int) -> Int32:
        """Gives the length of each draft that is sent, int32[rows], without what `filling` adds.

        Args:
            block: The finished block.
            rows: Rows in use.
            drafting: Rows that take part in the next step.
        """
        sent = np.zeros(rows, dtype=np.int32)
        self.filling.next_call()
        if self._static:
            keep_above(block.state, block.chance, self.threshold, rows, sent)
        else:
            self._cut_for_goodput(block, rows, drafting, sent)
        self.sent_tokens = rows * self._max_draft if self.filling.chosen else sum(sent.tolist())
        return sent

    def nothing_sent(self) -> None:
        """Notes a call that drafted nothing."""
        self.sent_tokens = 0
        self.filling.next_call()

    def _cut_for_goodput(self, block: Block, rows: int, drafting: int, sent: Int32) -> None:
        explored = self._random.random() if self._settings.explore else 1.0
        if explored < 0.5 * self._settings.explore:
            return
        if not self._has_baseline(drafting):
            if not self._waits(drafting):
                keep_above(block.state, block.chance, _SAFE_SURVIVAL, rows, sent)
            return
        can_fill = self.filling.consider(block, rows, drafting)
        if explored < self._settings.explore:
            if can_fill and explored < 0.75 * self._settings.explore:
                self.filling.choose_to_explore(rows)
            lowest = 0.0 if self.filling.chosen else 0.5 * self.threshold
            keep_above(block.state, block.chance, lowest, rows, sent)
            return
        table, least_gain = self.curve.table(drafting), self._settings.least_gain
        threshold, goodput, expected = cut_drafts(
            block.state, block.chance, table, drafting, rows, least_gain, sent
        )
        if can_fill:
            self.filling.choose_if_faster(rows, expected, goodput)
        if self.filling.chosen:
            threshold = 0.0
            keep_above(block.state, block.chance, threshold, rows, sent)
        self.threshold += 0.1 * (min(threshold, 1.0) - self.threshold)

    def _has_baseline(self, requests: int) -> bool:
        """Tells whether steps without drafts were measured."""
        return self.curve.observations(requests, requests) >= _BASELINE_STEPS

    def _waits(self, requests: int) -> bool:
        """Tells whether to send nothing, so that a step without drafts can be measured; counts such calls."""
        kind = bin_of(requests)
        self._waiting[kind] += 1
        return self._waiting[kind] <= _MOST_WAITING
