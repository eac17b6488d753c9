"""The cross-domain table of retrieval over a real index: calibrated on one domain, measured on each."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("faiss")
pytest.importorskip("langchain_core")

from langchain_core.embeddings import DeterministicFakeEmbedding

from hola_plugins.corpus.asking import OpenIndex
from hola_plugins.langchain import FaissStore
from hola_plugins.pilot.cross_retrieval import measure_cross_retrieval
from hola_plugins.pilot.sections import AdaComp, Domain
from hola_plugins.pilot.workload import DataError

TOOLS = [f"tool{number}" for number in range(40)]
CREWS = [f"crew{number}" for number in range(40)]
TOPICS = ("pay", "shift", "leave", "boots")


class Topics(DeterministicFakeEmbedding):
    """Texts about the same tool or crew are near each other, whatever else they say."""

    def embed_query(self, text):
        return super().embed_query(next(word for word in text.split() if word in {*TOOLS, *CREWS}))

    def embed_documents(self, texts):
        return [self.embed_query(text) for text in texts]


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """One passage a tool, and one for each topic of a crew."""
    pages = {tool: f"The {tool} hangs on the wall." for tool in TOOLS}
    pages |= {f"{crew}-{one}": f"What {crew} gets as {one} ." for crew in CREWS for one in TOPICS}
    store = FaissStore.from_texts(list(pages.values()), Topics(size=32), ids=list(pages))
    return OpenIndex(tmp_path_factory.mktemp("index"), store)


@pytest.fixture
def domains(tmp_path):
    """Questions that one passage answers, and questions that need four."""
    simple = [{"question": f"Where is {tool} ?", "relevant": [tool]} for tool in TOOLS]
    wide = [
        {"question": f"All of {crew} ?", "relevant": [f"{crew}-{one}" for one in TOPICS]} for crew in CREWS
    ]
    found = []
    for name, rows in (("tools", simple), ("crews", wide)):
        path = tmp_path / f"{name}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        found.append(Domain(name=name, labels=path))
    return found


def measure(domains, index):
    adacomp = AdaComp(token_budget=None, target_recall=0.8)
    return measure_cross_retrieval(domains, index, 2, adacomp, lambda doing: None)


def test_every_domain_is_measured_with_every_calibration(domains, index):
    rows = measure(domains, index)
    assert [(one.fitted_on, one.measured_on, one.metric, one.questions) for one in rows] == [
        (fitted, measured, metric, 20)
        for fitted in ("tools", "crews")
        for measured in ("tools", "crews")
        for metric in ("recall", "passage_tokens")
    ]
    assert {one.reference for one in rows if one.measured_on == "crews" and one.metric == "recall"} == {0.5}


def test_a_calibration_of_simple_questions_misses_what_wide_ones_need(domains, index):
    rows = {(one.fitted_on, one.measured_on, one.metric): one.value for one in measure(domains, index)}
    assert rows["crews", "crews", "recall"] >= 0.8
    assert rows["tools", "crews", "recall"] < rows["crews", "crews", "recall"]
    assert rows["tools", "tools", "recall"] == 1.0
    assert rows["tools", "tools", "passage_tokens"] < 1.0 < rows["crews", "crews", "passage_tokens"]


def test_too_few_labels_are_refused(domains, index, tmp_path):
    path = tmp_path / "few.jsonl"
    path.write_text(
        '{"question": "Where is tool1 ?", "relevant": ["tool1"]}\n{"question": "Where is tool2 ?"}\n'
    )
    with pytest.raises(DataError, match="1 labelled questions; half calibrate: give at least 4"):
        measure([domains[0], Domain(name="few", labels=path)], index)
