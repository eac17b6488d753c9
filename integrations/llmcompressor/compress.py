"""Compress a model with one entry in an llmcompressor recipe; the result loads in transformers and in vLLM.

    python integrations/llmcompressor/compress.py MODEL OUT --ratio 0.45 --text FILE

Runs where llmcompressor is installed: pip install "hola-plugins[llmcompressor]".
"""

from __future__ import annotations

import argparse
from pathlib import Path

from datasets import Dataset
from llmcompressor import oneshot

import hola_plugins.llmcompressor  # noqa: F401 - makes LoBiModifier known to recipes

RECIPE = """
lobi_stage:
  lobi_modifiers:
    LoBiModifier:
      target_ratio: {ratio}      # or target_bytes: 1200000000, or target_bits: 4.5
      target_device: {device}    # where vLLM will run it: cuda, cpu (with AVX-512) or cpu_avx2
      report: {out}/lobi_report.json
"""


def paragraphs(file: Path) -> Dataset:
    """Reads a text file; a blank line ends a paragraph."""
    found = [part for part in file.read_text(encoding="utf-8").split("\n\n") if part.strip()]
    if not found:
        raise SystemExit(f"{file} is empty: give text as your model will see it")
    return Dataset.from_dict({"text": found})


def main() -> None:
    """Compresses and saves."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="path or hub id")
    parser.add_argument("out", type=Path, help="the folder that receives the checkpoint")
    parser.add_argument(
        "--text", type=Path, required=True, help="calibration text, UTF-8; the first of it is taken"
    )
    parser.add_argument("--ratio", type=float, default=0.45, help="size as a share (default: 0.45)")
    parser.add_argument("--device", default="cuda", help="cuda, cpu or cpu_avx2 (default: cuda)")
    parser.add_argument("--samples", type=int, default=128, help="calibration sequences (default: 128)")
    parser.add_argument("--length", type=int, default=512, help="tokens of each (default: 512)")
    options = parser.parse_args()

    oneshot(
        model=options.model,
        recipe=RECIPE.format(ratio=options.ratio, device=options.device, out=options.out),
        dataset=paragraphs(options.text),
        concatenate_data=True,  # packs short texts into sequences of one length
        shuffle_calibration_samples=False,  # the same sequences in every pass and every run
        num_calibration_samples=options.samples,
        max_seq_length=options.length,
        output_dir=str(options.out),
    )
    print(f"compressed into {options.out}; serve it with serve_compressed.sh {options.out}")


if __name__ == "__main__":
    main()
