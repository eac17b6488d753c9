"""What filling drafts up is worth on a GPU, simulated: vLLM's own choice of CUDA graphs, the real drafter, invented times.

    python tests/benchmarks/simulate_full_graphs.py --piecewise-ms 7 --full-ms 5,6.3

Requests copy from their own text and jump elsewhere with some probability a token. vLLM's dispatcher says for every
step whether it hits a full graph; a step takes the time given for its kind, and a little more for each padded token. The
last line is JSON: tokens a second with filling over without it, by batch, share of copies and time of a full graph.
"""

from __future__ import annotations

import argparse
import json
from types import SimpleNamespace
from unittest import mock

import numpy as np
from vllm.config import CUDAGraphMode
from vllm.v1.cudagraph_dispatcher import CudagraphDispatcher
from vllm.v1.worker.gpu_model_runner import GPUModelRunner

from hola_plugins.hsd.config import HSDConfig
from hola_plugins.hsd.drafter import HierarchicalDrafter
from hola_plugins.hsd.sanitiser import DraftLimits

DRAFT, VOCABULARY, LENGTH, PROMPT, MOST_ROWS = 7, 5_000, 16_384, 512, 64
MS_PER_TOKEN = 0.01


def make_dispatcher() -> CudagraphDispatcher:
    """Makes vLLM's dispatcher with its default sizes, for a machine that has no GPU."""
    sizes = [1, 2, 4, *range(8, 256, 8), *range(256, 513, 16)]
    compilation = SimpleNamespace(
        cudagraph_mode=CUDAGraphMode.FULL_AND_PIECEWISE,
        max_cudagraph_capture_size=512,
        cudagraph_capture_sizes=sorted({-(-size // (DRAFT + 1)) * (DRAFT + 1) for size in sizes}),
        compile_sizes=[],
        cudagraph_specialize_lora=True,
    )
    dispatcher = CudagraphDispatcher.__new__(CudagraphDispatcher)
    vars(dispatcher).update(
        vllm_config=SimpleNamespace(
            scheduler_config=SimpleNamespace(max_num_seqs=MOST_ROWS),
            lora_config=None,
            num_speculative_tokens=DRAFT,
        ),
        compilation_config=compilation,
        uniform_decode_query_len=1 + DRAFT,
        cudagraph_keys={CUDAGraphMode.PIECEWISE: set(), CUDAGraphMode.FULL: set()},
        keys_initialized=False,
        specialize_lora_count=False,
        cudagraph_mode=CUDAGraphMode.NONE,
    )
    dispatcher.initialize_cudagraph_keys(CUDAGraphMode.FULL_AND_PIECEWISE, 1 + DRAFT)
    return dispatcher


class Requests:
    """A batch that copies its own text with probability ``copies`` a token."""

    def __init__(self, rows: int, copies: float) -> None:
        self._rng = np.random.default_rng(0)
        self._copies = copies
        self.buffer = np.zeros((rows, LENGTH), dtype=np.int32)
        self.buffer[:, :PROMPT] = self._rng.integers(0, VOCABULARY, (rows, PROMPT))
        self.lengths = np.full(rows, PROMPT, dtype=np.int32)
        self._source = self._rng.integers(0, PROMPT - 8, rows)
        self.emitted = [self._verify(row, []) for row in range(rows)]

    def verify(self, drafts: list[list[int]]) -> int:
        """Emits each request's tokens up to the first that its draft got wrong; gives how many."""
        self.emitted = [self._verify(row, draft) for row, draft in enumerate(drafts)]
        return sum(map(len, self.emitted))

    def _verify(self, row: int, draft: list[int]) -> list[int]:
        came: list[int] = []
        for guess in [*draft, -1]:
            came.append(self._next(row))
            if guess != came[-1]:
                break
        return came

    def _next(self, row: int) -> int:
        token = int(self.buffer[row, self._source[row]])
        self._source[row] += 1
        if self._rng.random() > self._copies:
            self._source[row] = self._rng.integers(0, self.lengths[row] - 8)
            token = int(self._rng.integers(0, VOCABULARY))
        self.buffer[row, self.lengths[row]] = token
        self.lengths[row] += 1
        return token


def serve(
    rows: int, copies: float, full_ms: float, piecewise_ms: float, steps: int, *, fill: bool
) -> dict[str, float]:
    """Serves some steps on an invented clock; gives tokens a second and the share of steps in a full graph."""
    dispatcher, requests = make_dispatcher(), Requests(rows, copies)
    now, tokens, full, served = 0.0, 0, 0, 0
    with mock.patch("time.perf_counter", side_effect=lambda: now):
        config = HSDConfig.model_validate({"telemetry": {"log_interval_s": 0}, "deadline_ms": 1e6})
        limits = DraftLimits(DRAFT, VOCABULARY, LENGTH, full_graphs=fill)
        drafter = HierarchicalDrafter(config, limits, rows)
        while served < steps and requests.lengths.max() + 2 * DRAFT <= LENGTH:
            drafts = drafter.propose(requests.emitted, requests.lengths, requests.buffer)
            lengths = [1 + len(draft) for draft in drafts]
            uniform = GPUModelRunner._is_uniform_decode(max(lengths), 1 + DRAFT, sum(lengths), rows)
            mode, padded = dispatcher.dispatch(sum(lengths), uniform_decode=uniform)
            full += mode == CUDAGraphMode.FULL
            now += 1e-3 * (full_ms if mode == CUDAGraphMode.FULL else piecewise_ms)
            now += 1e-3 * MS_PER_TOKEN * padded.num_tokens
            tokens += requests.verify(drafts)
            served += 1
    return {"tokens_per_second": tokens / now, "full": full / served}


def main() -> None:
    """Compares serving with and without filling."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--piecewise-ms", type=float, default=7.0, help="a step that is run piece by piece")
    parser.add_argument("--full-ms", default="5,6.3", help="a step in one graph; several by commas")
    parser.add_argument("--rows", default="1,4,16", help="requests at once; several by commas")
    parser.add_argument("--copies", default="0.95,0.8,0.3", help="share of copied tokens; several by commas")
    parser.add_argument("--steps", type=int, default=1200)
    given = parser.parse_args()
    ratios: dict[str, float] = {}
    for rows in map(int, given.rows.split(",")):
        for copies in map(float, given.copies.split(",")):
            for full_ms in map(float, given.full_ms.split(",")):
                plain, filled = (
                    serve(rows, copies, full_ms, given.piecewise_ms, given.steps, fill=fill)
                    for fill in (False, True)
                )
                ratio = filled["tokens_per_second"] / plain["tokens_per_second"]
                ratios[f"{rows} requests, copies {copies}, full {full_ms} ms"] = round(ratio, 3)
                print(
                    f"{rows:3} requests, copies {copies:4}, full {full_ms:4} ms: {ratio:.2f} times, steps in a full "
                    f"graph {plain['full']:.0%} -> {filled['full']:.0%}",
                    flush=True,
                )
    print(json.dumps({"filled_over_plain": ratios}))


if __name__ == "__main__":
    main()
