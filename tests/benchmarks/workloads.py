"""Make the prompt files that the benchmarks run on, from public data sets.

Writes one JSON lines file a category (`copy.jsonl`, `edit.jsonl`, ...) and `mixed.jsonl`, which takes one row of each
category in turn. A row is {"id", "category", "prompt", "response"}; `response` is the human reference, for replays
without a model. The same seed and data give the same files.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from prompt_makers import MAKERS
from prompt_overlap import SeenText
from prompt_sources import DataFolder, MissingSourceError

_LAYOUT = """\
layout of --data (only what the chosen categories need):
  retrieval/{nq,xquad}/{corpus,queries,answers}.jsonl, qrels.tsv   copy, text
  human_eval/HumanEval.jsonl                                       edit, second_turn, code
  gsm8k/test.jsonl                                                 second_turn, maths
  spec_bench/question.jsonl                                        second_turn
  tinystories_sample/*.txt, gutenberg_children/books.txt.xz        story
  wikitext2/test.txt                                               text

example:
  python tests/benchmarks/workloads.py --data data --out /tmp/prompts --count 40
"""

Row = dict[str, str]


def rows_of(category: str, data: DataFolder, count: int, max_chars: int, seed: int) -> list[Row]:
    """Make the first `count` rows of a category whose prompts fit.

    Args:
        category: A key of `MAKERS`.
        data: The data folder.
        count: Rows wanted.
        max_chars: Longest prompt and longest response, in characters; a longer prompt is skipped (cutting it would
            lose the request at its end), a longer response is cut.
        seed: Seed of the order and of the substitutions.

    Raises:
        ValueError: If hardly any prompt fits.
    """
    rng = random.Random(f"{seed}:{category}")
    rows: list[Row] = []
    seen: set[str] = set()
    for tried, (prompt, response) in enumerate(MAKERS[category](data, rng)):
        if tried > 50 * count + 1_000:
            raise ValueError(
                f"only {len(rows)} of {count} {category} prompts fit --max-chars {max_chars}: raise it or lower --count"
            )
        if len(prompt) > max_chars or prompt in seen:
            continue
        seen.add(prompt)
        rows.append(
            {
                "id": f"{category}-{len(rows)}",
                "category": category,
                "prompt": prompt,
                "response": response[:max_chars],
            }
        )
        if len(rows) == count:
            break
    return rows


def prompts_in(folder: Path | None, categories: list[str]) -> list[str]:
    """Reads the prompts of some categories that were written before; none without a folder."""
    if folder is None:
        return []
    written = DataFolder(folder)
    return [row["prompt"] for name in categories for row in written.rows(f"{name}.jsonl")]


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows as JSON lines."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=_LAYOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with the data sets, see the layout below"
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder the files are written to (made if missing)"
    )
    parser.add_argument("--count", type=int, default=40, help="rows a category (default: 40)")
    parser.add_argument(
        "--max-chars",
        type=int,
        default=2_400,
        help="longest prompt and longest response in characters (default: 2400, about 1,100 tokens of a small "
        "vocabulary, so that 256 new tokens stay inside a context of 2,048)",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of order and substitutions (default: 0)")
    parser.add_argument(
        "--categories",
        type=lambda value: value.split(","),
        default=list(MAKERS),
        help=f"comma-separated (default: {','.join(MAKERS)})",
    )
    parser.add_argument(
        "--apart-from",
        type=Path,
        help="folder of such files: leave out prompts that share text with those of the same categories there, "
        "to train a draft on other prompts than it is measured on",
    )
    args = parser.parse_args(argv)
    unknown = [name for name in args.categories if name not in MAKERS]
    if unknown:
        parser.error(f"unknown categories {unknown}, allowed: {', '.join(MAKERS)}")
    if args.apart_from is not None and not args.apart_from.is_dir():
        parser.error(f"--apart-from must be a folder that this script wrote, got {args.apart_from}")
    if args.count < 1 or args.max_chars < 100:
        parser.error(f"--count must be >= 1 and --max-chars >= 100, got {args.count} and {args.max_chars}")
    return args


def main(argv: list[str] | None = None) -> int:
    """Write the files; return the exit status."""
    args = parse_args(argv)
    try:
        data = DataFolder(args.data)
        seen = SeenText(prompts_in(args.apart_from, args.categories))
        made = {
            name: [
                row
                for row in rows_of(name, data, args.count, args.max_chars, args.seed)
                if not seen.covers(row["prompt"])
            ]
            for name in args.categories
        }
    except (MissingSourceError, ValueError) as error:
        print(f"workloads: {error}", file=sys.stderr)
        return 2
    args.out.mkdir(parents=True, exist_ok=True)
    for name, rows in made.items():
        write_rows(args.out / f"{name}.jsonl", rows)
    mixed = [row for turn in zip(*made.values(), strict=args.apart_from is None) for row in turn]
    write_rows(args.out / "mixed.jsonl", mixed)
    lengths = {
        name: sum(len(row["prompt"]) for row in rows) // max(1, len(rows)) for name, rows in made.items()
    }
    print(json.dumps({"out": str(args.out), "rows": len(mixed), "mean_prompt_chars": lengths}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
