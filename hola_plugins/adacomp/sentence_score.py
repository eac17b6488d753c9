"""What a sentence is worth to a question: similarity, its document's standing, and rare words in common."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from hola_plugins.adacomp.source import Float32
from hola_plugins.adacomp.words import words

_OVERLAP_WEIGHT = 0.5
"""Worth of all the question's words, in units of cosine similarity."""


def overlaps(query: str, sentences: Sequence[str]) -> Float32:
    """Gives the share of the question's words that each sentence holds, weighted by rarity, float32[n]."""
    asked = list(dict.fromkeys(words(query)))
    if not asked or not sentences:
        return np.zeros(len(sentences), dtype=np.float32)
    held = [set(words(sentence)) for sentence in sentences]
    holds = np.array([[word in one for word in asked] for one in held], dtype=np.float32)
    rarity = np.array(
        [math.log1p(len(held) / (1.0 + count)) for count in holds.sum(axis=0)], dtype=np.float32
    )
    share: Float32 = holds @ rarity / rarity.sum()
    return share


def score_sentences(similarity: Float32 | None, prior: Float32, overlap: Float32) -> Float32:
    """Gives ``similarity + prior + 0.5 * overlap``, float32[n].

    Args:
        similarity: Cosine of each sentence to the question; None without embeddings.
        prior: `standing` of each sentence's document; what matters most.
        overlap: From `overlaps`.
    """
    total = prior + np.float32(_OVERLAP_WEIGHT) * overlap
    return total if similarity is None else total + similarity


def standing(fused: Float32) -> Float32:
    """Gives what a passage lends its sentences: its fused score and the inverse of its rank, float32[n].

    Args:
        fused: Fused score of each passage, best first, float32[n].
    """
    total: Float32 = fused + np.float32(1.0) / (np.arange(len(fused), dtype=np.float32) + np.float32(1.0))
    return total


def smooth(scores: Float32) -> Float32:
    """Lifts the sentences beside a good one: max(own, mean(own, better neighbour)) in one document."""
    if len(scores) < 2:
        return scores
    padded = np.concatenate([[-np.inf], scores, [-np.inf]]).astype(np.float32)
    neighbour = np.maximum(padded[:-2], padded[2:])
    lifted: Float32 = np.maximum(scores, (scores + neighbour) / np.float32(2.0))
    return lifted
