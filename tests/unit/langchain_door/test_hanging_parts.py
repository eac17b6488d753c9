"""A signal, a policy or a confidence that does not return holds its own query and nothing else."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import numpy as np
import pytest
from halls import DOCUMENTS, PARTS
from hashed_words import HashedWords
from langchain_core.documents import Document

from hola_plugins.adacomp.policy import GapPolicy
from hola_plugins.langchain import AdaCompRetriever, FaissStore
from hola_plugins.langchain.confidence import ModelConfidence

QUERY, STUCK = "when is the pump in hall 2 checked", "when is the valve in hall 3 checked"
PATIENCE = 60


class Model:
    """Answers every query but the stuck one, which waits for `released`."""

    names = ("model",)

    def __init__(self):
        self.asked, self.released = Event(), Event()
        self.released.set()

    def confidence(self, query):
        if query == STUCK:
            self.asked.set()
            assert self.released.wait(PATIENCE)
        return 0.0

    def measure(self, query, candidates):
        return np.full((len(candidates), 1), self.confidence(query))

    def decide(self, query, candidates, bounds):
        self.confidence(query)
        return GapPolicy().decide(query, candidates, bounds)


@pytest.fixture
def model():
    return Model()


@pytest.fixture(params=["signal", "policy", "confidence"])
def retriever(request, model):
    settings = {
        "signal": {"signals": (model,)},
        "policy": {"policy": model},
        "confidence": {"confidence": ModelConfidence(model.confidence, threshold=0.5)},
    }[request.param]
    made = AdaCompRetriever.from_documents(
        DOCUMENTS, HashedWords(256), k_max=7, token_budget=80, length_function=len, **settings
    )
    _calibrate(made)
    return made


def _calibrate(retriever):
    retriever.calibrate(
        [f"when is the {part} in hall {hall} checked" for part in PARTS for hall in range(4)],
        [{f"{part}-{hall}"} for part in PARTS for hall in range(4)],
        false_skips=0.03,
    )


@pytest.fixture
def stuck(retriever, model):
    """A query that is stuck in its thread until the test ends; gives its future."""
    model.asked.clear()
    model.released.clear()
    with ThreadPoolExecutor(1) as pool:
        query = pool.submit(retriever.invoke, STUCK)
        assert model.asked.wait(PATIENCE)
        yield query
        model.released.set()


def _others(retriever, folder):
    """Asks, adds, deletes and saves; gives what came back."""
    store = retriever.source
    told = [retriever.explain(QUERY), asyncio.run(retriever.ainvoke(QUERY)), retriever.batch([QUERY] * 9)]
    store.add_documents([Document(id="new", page_content="The pump in hall 9 is checked every 11 weeks.")])
    found = retriever.invoke("when is the pump in hall 9 checked")
    store.delete(["new", "valve-3"])
    store.save(folder)
    return told, found


def test_other_queries_and_changes_go_on(retriever, model, stuck, tmp_path):
    with ThreadPoolExecutor(1) as pool:
        try:
            told, found = pool.submit(_others, retriever, tmp_path / "index").result(PATIENCE)
        finally:
            model.released.set()
    explained, alone, together = told
    assert explained.documents[0].id == "pump-2"
    assert [list(explained.documents), *together] == [alone] * 10
    assert found[0].id == "new"
    assert len(FaissStore.load(tmp_path / "index", HashedWords(256)).passages.texts) == len(DOCUMENTS) - 1
    assert stuck.result(PATIENCE)


def test_a_task_that_is_no_longer_waited_for_lets_the_others_go_on(retriever, model):
    async def ask():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(retriever.ainvoke(STUCK), 0.2)
        found = await retriever.ainvoke(QUERY)
        model.released.set()
        return found

    model.released.clear()
    assert asyncio.run(ask())[0].id == "pump-2"


def test_a_model_with_a_timeout_of_its_own_bounds_its_query(retriever, model):
    def give_up(seconds):
        raise TimeoutError("the model gave no answer in 0.1 s")

    model.released.wait = give_up
    told = retriever.explain(STUCK)
    assert told.documents[0].id == "valve-3"
    assert any("TimeoutError: the model gave no answer" in warning for warning in told.warnings)
