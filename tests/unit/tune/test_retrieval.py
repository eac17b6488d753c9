"""AdaComp's settings beside the fixed number of passages."""

from __future__ import annotations

import pytest
from hashed_words import HashedWords

from hola_plugins.corpus.asking import OpenIndex
from hola_plugins.langchain import FaissStore
from hola_plugins.pilot.sections import AdaComp
from hola_plugins.pilot.workload import Query
from hola_plugins.tune.retrieval import RetrievalTrials

TEXTS = [
    f"The {place} is {number + 3} miles away from the old bridge over the river."
    for number, place in enumerate(("mill", "tower", "harbour", "bakery"))
]


@pytest.mark.parametrize("k", [1, 3])
def test_the_fixed_number_of_passages_is_measured_too(tmp_path, k):
    index = OpenIndex(tmp_path, FaissStore.from_texts(TEXTS, HashedWords()))
    queries = [Query("1", "The tower is 4 miles away", answers=("4 miles",))]
    trials = RetrievalTrials(index, queries, AdaComp(), k, lambda doing: None)
    found = trials.original()
    each = trials.measure({"token_budget": None}, lambda step, cost: None).figures
    assert (found.figures.recall, found.turns) == (1.0, ())
    assert found.cost == found.figures.tokens == pytest.approx(14 * k, rel=0.3)
    assert each.tokens > 0
