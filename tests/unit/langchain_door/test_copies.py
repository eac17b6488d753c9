"""What a chain is made of is copied and sent to other processes, as LangChain's own parts are."""

from __future__ import annotations

import copy
import json
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor

import pytest
from hashed_words import HashedWords
from langchain_core.documents import Document
from langchain_core.vectorstores import InMemoryVectorStore

from hola_plugins.adacomp.audit import AuditTrail
from hola_plugins.langchain import AdaCompRetriever, AnswerGuard, SentenceCompressor
from hola_plugins.langchain.retriever_state import RetrieverState
from hola_plugins.langchain.sentence_vectors import SentenceVectors

DOCUMENTS = [
    Document(
        id=str(number), page_content=f"The valve in hall {number} closes. It is red. Hall {number} is warm."
    )
    for number in range(12)
]


def unpickled(one):
    return pickle.loads(pickle.dumps(one))


copied = pytest.mark.parametrize("copier", [copy.deepcopy, unpickled])


def contents(documents):
    return [(document.id, document.page_content, document.metadata) for document in documents]


@copied
def test_a_copied_retriever_answers_alike(copier):
    store = InMemoryVectorStore.from_documents(DOCUMENTS, HashedWords())
    retriever = AdaCompRetriever.from_vectorstore(store, token_budget=30)
    question = "which valve is in hall 7"
    before = contents(retriever.invoke(question))
    answered = copier(retriever)
    assert contents(answered.invoke(question)) == before == contents(retriever.invoke(question))


@copied
def test_a_copied_retriever_has_a_calibration_of_its_own(copier):
    store = InMemoryVectorStore.from_documents(DOCUMENTS, HashedWords())
    retriever = AdaCompRetriever.from_vectorstore(store)
    queries = [f"which valve is in hall {number}" for number in range(12)]
    calibration = retriever.calibrate(queries, [{str(number)} for number in range(12)])
    answered = copier(retriever)
    assert repr(answered.calibration) == repr(calibration)
    assert contents(answered.invoke(queries[3])) == contents(retriever.invoke(queries[3]))
    retriever.state.calibration = None
    assert repr(answered.calibration) == repr(calibration)


@copied
def test_a_copied_compressor_cuts_alike_and_asks_its_own_model(copier):
    compressor = SentenceCompressor(token_budget=20, embeddings=HashedWords())
    before = contents(compressor.compress_documents(DOCUMENTS, "the red valve"))
    answered = copier(compressor)
    del compressor
    assert contents(answered.compress_documents(DOCUMENTS, "the red valve")) == before


@copied
def test_copied_audit_trails_write_whole_lines_into_one_file(copier, tmp_path):
    path = tmp_path / "audit.jsonl"
    trail = AuditTrail(path)
    trail.write({"n": 1})
    copier(trail).write({"n": 2})
    trail.write({"n": 3})
    assert [json.loads(line)["n"] for line in path.read_text().splitlines()] == [1, 2, 3]


class TenantTrail(AuditTrail):
    """Writes no question, and whose it was."""

    def __init__(self, path, tenant):
        super().__init__(path)
        self.tenant = tenant

    def write(self, record):
        super().write({**record, "query": "", "tenant": self.tenant})


class TenantState(RetrieverState):
    """A state with a field more."""


class TenantVectors(SentenceVectors):
    """Vectors with a field more."""


@copied
def test_a_copied_audit_trail_of_a_class_of_its_own_stays_one(copier, tmp_path):
    path = tmp_path / "audit" / "audit.jsonl"
    store = InMemoryVectorStore.from_documents(DOCUMENTS, HashedWords())
    retriever = AdaCompRetriever.from_vectorstore(store, audit=TenantTrail(path, "a"))
    answered = copier(retriever)
    path.parent.rmdir()
    copier(answered).invoke("a secret valve")
    record = json.loads(path.read_text())
    assert (record["query"], record["tenant"]) == ("", "a")


@pytest.mark.parametrize("copier", [copy.copy, copy.deepcopy, unpickled])
@pytest.mark.parametrize("kind", [TenantState, TenantVectors])
def test_what_a_copied_part_of_a_retriever_has_besides_is_copied(copier, kind):
    part = kind()
    part.tenant = "a"
    found = copier(part)
    assert type(found) is kind
    assert found.tenant == "a"


@copied
def test_copies_forget_what_they_kept_by_the_identity_of_another(copier):
    store, model = InMemoryVectorStore.from_documents(DOCUMENTS, HashedWords()), HashedWords()
    state, vectors = RetrieverState(), SentenceVectors()
    direction = state.direction(store)
    vectors.embed(["The valve closes."], model)
    assert copier(state).direction(store) is not direction
    assert not copier(vectors)._vectors
    assert state.direction(store) is direction
    assert len(vectors._vectors) == 1


@copied
def test_a_copied_guard_audits_too(copier, tmp_path):
    path = tmp_path / "answers.jsonl"
    answer = {"answer": "The valve closes.", "documents": ["The valve closes."]}
    given = copier(AnswerGuard(audit=path)).invoke(answer)
    assert given["guard"] == AnswerGuard().invoke(answer)["guard"]
    assert len(path.read_text().splitlines()) == 1


def test_a_compressor_works_in_another_process():
    compressor = SentenceCompressor(token_budget=20)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        there = pool.submit(compressor.compress_documents, DOCUMENTS, "the red valve").result(timeout=60)
    assert contents(there) == contents(compressor.compress_documents(DOCUMENTS, "the red valve"))
