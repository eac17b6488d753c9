"""Make a BEIR-layout folder of StrategyQA: the facts behind all its questions, each question with its own.

    python tests/benchmarks/strategyqa_facts.py strategyqa/train.json strategyqa/dev.json --out strategyqa-facts

Its questions name what they need only in part ("Would a pear sink in water?"), so the facts are hard to find.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def main() -> None:
    """Writes the folder."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", type=Path, nargs="+", help="train.json, dev.json")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write")
    options = parser.parse_args()
    rows = [row for file in options.files for row in json.loads(file.read_text(encoding="utf-8"))]
    names: dict[str, str] = {}
    gold = {row["qid"]: _named(row["facts"], names) for row in rows}
    options.out.mkdir(parents=True, exist_ok=True)
    _write(options.out / "corpus.jsonl", ({"_id": name, "text": fact} for fact, name in names.items()))
    _write(options.out / "queries.jsonl", ({"_id": row["qid"], "text": row["question"]} for row in rows))
    judged = [f"{query}\t{name}\t1" for query, found in gold.items() for name in found]
    (options.out / "qrels.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *judged, ""]))


def _named(facts: Iterable[str], names: dict[str, str]) -> list[str]:
    """Gives the name of each fact, a new one where it comes for the first time; spaces do not count."""
    cleaned = dict.fromkeys(" ".join(fact.split()) for fact in facts)
    return [names.setdefault(fact, f"fact-{len(names)}") for fact in cleaned if fact]


def _write(file: Path, rows: Iterable[dict[str, Any]]) -> None:
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    main()
