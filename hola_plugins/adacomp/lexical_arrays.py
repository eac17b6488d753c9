"""The BM25 index as plain arrays, checked before they are used.

The passages that hold word w stand at ``starts[w]`` to ``starts[w + 1]`` of `bm25_rows`, how often they hold it
beside them in `bm25_counts`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hola_plugins.adacomp.head_words import HEAD
from hola_plugins.adacomp.postings import Postings
from hola_plugins.files.array_file import of_type

NAMES = ("bm25_words", "bm25_counts", "bm25_rows", "bm25_starts", "bm25_heads")


def as_arrays(
    vocabulary: Mapping[str, int], postings: Postings, heads: NDArray[np.int32]
) -> dict[str, NDArray[Any]]:
    """Gives the arrays of an index.

    Args:
        vocabulary: Number of every word, from 0 on in the mapping's order.
        postings: The passages that hold each word.
        heads: First words of every passage, int32[passages, HEAD].

    Returns:
        `bm25_words` uint8, the words in UTF-8 with line breaks between; `bm25_counts` int32[entries];
        `bm25_rows` int32[entries]; `bm25_starts` int64[words + 1]; `bm25_heads` int32[passages, HEAD].
    """
    words = "\n".join(vocabulary).encode("utf-8", "surrogatepass")
    return {
        "bm25_words": np.frombuffer(words, dtype=np.uint8),
        "bm25_counts": postings.counts,
        "bm25_rows": postings.rows,
        "bm25_starts": postings.starts,
        "bm25_heads": heads,
    }


def from_arrays(
    arrays: Mapping[str, NDArray[Any]], passages: int
) -> tuple[dict[str, int], Postings, NDArray[np.int32]]:
    """Gives vocabulary, postings and first words back.

    Args:
        arrays: See `as_arrays`.
        passages: Passages of the index.

    Raises:
        ValueError: Arrays that are no index of so many passages.
    """
    missing = [name for name in NAMES if name not in arrays]
    if missing:
        raise ValueError(f"the BM25 index lacks {', '.join(missing)}; index the passages again")
    encoded = of_type("bm25_words", arrays, np.uint8).tobytes()
    words = encoded.decode("utf-8", "surrogatepass").split("\n")
    vocabulary = {word: number for number, word in enumerate(words)}
    counts = of_type("bm25_counts", arrays, np.int32)
    rows = of_type("bm25_rows", arrays, np.int32)
    starts = of_type("bm25_starts", arrays, np.int64)
    if len(vocabulary) != len(words) or starts.shape != (len(words) + 1,):
        raise ValueError(
            f"the BM25 index must have one start a word, got {starts.shape} for {len(words)} words"
        )
    if starts[0] != 0 or (np.diff(starts) < 0).any() or not counts.shape == rows.shape == (int(starts[-1]),):
        raise ValueError("the starts of the BM25 index must rise from 0 to the number of its counts")
    if rows.min(initial=0) < 0 or rows.max(initial=-1) >= passages or counts.min(initial=1) < 1:
        raise ValueError(f"the BM25 index must hold counts of at least 1 of rows from 0 to {passages - 1}")
    heads = of_type("bm25_heads", arrays, np.int32)
    if heads.shape != (passages, HEAD) or heads.min(initial=-1) < -1 or heads.max(initial=-1) >= len(words):
        raise ValueError(
            f"the first words of the BM25 index must be {passages} x {HEAD} numbers from -1 to {len(words) - 1}"
        )
    return vocabulary, Postings(rows, counts, starts, passages), heads
