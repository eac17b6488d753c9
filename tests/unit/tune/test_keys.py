"""What the searches and the data held out are kept under: the content of every file, and the versions."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from hola_plugins.pilot.config import PilotConfig
from hola_plugins.pilot.sections import HSD
from hola_plugins.tune.choice import Choice
from hola_plugins.tune.duel import Outcome
from hola_plugins.tune.held_out import measure_held_out
from hola_plugins.tune.keys import drafts_key, retrieval_key, weights_key
from hola_plugins.tune.limits import Figures
from hola_plugins.tune.split import Splitter

FILES = ("queries", "questions", "train", "calibration", "text")


@pytest.fixture
def pilot(tmp_path):
    """A pilot's configuration that names a file of every kind."""
    for name in ("model", "documents"):
        (tmp_path / name).mkdir()
    (tmp_path / "documents" / "a.md").write_text("Paris is the capital of France.\n")
    for name in FILES:
        lines = (f'{{"question": "what {number}?", "answer": "{number}"}}\n' for number in range(20))
        (tmp_path / f"{name}.jsonl").write_text("".join(lines))
    return PilotConfig.model_validate(
        {
            "model": "model",
            "documents": {"path": "documents", "queries": "queries.jsonl"},
            "adacomp": {"calibration": "calibration.jsonl"},
            "lobi": {"calibration": "text.jsonl"},
            "accuracy": [
                {"task": "own", "questions": "questions.jsonl"},
                {"task": "gsm8k", "data": "questions.jsonl", "train": "train.jsonl"},
            ],
        },
        context={"folder": tmp_path},
    )


def changed(tmp_path, name):
    """Changes the answers in a file."""
    path = tmp_path / f"{name}.jsonl"
    path.write_text(path.read_text().replace('"answer": "', '"answer": "about '))


class Arena:
    """Counts duels; every side takes a second."""

    traffic, repeats = "traffic", 2
    fleet = SimpleNamespace(server=lambda plan: plan)
    duels = 0

    def duel(self, reference, rival):
        self.duels += 1
        return Outcome(Figures(latency_s=1.0), Figures(latency_s=1.0), 0.0, (0.0,))

    def show(self, doing):
        pass


def new_bench(pilot, versions=("vllm 1",), passages="passages"):
    contexts = SimpleNamespace(key=lambda depth: passages, prompts=lambda depth: [], retrieval=lambda _: None)
    scores = SimpleNamespace(
        versions=versions, measure=lambda server, depth, task: SimpleNamespace(value=1.0)
    )
    return SimpleNamespace(
        pilot=pilot, depth="adaptive", contexts=contexts, prompts=[], arena=Arena(), scores=scores
    )


class Kept:
    """Keeps one unit."""

    key = value = None

    def get(self, name, key):
        return self.value if key == self.key else None

    def put(self, name, key, value):
        self.key, self.value = key, value


@pytest.mark.parametrize("name", ["queries", "calibration"])
def test_retrieval_is_searched_anew_with_other_labels_or_another_calibration(pilot, tmp_path, name):
    before = retrieval_key(pilot.documents, pilot.adacomp, {})
    assert retrieval_key(pilot.documents, pilot.adacomp, {}) == before
    changed(tmp_path, name)
    assert retrieval_key(pilot.documents, pilot.adacomp, {}) != before


def test_another_seed_of_the_split_searches_retrieval_anew(pilot, tmp_path):
    pilot = pilot.model_copy(update={"accuracy": ()})

    def key(seed):
        part = Splitter(tmp_path / "data", 0.3, seed).split(pilot)["search"]
        return retrieval_key(part.documents, part.adacomp, {})

    first = key(0)
    assert key(0) == first
    assert key(1) != first


def test_other_versions_search_retrieval_anew(pilot):
    old, new = ({"faiss-cpu": version} for version in ("1", "2"))
    assert retrieval_key(pilot.documents, pilot.adacomp, old) != retrieval_key(
        pilot.documents, pilot.adacomp, new
    )


def keys(pilot, compress=("llmcompressor 1",), **parts):
    """Gives the keys of compressed models and of drafts."""
    bench, choice = new_bench(pilot, **parts), Choice(adacomp=pilot.adacomp, model=pilot.model)
    return weights_key(bench, choice, compress, "latency"), drafts_key(bench, choice)


@pytest.mark.parametrize(("name", "drafts_too"), [("questions", True), ("train", True), ("text", False)])
def test_servers_are_measured_anew_with_other_files(pilot, tmp_path, name, drafts_too):
    weights, drafts = keys(pilot)
    assert keys(pilot) == (weights, drafts)
    changed(tmp_path, name)
    others = keys(pilot)
    assert others[0] != weights
    assert (others[1] != drafts) == drafts_too


def test_drafts_are_measured_anew_with_another_corpus_and_not_for_what_hsd_writes(pilot, tmp_path):
    corpus, written = tmp_path / "corpus.txt", tmp_path / "hsd.jsonl"
    corpus.write_text("one")
    settings = {"store": {"corpus": str(corpus)}, "telemetry": {"jsonl": str(written)}}
    pilot = pilot.model_copy(update={"hsd": HSD(settings=settings)})
    _, drafts = keys(pilot)
    written.write_text("{}")
    assert keys(pilot)[1] == drafts
    corpus.write_text("another")
    assert keys(pilot)[1] != drafts


@pytest.mark.parametrize(
    ("parts", "drafts_too"),
    [
        ({"compress": ("llmcompressor 2",)}, False),
        ({"versions": ("vllm 2",)}, True),
        ({"passages": "b"}, True),
    ],
)
def test_servers_are_measured_anew_with_other_versions_and_passages(pilot, parts, drafts_too):
    weights, drafts = keys(pilot)
    others = keys(pilot, **parts)
    assert others[0] != weights
    assert (others[1] != drafts) == drafts_too


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("questions", {}),
        ("train", {}),
        (None, {"versions": ("vllm 2",)}),
        (None, {"passages": "other labels"}),
    ],
)
def test_what_is_held_out_is_measured_anew_with_other_files_versions_and_passages(
    pilot, tmp_path, name, parts
):
    kept, choice = Kept(), Choice(adacomp=pilot.adacomp, model=pilot.model)
    first, second = new_bench(pilot), new_bench(pilot, **parts)
    for _ in range(2):
        measure_held_out(first, choice, kept)
    assert first.arena.duels == 1
    if name is not None:
        changed(tmp_path, name)
    measure_held_out(second, choice, kept)
    assert second.arena.duels == 1
