"""Indexes a folder, saving after every batch, and prints each step; killed by the test."""

from __future__ import annotations

import sys
from pathlib import Path

from hashed_words import HashedWords

from hola_plugins.corpus.files import find_files
from hola_plugins.corpus.indexing import Indexer
from hola_plugins.langchain import FaissStore

folder, index = map(Path, sys.argv[1:])
for step in Indexer(FaissStore(HashedWords()), index, 100, save_every_s=0.0).run(find_files(folder)):
    print(step.file, step.done, flush=True)
