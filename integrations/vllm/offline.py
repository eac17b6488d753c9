"""Generate offline with vLLM and HSD, then show what HSD did.

python integrations/vllm/offline.py --model DIR_OR_HUB_ID --prompt "Once upon a time"
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

MODEL = Path(__file__).parents[2] / "tests" / "models" / "target"


def main() -> None:
    """Generates one answer a prompt and prints it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default=str(MODEL), help="path or hub id (default: the embedded target)")
    parser.add_argument("--prompt", action="append", help="a prompt; may be repeated")
    parser.add_argument("--tokens", type=int, default=64, help="new tokens a prompt (default: 64)")
    options = parser.parse_args()

    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    from rich.console import Console
    from vllm import LLM, SamplingParams

    from hola_plugins.hsd.report import render_snapshot

    llm = LLM(
        model=options.model,
        max_model_len=1024,
        enforce_eager=True,
        kv_cache_memory_bytes=512 << 20,
        speculative_config={
            "method": "custom_class",
            "model": "hola_plugins.vllm.HSDProposer",
            "num_speculative_tokens": 8,
        },
        worker_extension_cls="hola_plugins.vllm.HSDWorkerExtension",
    )
    prompts = options.prompt or ["Text: the river runs past the old mill. Copy: the river", "def add(a, b):"]
    console = Console()
    for answer in llm.generate(prompts, SamplingParams(temperature=0.0, max_tokens=options.tokens)):
        console.print(f"[bold]{answer.prompt!r}[/bold]", answer.outputs[0].text, sep="\n", highlight=False)
    console.print(render_snapshot(llm.collective_rpc("hola_hsd_stats")[0]))


if __name__ == "__main__":
    main()
