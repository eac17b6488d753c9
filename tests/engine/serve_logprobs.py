"""The serving side of the compression tests: loads checkpoints in vLLM and prints what it makes of some ids.

Arguments: a JSON file of {"folders": [...], "ids": [...]}. The last line is JSON: by folder the mean negative
log-likelihood in nats a token, or the error's text.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")


def mean_loss(folder: str, ids: list[int]) -> float | str:
    """Gives the mean negative log-likelihood of the ids after the first, or what vLLM says in its place."""
    from vllm import LLM, SamplingParams

    sampling = SamplingParams(max_tokens=1, prompt_logprobs=0, detokenize=False)
    try:
        llm = LLM(
            folder,
            skip_tokenizer_init=True,
            enforce_eager=True,
            max_model_len=256,
            kv_cache_memory_bytes=64 << 20,
        )
        (answer,) = llm.generate([{"prompt_token_ids": ids}], sampling, use_tqdm=False)
    except RuntimeError as error:
        return str(error)
    steps = zip(ids[1:], answer.prompt_logprobs[1:], strict=True)
    return -sum(step[token].logprob for token, step in steps) / (len(ids) - 1)


def main() -> None:
    """Loads every folder in turn."""
    job = json.loads(Path(sys.argv[1]).read_text())
    print(json.dumps({folder: mean_loss(folder, job["ids"]) for folder in job["folders"]}))


if __name__ == "__main__":
    main()
