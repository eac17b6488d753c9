"""Compare drafts of one target: cut out of it or of its shape but from nothing, a small sibling, by loss, size and rate.

Every draft is made by what `hola draft` runs, learns for the same steps from the same answers of the target, is saved,
loaded again and measured on the target's answers to other prompts.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from transformers import AutoModelForCausalLM

from hola_plugins.lobi.config import LoBiError
from hola_plugins.lobi.cut import rebuild
from hola_plugins.lobi.draft.config import DraftConfig, load_draft_config
from hola_plugins.lobi.draft.lesson import Lesson
from hola_plugins.lobi.draft.making import make_draft
from hola_plugins.lobi.draft.report import report_draft
from hola_plugins.lobi.draft.shape import choose_shape
from hola_plugins.lobi.draft.source import DraftSource, read_draft_source
from hola_plugins.lobi.model_source import load_model
from hola_plugins.lobi.structure import read_structure
from json_lines import read_json_lines
from package_versions import package_versions

_EPILOG = """\
drafts:
  cut             the target cut to the size, then taught
  random          the same shape with weights drawn at random, then taught: does the cut help?
  sibling         --sibling as it is
  sibling-taught  --sibling, then taught

example:
  python tests/benchmarks/bench_draft.py --model models/gsm-4m --sibling models/gsm-700k --prompts gsm8k/train.jsonl \\
      --held-out gsm8k/test.jsonl --cache answers --results rows.jsonl --steps 500

Prompts are JSON lines as hola draft reads them, or with question and answer as GSM8K has them. With --results a run
that was cut short goes on where it was; delete the file after a change of the code. The last line of the output is
one JSON object.
"""
_PROMPT = "Question: {question}\nAnswer:"


@dataclass(frozen=True, slots=True)
class Job:
    """One draft to make."""

    draft: str
    size: float
    layers: int | None
    loss: str
    learning_rate: float | None
    train: str
    steps: int
    prompts: int
    seed: int

    @property
    def config(self) -> DraftConfig:
        """What `hola draft` is to be told."""
        settings = asdict(self)
        kind = settings.pop("draft")
        if kind == "sibling":
            settings["steps"] = 0
        return load_draft_config(settings | {"patience": 1000})


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--model", required=True, metavar="DIR", help="the target")
    add("--sibling", metavar="DIR", help="a small model with the same tokenizer")
    add("--prompts", type=Path, required=True, metavar="FILE", help="prompts to learn from")
    add("--held-out", type=Path, required=True, metavar="FILE", help="prompts to measure on")
    add("--drafts", type=_words, default=["cut", "random", "sibling", "sibling-taught"], help="default: all")
    add("--sizes", type=_numbers, default=[0.25], help="shares of the decoder (default: 0.25)")
    add("--layers", type=_counts, default=[None], help="layers to keep (default: the fewest for the size)")
    add("--losses", type=_words, default=["kl"], help="default: kl")
    add("--rates", type=_numbers, default=[None], help="learning rates (default: as hola draft)")
    add("--train", type=_words, default=["all"], help="all, lora (default: all)")
    add("--steps", type=int, default=500, help="training steps (default: 500)")
    add("--count", type=int, default=2000, help="prompts (default: 2000)")
    add("--seeds", type=_counts, default=[0], help="default: 0")
    add("--cache", type=Path, metavar="DIR", help="folder that keeps the target's answers")
    add("--results", type=Path, metavar="FILE", help="JSON lines of finished drafts, read and written")
    add("--save", type=Path, metavar="DIR", help="folder that keeps every draft")
    return parser


def jobs(options: argparse.Namespace) -> Iterator[Job]:
    """Yields the drafts to make; a sibling as it is comes once."""
    grid = itertools.product(
        options.seeds,
        options.sizes,
        options.layers,
        options.losses,
        options.rates,
        options.train,
        options.drafts,
    )
    made = set()
    for seed, size, layers, loss, rate, train, draft in grid:
        job = Job(draft, size, layers, loss, rate, train, options.steps, options.count, seed)
        key = draft if draft == "sibling" else job
        if key not in made:
            made.add(key)
            yield job


def as_prompts(file: Path, folder: Path) -> Path:
    """Gives a file of prompts; questions as GSM8K has them are written as prompts first."""
    rows = list(read_json_lines(file))
    if not rows or "question" not in rows[0]:
        return file
    made = folder / file.name
    made.write_text(
        "".join(f"{json.dumps({'prompt': _PROMPT.format(**row)})}\n" for row in rows), encoding="utf-8"
    )
    return made


def run(
    job: Job, source: DraftSource, options: argparse.Namespace, folder: Path, lesson: Lesson | None
) -> tuple[dict[str, Any], Lesson]:
    """Makes one draft; gives its row and what it learned from."""
    name = "-".join(str(value) for value in asdict(job).values())
    out = (options.save or folder) / name
    began = time.perf_counter()
    start = None
    if job.draft == "random":
        start = _random(job, source, folder / f"{name}-start")
    elif job.draft.startswith("sibling"):
        start = options.sibling
    made = make_draft(source, job.config, out, start=start, cache=options.cache, lesson=lesson)
    report = report_draft(source, job.config, made, out, start)
    report["seconds"]["all"] = time.perf_counter() - began
    return {"job": asdict(job), **{key: report[key] for key in _KEPT}}, made.lesson


_KEPT = ("draft", "kept_layers", "cut", "untrained", "training", "acceptance", "cost", "payoff", "seconds")


def _random(job: Job, source: DraftSource, folder: Path) -> str:
    """Saves a model of the cut's shape with random weights."""
    target, dtype = load_model(source.model)
    structure = read_structure(target)
    shape = rebuild(target, structure, choose_shape(target, structure, job.config))
    torch.manual_seed(job.seed)
    AutoModelForCausalLM.from_config(shape.config, dtype=dtype).save_pretrained(folder)
    source.tokenizer.save_pretrained(folder)
    return str(folder)


def table(rows: list[dict[str, Any]]) -> Table:
    """Renders the rows."""
    found = Table()
    columns = (
        "draft",
        "size",
        "loss",
        "rate",
        "train",
        "parameters",
        "untrained",
        "accepted",
        "K=4",
        "K=8",
        "step",
        "cost",
        "speed-up",
    )
    for column in columns:
        found.add_column(column, justify="left" if column in {"draft", "loss", "train"} else "right")
    for row in rows:
        job, lengths = row["job"], row["acceptance"]["lengths"]
        found.add_row(
            job["draft"],
            f"{job['size']:.0%}",
            str(row["draft"]["layers"]),
            job["loss"],
            "default" if job["learning_rate"] is None else f"{job['learning_rate']:g}",
            job["train"],
            f"{row['draft']['parameters']:,}",
            f"{row['untrained']['rate']:.1%}",
            f"{row['acceptance']['rate']:.1%}",
            f"{lengths['4']:.2f}",
            f"{lengths['8']:.2f}",
            f"{row['training']['best_step']}/{row['training']['steps']}",
            f"{row['payoff']['draft_cost']:.2f}",
            f"{max(row['payoff']['speedups'].values()):.2f}",
        )
    return found


def main() -> int:
    """Makes the drafts and prints them."""
    parser = build_parser()
    options = parser.parse_args()
    if options.sibling is None and any(draft.startswith("sibling") for draft in options.drafts):
        parser.error(
            f"--drafts {','.join(options.drafts)} needs --sibling DIR; without one, --drafts cut,random"
        )
    done = _read(options.results)
    rows: list[dict[str, Any]] = []
    lessons: dict[int, Lesson] = {}
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            prompts, held_out = (as_prompts(file, folder) for file in (options.prompts, options.held_out))
            for job in jobs(options):
                row = done.get(json.dumps(asdict(job)))
                if row is None:
                    source = read_draft_source(options.model, prompts, held_out, job.config)
                    row, lessons[job.seed] = run(job, source, options, folder, lessons.get(job.seed))
                    _keep(options.results, row)
                rows.append(row)
    except (LoBiError, OSError) as error:
        print(f"bench_draft: {error}", file=sys.stderr)
        return 2
    Console(width=160).print(table(rows))
    versions = package_versions(["torch", "transformers"])
    print(json.dumps({"model": options.model, "versions": versions, "drafts": rows}))
    return 0


def _read(file: Path | None) -> dict[str, dict[str, Any]]:
    """Reads finished rows by their job."""
    lines = file.read_text(encoding="utf-8").splitlines() if file and file.is_file() else []
    return {json.dumps(row["job"]): row for row in map(json.loads, lines)}


def _keep(file: Path | None, row: dict[str, Any]) -> None:
    """Adds a finished row to the file."""
    if file is not None:
        with file.open("a", encoding="utf-8") as out:
            out.write(f"{json.dumps(row)}\n")


def _words(text: str) -> list[str]:
    """Reads words with commas between."""
    return text.split(",")


def _counts(text: str) -> list[int]:
    """Reads whole numbers with commas between."""
    return [int(one) for one in text.split(",")]


def _numbers(text: str) -> list[float]:
    """Reads numbers with commas between."""
    return [float(one) for one in text.split(",")]


if __name__ == "__main__":
    raise SystemExit(main())
