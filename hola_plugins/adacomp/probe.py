"""The search in a vector index: nearest by vector and best by BM25, pooled and fused."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from hola_plugins.adacomp.fusion import LEXICAL_WEIGHT, ranked
from hola_plugins.adacomp.lexical import LexicalIndex, match_among
from hola_plugins.adacomp.source import Candidates, Float32, VectorIndex


def probe(
    index: VectorIndex,
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
        index: The passages.
        lexical: BM25 over the same passages; None scores only what the vector search finds.
        query: The question.
        vector: Its embedding, float32[d].
        n: Passages asked of each search, at least 1.
        effort: Factor on nprobe or efSearch.
        allowed_ids: Search among these only.
        weight: Worth of the best BM25 score in units of cosine.

    Returns:
        Between n and 2n candidates, fewer where the index has fewer.
    """
    ids, dense = index.search(vector, n, allowed_ids=allowed_ids, effort=effort)
    exhausted = len(ids) < n or len(ids) >= len(index)
    if lexical is None:
        texts = index.texts
        here = [place for place, name in enumerate(ids) if name in texts]
        ids, dense = [ids[place] for place in here], dense[here]
        near = [texts[name] for name in ids]
        return ranked(ids, near, dense, match_among(query, near), weight=weight, exhausted=exhausted)
    asked = lexical.ask(query)
    rows = lexical.rows_or(ids, len(lexical))
    if rows.max(initial=-1) == len(lexical):  # a passage that came after the lexical index
        rows, dense = rows[rows < len(lexical)], dense[rows < len(lexical)]
    present = index.texts
    further = _further(lexical, asked.scores, n, {*rows.tolist()}, allowed_ids)
    more = [row for row in further if lexical.ids[row] in present]
    if more:
        unit = vector / max(float(np.linalg.norm(vector)), 1e-12)
        vectors = index.vectors([lexical.ids[row] for row in more])
        dense = np.concatenate([dense, vectors @ unit.astype(np.float32)])
        rows = np.concatenate([rows, more])
    places = rows.tolist()
    names = [lexical.ids[row] for row in places]
    return ranked(
        names,
        [lexical.texts[row] for row in places],
        dense,
        asked.match_rows(rows),
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
