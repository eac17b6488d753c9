"""64 threads and 256 tasks ask one index while documents come and go: every answer is that of some moment."""

from __future__ import annotations

import asyncio
import random
import threading
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import pytest
from hashed_words import HashedWords
from langchain_core.documents import Document

from hola_plugins.adacomp import passage_store
from hola_plugins.adacomp.index_settings import IndexSettings
from hola_plugins.langchain import AdaCompRetriever, FaissStore


class Distinct(HashedWords):
    """No two texts are equally near a query, so that an answer has one right order."""

    def embed_query(self, text: str) -> list[float]:
        noise = np.random.default_rng(zlib.crc32(text.encode())).standard_normal(self.dimension)
        return (np.array(super().embed_query(text)) + 0.05 * noise).tolist()


EMBEDDINGS = Distinct(256)
KINDS = {
    "flat": IndexSettings(),
    "ivf": IndexSettings(kind="ivf", lists=2, probes=2),
    "hnsw": IndexSettings(kind="hnsw", ef_search=512),
}
"""Sizes at which the approximate kinds find what the exact one finds, so that an answer has one right value."""

PARTS = ("valve", "pump", "filter", "gauge", "boiler", "turbine", "rotor", "seal")
QUERIES = [f"which {part} is checked in hall {number}" for number, part in enumerate(PARTS)]


def text(name: str, edition: int) -> str:
    number = int(name)
    return f"The {PARTS[number % 8]} number {number} in hall {number % 11} is checked in week {edition + number}."


def documents(texts: dict[str, str]) -> list[Document]:
    return [Document(id=name, page_content=content) for name, content in texts.items()]


@dataclass
class History:
    """The states of a store, in order, with the moments when the change to each began and ended."""

    store: FaissStore
    states: list[dict[str, str]]
    began: list[float] = field(default_factory=lambda: [0.0])
    ended: list[float] = field(default_factory=lambda: [0.0])

    def change(self, added: dict[str, str], deleted: list[str]) -> None:
        """Adds or deletes, and writes down what the store then holds, in its order."""
        gone = {*added, *deleted}
        self.states.append({n: t for n, t in self.states[-1].items() if n not in gone} | added)
        self.began.append(time.perf_counter())
        if added:
            self.store.add_documents(documents(added))
        else:
            self.store.delete(deleted)
        self.ended.append(time.perf_counter())

    def between(self, start: float, end: float) -> range:
        """Gives the numbers of the states that stood at some moment from start to end."""
        first = max(number for number, moment in enumerate(self.ended) if moment <= start)
        last = max(number for number, moment in enumerate(self.began) if moment < end)
        return range(first, last + 1)


@dataclass(frozen=True)
class Answer:
    query: str
    k: int | None
    start: float
    end: float
    found: list[tuple[str, str]]


def contents(found: list[Document]) -> list[tuple[str, str]]:
    return [(document.id, document.page_content) for document in found]


def change_until(history: History, stop: threading.Event) -> None:
    """Adds, replaces and deletes at random, a few at a time and at times most of it."""
    rng, edition = random.Random(1), 0
    while not stop.wait(0.05):
        edition += 1
        names = [*history.states[-1]]
        action = edition % 4
        if action == 3 and len(names) > 60:
            history.change({}, rng.sample(names, 40 if edition % 16 == 3 else 5))
        elif action == 1:
            history.change({n: text(n, edition) for n in rng.sample(names, 5)}, [])
        else:
            history.change({str(n): text(str(n), edition) for n in rng.sample(range(200), 12)}, [])


def ask_in_threads(retriever: AdaCompRetriever, each: int) -> list[Answer]:
    def ask(number: int) -> list[Answer]:
        answers = []
        for turn in range(each):
            query, k = QUERIES[(number + turn) % len(QUERIES)], (None, 5)[turn % 2]
            start = time.perf_counter()
            found = contents(retriever.invoke(query, k=k))
            answers.append(Answer(query, k, start, time.perf_counter(), found))
        return answers

    with ThreadPoolExecutor(64) as pool:
        return [answer for answers in pool.map(ask, range(64)) for answer in answers]


def ask_in_tasks(retriever: AdaCompRetriever) -> list[Answer]:
    async def ask(number: int) -> Answer:
        query, k = QUERIES[number % len(QUERIES)], (5, None)[number // 8 % 2]
        start = time.perf_counter()
        found = contents(await retriever.ainvoke(query, k=k))
        return Answer(query, k, start, time.perf_counter(), found)

    async def ask_all() -> list[Answer]:
        return await asyncio.gather(*(ask(number) for number in range(256)))

    return asyncio.run(ask_all())


def right_answers(history: History, kind: str) -> Callable[[int, str, int | None], list[tuple[str, str]]]:
    """Gives a function of state, query and k: what a store made of that state alone answers."""

    @cache
    def retriever(number: int) -> AdaCompRetriever:
        store = FaissStore(EMBEDDINGS, index=KINDS[kind])
        store.add_documents(documents(history.states[number]))
        return AdaCompRetriever.from_vectorstore(store)

    @cache
    def right(number: int, query: str, k: int | None) -> list[tuple[str, str]]:
        return contents(retriever(number).invoke(query, k=k))

    return right


@pytest.mark.parametrize("kind", KINDS)
def test_every_answer_is_that_of_some_moment(kind, monkeypatch, tmp_path):
    monkeypatch.setattr(passage_store, "_TOLERATED_DEAD", 8)
    first = {str(number): text(str(number), 0) for number in range(100)}
    store = FaissStore(EMBEDDINGS, index=KINDS[kind])
    store.add_documents(documents(first))
    retriever, history, stop = (
        AdaCompRetriever.from_vectorstore(store),
        History(store, [first]),
        threading.Event(),
    )
    saved = []

    def save() -> None:
        while not stop.wait(0.1):
            start = time.perf_counter()
            store.save(tmp_path)
            end = time.perf_counter()
            loaded = FaissStore.load(tmp_path, EMBEDDINGS)
            saved.append((start, end, dict(loaded.passages.texts)))

    with ThreadPoolExecutor(3) as pool:
        changing, saving = pool.submit(change_until, history, stop), pool.submit(save)
        tasks = pool.submit(ask_in_tasks, retriever)
        try:
            answers, asked = ask_in_threads(retriever, each=3) + tasks.result(timeout=60), 64 * 3 + 256
            while len(history.states) <= 8 and not changing.done():
                answers += ask_in_threads(retriever, each=1)
                asked += 64
        finally:
            stop.set()
        changing.result(timeout=60)
        saving.result(timeout=60)
    assert len(answers) == asked
    right = right_answers(history, kind)
    for answer in answers:
        moments = history.between(answer.start, answer.end)
        assert any(right(number, answer.query, answer.k) == answer.found for number in moments), answer
    for start, end, texts in saved:
        assert texts in [history.states[number] for number in history.between(start, end)]
    assert len(history.states) > 8
    assert saved
