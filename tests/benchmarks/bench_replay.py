"""Replay recorded sequences through HSD, vLLM's NgramProposer kernel and arctic-inference's suffix cache.

    python tests/benchmarks/bench_replay.py --tokens FILE.jsonl
    python tests/benchmarks/bench_replay.py --text FILE --tokenizer DIR

``--tokens`` takes JSON lines with ``category``, ``prompt_ids`` and ``output_ids``, as `bench_engine.py
--outputs` writes them; ``--text`` cuts a text into documents at blank lines and replays the last three
quarters of each. No engine and no quiet machine are needed for tokens per step; the times are of one
thread. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from json_lines import read_json_lines
from replay_drafters import MAX_LENGTH, HSDReplay, NgramReplay, ReplayDrafter, SuffixReplay

Sequence = tuple[str, list[int], list[int]]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--tokens", type=Path, nargs="+", help="recorded sequences, JSON lines")
    source.add_argument("--text", type=Path, nargs="+", help="text files; each is one workload")
    parser.add_argument("--tokenizer", help="tokenizer folder or hub id for --text")
    parser.add_argument("--lengths", default="4,8,16", help="draft lengths K (default: 4,8,16)")
    parser.add_argument("--limit", type=int, default=400, help="most sequences (default: 400)")
    parser.add_argument("--no-latency", action="store_true", help="leave the lookup times out")
    options = parser.parse_args()
    if options.text and not options.tokenizer:
        parser.error("--text needs --tokenizer DIR, the tokenizer that turns it into ids")
    return options


def _recorded(files: list[Path]) -> Iterator[Sequence]:
    for file in files:
        for row in read_json_lines(file):
            yield row["category"], row["prompt_ids"], row["output_ids"]


def _from_text(files: list[Path], tokenizer: str) -> Iterator[Sequence]:
    from transformers import AutoTokenizer

    encode = AutoTokenizer.from_pretrained(tokenizer).encode
    for file in files:
        for document in file.read_text(encoding="utf-8").split("\n\n"):
            ids = encode(document)[:2048]
            if len(ids) >= 64:
                yield file.stem, ids[: len(ids) // 4], ids[len(ids) // 4 :]


def replay(drafter: ReplayDrafter, sequences: list[Sequence], longest: int) -> dict[str, dict[str, int]]:
    """Counts steps, emitted and drafted tokens by category, verifying each draft against the record."""
    counts: dict[str, dict[str, int]] = {}
    for category, prompt, output in sequences:
        tokens = np.array(prompt + output, dtype=np.int32)
        count = counts.setdefault(category, {"steps": 0, "emitted": 0, "drafted": 0})
        length = len(prompt) + 1
        fresh = [int(tokens[length - 1])]
        drafter.start(tokens[: len(prompt)])
        while length < len(tokens):
            draft = drafter.draft(fresh, tokens, length)[:longest]
            accepted = 0
            while (
                accepted < len(draft)
                and length + accepted < len(tokens) - 1
                and draft[accepted] == tokens[length + accepted]
            ):
                accepted += 1
            fresh = tokens[length : length + accepted + 1].tolist()
            length += accepted + 1
            count["steps"] += 1
            count["emitted"] += accepted + 1
            count["drafted"] += len(draft)
        drafter.stop()
    return counts


def _tokens_per_step(counts: dict[str, dict[str, int]]) -> dict[str, float]:
    found = {
        category: count["emitted"] / count["steps"] for category, count in counts.items() if count["steps"]
    }
    steps = sum(count["steps"] for count in counts.values())
    return found | {"mixed": sum(count["emitted"] for count in counts.values()) / steps}


def _quality(sequences: list[Sequence], lengths: list[int], console: Console) -> dict[int, dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    makers: dict[str, Callable[[int], ReplayDrafter]] = {
        "hsd": HSDReplay,
        "ngram": NgramReplay,
    }
    if SuffixReplay.available():
        makers["suffix"] = SuffixReplay
    else:
        console.print("suffix is left out: arctic-inference is not installed (see bench_engine.py --help)")
    for longest in lengths:
        by_method = {
            name: _tokens_per_step(replay(make(longest), sequences, longest))
            for name, make in track(makers.items(), description=f"replaying, K = {longest}", console=console)
        }
        table = Table(title=f"tokens per target step, K = {longest}")
        for column in ("workload", *by_method, "hsd / best other"):
            table.add_column(column, justify="right")
        found[longest] = {}
        for workload in by_method["hsd"]:
            values = {name: figures[workload] for name, figures in by_method.items()}
            best = max(value for name, value in values.items() if name != "hsd")
            found[longest][workload] = values | {"ratio": values["hsd"] / best}
            table.add_row(
                workload, *(f"{value:.3f}" for value in values.values()), f"{values['hsd'] / best:.3f}"
            )
        console.print(table)
    return found


def _latency(console: Console) -> dict[str, Any]:
    """Times whole calls of HSD on batches of rows with long contexts, one thread, drafts included."""
    table = Table(title="HSD: one call, microseconds; bytes a token of the request index")
    for column in ("context", "batch", "p50", "p99", "longest", "per row", "bytes / token"):
        table.add_column(column, justify="right")
    found: dict[str, Any] = {}
    for context in (2048, 8192, 32_768):
        for batch in (1, 16, 64):
            drafter = HSDReplay(8, rows=batch)
            times, stall, size = drafter.time_calls(context, calls=150)
            p50, p99 = (float(np.percentile(times, q)) for q in (50, 99))
            found[f"{context}x{batch}"] = {"p50": p50, "p99": p99, "stall": stall, "bytes_per_token": size}
            per_row = (p50 - found[f"{context}x1"]["p50"]) / max(batch - 1, 1)
            table.add_row(
                str(context),
                str(batch),
                f"{p50:.0f}",
                f"{p99:.0f}",
                f"{stall:.0f}",
                f"{per_row:.2f}",
                f"{size:.0f}",
            )
    console.print(table)
    return found


def _lookups(console: Console) -> dict[str, float]:
    """Times a lookup alone, without the call around it, in microseconds by context."""
    found = {str(context): HSDReplay(8).time_lookups(context) for context in (2048, 8192, 32_768)}
    console.print(
        "one lookup, microseconds: "
        + ", ".join(f"{value:.2f} at {context} tokens" for context, value in found.items())
    )
    return found


def main() -> None:
    """Runs the replay and prints the tables."""
    options = _arguments()
    console = Console(width=110)
    read = _recorded(options.tokens) if options.tokens else _from_text(options.text, options.tokenizer)
    sequences = [one for one in read if len(one[2]) > 1 and len(one[1]) + len(one[2]) < MAX_LENGTH]
    random.Random(0).shuffle(sequences)
    lengths = [int(value) for value in options.lengths.split(",")]
    quality = _quality(sequences[: options.limit], lengths, console)
    latency = {} if options.no_latency else _latency(console)
    lookups = {} if options.no_latency else _lookups(console)
    middle = quality[lengths[len(lengths) // 2]]
    sizes = [figures["bytes_per_token"] for figures in latency.values()]
    result = {
        "workloads": {name: figures for name, figures in middle.items() if name != "mixed"},
        "mixed": {str(longest): figures["mixed"] for longest, figures in quality.items()},
        "by_length": {str(longest): figures for longest, figures in quality.items()},
        "lookup_us": lookups,
        "calls": latency,
        "bytes_per_token": statistics.median(sizes) if sizes else None,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
