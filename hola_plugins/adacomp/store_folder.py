"""Stores passages in a folder and reads them back, without pickle and without a half-written state.

    FOLDER/manifest.json            names the data folder, and the hash of each of its files
    FOLDER/data-<16 hex>/docs.jsonl       one passage a line: id, text, metadata
                         vectors.npy      float32[count, dimension], normalised
                         bm25_*.npy       the BM25 index
                         centroids.npy or graph_*.npy   for ivf and hnsw

A save writes a new data folder and then replaces the manifest, which is one atomic step: until then, whatever
happens, the folder reads as before. Other files in it are left alone.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hola_plugins.adacomp.fingerprint import EmbeddingFingerprint
from hola_plugins.adacomp.lexical_arrays import NAMES as LEXICAL_NAMES
from hola_plugins.adacomp.manifest import MANIFEST, FileEntry, Manifest, StoreError, read_manifest
from hola_plugins.adacomp.passage_lines import read_passages, write_passages
from hola_plugins.adacomp.snapshot import Snapshot
from hola_plugins.adacomp.verified_file import described, opened, sync_folder, written
from hola_plugins.files.array_file import ArrayFileError, read_array

DOCS = "docs.jsonl"
VECTORS = "vectors.npy"
_DATA = re.compile(r"data-[0-9a-f]{16}(\.tmp)?")
_LOCK = ".lock"


def write_store(folder: Path, snapshot: Snapshot, embedding: EmbeddingFingerprint) -> Manifest:
    """Saves a snapshot; a kill at any moment leaves the folder as it was or as it shall be.

    Args:
        folder: Made if it is not there. Savers in several processes take turns.
        snapshot: What to save.
        embedding: The model that made the vectors.

    Raises:
        StoreError: A folder that holds something else, or metadata that JSON cannot hold.
        OSError: No room, no right.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        if (folder / MANIFEST).exists():
            _refuse_foreign(folder)
        data = f"data-{secrets.token_hex(8)}"
        unfinished = folder / f"{data}.tmp"
        unfinished.mkdir()
        try:
            manifest = Manifest(
                count=len(snapshot.passages),
                dimension=snapshot.vectors.shape[1],
                index=snapshot.settings,
                embedding=embedding,
                data=data,
                files=_write_files(unfinished, snapshot),
            )
            unfinished.rename(folder / data)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        text = manifest.model_dump_json(indent=1)
        written(folder / f"{MANIFEST}.tmp", lambda file: file.write(text.encode()))
        (folder / f"{MANIFEST}.tmp").replace(folder / MANIFEST)
        sync_folder(folder)
        _remove_old_data(folder, data)
    return manifest


def read_store(folder: Path, embedding: EmbeddingFingerprint) -> Snapshot:
    """Reads what `write_store` saved; every file is checked against its hash before it is parsed.

    Raises:
        StoreError: No store, another embedding model, a newer version, or a damaged or altered file.
    """
    while True:
        manifest = read_manifest(folder)
        _check_embedding(folder, manifest, embedding)
        try:
            return _read_files(folder / manifest.data, manifest)
        except FileNotFoundError as error:
            if read_manifest(folder).data == manifest.data:
                raise StoreError(f"{folder} is damaged: {error.filename} is missing") from error


def _check_embedding(folder: Path, manifest: Manifest, embedding: EmbeddingFingerprint) -> None:
    """Refuses another embedding model than the one that made the vectors."""
    stored = manifest.embedding
    if not stored.is_same_model(embedding):
        raise StoreError(
            f"{folder} was made with the embedding model {stored.name} ({stored.dimension} dimensions), "
            f"not with {embedding.name} ({embedding.dimension} dimensions): "
            f"they embed the same text with a cosine of {stored.similarity(embedding):.2f}; "
            "load it with that model, or build the store anew"
        )
    if manifest.count and manifest.dimension != stored.dimension:
        raise StoreError(
            f"{folder} is damaged: vectors of {manifest.dimension} dimensions from a model with {stored.dimension}"
        )


def _write_files(folder: Path, snapshot: Snapshot) -> dict[str, FileEntry]:
    """Writes the data files and describes them."""
    arrays: dict[str, NDArray[Any]] = {VECTORS: snapshot.vectors}
    computed = {**snapshot.arrays, **(snapshot.lexical or {})}
    arrays |= {f"{name}.npy": array for name, array in computed.items()}
    written(folder / DOCS, lambda file: write_passages(file, snapshot.passages))
    for name, array in arrays.items():
        written(folder / name, partial(np.save, arr=array, allow_pickle=False))
    sync_folder(folder)
    return {name: described(folder / name) for name in (DOCS, *arrays)}


def _read_files(folder: Path, manifest: Manifest) -> Snapshot:
    """Reads the data files."""
    if not {DOCS, VECTORS} <= set(manifest.files):
        raise StoreError(f"{folder.parent} is damaged: its manifest lists no {DOCS} or no {VECTORS}")
    with opened(folder, DOCS, manifest.files[DOCS]) as file:
        passages = read_passages(file, folder / DOCS)
    files = _without_other_bm25(manifest.files)
    arrays = {name.removesuffix(".npy"): array for name, array in _read_arrays(folder, files)}
    vectors = arrays.pop(VECTORS.removesuffix(".npy"))
    wanted = (manifest.count, manifest.dimension)
    if vectors.shape != wanted or vectors.dtype != np.float32 or len(passages) != manifest.count:
        raise StoreError(
            f"{folder.parent} is damaged: its manifest says {wanted[0]} passages x {wanted[1]} dimensions, "
            f"its files hold {len(passages)} passages and vectors {vectors.dtype}{list(vectors.shape)}"
        )
    lexical = {name: arrays.pop(name) for name in LEXICAL_NAMES if name in arrays}
    return Snapshot(manifest.index, passages, vectors, arrays, lexical or None)


def _without_other_bm25(files: Mapping[str, FileEntry]) -> dict[str, FileEntry]:
    """Leaves out the files of a BM25 index that is not of today's arrays; one is made of the texts when it is wanted."""
    ours = {f"{name}.npy" for name in LEXICAL_NAMES}
    read = ours if ours <= files.keys() else set()
    return {name: entry for name, entry in files.items() if name in read or not name.startswith("bm25_")}


def _read_arrays(folder: Path, files: Mapping[str, FileEntry]) -> Iterator[tuple[str, NDArray[Any]]]:
    """Reads the arrays one by one."""
    for name, entry in files.items():
        if name.endswith(".npy"):
            with opened(folder, name, entry) as file:
                try:
                    yield name, read_array(file, folder / name)
                except ArrayFileError as error:
                    raise StoreError(f"{error}; restore it or save again") from error


def _refuse_foreign(folder: Path) -> None:
    """Refuses to replace a manifest that is not a store's; a damaged or newer store is not overwritten either."""
    try:
        read_manifest(folder)
    except StoreError as error:
        raise StoreError(f"will not save over what is in {folder}: {error}") from error


def _remove_old_data(folder: Path, current: str) -> None:
    """Removes data folders that no manifest names any more."""
    for path in folder.iterdir():
        if _DATA.fullmatch(path.name) and path.name != current:
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keeps other savers of the folder out; the system lets go when the process ends."""
    try:
        handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise OSError(error.errno, f"cannot save in {folder}: {_LOCK}: {error.strerror}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
