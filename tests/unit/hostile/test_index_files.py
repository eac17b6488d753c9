"""A saved index of a stranger: whatever its files hold, and whatever their hashes say."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from hashlib import sha256

import numpy as np
import pytest
from hashed_words import HashedWords
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strange import JSON_VALUES, as_json

from hola_plugins.adacomp import faiss_index
from hola_plugins.adacomp.index_settings import IndexSettings
from hola_plugins.corpus.files import find_files
from hola_plugins.corpus.indexing import Indexer, open_store
from hola_plugins.corpus.settings import CorpusSettings, write_settings
from hola_plugins.langchain import FaissStore

KINDS = {
    "flat": IndexSettings(),
    "ivf": IndexSettings(kind="ivf", lists=2, probes=1),
    "hnsw": IndexSettings(kind="hnsw", links=4, ef_construction=20, ef_search=8),
}
FILES = sorted(
    [
        *(
            ("flat", name)
            for name in (
                "docs.jsonl",
                "vectors.npy",
                "bm25_words.npy",
                "bm25_counts.npy",
                "bm25_rows.npy",
                "bm25_starts.npy",
                "bm25_heads.npy",
            )
        ),
        ("ivf", "centroids.npy"),
        *(("hnsw", f"graph_{part}.npy") for part in ("levels", "neighbors", "entry")),
    ]
)
fuzzed = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _cast(values, kind):
    with np.errstate(invalid="ignore"):
        return np.array(values).astype(kind)


ARRAYS = st.builds(
    _cast,
    st.lists(st.integers(-(2**31), 2**31 - 1) | st.integers(-2, 300), max_size=90)
    | st.floats()
    | st.just([[[1]]]),
    st.sampled_from(
        [
            "int8",
            "int32",
            "int64",
            "uint8",
            "uint64",
            "float32",
            "float64",
            "complex64",
            "bool",
            "U3",
            "S0",
            "M8[s]",
        ]
    ),
)


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """A saved store of each kind."""
    root = tmp_path_factory.mktemp("stores")
    for kind, index in KINDS.items():
        texts = [f"text {number} of the {kind} store" for number in range(90)]
        FaissStore.from_texts(texts, HashedWords(), index=index).save(root / kind)
    return root


def forge(stores, folder, kind, name, content):
    """Copies a store with one file replaced and its hash made to fit, as a stranger can."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(stores / kind, folder)
    (data,) = folder.glob("data-*")
    (data / name).write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][name] = {"bytes": len(content), "sha256": sha256(content).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def load_or_refuse(folder):
    """Loads a store; one that is taken answers. Anything but a ValueError is an error of this package."""
    try:
        store = FaissStore.load(folder, HashedWords())
    except ValueError as error:
        return str(error)
    store.similarity_search("text 7", k=3)
    store.passages.lexical().scores("text 7")
    return ""


def npy(array):
    file = io.BytesIO()
    np.save(file, array, allow_pickle=array.dtype == object)
    return file.getvalue()


def header(text):
    """A .npy file whose header says what it likes."""
    line = text.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(line).to_bytes(2, "little") + line + b"\0" * 64


def archive():
    """A zip that numpy would open in place of an array, and that unpacks to 256 MiB."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("vectors.npy", b"\0" * (256 << 20))
    return file.getvalue()


@pytest.mark.parametrize(("kind", "name"), FILES)
@fuzzed
@given(data=st.data())
def test_any_content_with_a_hash_that_fits(stores, tmp_path, kind, name, data):
    (path,) = (stores / kind).glob(f"data-*/{name}")
    whole = path.read_bytes()
    place = st.integers(0, len(whole) - 1)
    lines = st.lists(JSON_VALUES.map(as_json), max_size=3).map(b"\n".join)
    altered = st.builds(
        lambda at, byte: whole[:at] + bytes([byte]) + whole[at + 1 :], place, st.integers(0, 255)
    )
    content = data.draw(
        altered
        | st.binary(max_size=99)
        | place.map(lambda at: whole[:at])
        | (lines if name == "docs.jsonl" else ARRAYS.map(npy))
    )
    forge(stores, tmp_path / "forged", kind, name, content)
    load_or_refuse(tmp_path / "forged")


def test_a_graph_with_more_layers_than_faiss_makes_is_refused(stores, tmp_path):
    levels = np.ones(90, dtype=np.int32)
    levels[0] = 60
    forge(stores, tmp_path / "forged", "hnsw", "graph_levels.npy", npy(levels))
    assert "graph_levels must be 90 numbers from 1 to" in load_or_refuse(tmp_path / "forged")


@pytest.mark.parametrize(
    "content",
    [
        npy(np.array([object()])),
        archive(),
        header("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 256), }"),
        header("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 256), }"),
        header("{'descr': '|O', 'fortran_order': False, 'shape': (90, 256), }"),
        header("{'descr': 'V0', 'fortran_order': False, 'shape': (90, 256), }"),
        header("{'descr': [('a', '<f4', (99999, 99999))], 'fortran_order': False, 'shape': (90, ), }"),
        header("(" * 5000),
        header("__import__('os').system('touch broken')"),
    ],
    ids=["pickle", "zip", "terabytes", "minus one", "objects", "void", "overflow", "deep", "code"],
)
def test_a_trick_in_an_array_is_refused_whatever_its_hash_says(stores, tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    forge(stores, tmp_path / "forged", "flat", "vectors.npy", content)
    assert "damaged" in load_or_refuse(tmp_path / "forged")
    assert not (tmp_path / "broken").exists()


@pytest.mark.parametrize(("kind", "name"), FILES)
def test_one_altered_byte_is_refused_before_faiss_is_called(stores, tmp_path, monkeypatch, kind, name):
    called = []
    monkeypatch.setattr(faiss_index, "load_faiss", lambda: called.append(1))
    shutil.copytree(stores / kind, tmp_path / "altered")
    (path,) = (tmp_path / "altered").glob(f"data-*/{name}")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert "was altered since it was saved" in load_or_refuse(tmp_path / "altered")
    assert not called


@fuzzed
@given(data=st.data())
def test_a_manifest_with_any_values(stores, tmp_path, data):
    shutil.rmtree(tmp_path / "forged", ignore_errors=True)
    shutil.copytree(stores / "flat", tmp_path / "forged")
    path = tmp_path / "forged" / "manifest.json"
    manifest = json.loads(path.read_text())
    section = data.draw(
        st.sampled_from([manifest, manifest["index"], manifest["embedding"], manifest["files"]])
    )
    section[data.draw(st.sampled_from(list(section)))] = data.draw(JSON_VALUES)
    path.write_bytes(as_json(manifest))
    load_or_refuse(tmp_path / "forged")


@pytest.mark.parametrize("name", ["manifest.json.tmp", ".lock", "corpus.json"])
def test_a_link_planted_in_an_index_does_not_lead_out_of_it(stores, tmp_path, name):
    shutil.copytree(stores / "flat", tmp_path / "index")
    (tmp_path / "diary").write_text("dear diary")
    (tmp_path / "index" / name).unlink(missing_ok=True)
    (tmp_path / "index" / name).symlink_to(tmp_path / "diary")
    store = FaissStore.from_texts(["new"], HashedWords())
    if name == ".lock":
        with pytest.raises(OSError, match=r"\.lock"):
            store.save(tmp_path / "index")
    else:
        store.save(tmp_path / "index")
        write_settings(tmp_path / "index", CorpusSettings())
        assert len(FaissStore.load(tmp_path / "index", HashedWords())) == 1
    assert (tmp_path / "diary").read_text() == "dear diary"


@pytest.mark.parametrize("depth", [500, 700, 900])
def test_metadata_nested_deeper_than_what_copies_it_follows_is_refused(stores, tmp_path, depth):
    (path,) = (stores / "flat").glob("data-*/docs.jsonl")
    nested = b'"metadata": {"x": ' + b"[" * depth + b"]" * depth
    forge(
        stores,
        tmp_path / "forged",
        "flat",
        "docs.jsonl",
        path.read_bytes().replace(b'"metadata": {', nested, 1),
    )
    assert "line 1 is no passage" in load_or_refuse(tmp_path / "forged")


def test_a_store_that_hola_index_did_not_make_is_left_alone(stores, tmp_path):
    shutil.copytree(stores / "flat", tmp_path / "index")
    with pytest.raises(ValueError, match="holds a store that `hola index` did not make"):
        open_store(tmp_path / "index", CorpusSettings())
    assert not (tmp_path / "index" / "corpus.json").exists()
    (tmp_path / "docs").mkdir()
    store = FaissStore.load(tmp_path / "index", HashedWords())
    with pytest.raises(ValueError, match="which `hola index` did not put there"):
        list(Indexer(store, tmp_path / "index", 100).run(find_files(tmp_path / "docs")))
    assert len(FaissStore.load(tmp_path / "index", HashedWords())) == 90
