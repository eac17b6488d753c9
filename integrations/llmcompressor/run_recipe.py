"""Run a recipe file, Lo-Bi's or one of llmcompressor's own modifiers, on a model and a text file.

    python integrations/llmcompressor/run_recipe.py MODEL recipes/lobi_w4_mixed.yaml OUT --text FILE

Runs where llmcompressor is installed: pip install "hola-plugins[llmcompressor]".
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from datasets import Dataset
from llmcompressor import oneshot

import hola_plugins.llmcompressor  # noqa: F401 - makes LoBiModifier known to recipes


def paragraphs(file: Path) -> Dataset:
    """Reads a text file; a blank line ends a paragraph."""
    found = [part for part in file.read_text(encoding="utf-8").split("\n\n") if part.strip()]
    if not found:
        raise SystemExit(f"{file} is empty: give text as your model will see it")
    return Dataset.from_dict({"text": found})


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the recipe and saves the checkpoint."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="path or hub id")
    parser.add_argument("recipe", type=Path, help="the recipe file")
    parser.add_argument("out", type=Path, help="the folder that receives the checkpoint")
    parser.add_argument(
        "--text", type=Path, required=True, help="calibration text, UTF-8; the first of it is taken"
    )
    parser.add_argument("--samples", type=int, default=256, help="calibration sequences (default: 256)")
    parser.add_argument("--length", type=int, default=512, help="tokens of each (default: 512)")
    options = parser.parse_args(arguments)
    if not options.recipe.is_file():
        raise SystemExit(f"there is no recipe {options.recipe}; recipes/ has some")

    oneshot(
        model=options.model,
        recipe=str(options.recipe),
        dataset=paragraphs(options.text),
        concatenate_data=True,  # packs short texts into sequences of one length
        shuffle_calibration_samples=False,  # the same sequences in every pass and every run
        num_calibration_samples=options.samples,
        max_seq_length=options.length,
        output_dir=str(options.out),
    )
    print(f"compressed into {options.out}")


if __name__ == "__main__":
    main()
