"""The serving side of the tests of drafts: transformers loads a draft, then vLLM decodes with it as draft_model.

Arguments: a JSON file of {"target", "draft", "prompts": token ids, "tokens", "length", "plain"}. The last line is JSON: the
likeliest next tokens of a plain draft for the first prompt in transformers, vLLM's answers, and drafts and accepted tokens.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")


def likeliest(folder: str, ids: list[int]) -> list[int]:
    """Loads a draft in transformers and gives its likeliest token after each id."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        found: list[int] = model(input_ids=torch.tensor([ids])).logits[0].argmax(-1).tolist()
    return found


def decode(job: dict[str, Any]) -> dict[str, Any]:
    """Decodes greedily with the draft."""
    from vllm import LLM, SamplingParams

    llm = LLM(
        job["target"],
        dtype=job["dtype"],
        enforce_eager=True,
        max_model_len=512,
        kv_cache_memory_bytes=128 << 20,
        enable_prefix_caching=False,
        disable_log_stats=False,
        speculative_config={
            "method": "draft_model",
            "model": job["draft"],
            "num_speculative_tokens": job["length"],
        },
    )
    sampling = SamplingParams(temperature=0.0, max_tokens=job["tokens"])
    prompts = [{"prompt_token_ids": ids} for ids in job["prompts"]]
    answers = [list(one.outputs[0].token_ids) for one in llm.generate(prompts, sampling, use_tqdm=False)]
    counters = {one.name: one.value for one in llm.get_metrics() if hasattr(one, "value")}
    return {
        "answers": answers,
        "drafts": counters["vllm:spec_decode_num_drafts"],
        "accepted": counters["vllm:spec_decode_num_accepted_tokens"],
    }


def main() -> None:
    """Does both."""
    job = json.loads(Path(sys.argv[1]).read_text())
    found = {"likeliest": likeliest(job["draft"], job["prompts"][0])} if job["plain"] else {}
    print(json.dumps(found | decode(job)))


if __name__ == "__main__":
    main()
