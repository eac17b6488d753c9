"""The passages of a query over a real index, and the retriever that finds them."""

from __future__ import annotations

import pytest

pytest.importorskip("faiss")
pytest.importorskip("langchain_core")

from langchain_core.embeddings import DeterministicFakeEmbedding

from hola_plugins.corpus.asking import CALIBRATION, OpenIndex
from hola_plugins.langchain import AdaCompRetriever, FaissStore
from hola_plugins.pilot.passages import adaptive_retriever, retriever_arguments
from hola_plugins.pilot.sections import AdaComp


@pytest.fixture
def store():
    texts = [f"Valve {number} closes in hall {number % 7}." for number in range(40)]
    return FaissStore.from_texts(texts, DeterministicFakeEmbedding(size=16), ids=list(map(str, range(40))))


@pytest.mark.parametrize("named", ["labels", "calibration", None])
def test_the_retriever_takes_the_arguments_whatever_calibrates_it(tmp_path, store, named):
    (tmp_path / "given").touch()
    source = {named: tmp_path / "given"} if named else {}
    arguments = retriever_arguments(AdaComp(token_budget=99, target_recall=0.8, **source))
    retriever = AdaCompRetriever.from_vectorstore(store, **arguments)
    assert retriever.token_budget == 99
    assert retriever.target_recall == (0.8 if named == "labels" else None)


@pytest.mark.parametrize("named", ["calibration", None])
def test_a_calibration_is_used_with_the_depths_it_was_made_with(tmp_path, store, named):
    queries = [f"Which valve closes in hall {number}?" for number in range(40)]
    made = AdaCompRetriever.from_vectorstore(store, k_max=2)
    made.calibrate(queries, [{str(number)} for number in range(40)], false_skips=0.03)
    path = tmp_path / ("given.json" if named else CALIBRATION)
    made.save_calibration(path)
    index = OpenIndex(tmp_path, store)
    retriever = adaptive_retriever(index, AdaComp(**{named: path} if named else {}))
    assert (retriever.k_min, retriever.k_max, retriever.token_budget) == (1, 2, 400)
    assert retriever.calibration.labels == made.calibration.labels == 40
    assert retriever.explain(queries[0]).warnings == ()
    assert index.retriever(calibration=path, k_max=1).k_max == 1, "what is asked for goes first"
