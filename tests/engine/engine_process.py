"""A vLLM engine in a process of its own, because one process holds one engine once speculation is on.

Run as a script it is the engine's side: the first line on stdin holds the arguments of `vllm.LLM`, each
further one a job; answers are JSON lines on the original stdout.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

HSD = {"method": "custom_class", "model": "hola_plugins.vllm.HSDProposer", "num_speculative_tokens": 8}
EXTENSION = "hola_plugins.vllm.HSDWorkerExtension"
MODEL = Path(os.environ.get("HOLA_TEST_MODEL", Path(__file__).parents[1] / "models" / "target"))

_HELPERS = [str(Path(__file__).parent), str(Path(__file__).parents[1])]


class EngineProcess:
    """Starts an engine and runs jobs on it.

    Args:
        hsd: Whether HSD drafts.
        arguments: Further arguments of `vllm.LLM`.
    """

    def __init__(self, hsd: bool, **arguments: Any) -> None:
        settings: dict[str, Any] = {
            "model": str(MODEL),
            "dtype": "float32",
            "max_model_len": 1024,
            "max_num_seqs": 16,
            "enforce_eager": True,
            "enable_prefix_caching": False,
            "kv_cache_memory_bytes": 256 << 20,
            "disable_log_stats": False,
            "seed": 0,
        }
        if hsd:
            settings |= {"speculative_config": HSD, "worker_extension_cls": EXTENSION}
        environment = os.environ | {
            "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
            "VLLM_LOGGING_LEVEL": "WARNING",
            "PYTHONPATH": os.pathsep.join([*_HELPERS, os.environ.get("PYTHONPATH", "")]),
        }
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.ready = self._ask(settings | arguments)

    def generate(self, prompts: list[str], batch: int = 16, **sampling: Any) -> list[dict[str, Any]]:
        """Generates with at most ``batch`` requests at a time; greedy, 64 tokens unless told otherwise.

        ``seeds`` and ``temperatures`` give one value a prompt.
        """
        options = {"temperature": 0.0, "max_tokens": 64} | sampling
        return self._ask({"do": "generate", "prompts": prompts, "batch": batch, "sampling": options})

    def abort_half_way(self, prompts: list[str], aborted: int, tokens: int) -> list[list[int]]:
        """Runs all prompts at once, aborts the first ``aborted`` after some steps; gives the others' ids."""
        return self._ask({"do": "abort", "prompts": prompts, "aborted": aborted, "tokens": tokens})

    def snapshot(self) -> dict[str, Any]:
        """Gives HSD's counters through the worker extension."""
        return self.snapshots()[0]

    def snapshots(self) -> list[dict[str, Any] | None]:
        """Gives the counters of every rank; None for one without a drafter."""
        return self._ask({"do": "snapshots"})

    def counters(self) -> dict[str, int]:
        """Gives vLLM's own counters since the start by name, summed over their labels."""
        return self._ask({"do": "counters"})

    def verified(self) -> int:
        """Gives how many drafted tokens the target has verified, as vLLM counts them."""
        return self.counters()["vllm:spec_decode_num_draft_tokens"]

    def close(self) -> None:
        """Ends the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=60)

    def _ask(self, job: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the engine died with status {self._process.wait()} at {str(job)[:200]}")
        return json.loads(line)


def _serve() -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    from vllm import LLM

    llm = LLM(**json.loads(sys.stdin.readline()))
    print(json.dumps({"max_model_len": llm.llm_engine.model_config.max_model_len}), file=answers)
    for line in sys.stdin:
        job = json.loads(line)
        print(json.dumps(_JOBS[job.pop("do")](llm, **job)), file=answers)


def _generate(llm: Any, prompts: list[str], batch: int, sampling: dict[str, Any]) -> list[dict[str, Any]]:
    from vllm import SamplingParams
    from vllm.sampling_params import StructuredOutputsParams

    schema = sampling.pop("json_schema", None)
    by_request = {
        name: sampling.pop(many)
        for name, many in (("seed", "seeds"), ("temperature", "temperatures"))
        if many in sampling
    }
    if schema is not None:
        sampling["structured_outputs"] = StructuredOutputsParams(json=schema)
    found = []
    for start in range(0, len(prompts), batch):
        some = prompts[start : start + batch]
        params = [
            SamplingParams(**sampling | {name: values[start + place] for name, values in by_request.items()})
            for place in range(len(some))
        ]
        for answer in llm.generate(some, params, use_tqdm=False):
            output = answer.outputs[0]
            logprobs = output.logprobs and [
                {str(token): entry.logprob for token, entry in step.items()} for step in output.logprobs
            ]
            found.append(
                {
                    "ids": list(output.token_ids),
                    "text": output.text,
                    "finish": output.finish_reason,
                    "prompt_length": len(answer.prompt_token_ids),
                    "logprobs": logprobs,
                }
            )
    return found


def _abort(llm: Any, prompts: list[str], aborted: int, tokens: int) -> list[list[int]]:
    from vllm import SamplingParams

    engine = llm.llm_engine
    params = SamplingParams(temperature=0.0, max_tokens=tokens, ignore_eos=True)
    for place, prompt in enumerate(prompts):
        engine.add_request(f"abort-{place}", prompt, params)
    finished: dict[str, list[int]] = {}
    for step in range(10_000):
        if step == 8:
            engine.abort_request([f"abort-{place}" for place in range(aborted)])
        for answer in engine.step():
            if answer.finished:
                finished[answer.request_id.split("-")[1]] = list(answer.outputs[0].token_ids)
        if not engine.has_unfinished_requests():
            break
    return [finished[str(place)] for place in range(aborted, len(prompts))]


def _counters(llm: Any) -> dict[str, int]:
    from vllm.v1.metrics.reader import Counter as VllmCounter

    totals: Counter[str] = Counter()
    for metric in llm.get_metrics():
        if isinstance(metric, VllmCounter):
            totals[metric.name] += metric.value
    return totals


_JOBS: dict[str, Any] = {
    "generate": _generate,
    "abort": _abort,
    "counters": _counters,
    "snapshots": lambda llm: llm.collective_rpc("hola_hsd_stats"),
}

if __name__ == "__main__":
    _serve()
