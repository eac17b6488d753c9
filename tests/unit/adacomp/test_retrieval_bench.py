"""The retrieval benchmarks on a toy workload: every fixed depth is reported, and what a model's signal brings."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("langchain_classic")
pytest.importorskip("langchain_community")
sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

from beir_data import Question, Workload
from bench_signals import OWN, of_set
from embedding_cache import KnownVectors
from retrieval_model_signals import AskedOnce
from retrieval_policies import SIGNALS
from retrieval_pools import search_all
from retrieval_splits import UNSHOWN, compare

PASSAGES = {
    f"p{number}": f"The pump of hall {number} is checked weekly, word{number}." for number in range(30)
}


@pytest.fixture(scope="module")
def searched():
    """Forty questions to thirty passages, of random vectors."""
    questions = [
        Question("toy", f"which hall has word{n % 30}, {n}?", frozenset({f"p{n % 30}"})) for n in range(40)
    ]
    texts = [*PASSAGES.values(), *(one.text for one in questions)]
    vectors = np.random.default_rng(0).normal(size=(len(texts), 8)).astype(np.float32)
    known = KnownVectors(dict(zip(texts, vectors, strict=True)))
    return search_all(Workload("toy", PASSAGES, questions), known, len)


class Asked:
    """A signal of the question's length that counts how often it is asked."""

    names = ("length",)

    def __init__(self):
        self.times = 0

    def measure(self, query, candidates):
        self.times += 1
        return np.full((len(candidates), 1), float(len(query)))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_every_fixed_depth_is_among_the_policies(searched):
    options = argparse.Namespace(calibrate=20, splits=1, target=0.9)
    names = {
        row["name"]
        for row in compare(searched, [("chat", [searched.pools[0].question.text])], options).as_json()[
            "policies"
        ]
    }
    every = {f"{ranking} k={k}" for ranking in ("dense", "fused") for k in range(1, 21)}
    assert names >= every
    assert len(every - UNSHOWN) == 10


def test_what_a_models_signal_brings_is_against_the_retrievers_own(searched):
    asked = Asked()
    variants = {OWN: SIGNALS, "with a model": (*SIGNALS, AskedOnce(asked))}
    found = of_set(searched, 20, 2, variants)["variants"]
    assert asked.times == len(searched.pools)
    assert found[OWN]["gain"] == {"mean": 0.0, "low": 0.0, "high": 0.0}
    gain = found["with a model"]["gain"]
    assert gain["mean"] == pytest.approx(found["with a model"]["mean"] - found[OWN]["mean"])
    assert gain["low"] <= gain["high"]
