"""A signal, a policy or a measure of confidence that raises or gives garbage: the query is answered, and says so."""

from __future__ import annotations

import asyncio
import json

import numpy as np
import pytest
from halls import DOCUMENTS, PARTS
from hashed_words import HashedWords

from hola_plugins.adacomp.audit import AuditTrail
from hola_plugins.adacomp.decision import DepthDecision
from hola_plugins.langchain import AdaCompRetriever
from hola_plugins.langchain.confidence import ModelConfidence

QUERY = "when is the pump in hall 2 checked"


class Switched:
    """A signal that works while it is calibrated, and then gives or raises what it is told."""

    names = ("switched",)

    def __init__(self):
        self.gives = None

    def measure(self, query, candidates):
        if isinstance(self.gives, Exception):
            raise self.gives
        return np.zeros((len(candidates), 1)) if self.gives is None else self.gives(len(candidates))


class Policy:
    """A policy that gives or raises what it is told."""

    def __init__(self, gives):
        self.gives = gives

    def decide(self, query, candidates, bounds):
        if isinstance(self.gives, Exception):
            raise self.gives
        return self.gives(len(candidates)) if callable(self.gives) else self.gives


def retriever(**settings):
    return AdaCompRetriever.from_documents(DOCUMENTS, HashedWords(256), k_max=7, **settings)


def check_answered(made, failure):
    """The first k_max in the fused order come back, and everything that tells says why."""
    fused = [one.id for one in retriever(k=7).invoke(QUERY)]
    told = made.explain(QUERY)
    assert [one.id for one in told.documents] == fused
    assert (told.reason, told.level) == ("policy_failed", "shallow")
    assert any(failure in warning for warning in told.warnings)
    assert [one.id for one in made.invoke(QUERY)] == fused
    assert [one.id for one in asyncio.run(made.ainvoke(QUERY))] == fused
    assert made.invoke(QUERY)[0].metadata["adacomp"]["reason"] == "policy_failed"
    assert len(made.invoke(QUERY, k=3)) == 3


@pytest.mark.parametrize(
    ("gives", "failure"),
    [
        (RuntimeError("the model is gone"), "RuntimeError: the model is gone"),
        (TimeoutError("after 2 s"), "TimeoutError: after 2 s"),
        (lambda n: np.full((n, 1), np.nan), "finite numbers"),
        (lambda n: np.full((n, 1), np.inf), "finite numbers"),
        (lambda n: np.zeros((n + 1, 1)), "shape"),
        (np.zeros, "shape"),
        (lambda n: [0.0] * n, "AttributeError"),
        (lambda n: np.full((n, 1), "high"), "CalibratedPolicy failed"),
    ],
)
def test_a_signal_that_fails(gives, failure, tmp_path):
    signal = Switched()
    made = retriever(signals=(signal,), audit=AuditTrail(tmp_path / "audit.jsonl"))
    made.calibrate(
        [f"when is the {part} in hall {hall} checked" for part in PARTS for hall in range(4)],
        [{f"{part}-{hall}"} for part in PARTS for hall in range(4)],
        false_skips=0.03,
    )
    before = made.explain(QUERY)
    assert (before.reason, before.warnings) == ("calibrated", ())
    signal.gives = gives
    check_answered(made, failure)
    *_, last = (tmp_path / "audit.jsonl").read_text().splitlines()
    assert any(failure in warning for warning in json.loads(last)["warnings"])
    signal.gives = None
    assert [one.id for one in made.explain(QUERY).documents] == [one.id for one in before.documents]


@pytest.mark.parametrize(
    ("gives", "failure"),
    [
        (ZeroDivisionError("by zero"), "ZeroDivisionError: by zero"),
        (None, "must give a DepthDecision, got NoneType"),
        (lambda n: DepthDecision("calibrated", tuple(range(n)), n + 1), "k must be from 0"),
        (lambda n: DepthDecision("calibrated", tuple(range(n)), -1), "k must be from 0"),
        (lambda n: DepthDecision("calibrated", tuple(range(n)), float("nan")), "k must be from 0"),
        (lambda n: DepthDecision("calibrated", tuple(range(1, n + 1)), 3), "order must be distinct rows"),
        (lambda n: DepthDecision("calibrated", (0, 0, 1), 3), "order must be distinct rows"),
        (lambda n: DepthDecision("calibrated", (-1, 0), 1), "order must be distinct rows"),
        (lambda n: DepthDecision("calibrated", (0.5, 0), 1), "order must be distinct rows"),
        (lambda n: DepthDecision("calibrated", (0, 1), 1, relevance=(0.5,)), "relevance must be"),
        (lambda n: DepthDecision("calibrated", (0, 1), 1, (float("nan"),) * n), "relevance must be"),
    ],
)
def test_a_policy_that_fails(gives, failure):
    check_answered(retriever(policy=Policy(gives)), failure)


def _gone(query):
    raise ConnectionError("no server")


@pytest.mark.parametrize(
    ("measure", "failure"),
    [(_gone, "no server"), (lambda query: float("nan"), "finite"), (lambda query: None, "")],
)
def test_a_model_whose_confidence_is_unknown_is_not_sure(measure, failure):
    made = retriever(confidence=ModelConfidence(measure, threshold=0.5))
    told = made.explain(QUERY)
    assert [one.id for one in told.documents] == [one.id for one in retriever().invoke(QUERY)]
    assert told.reason == "largest_gap"
    assert any("confidence is unknown" in warning and failure in warning for warning in told.warnings)


def test_the_gate_still_closes_where_the_policy_fails():
    made = retriever(policy=Policy(RuntimeError("broken")), min_similarity=0.9)
    told = made.explain("who painted this landscape")
    assert (told.reason, told.documents) == ("no_evidence", ())
    assert "RuntimeError: broken" in told.warnings[0]


class Together(HashedWords):
    """Embeds queries together, which fails or gives too few vectors; alone, which fails for a broken one."""

    def __init__(self, gives):
        super().__init__(256)
        self.gives, self.calls = gives, 0

    def embed_query(self, text):
        if "broken" in text:
            raise ValueError("the query is too long")
        return super().embed_query(text)

    def embed_queries(self, texts):
        self.calls += 1
        return self.gives(self, texts)


@pytest.mark.parametrize(
    "gives",
    [
        lambda model, texts: [model.embed_query(text) for text in texts],
        lambda model, texts: [HashedWords.embed_query(model, text) for text in texts if "broken" not in text],
    ],
)
def test_a_query_that_cannot_be_embedded_fails_alone_in_its_batch(gives, caplog):
    model = Together(gives)
    made = retriever(k=4).model_copy(update={"embeddings": model})
    asked = [f"when is the {part} checked" for part in PARTS]
    alone = [made.invoke(query) for query in asked]
    for found in (
        made.batch(["broken", *asked], return_exceptions=True),
        asyncio.run(made.abatch(["broken", *asked], return_exceptions=True)),
    ):
        assert "the query is too long" in str(found[0])
        assert found[1:] == alone
    assert model.calls == 2
    assert caplog.text.count("one by one") == 2
