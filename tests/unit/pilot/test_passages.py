"""The passages of a query over a real index, and the retriever that finds them."""

from __future__ import annotations

import pytest

pytest.importorskip("faiss")
pytest.importorskip("langchain_core")

from langchain_core.embeddings import DeterministicFakeEmbedding

from hola_plugins.langchain import AdaCompRetriever, FaissStore
from hola_plugins.pilot.passages import retriever_arguments
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
