"""Classifiers for natural-language inference, for `AnswerGuard`."""

from __future__ import annotations

from collections.abc import Callable


def entailment_model(path: str) -> Callable[[str, str], float]:
    """Loads a classifier for natural-language inference that `transformers` knows, with a label "entailment".

    Args:
        path: Folder or hub id, for example a DeBERTa that was trained on MNLI.

    Raises:
        ImportError: transformers is missing; names the extra that brings it.
        ValueError: The model has no label "entailment".
    """
    try:
        from transformers import pipeline
    except ImportError as error:
        raise ImportError(
            f"{error.name!r} is not installed. Install it with: pip install 'hola-plugins[minilm]'"
        ) from error
    classify = pipeline("text-classification", model=path, top_k=None)
    labels = {label.lower(): label for label in classify.model.config.label2id}
    if "entailment" not in labels:
        raise ValueError(f"{path!r} must have a label 'entailment', got {', '.join(sorted(labels))}")

    def entails(premise: str, hypothesis: str) -> float:
        scores = classify({"text": premise, "text_pair": hypothesis}, truncation=True)
        return float(next(one["score"] for one in scores if one["label"] == labels["entailment"]))

    return entails
