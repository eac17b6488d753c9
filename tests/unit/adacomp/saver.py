"""Saves ever new versions of a store into the folder given, until it is killed.

Version v holds 40 + v passages, each with the text "v".
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import numpy as np

from hola_plugins.adacomp.fingerprint import EmbeddingFingerprint
from hola_plugins.adacomp.passage import Passage
from hola_plugins.adacomp.passage_store import PassageStore
from hola_plugins.adacomp.store_folder import write_store

DIMENSION = 256

for version in itertools.count(1):
    count = 40 + version
    store = PassageStore()
    vectors = np.random.default_rng(version).standard_normal((count, DIMENSION))
    store.add([Passage(f"p{number}", str(version)) for number in range(count)], vectors)
    write_store(
        Path(sys.argv[1]), store.snapshot(), EmbeddingFingerprint(name="test", probe=(1.0,) * DIMENSION)
    )
    print(version, flush=True)
