"""A saved store: it answers as the one in memory, survives a kill, and is refused once altered."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hola_plugins.adacomp.fingerprint import EmbeddingFingerprint
from hola_plugins.adacomp.index_settings import IndexSettings
from hola_plugins.adacomp.manifest import StoreError
from hola_plugins.adacomp.passage import Passage
from hola_plugins.adacomp.passage_lines import DEPTH
from hola_plugins.adacomp.passage_store import PassageStore
from hola_plugins.adacomp.store_folder import read_store, write_store

DIMENSION = 8
MODEL = EmbeddingFingerprint(name="model a", probe=tuple(np.linspace(-1, 1, DIMENSION)))
ROOT = Path(__file__).parents[3]
KINDS = {
    "flat": IndexSettings(),
    "ivf": IndexSettings(kind="ivf", lists=2, probes=1),
    "hnsw": IndexSettings(kind="hnsw", links=4, ef_construction=20, ef_search=8),
}
each_kind = pytest.mark.parametrize("kind", KINDS)

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def make_store(kind="flat", count=300, seed=0):
    store = PassageStore(KINDS[kind])
    vectors = np.random.default_rng(seed).standard_normal((count, DIMENSION))
    store.add([Passage(f"p{number}", f"text {number}", {"n": number}) for number in range(count)], vectors)
    return store


def load(folder, model=MODEL):
    return PassageStore.restore(read_store(folder, model))


def content(store):
    return [(one.id, one.text, dict(one.metadata)) for one in store.passages()]


def edit_manifest(folder, change):
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


@pytest.fixture
def saved(tmp_path):
    folder = tmp_path / "store"
    write_store(folder, make_store().snapshot(), MODEL)
    return folder


def data_file(folder, name):
    (path,) = folder.glob(f"data-*/{name}")
    return path


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.text(), st.tuples(st.text(), st.dictionaries(st.text(), JSON_VALUES, max_size=3))),
    st.sampled_from(list(KINDS)),
    st.sets(st.integers(0, 299), max_size=150),
    st.integers(0, 2**32),
)
def test_saved_and_loaded_stores_answer_identically(tmp_path, described, kind, deleted, seed):
    random = np.random.default_rng(seed)
    store = make_store(kind)
    passages = [Passage(name, text, metadata) for name, (text, metadata) in described.items()]
    store.add(passages, random.standard_normal((len(passages), DIMENSION)))
    store.delete([f"p{number}" for number in deleted])
    write_store(tmp_path / "s", store.snapshot(), MODEL)
    loaded = load(tmp_path / "s")
    assert content(loaded) == content(store)
    some = [one.id for one in store.passages()][::3]
    for query in random.standard_normal((10, DIMENSION)):
        for keywords in ({}, {"effort": 3}, {"allowed_ids": some}):
            ids, scores = store.search(query, 7, **keywords)
            assert loaded.search(query, 7, **keywords)[0] == ids
            np.testing.assert_array_equal(loaded.search(query, 7, **keywords)[1], scores)
    for question in ("text 7", *[text for text, _ in described.values()][:3]):
        np.testing.assert_array_equal(loaded.lexical().scores(question), store.lexical().scores(question))


@each_kind
def test_a_loaded_store_goes_on(kind, tmp_path):
    write_store(tmp_path, make_store(kind).snapshot(), MODEL)
    store = load(tmp_path)
    store.add([Passage("new", "new")], [[9.0] * DIMENSION])
    store.delete(["p0"])
    write_store(tmp_path, store.snapshot(), MODEL)
    again = load(tmp_path)
    assert len(again) == 300
    assert again.search([1.0] * DIMENSION, 1)[0] == ["new"]


def test_a_loaded_store_takes_vectors_of_its_dimension_alone(saved):
    store = load(saved)
    assert store.dimension == DIMENSION
    with pytest.raises(ValueError, match=f"{DIMENSION} dimensions"):
        store.search(np.ones(3), 1)
    with pytest.raises(ValueError, match=f"{DIMENSION} dimensions"):
        store.add([Passage("new", "new")], np.ones((1, 3)))


@each_kind
def test_an_empty_store_is_saved(kind, tmp_path):
    write_store(tmp_path, PassageStore(KINDS[kind]).snapshot(), MODEL)
    assert len(load(tmp_path)) == 0
    assert load(tmp_path).settings == KINDS[kind]


def test_deleted_text_and_vectors_are_not_saved(tmp_path):
    store = make_store()
    store.delete(["p7"])
    write_store(tmp_path, store.snapshot(), MODEL)
    assert "text 7" not in [json.loads(line)["text"] for line in data_file(tmp_path, "docs.jsonl").open()]
    assert len(np.load(data_file(tmp_path, "vectors.npy"))) == 299


def test_nothing_is_pickled_and_old_data_goes(saved):
    write_store(saved, make_store("hnsw").snapshot(), MODEL)
    names = sorted(path.name for path in saved.rglob("*") if path.is_file())
    arrays = [
        "bm25_rows.npy",
        "bm25_counts.npy",
        "bm25_heads.npy",
        "bm25_starts.npy",
        "bm25_words.npy",
        "graph_entry.npy",
        "graph_levels.npy",
        "graph_neighbors.npy",
        "vectors.npy",
    ]
    assert names == sorted([".lock", "manifest.json", "docs.jsonl", *arrays])
    for path in saved.rglob("*.npy"):
        np.load(path, allow_pickle=False)


def test_other_files_in_the_folder_stay(saved):
    (saved / "calibration.json").write_text("{}")
    write_store(saved, make_store().snapshot(), MODEL)
    assert (saved / "calibration.json").read_text() == "{}"


def test_a_killed_save_leaves_a_store_that_was_saved(tmp_path):
    """Twelve savers are killed, each at another moment of a save."""
    folder, model = tmp_path / "store", EmbeddingFingerprint(name="test", probe=(1.0,) * 256)
    finished = 0
    for attempt in range(12):
        process = subprocess.Popen(
            [sys.executable, str(Path(__file__).parent / "saver.py"), str(folder)],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        finished = int(process.stdout.readline())
        time.sleep(0.003 * attempt)
        process.send_signal(signal.SIGKILL)
        finished = int((process.stdout.read().split() or [finished])[-1])
        assert process.wait(timeout=60) == -signal.SIGKILL
        texts = list(load(folder, model).texts.values())
        version = int(texts[0])
        assert texts == [str(version)] * (40 + version)
        assert version in (finished, finished + 1)
    write_store(folder, make_store().snapshot(), MODEL)
    assert len(list(folder.glob("data-*"))) == 1


def test_a_store_is_read_while_it_is_saved(saved):
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).parent / "saver.py"), str(saved)],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    model = EmbeddingFingerprint(name="test", probe=(1.0,) * 256)
    try:
        process.stdout.readline()
        for _ in range(100):
            texts = list(load(saved, model).texts.values())
            assert texts == texts[:1] * (40 + int(texts[0]))
    finally:
        process.kill()
        process.wait(timeout=60)


def test_a_failed_save_leaves_the_old_store(saved):
    store = make_store()
    store.add([Passage("bad", "bad", {"when": object()})], [[1.0] * DIMENSION])
    with pytest.raises(StoreError, match=r"passage 'bad' cannot be saved as JSON: \{'when'"):
        write_store(saved, store.snapshot(), MODEL)
    assert content(load(saved)) == content(make_store())
    assert len(list(saved.glob("data-*"))) == 1


@pytest.mark.parametrize("value", [(1, 2), {1: 2}, float("nan"), float("inf"), b"x", {1}])
def test_metadata_that_json_would_change_is_refused(tmp_path, value):
    store = PassageStore()
    store.add([Passage("a", "a", {"key": value})], [[1.0]])
    with pytest.raises(StoreError, match="make dates and other objects text"):
        write_store(tmp_path, store.snapshot(), MODEL)


@pytest.mark.parametrize("name", ["docs.jsonl", "vectors.npy"])
@pytest.mark.parametrize("damage", ["cut", "altered", "longer", "missing", "link", "folder", "pipe"])
def test_a_damaged_file_is_refused_and_named(saved, name, damage):
    path = data_file(saved, name)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-9])
    elif damage == "altered":
        path.write_bytes(path.read_bytes()[:-9] + b"123456789")
    elif damage == "longer":
        path.write_bytes(path.read_bytes() + b" ")
    else:
        path.rename(saved / "moved")
        if damage == "link":
            path.symlink_to(saved / "moved")
        elif damage == "folder":
            path.mkdir()
        elif damage == "pipe":
            os.mkfifo(path)
    with pytest.raises(StoreError, match=name):
        read_store(saved, MODEL)


@pytest.mark.parametrize("name", ["graph_levels", "graph_neighbors", "graph_entry"])
@pytest.mark.parametrize(
    "change", [lambda a: a[:-1], lambda a: a * 0 + 2**30, lambda a: a * 0 - 7, "missing"]
)
def test_a_graph_that_does_not_fit_is_refused_whatever_its_hash_says(tmp_path, name, change):
    """A stranger can make hashes too; faiss must not see a link that leads out of memory."""
    snapshot = make_store("hnsw").snapshot()
    arrays = dict(snapshot.arrays)
    array = arrays.pop(name)
    if change != "missing":
        arrays[name] = change(array)
    forged = replace(snapshot, arrays=arrays)
    write_store(tmp_path, forged, MODEL)
    with pytest.raises(ValueError, match="graph"):
        load(tmp_path)


def test_links_to_a_layer_that_the_node_lacks_are_refused(tmp_path):
    snapshot = make_store("hnsw").snapshot()
    levels, neighbors = snapshot.arrays["graph_levels"], snapshot.arrays["graph_neighbors"].copy()
    low, high = int(np.flatnonzero(levels == 1)[0]), int(np.flatnonzero(levels > 1)[0])
    sizes = np.where(levels == 1, 8, 8 + 4 * (levels - 1))
    neighbors[int(sizes[:high].sum()) + 8] = low
    forged = replace(snapshot, arrays={**snapshot.arrays, "graph_neighbors": neighbors})
    with pytest.raises(ValueError, match="does not have the layer"):
        PassageStore.restore(forged)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("bm25_words", lambda words: words[:-20]),
        ("bm25_words", lambda words: words * 0 + 255),
        ("bm25_counts", lambda counts: counts[:-1]),
        ("bm25_counts", lambda counts: counts * 0),
        ("bm25_rows", lambda rows: rows[:-1]),
        ("bm25_rows", lambda rows: rows + 300),
        ("bm25_rows", lambda rows: rows - 300),
        ("bm25_starts", lambda starts: starts[:-1]),
        ("bm25_starts", lambda starts: starts[::-1]),
        ("bm25_starts", lambda starts: starts + 1),
        ("bm25_heads", lambda heads: heads[:-1]),
        ("bm25_heads", lambda heads: heads + 1_000_000),
        ("bm25_heads", lambda heads: heads - 2),
    ],
)
def test_a_bm25_index_that_does_not_fit_is_refused_whatever_its_hash_says(tmp_path, name, change):
    snapshot = make_store().snapshot()
    lexical = {**snapshot.lexical, name: change(snapshot.lexical[name])}
    write_store(tmp_path, replace(snapshot, lexical=lexical), MODEL)
    with pytest.raises(ValueError, match=r"BM25|utf-8"):
        load(tmp_path)


def test_a_store_without_a_bm25_index_builds_it(tmp_path):
    store = make_store()
    write_store(tmp_path, replace(store.snapshot(), lexical=None), MODEL)
    scores = load(tmp_path).lexical().scores("text 7")
    assert scores[7] > 0
    np.testing.assert_array_equal(scores, store.lexical().scores("text 7"))


def test_a_bm25_index_that_lacks_an_array_is_refused():
    snapshot = make_store().snapshot()
    lexical = {name: array for name, array in snapshot.lexical.items() if name != "bm25_heads"}
    with pytest.raises(ValueError, match="the BM25 index lacks bm25_heads"):
        PassageStore.restore(replace(snapshot, lexical=lexical))


@each_kind
def test_a_store_with_other_bm25_arrays_builds_its_own_and_saves_it(kind, tmp_path):
    store = make_store(kind)
    snapshot = store.snapshot()
    lexical = dict(snapshot.lexical)
    counts = lexical.pop("bm25_counts")
    former = {**lexical, "bm25_heads": lexical["bm25_heads"][:1], "bm25_scores": counts.astype(np.float32)}
    write_store(tmp_path, replace(snapshot, lexical=former), MODEL)
    loaded = load(tmp_path)
    np.testing.assert_array_equal(loaded.lexical().scores("text 7"), store.lexical().scores("text 7"))
    assert loaded.search([1.0] * DIMENSION, 5)[0] == store.search([1.0] * DIMENSION, 5)[0]
    write_store(tmp_path, loaded.snapshot(), MODEL)
    assert {path.stem for path in tmp_path.glob("data-*/bm25_*")} == set(snapshot.lexical)


def test_nan_in_a_stored_vector_is_refused(saved):
    snapshot = make_store().snapshot()
    snapshot.vectors[3, 3] = np.nan
    write_store(saved, snapshot, MODEL)
    with pytest.raises(ValueError, match="'p3' holds a NaN"):
        load(saved)


def test_a_pickled_array_is_refused(saved):
    path = data_file(saved, "vectors.npy")
    np.save(path, np.array([object()]), allow_pickle=True)
    entry = {"bytes": path.stat().st_size, "sha256": sha256(path.read_bytes()).hexdigest()}
    edit_manifest(saved, lambda manifest: manifest["files"].update({"vectors.npy": entry}))
    with pytest.raises(StoreError, match="allow_pickle=False"):
        read_store(saved, MODEL)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 2}, "format version 2, this hola-plugins reads up to 1: upgrade"),
        ({"version": "1"}, "not the manifest of a store"),
        ({"format": "other"}, "not the manifest of a store: format 'other'"),
        ({"data": "../elsewhere"}, "damaged: data"),
        ({"data": "/etc"}, "damaged: data"),
        ({"data": "data-0123456789abcdef/.."}, "damaged: data"),
        ({"data": "data-0123456789abcdef"}, "docs.jsonl is missing"),
        ({"files": {"../../etc/passwd": {"bytes": 1, "sha256": "0" * 64}}}, "damaged: files"),
        ({"files": {"docs.jsonl": {"bytes": -1, "sha256": "0" * 64}}}, "damaged: files"),
        ({"files": {}}, "lists no docs.jsonl"),
        ({"count": 299}, "says 299 passages x 8 dimensions, its files hold 300"),
        ({"dimension": 9}, "vectors of 9 dimensions from a model with 8"),
        ({"extra": 1}, "damaged: extra"),
        ({"index": {"kind": "flat", "lists": 0}}, "damaged: index.lists"),
    ],
)
def test_a_manifest_that_says_something_else_is_refused(saved, change, words):
    edit_manifest(saved, lambda manifest: manifest.update(change))
    with pytest.raises(StoreError, match=words):
        read_store(saved, MODEL)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000])
def test_a_manifest_that_is_no_json_object_is_refused(saved, text):
    (saved / "manifest.json").write_bytes(text)
    with pytest.raises(StoreError, match="damaged"):
        read_store(saved, MODEL)
    with pytest.raises(StoreError, match="will not save over"):
        write_store(saved, make_store().snapshot(), MODEL)


@pytest.mark.parametrize(
    ("damage", "words"), [("link", "is a link"), ("pipe", "is a folder, pipe or device")]
)
def test_a_manifest_that_is_no_plain_file_is_refused(saved, tmp_path, damage, words):
    path = saved / "manifest.json"
    path.rename(tmp_path / "moved")
    if damage == "link":
        path.symlink_to(tmp_path / "moved")
    else:
        os.mkfifo(path)
    with pytest.raises(StoreError, match=rf"is no store: .*manifest\.json must be a plain file, and {words}"):
        read_store(saved, MODEL)


@pytest.mark.parametrize(("levels", "fits"), [(DEPTH, True), (DEPTH + 1, False), (5000, False)])
def test_metadata_nested_too_deeply_is_refused(tmp_path, levels, fits):
    value = "x"
    for level in range(levels - 1):
        value = [value] if level % 2 else {"inner": value}
    store = PassageStore()
    store.add([Passage("a", "a", {"outer": value})], [[1.0] * DIMENSION])
    if fits:
        write_store(tmp_path, store.snapshot(), MODEL)
        assert read_store(tmp_path, MODEL).passages[0].metadata == {"outer": value}
    else:
        with pytest.raises(StoreError, match="in more than 50 levels: flatten it"):
            write_store(tmp_path, store.snapshot(), MODEL)


def test_a_folder_without_a_store_is_named(tmp_path):
    with pytest.raises(StoreError, match=r"is no store: cannot read manifest\.json"):
        read_store(tmp_path, MODEL)


def test_a_data_folder_that_is_a_link_is_refused(saved, tmp_path):
    (data,) = saved.glob("data-*")
    shutil.move(data, tmp_path / "elsewhere")
    data.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="is a link"):
        read_store(saved, MODEL)


@pytest.mark.parametrize(
    "other",
    [
        EmbeddingFingerprint(name="model b", probe=(1.0,) * 4),
        EmbeddingFingerprint(name="model b", probe=tuple(np.linspace(1, -1, DIMENSION))),
    ],
)
def test_another_embedding_model_is_refused(saved, other):
    with pytest.raises(
        StoreError, match=r"made with the embedding model model a \(8 dimensions\), not with model b"
    ):
        read_store(saved, other)


def test_the_same_model_in_half_precision_is_accepted(saved):
    rounded = tuple(map(float, np.array(MODEL.probe, dtype=np.float16)))
    assert len(load(saved, EmbeddingFingerprint(name="half", probe=rounded))) == 300
