"""One score from similarity and BM25.

Linear fusion beats reciprocal-rank fusion at every depth measured: it keeps the distances between
scores, on which the depth policies live.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hola_plugins.adacomp.source import Candidates, Float32, WordMatch

LEXICAL_WEIGHT = 0.3
"""Worth of the best BM25 score of a query, in units of cosine similarity."""


def fuse(dense: Float32, lexical: Float32, weight: float = LEXICAL_WEIGHT) -> Float32:
    """Gives ``dense + weight * lexical / max(lexical)``, float32[n]."""
    top = float(lexical.max(initial=0.0))
    return dense + np.float32(weight / top) * lexical if top > 0.0 else dense.copy()


def ranked(
    ids: Sequence[str],
    texts: Sequence[str],
    dense: Float32,
    match: WordMatch,
    *,
    weight: float = LEXICAL_WEIGHT,
    scored: bool = True,
    exhausted: bool = False,
) -> Candidates:
    """Orders passages by their fused score, ties in the order given.

    Raises:
        ValueError: A similarity that is NaN or infinite.
    """
    if not np.isfinite(dense).all():
        place = int(np.argmin(np.isfinite(dense)))
        raise ValueError(
            f"every similarity must be finite, got {dense[place]} for passage {ids[place]!r}: "
            "check the embedding model's output for NaN"
        )
    fused = fuse(dense, match.scores, weight)
    order = np.argsort(-fused, kind="stable")
    rows = order.tolist()
    return Candidates(
        ids=tuple([ids[row] for row in rows]),
        texts=tuple([texts[row] for row in rows]),
        dense=dense[order],
        words=match.picked(order),
        fused=fused[order],
        scored=scored,
        exhausted=exhausted,
    )


def made_up_similarities(n: int) -> Float32:
    """Gives falling numbers in (0, 1] for a source that only ranks: the discount of DCG, float32[n]."""
    discount: Float32 = (1.0 / np.log2(np.arange(n) + 2.0)).astype(np.float32)
    return discount
