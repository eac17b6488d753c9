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
    texts = index.texts
    ids, dense = index.search(vector, n, allowed_ids=allowed_ids, effort=effort)
    exhausted = len(ids) < n or len(ids) >= len(texts)
    found = [texts.get(name) for name in ids]
    if None in found:
        here = [row for row, text in enumerate(found) if text is not None]
        ids, dense = [ids[row] for row in here], dense[here]
    if lexical is None:
        near = [texts[name] for name in ids]
        return ranked(ids, near, dense, match_among(query, near), weight=weight, exhausted=exhausted)
    asked = lexical.ask(query)
    further = _further(lexical, asked.scores, n, {*ids}, allowed_ids)
    more = {name: text for name in further if (text := texts.get(name)) is not None}
    if more:
        unit = vector / max(float(np.linalg.norm(vector)), 1e-12)
        ids = [*ids, *more]
        dense = np.concatenate([dense, index.vectors([*more]) @ unit.astype(np.float32)])
    both = [*(text for text in found if text is not None), *more.values()]
    return ranked(ids, both, dense, asked.match(ids), weight=weight, exhausted=exhausted)


def _further(
    lexical: LexicalIndex,
    scores: Float32,
    n: int,
    known: set[str],
    allowed: Collection[str] | None,
) -> list[str]:
    """Gives the ids of the n best by BM25 that are allowed and not known yet."""
    if allowed is not None:
        mask = np.zeros(len(scores), dtype=bool)
        mask[lexical.rows(allowed)] = True
        scores = np.where(mask, scores, np.float32(0.0))
    return [name for row in lexical.best(scores, n) if (name := lexical.ids[row]) not in known]
