"""The drafters of `bench_replay.py` behind one interface, fed one request at a time."""

from __future__ import annotations

import importlib.util
import time
from typing import Any, Protocol

import numpy as np
from numba import njit

from hola_plugins.hsd.config import HSDConfig
from hola_plugins.hsd.drafter import HierarchicalDrafter
from hola_plugins.hsd.hash_index import (
    ADDRESS,
    BUCKETS,
    CAPACITY,
    LENGTH,
    MAX_CANDIDATES,
    ORDERS,
    find_candidates,
    index_memory,
)
from hola_plugins.hsd.level import WINDOW
from hola_plugins.hsd.retrieval import vote
from hola_plugins.hsd.sanitiser import DraftLimits
from hola_plugins.hsd.warm_up import compile_kernels

MAX_LENGTH = 40_960
"""Tokens of the longest request."""

_VOCABULARY = 1 << 20


class ReplayDrafter(Protocol):
    """Drafts for one request after another."""

    def start(self, prompt: Any) -> None:
        """Begins a request, int32[prompt length]."""

    def draft(self, fresh: list[int], tokens: Any, length: int) -> list[int]:
        """Drafts behind ``tokens[:length]``, of which ``fresh`` just came."""

    def stop(self) -> None:
        """Ends the request."""


class HSDReplay:
    """HSD without clocks, every draft as long as a level has anything to say.

    Args:
        longest: Draft length.
        rows: Batch size of `time_calls`.
    """

    def __init__(self, longest: int, rows: int = 1) -> None:
        self._config = HSDConfig.model_validate(
            {
                "deterministic": True,
                "control": {"mode": "static", "survival": 0.01},
                "telemetry": {"log_interval_s": 0},
            }
        )
        self._limits = DraftLimits(longest, _VOCABULARY, MAX_LENGTH)
        self._drafter = HierarchicalDrafter(self._config, self._limits, rows)
        self._buffer = np.zeros((rows, MAX_LENGTH), dtype=np.int32)
        self._rows = rows

    def start(self, prompt: Any) -> None:
        """Puts the prompt where vLLM would."""
        self._buffer[0, : len(prompt)] = prompt

    def draft(self, fresh: list[int], tokens: Any, length: int) -> list[int]:
        """Drafts through the public call."""
        self._buffer[0, length - len(fresh) : length] = fresh
        return self._drafter.propose([fresh], np.array([length], dtype=np.int32), self._buffer)[0]

    def stop(self) -> None:
        """Needs no word: the next request shows it."""

    def time_calls(self, context: int, calls: int) -> tuple[Any, float, float]:
        """Times calls at a context length, with text that repeats in part.

        One request is admitted a call, as an engine's token budget does with long prompts.

        Returns:
            Microseconds of each call once the prompts are indexed, float64[calls]; the longest call while
            they were admitted and indexed; bytes of the request index a token.
        """
        rng = np.random.default_rng(0)
        words = rng.integers(0, 30_000, size=(400, 12))
        settled = self._rows + 8 + self._rows * context // self._config.index_tokens_per_call
        used = context + calls + settled
        for row in range(self._rows):
            picked = words[rng.integers(0, len(words), size=used // 12 + 1)].ravel()[:used]
            noise = rng.random(used) < 0.1
            self._buffer[row, :used] = np.where(noise, rng.integers(0, 30_000, size=used), picked)
        compile_kernels(self._config, self._limits)
        length, times = context, []
        for call in range(calls + settled):
            rows = min(call + 1, self._rows)
            sampled = [[int(token)] for token in self._buffer[:rows, length - 1]]
            lengths = np.full(rows, length, dtype=np.int32)
            started = time.perf_counter()
            self._drafter.propose(sampled, lengths, self._buffer)
            times.append((time.perf_counter() - started) * 1e6)
            length += 1
        size = self._drafter.hierarchy.request.memory_bytes() / (self._rows * length)
        return np.array(times[settled:]), max(times[:settled]), size

    def time_lookups(self, context: int, lookups: int = 2000) -> float:
        """Times lookups of the request index at random places of an indexed context, call excluded.

        Returns:
            Microseconds a lookup, candidates and their vote included: the median of 15 passes.
        """
        self.time_calls(context, calls=1)
        index = self._drafter.hierarchy.request
        ends = np.random.default_rng(1).integers(WINDOW, context, size=lookups)
        windows = np.stack([self._buffer[0, end - WINDOW : end] for end in ends])
        times = []
        for _ in range(16):
            started = time.perf_counter()
            _look_up_all(index.descriptors[0], windows)
            times.append((time.perf_counter() - started) / lookups * 1e6)
        return float(np.median(times[1:]))  # the first pass compiles


@njit
def _look_up_all(descriptor: Any, windows: Any) -> int:
    """Looks up every window; gives the candidates found."""
    capacity, buckets = descriptor[CAPACITY], descriptor[BUCKETS]
    memory = index_memory(descriptor[ADDRESS], capacity, buckets)
    positions = np.empty(MAX_CANDIDATES, dtype=np.int64)
    matches = np.empty(MAX_CANDIDATES, dtype=np.int64)
    links = np.empty(len(ORDERS), dtype=np.int64)
    found = 0
    for number in range(windows.shape[0]):
        count = find_candidates(
            memory, capacity, buckets, descriptor[LENGTH], windows[number], WINDOW, positions, matches, links
        )
        found += vote(memory, positions, matches, count)[0] if count else 0
    return found


class NgramReplay:
    """vLLM's NgramProposer kernel, matches of 2 to 5 tokens.

    Args:
        longest: Draft length.
    """

    def __init__(self, longest: int) -> None:
        from vllm.v1.spec_decode.ngram_proposer import _find_longest_matched_ngram_and_propose_tokens

        self._find = _find_longest_matched_ngram_and_propose_tokens
        self._longest = longest

    def start(self, prompt: Any) -> None:
        """Needs nothing: it searches the tokens anew."""

    def draft(self, fresh: list[int], tokens: Any, length: int) -> list[int]:
        """Searches the whole context."""
        return self._find(tokens[:length], 2, 5, 1 << 20, self._longest).tolist()

    def stop(self) -> None:
        """Needs nothing."""


class SuffixReplay:
    """arctic-inference's suffix cache with vLLM's defaults.

    Args:
        longest: Draft length.
    """

    def __init__(self, longest: int) -> None:
        from arctic_inference.suffix_decoding import SuffixDecodingCache

        self._cache = SuffixDecodingCache(max_tree_depth=24, max_cached_requests=10_000)
        self._longest = longest
        self._request = 0

    @staticmethod
    def available() -> bool:
        """Tells whether arctic-inference is installed."""
        return importlib.util.find_spec("arctic_inference") is not None

    def start(self, prompt: Any) -> None:
        """Builds the prompt's tree."""
        self._request += 1
        self._cache.start_request(self._request, np.ascontiguousarray(prompt))

    def draft(self, fresh: list[int], tokens: Any, length: int) -> list[int]:
        """Adds what came and speculates."""
        self._cache.add_active_response(self._request, fresh)
        pattern = tokens[max(0, length - 24) : length]
        return list(
            self._cache.speculate(
                self._request, pattern, max_spec_tokens=self._longest, max_spec_factor=1.0, min_token_prob=0.1
            ).token_ids
        )

    def stop(self) -> None:
        """Moves the output to the global tree."""
        self._cache.stop_request(self._request)
