"""Writes what a pilot on real data needs: documents, questions, labels, prompts of several kinds, and its pilot.yaml.

Documents and questions are a retrieval set's; the prompts are those of `workloads.py`. Then `hola pilot` does the rest.
"""

from __future__ import annotations

import argparse
import random
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from beir_data import Question, load
from json_lines import read_json_lines
from workloads import write_rows

KINDS = ("copy", "second_turn", "story", "maths")


def main() -> None:
    """Runs the command."""
    options = _parser().parse_args()
    out: Path = options.out
    (out / "documents").mkdir(parents=True)
    corpus = load(options.data / "retrieval" / "xquad")
    for name, text in corpus.passages.items():
        (out / "documents" / f"{name}.txt").write_text(text, encoding="utf-8")
    drawn = random.Random(0).sample(corpus.questions, options.count + options.labels)
    write_rows(out / "queries.jsonl", map(_labelled, drawn[: options.count]))
    write_rows(out / "labels.jsonl", map(_labelled, drawn[options.count :]))
    files = [options.prompts / f"{kind}.jsonl" for kind in KINDS]
    share = options.count // len(files)
    write_rows(out / "prompts.jsonl", (row for file in files for row in islice(read_json_lines(file), share)))
    config = out / "pilot.yaml"
    config.write_text(yaml.safe_dump(_config(options), sort_keys=False), encoding="utf-8")
    print(f"hola pilot {config} --compress-python .venv/compress/bin/python")


def _parser() -> argparse.ArgumentParser:
    """Gives the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="data folder, see workloads.py --help; also arc/ and gsm8k/")
    add("--prompts", type=Path, required=True, help="folder that workloads.py wrote")
    add("--model", type=Path, required=True, help="the target")
    add("--draft", type=Path, required=True, help="its intermediate level, as hola draft makes one")
    add("--out", type=Path, required=True, help="folder to write, which must not exist")
    add("--count", type=int, default=48, help="prompts, and as many questions (default: 48)")
    add("--labels", type=int, default=200, help="labelled questions that calibrate AdaComp (default: 200)")
    return parser


def _config(options: argparse.Namespace) -> dict[str, Any]:
    """Gives the configuration: all stages, two requests at a time, Lo-Bi in the schemes that a CPU is fast in."""
    data = options.data.resolve()
    return {
        "title": f"HOLA on {options.model.name}",
        "model": str(options.model.resolve()),
        "out": "out",
        "prompts": "prompts.jsonl",
        "concurrency": 2,
        "max_tokens": 64,
        "dtype": "bfloat16",
        "engine": {
            "max-model-len": 2048,
            "max-num-seqs": 8,
            "enforce-eager": True,
            "kv-cache-memory-bytes": 256 << 20,
        },
        "documents": {"path": "documents", "queries": "queries.jsonl", "chunk": 600, "k": 4},
        "adacomp": {"token_budget": 200, "labels": "labels.jsonl"},
        "lobi": {
            "budget": "60%",
            "choices": ["W8A8", "BF16"],
            "samples": 32,
            "sequence_length": 128,
            "calibration": str(data / "gsm8k" / "train.jsonl"),
        },
        "intermediate": str(options.draft.resolve()),
        "accuracy": [
            {"task": "arc_easy", "data": str(data / "arc" / "arc_easy.jsonl"), "limit": 100},
            {
                "task": "gsm8k",
                "data": str(data / "gsm8k" / "test.jsonl"),
                "train": str(data / "gsm8k" / "train.jsonl"),
                "limit": 50,
            },
        ],
    }


def _labelled(question: Question) -> dict[str, Any]:
    return {"question": question.text, "relevant": [f"{name}.txt" for name in sorted(question.relevant)]}


if __name__ == "__main__":
    main()
