"""How often does the lexical output guard flag a true answer, and how often does it let an invented one pass?

    python tests/benchmarks/bench_groundedness.py --data DIR

DIR holds folders in BEIR's layout with answers.jsonl. An answer is true where it is a sentence of the relevant
passages, or a question about them, in its author's own words, followed by its answer. It is invented where it is
judged against the passages of other questions, or where the answer is that of another question.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from beir_data import Question, Workload, load
from hola_plugins.adacomp.groundedness import supports
from hola_plugins.adacomp.sentences import split_sentences

THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7)
TRUE = ("copied", "reworded")
PASSAGES = 4
"""Passages that an answer is judged against, the relevant ones among them."""


def cases(workload: Workload, question: Question, rng: random.Random) -> Iterator[tuple[str, str, list[str]]]:
    """Yields the kind of an answer, the answer, and the passages that it is judged against."""
    relevant = [workload.passages[key] for key in sorted(question.relevant)]
    others = [text for key, text in workload.passages.items() if key not in question.relevant]
    strangers = rng.sample(others, PASSAGES)
    given = (relevant + strangers)[: max(PASSAGES, len(relevant))]
    copied = rng.choice(split_sentences(rng.choice(relevant)))
    yield "copied", copied, given
    yield "copied, other passages", copied, strangers
    if question.answers:
        yield "reworded", claim(question.text, question.answers[0]), given
        yield "reworded, other passages", claim(question.text, question.answers[0]), strangers
        other = rng.choice(
            [one for one in workload.questions if one.answers and one.answers != question.answers]
        )
        yield "reworded, another answer", claim(question.text, other.answers[0]), given


def claim(question: str, answer: str) -> str:
    """Gives question and answer as one sentence, as far as words go."""
    return f"{question.rstrip('? ')} {answer}"


def lowest(answer: str, passages: list[str], question: str) -> float:
    """Gives the support of the sentence that has least, by which the guard decides."""
    return min((one.support for one in supports(answer, passages, question=question)), default=1.0)


def main() -> None:
    """Prints a table, then one JSON line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of folders in BEIR's layout")
    parser.add_argument("--count", type=int, default=600, help="questions of each folder (default: 600)")
    parser.add_argument("--seed", type=int, default=0, help="of the draws (default: 0)")
    parser.add_argument(
        "--no-question", dest="question", action="store_false", help="do not tell the guard what was asked"
    )
    options = parser.parse_args()
    rng = random.Random(options.seed)
    found: dict[tuple[str, str], list[float]] = {}
    for folder in sorted(path.parent for path in options.data.glob("*/answers.jsonl")):
        workload = load(folder)
        asked = rng.sample(workload.questions, min(options.count, len(workload.questions)))
        for question in track(asked, description=workload.name, console=Console(stderr=True)):
            for kind, answer, passages in cases(workload, question, rng):
                found.setdefault((workload.name, kind), []).append(
                    lowest(answer, passages, question.text if options.question else "")
                )
    title = "share flagged, by the support under which a sentence is"
    table = Table("data", "answer", "is", "answers", *(f"< {one}" for one in THRESHOLDS), title=title)
    rows = []
    for (name, kind), values in found.items():
        flagged = {str(one): sum(value < one for value in values) / len(values) for one in THRESHOLDS}
        rows.append(
            {"data": name, "kind": kind, "true": kind in TRUE, "answers": len(values), "flagged": flagged}
        )
        shares = (f"{100 * share:.1f} %" for share in flagged.values())
        table.add_row(name, kind, "true" if kind in TRUE else "invented", str(len(values)), *shares)
    Console(width=130).print(table)
    print(
        json.dumps(
            {"benchmark": "groundedness", "seed": options.seed, "question": options.question, "rows": rows}
        )
    )


if __name__ == "__main__":
    main()
