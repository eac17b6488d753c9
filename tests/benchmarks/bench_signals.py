"""Choose the signals of the depth policy on all folders but one and confirm the choice on that one.

What is chosen on a set looks better there than on others. Here the folder that gives the figure has no say in the
choice, so the figure stands for an unseen corpus. A folder given with --confirm never has a say.

"Saved" is against the fused ranking at a fixed depth of the same recall, averaged over the targets at which a fixed
depth tuned on the same labels lies between 1 and the depth limit: where 1 suffices nothing can be saved, and where
the limit does not suffice nothing can be promised.

--causal-lm and --chat add the signals of a language model to the retriever's own, and then a second table says what
each brings: "gain" is what more is saved than with the retriever's own signals, on the same splits and samples, in
points. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from beir_data import load
from bench_retrieval import drawn, embed
from embedding_cache import EmbeddingCache, MiniLM, TokenCounter
from hola_plugins.adacomp.signals import ScoreShape, Signal, WordCoverage
from retrieval_measures import fixed_curves, interval, measure, oracle, resampled, saved
from retrieval_model_signals import model_signals
from retrieval_policies import BOUNDS, SIGNALS, calibrated, tuned_fixed
from retrieval_pools import Searched, search_all

OWN = "score shape, word coverage, named by better"
"""What the retriever has."""

VARIANTS: dict[str, tuple[Signal, ...]] = {
    "score shape": (ScoreShape(),),
    "score shape, word coverage": (ScoreShape(), WordCoverage()),
    OWN: SIGNALS,
}
"""What is chosen from, beside the retriever's own with those of a model."""

TARGETS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98)
"""Shares of questions that get all their passages."""

_RESAMPLES = 50
"""Bootstrap samples of the questions a split."""


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", type=Path, action="append", required=True, metavar="DIR", help="BEIR-layout folder")
    add("--confirm", type=Path, action="append", default=[], metavar="DIR", help="folder without a say")
    add("--causal-lm", type=Path, metavar="DIR", help="causal language model for the gradient norm")
    add("--chat", metavar="URL", help="OpenAI-compatible server (.../v1) for the log-probability margin")
    add("--calibrate", type=int, default=200, help="labelled questions a split, at most half (default: 200)")
    add("--splits", type=int, default=10, help="random splits (default: 10)")
    add("--most", type=int, default=1200, help="questions of a folder (default: 1200)")
    add("--cache", type=Path, default=Path("retrieval-cache"), metavar="DIR", help="folder for embeddings")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    of_models = model_signals(options.causal_lm, options.chat)
    variants = {**VARIANTS, **{f"{OWN}, {name}": (*SIGNALS, signal) for name, signal in of_models.items()}}
    cache, count = EmbeddingCache(options.cache, MiniLM()), TokenCounter()
    workloads = [drawn(load(folder), options.most) for folder in (*options.data, *options.confirm)]
    vectors = embed(cache, workloads, [])
    found = {
        workload.name: of_set(
            search_all(workload, vectors, count), options.calibrate, options.splits, variants
        )
        for workload in workloads
    }
    choosing = [folder.name for folder in options.data]
    rows = [_confirmed(name, found, [one for one in choosing if one != name]) for name in found]
    _show(rows)
    if of_models:
        _show_gains(found, list(of_models))
    print(json.dumps({"confirmed": rows, "sets": found, "command": sys.argv}))


def of_set(
    searched: Searched, labels: int, splits: int, variants: dict[str, tuple[Signal, ...]]
) -> dict[str, Any]:
    """Measures every variant on one set; all see the same splits."""
    pools = searched.pools
    labels = min(labels, len(pools) // 2)
    orders = [np.random.default_rng(split).permutation(len(pools)) for split in range(splits)]
    divided = [
        ([pools[row] for row in order[:labels]], [pools[row] for row in order[labels:]]) for order in orders
    ]
    depths = {t: float(np.mean([tuned_fixed(known, t)[1] for known, _ in divided])) for t in TARGETS}
    telling = [t for t, depth in depths.items() if 1.0 < depth < BOUNDS.k_max]
    shares = {name: _shares(divided, signals, telling) for name, signals in variants.items()}
    return {
        "labels": labels,
        "tuned_fixed_k": {str(t): depth for t, depth in depths.items()},
        "targets": telling,
        "variants": {name: _saved(*one, shares[OWN][0]) for name, one in shares.items()},
    }


def _shares(
    divided: list[Any], signals: tuple[Signal, ...], targets: list[float]
) -> tuple[np.ndarray, float]:
    """Averages over the targets what one variant saves on all questions of a split and on samples of them.

    Gives float64[splits, 1 + samples], and what could be saved at its recall.
    """
    shares, possible = [], []
    for seed, (known, rest) in enumerate(divided):
        recall, tokens = fixed_curves(rest)
        weights = np.concatenate([np.ones((1, len(rest))), resampled(len(rest), _RESAMPLES, seed)])
        outcomes = [measure(calibrated(known, target, signals)[0], rest) for target in targets]
        shares.append(np.mean([saved(one, recall, tokens, weights) for one in outcomes], axis=0))
        possible.append(np.mean([oracle(one, recall, tokens, BOUNDS.k_max) for one in outcomes]))
    return np.array(shares), float(np.mean(possible))


def _saved(shares: np.ndarray, possible: float, own: np.ndarray) -> dict[str, Any]:
    """Gives the mean and the interval of what a variant saves, and of how much more than the retriever's own."""
    return {**_spread(shares), "oracle": possible, "gain": _spread(shares - own)}


def _spread(shares: np.ndarray) -> dict[str, float]:
    return {**interval(shares[:, 1:].ravel()), "mean": float(np.mean(shares[:, 0]))}


def _confirmed(name: str, found: dict[str, Any], choosing: list[str]) -> dict[str, Any]:
    """Chooses the variant that saves most on the other sets and looks its figure up on this one."""
    means = {
        variant: float(np.mean([found[one]["variants"][variant]["mean"] for one in choosing]))
        for variant in found[name]["variants"]
    }
    chosen = max(means, key=lambda variant: means[variant])
    return {"set": name, "chosen_on": choosing, "chosen": chosen, **found[name]["variants"][chosen]}


def _show(rows: list[dict[str, Any]]) -> None:
    table = Table("set", "chosen on the others", "saved %", "an oracle saves %")
    for row in rows:
        table.add_row(row["set"], row["chosen"], _percent(row), f"{100 * row['oracle']:.0f}")
    Console(width=110).print(table)


def _show_gains(found: dict[str, Any], of_models: list[str]) -> None:
    table = Table("set", "signal of a model", "saved % without", "saved % with", "gain")
    for name, of_set in found.items():
        own = _percent(of_set["variants"][OWN])
        for signal in of_models:
            with_it = of_set["variants"][f"{OWN}, {signal}"]
            table.add_row(name, signal, own, _percent(with_it), _percent(with_it["gain"], 1))
    Console(width=110).print(table)


def _percent(spread: dict[str, float], digits: int = 0) -> str:
    mean, low, high = (f"{100 * spread[key]:.{digits}f}" for key in ("mean", "low", "high"))
    return f"{mean} [{low}, {high}]"


if __name__ == "__main__":
    main()
