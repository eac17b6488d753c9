"""The search in a store of passages: nearest by vector and best by BM25, pooled and fused."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from hola_plugins.adacomp.fusion import LEXICAL_WEIGHT, ranked
from hola_plugins.adacomp.lexical import LexicalIndex, match_among
from hola_plugins.adacomp.source import Candidates, Float32
from hola_plugins.adacomp.store_view import StoreView


def probe(
    view: StoreView,
    lexical: LexicalIndex | None,
    query: str,
    vector: Float32,
    n: int,
    *,
    effort: int = 1,
    allowed_ids: Collection[str] | None = None,
    weight: float = LEXICAL_WEIGHT,
) -> Candidates:
    """Pools the n nearest passages with the n best by BM25.

    Args:
        view: The passages, as they were at one moment.
        lexical: BM25 over them; None scores only what the vector search finds.
        query: The question.
        vector: Its embedding, float32[d].
        n: Passages asked of each search, at least 1.
        effort: Factor on nprobe or efSearch.
        allowed_ids: Search among these only.
        weight: Worth of the best BM25 score in units of cosine.

    Returns:
        Between n and 2n candidates, fewer where there are fewer.
    """
    ids, dense = view.search(vector, n, allowed_ids=allowed_ids, effort=effort)
    exhausted = len(ids) < n or len(ids) >= len(view)
    if lexical is None:
        near = [one.text for one in view.get(ids)]
        return ranked(ids, near, dense, match_among(query, near), weight=weight, exhausted=exhausted)
    asked = lexical.ask(query)
    near_rows = lexical.rows(ids)
    further = _further(lexical, asked.scores, n, {*near_rows}, allowed_ids)
    if further:
        unit = vector / max(float(np.linalg.norm(vector)), 1e-12)
        vectors = view.vectors([lexical.ids[row] for row in further])
        dense = np.concatenate([dense, vectors @ unit.astype(np.float32)])
    rows = [*near_rows, *further]
    pooled = [lexical.ids[row] for row in rows]
    return ranked(
        pooled,
        [one.text for one in view.get(pooled)],
        dense,
        asked.match(np.array(rows, dtype=np.int64)),
        weight=weight,
        exhausted=exhausted,
    )


def _further(
    lexical: LexicalIndex,
    scores: Float32,
    n: int,
    known: set[int],
    allowed: Collection[str] | None,
) -> list[int]:
    """Gives the rows of the n best by BM25 that are allowed and not known yet."""
    if allowed is not None:
        mask = np.zeros(len(scores), dtype=bool)
        mask[lexical.rows(allowed)] = True
        scores = np.where(mask, scores, np.float32(0.0))
    return [row for row in lexical.best(scores, n) if row not in known]
