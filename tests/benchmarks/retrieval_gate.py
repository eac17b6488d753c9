"""The none-gate: prompts that the corpus has nothing on, against questions that it answers."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from hola_plugins.adacomp.gate import evidence, evidence_floor
from hola_plugins.adacomp.probe import probe
from json_lines import read_json_lines
from retrieval_pools import POOL, Pool, Searched

_NAMES = ("Maria", "Viktor", "Amara", "Jonas", "Leila", "Oskar")
_THINGS = ("apples", "tickets", "pencils", "litres of paint", "marbles", "eggs")
_TASKS = (
    "Write a Python function that returns the {} largest numbers of a list without sorting it.",
    "Fix this loop so that it stops after {} rounds: while i != n: i += 2",
    "Rewrite the following e-mail so that it sounds friendlier and has at most {} sentences.",
    "Give me {} ideas for a birthday party at home with small children.",
    "Translate 'good morning, how are you today?' into {} languages.",
    "Write a haiku about rain in spring, then explain it in {} words.",
    "Compute the derivative of x^{} * sin(x) and simplify.",
    "Let us play a game: I think of a number under {} and you ask questions.",
)


def built_in_prompts(count: int, seed: int = 0) -> list[str]:
    """Makes sums, code tasks and chat that no collection of passages is about."""
    rng = random.Random(seed)
    prompts = []
    for number in range(count):
        first, second, price = rng.randint(3, 90), rng.randint(2, 30), rng.randint(2, 9)
        name, thing = rng.choice(_NAMES), rng.choice(_THINGS)
        if number % 2:
            prompts.append(rng.choice(_TASKS).format(second))
        else:
            prompts.append(
                f"{name} buys {first} {thing} at {price} dollars each and gives away {second} of them. "
                f"How many {thing} are left, and how much did {name} pay?"
            )
    return prompts


def read_prompts(file: Path, most: int) -> list[str]:
    """Reads prompts of a JSON lines file: its text, prompt, question, or first of turns."""
    found = []
    for row in islice(read_json_lines(file), most):
        found.append(row.get("text") or row.get("prompt") or row.get("question") or row["turns"][0])
    return found


def gate_rates(
    calibration: Sequence[Pool], test: Sequence[Pool], off_topic: Sequence[float], false_skips: float
) -> dict[str, float]:
    """Gives the share of off-topic prompts, by their evidence, and of real questions that the gate turns away."""
    floor = evidence_floor([evidence(pool.candidates) for pool in calibration], false_skips)
    real = [evidence(pool.candidates) < floor for pool in test]
    off = [found < floor for found in off_topic]
    return {"true_skip": sum(off) / len(off), "false_skip": sum(real) / len(real)}


def evidence_of(searched: Searched, prompts: Sequence[str]) -> list[float]:
    """Gives the evidence that the corpus has for each prompt."""
    store, lexical = searched.store, searched.lexical
    view = store.passages.view()
    vectors = [np.asarray(store.embeddings.embed_query(prompt), dtype=np.float32) for prompt in prompts]
    return [
        evidence(probe(view, lexical, prompt, vector, POOL))
        for prompt, vector in zip(prompts, vectors, strict=True)
    ]
