"""The step time of the target as a function of the tokens it runs, learned while serving.

Only ratios matter for the choice of draft lengths, so a common drift (longer contexts, a busier machine)
is divided out: of what a measurement moves its own point, in logarithms, the drift takes a fixed share, which
moves all points of the octave. Drift and points then hold each other: noise makes neither wander. The curve
is kept per octave of the number of requests, because the attention of one request with 8 tokens costs other
than that of 8 requests with one. Steps that the host runs in another way, faster than their tokens tell, stand
beside the curve, which only rises.
"""

from __future__ import annotations

import numpy as np

from hola_plugins.hsd.level import Float64

PRIOR_SLOPE = 0.02
"""Relative cost of one more token at one request before anything is measured."""

_OCTAVES = 13
_PER_OCTAVE = 4
_FASTEST_RATE = 0.08
_DRIFT_SHARE = 0.2
_REFIT_EVERY = 16
_MOST_TIMES = 4.0
_FIRST = 3
"""Steps of a kind of which the shortest counts: the first ones warm up, or had to wait."""
_HOPED = 0.7
"""Time of a uniform step before it is measured, as a share of that of a step without drafts."""


def bin_of(tokens: int) -> int:
    """Numbers the bins: exact up to 8 tokens, then four an octave."""
    if tokens <= 8:
        return tokens
    exponent = tokens.bit_length() - 1
    return 8 + (exponent - 3) * _PER_OCTAVE + ((tokens - (1 << exponent)) * _PER_OCTAVE >> exponent)


def _octave(requests: int) -> int:
    """Numbers the octaves of batch size; the last one is open."""
    return min(max(requests, 1).bit_length() - 1, _OCTAVES - 1)


class StepTimeCurve:
    """Step time by tokens, monotone, for each octave of batch size; and that of uniform steps.

    In a uniform step every request has a longest draft. A host may have captured it whole, as vLLM does in full CUDA
    graphs, and run any other piece by piece.

    Args:
        max_tokens: Largest number of tokens a step can run.
    """

    def __init__(self, max_tokens: int) -> None:
        self._max_tokens = max_tokens
        bins = bin_of(max_tokens) + 1
        self._centre = np.zeros(bins)
        counts = np.bincount([bin_of(n) for n in range(1, max_tokens + 1)], minlength=bins)
        sums = np.bincount(
            [bin_of(n) for n in range(1, max_tokens + 1)],
            weights=np.arange(1, max_tokens + 1),
            minlength=bins,
        )
        np.divide(sums, counts, out=self._centre, where=counts > 0)
        self._bins = bins
        self._all_means = np.zeros((_OCTAVES, 2 * bins))
        self._all_weights = np.zeros((_OCTAVES, 2 * bins))
        self._mean, self._weight = self._all_means[:, :bins], self._all_weights[:, :bins]
        self._drift = np.ones(_OCTAVES)
        self._fitted: dict[int, Float64] = {}
        self._unfitted = np.zeros(_OCTAVES, dtype=np.int64)

    def observe(self, requests: int, tokens: int, seconds: float, *, uniform: bool = False) -> bool:
        """Takes in one measured step, as at most four times the expected one.

        Returns:
            Whether it was a step like the others: a pause of the process is not.
        """
        if requests < 1 or tokens < 1 or seconds <= 0.0:
            return False
        octave = _octave(requests)
        where = self._bin(tokens, uniform)
        weight, before = self._all_weights[octave, where], self._all_means[octave, where]
        relative = seconds / self._drift[octave]
        longest = _MOST_TIMES * before if weight else relative
        if weight < _FIRST:
            after, common = min(before, relative) if weight else relative, 1.0
        else:
            after = before + max(1.0 / (weight + 1.0), _FASTEST_RATE) * (min(relative, longest) - before)
            common = (after / before) ** _DRIFT_SHARE
        self._drift[octave] *= common
        self._all_means[octave, where] = after / common
        self._all_weights[octave, where] = weight + 1.0
        self._unfitted[octave] += 1
        if weight < _FIRST or self._unfitted[octave] >= _REFIT_EVERY:
            self._unfitted[octave] = 0
            self._fitted.pop(octave, None)
        return bool(relative <= longest)

    def observations(self, requests: int, tokens: int) -> float:
        """Gives how many steps of this kind were measured."""
        octave = _octave(requests)
        return float(self._all_weights[octave, self._bin(tokens)])

    def uniform(self, requests: int, tokens: int) -> float:
        """Gives the relative time of a uniform step, on the scale of `table`; a hopeful guess before it was measured."""
        octave, where = _octave(requests), self._bin(tokens, uniform=True)
        if self._all_weights[octave, where] >= _FIRST:
            return float(self._all_means[octave, where])
        return _HOPED * float(self.table(requests)[requests])

    def _bin(self, tokens: int, uniform: bool = False) -> int:
        """Numbers a step's kind: the bins of the curve, then those of uniform steps."""
        return bin_of(min(max(tokens, 1), self._max_tokens)) + (self._bins if uniform else 0)

    def table(self, requests: int) -> Float64:
        """Gives the relative time of a step by its tokens, float64[max_tokens + 1], the drift divided out."""
        octave = _octave(requests)
        if octave not in self._fitted:
            self._fitted[octave] = self._fit(octave)
        return self._fitted[octave]

    def seconds(self, requests: int, tokens: int) -> float:
        """Gives the time of a step in seconds, once steps of so many requests were measured."""
        octave = _octave(requests)
        table = self.table(requests)
        return float(table[min(tokens, len(table) - 1)] * self._drift[octave])

    def milliseconds(self, requests: int, *, uniform: bool = False) -> dict[str, float]:
        """Gives the measured points of one curve, or of uniform steps: tokens to milliseconds."""
        octave = _octave(requests)
        scale = 1e3 * self._drift[octave]
        first = self._bins if uniform else 0
        return {
            str(round(self._centre[where])): round(float(self._all_means[octave, first + where] * scale), 3)
            for where in np.flatnonzero(self._all_weights[octave, first : first + self._bins])
        }

    def _fit(self, octave: int) -> Float64:
        """Fits a monotone curve through the measured bins; outside them it runs like `_shape`."""
        known = np.flatnonzero(self._weight[octave])
        shape = self._shape()
        if len(known) == 0:
            return shape
        values = _monotone(self._mean[octave, known], np.minimum(self._weight[octave, known], 50.0))
        return np.maximum.accumulate(_through(shape, self._centre[known], values))

    def _shape(self) -> Float64:
        """Gives the course of the step time over all batch sizes; past the measured, no flatter than its chord."""
        everywhere = np.arange(self._max_tokens + 1, dtype=np.float64)
        prior = 1.0 + PRIOR_SLOPE * everywhere
        weights = np.minimum(self._weight, 50.0)
        known = np.flatnonzero(weights.sum(axis=0))
        if len(known) < 2:
            return prior
        scaled = self._mean * self._drift[:, None]
        values = _monotone(
            (scaled * weights).sum(axis=0)[known] / weights.sum(axis=0)[known], weights.sum(axis=0)[known]
        )
        centres = self._centre[known]
        shape = _through(prior, centres, values)
        chord = (values[-1] - values[0]) / (centres[-1] - centres[0])
        beyond = everywhere > centres[-1]
        shape[beyond] = np.maximum(shape[beyond], values[-1] + chord * (everywhere[beyond] - centres[-1]))
        return shape


def _through(shape: Float64, centres: Float64, values: Float64) -> Float64:
    """Bends a curve so that it runs through measured points; outside them it is scaled."""
    everywhere = np.arange(len(shape), dtype=np.float64)
    table = np.interp(everywhere, centres, values)
    below, above = everywhere < centres[0], everywhere > centres[-1]
    first, last = int(centres[0]), int(centres[-1])
    table[below] = values[0] * shape[below] / shape[first]
    table[above] = values[-1] * shape[above] / shape[last]
    return table


def _monotone(values: Float64, weights: Float64) -> Float64:
    """Fits a non-decreasing sequence by pooling adjacent violators."""
    pools: list[list[float]] = []
    for value, weight in zip(values, weights, strict=True):
        pools.append([float(value), float(weight), 1])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            last, before = pools.pop(), pools.pop()
            mass = last[1] + before[1]
            pools.append([(last[0] * last[1] + before[0] * before[1]) / mass, mass, last[2] + before[2]])
    return np.concatenate([np.full(int(size), value) for value, _, size in pools])
