"""Compare depth policies, the none-gate and the compressor on BEIR-layout folders.

Every folder is measured alone, and, where there are several, all pooled in one corpus ("mix"). Each split draws
labelled questions at random; whatever is tuned is tuned on those alone and measured on the others. Tokens are
counted by the embedding model's tokenizer.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import warnings
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from beir_data import Workload, load, merge
from embedding_cache import EmbeddingCache, KnownVectors, MiniLM, TokenCounter
from required import require
from retrieval_compression import answer_rates, sentences_needed, with_answers
from retrieval_gate import built_in_prompts, read_prompts
from retrieval_latency import overheads
from retrieval_plot import plot
from retrieval_pools import Searched, search_all
from retrieval_splits import FIXED, OURS, UNSHOWN, Report, compare

_EPILOG = """\
examples:
  python tests/benchmarks/bench_retrieval.py --data xquad --data nq --calibrate 200 --splits 20 --cache /tmp/vectors
  python tests/benchmarks/bench_retrieval.py --data scifact --calibrate 300 --splits 20 --off-topic gsm8k/test.jsonl

"saved" is against the fused ranking at a fixed depth of the same recall; the interval is a bootstrap over splits and
questions. The last line is one JSON object, of the mix where there are several folders; "sets" has each, and
"policies" every fixed k from 1 to 20, of which the table shows five.
"""


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", type=Path, action="append", required=True, metavar="DIR", help="BEIR-layout folder")
    add("--calibrate", type=int, default=200, help="labelled questions a split, at most half (default: 200)")
    add("--splits", type=int, default=20, help="random splits (default: 20)")
    add("--target", type=float, default=0.9, help="share of questions that get all passages (default: 0.9)")
    add("--most", type=int, default=400, help="questions of each folder in the mix (default: 400)")
    add("--most-alone", type=int, default=1200, help="questions of a folder alone (default: 1200)")
    add("--mix-only", action="store_true", help="of several folders, measure the mix and none alone")
    add("--budgets", default="120,160,240,320,480", help="token budgets (default: 120,160,240,320,480)")
    add("--answers", type=int, default=300, help="questions for the compressor (default: 300)")
    add(
        "--off-topic",
        type=Path,
        nargs="*",
        default=[],
        metavar="FILE",
        help="JSON lines of off-topic prompts",
    )
    add("--cache", type=Path, default=Path("retrieval-cache"), metavar="DIR", help="folder for embeddings")
    add(
        "--png",
        type=Path,
        default=Path("retrieval.png"),
        metavar="FILE",
        help="curve (default: retrieval.png)",
    )
    add("--sizes", type=int, default=10_000, help="passages for the timing (default: 10000)")
    return parser


def main() -> None:
    """Runs the benchmark."""
    options = build_parser().parse_args()
    require("matplotlib", "langchain_classic", "langchain_community")
    logging.disable(logging.WARNING)
    warnings.filterwarnings("ignore", module="langchain")
    console = Console(width=150)
    cache, count = EmbeddingCache(options.cache, MiniLM()), TokenCounter()
    alone = [load(folder) for folder in options.data]
    limited = [drawn(workload, options.most_alone) for workload in alone]
    mix = [merge(alone, options.most, seed=0)] if len(alone) > 1 else []
    off_topic = [
        ("built in", built_in_prompts(200)),
        *((f"{f.parent.name}/{f.stem}", read_prompts(f, 200)) for f in options.off_topic),
    ]
    vectors = embed(cache, [*limited, *mix], [prompt for _, prompts in off_topic for prompt in prompts])
    reports = {}
    for workload in mix if mix and options.mix_only else [*mix, *limited]:
        searched = search_all(workload, vectors, count)
        reports[workload.name] = report = compare(searched, off_topic, options)
        _show(console, workload, report)
        _compress(console, searched, report, cache, vectors, count, options)
    first = next(iter(reports.values()))
    plot(options.png, next(iter(reports)), first.curves, first.policies)
    searched = search_all((mix or limited)[0], vectors, count)
    times = overheads(
        searched, first.calibration, options.sizes, [p.question.text for p in searched.pools[:200]]
    )
    console.print(f"time a query without embedding, {options.sizes} passages, ms: {times}")
    print(json.dumps(_summary(reports, times, options)))


def drawn(workload: Workload, most: int) -> Workload:
    """Draws questions of one folder, keeping its corpus and its ids."""
    import random

    questions = workload.questions
    if len(questions) > most:
        questions = random.Random(0).sample(questions, most)
    return Workload(workload.name, workload.passages, questions)


def embed(cache: EmbeddingCache, workloads: list[Workload], prompts: list[str]) -> KnownVectors:
    """Embeds every text of the run."""
    groups = {f"{w.name} passages": list(w.passages.values()) for w in workloads if w.name != "mix"}
    groups |= {f"{w.name} questions": [q.text for q in w.questions] for w in workloads}
    groups["prompts"] = prompts
    known: dict[str, Any] = {}
    for what, texts in groups.items():
        missing = [text for text in dict.fromkeys(texts) if text not in known]
        known.update(zip(missing, cache.embed(missing, what), strict=True))
    return KnownVectors(known)


def _compress(
    console: Console,
    searched: Searched,
    report: Report,
    cache: EmbeddingCache,
    vectors: KnownVectors,
    count: TokenCounter,
    options: argparse.Namespace,
) -> None:
    """Measures the compressor where the folder has answers."""
    pools = with_answers(searched, options.answers, seed=0)
    if not pools:
        return
    missing = [sentence for sentence in sentences_needed(pools) if sentence not in vectors.known]
    vectors.known.update(zip(missing, cache.embed(missing, "sentences"), strict=True))
    budgets = [int(budget) for budget in options.budgets.split(",")]
    report.answer_in_context = answer_rates(pools, searched, budgets, count)
    console.print(f"answer in context ({len(pools)} questions): {report.answer_in_context}")


def _show(console: Console, workload: Workload, report: Report) -> None:
    table = Table(
        "policy", "k", "recall", "all gold", "tokens", "saved % at equal recall", title=workload.name
    )
    for row in (one for one in report.policies if one["name"] not in UNSHOWN):
        low, high = 100 * row["saved"]["low"], 100 * row["saved"]["high"]
        table.add_row(
            row["name"],
            f"{row['k']:.1f}",
            f"{row['recall']:.3f}",
            f"{row['all_gold']:.3f}",
            f"{row['tokens']:.0f}",
            f"{100 * row['saved']['mean']:.0f} [{low:.0f}, {high:.0f}]",
        )
    console.print(table)
    console.print(_target_table(report))
    console.print(f"coverage {report.coverage}\nnone-gate {report.gates}\n{report.cost}")


def _target_table(report: Report) -> Table:
    """Shows where there is something to save: a fixed k of 1 that reaches the target leaves nothing."""
    table = Table(
        "target", "tuned k", "tokens", "all gold", "ours", "all gold", "saved %", "an oracle saves %"
    )
    for row in report.targets:
        fixed, ours, saved = row[FIXED], row[OURS], row["saved"]
        table.add_row(
            f"{row['target']:g}",
            f"{fixed['k']:.1f}",
            f"{fixed['tokens']:.0f}",
            f"{fixed['all_gold']:.3f}",
            f"{ours['tokens']:.0f}",
            f"{ours['all_gold']:.3f}",
            f"{100 * saved['mean']:.0f} [{100 * saved['low']:.0f}, {100 * saved['high']:.0f}]",
            f"{100 * row['oracle']:.0f}",
        )
    return table


def _summary(reports: dict[str, Report], times: Any, options: argparse.Namespace) -> dict[str, Any]:
    first = next(iter(reports.values()))
    return {
        **first.as_json(),
        "overhead_ms": round(times["AdaCompRetriever"]["p50"], 3),
        "latency_ms": times,
        "sets": {name: report.as_json() for name, report in reports.items()},
        "command": sys.argv,
        "calibrate": options.calibrate,
        "splits": options.splits,
    }


if __name__ == "__main__":
    main()
