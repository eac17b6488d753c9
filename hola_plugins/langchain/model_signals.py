"""Optional signals from a language model: a log-probability margin, and the gradient norm of HOLA's paper.

Each is a number about the query alone, repeated for every candidate; the calibrated policy gives one that says
nothing a weight near 0. `confidence` gives the number itself, for `ModelConfidence`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from langchain_core.language_models import BaseChatModel

from hola_plugins.adacomp.signals import Float64
from hola_plugins.adacomp.source import Candidates


class LogprobMargin:
    """Mean gap between the two likeliest tokens over a short draft of the answer (TARG, 2511.09803), in nats.

    The draft is greedy, so that a query always gets the same number.

    Args:
        model: A chat model that returns log-probabilities when bound with `logprobs` and `top_logprobs`, such as
            `ChatOpenAI` against OpenAI or vLLM.
        tokens: Length of the draft.
    """

    names = ("logprob_margin",)

    def __init__(self, model: BaseChatModel, tokens: int = 20) -> None:
        self._model = model.bind(logprobs=True, top_logprobs=2, max_tokens=tokens, temperature=0.0)

    def confidence(self, query: str) -> float:
        """Gives the margin of one query; higher is surer.

        Raises:
            ValueError: The model returns no log-probabilities.
        """
        metadata = self._model.invoke(query).response_metadata
        content = (metadata.get("logprobs") or {}).get("content") or []
        pairs = [[top["logprob"] for top in token["top_logprobs"]] for token in content]
        margins = [max(pair) - min(pair) for pair in pairs if len(pair) > 1]
        if not margins:
            raise ValueError(
                f"the model must return log-probabilities of two tokens, got {sorted(metadata)}: "
                "use one whose API has logprobs and top_logprobs"
            )
        return float(np.clip(np.mean(margins), 0.0, 50.0))

    def measure(self, query: str, candidates: Candidates) -> Float64:
        """Gives float64[n, 1]."""
        return np.full((len(candidates), 1), self.confidence(query))


class GradientNorm:
    """Complexity of a query as the paper defines it: the norm of the loss's gradient by the query's embeddings.

    C(q) = ||grad_q L||_2 with L the mean next-token loss of the query (2506.18952, section 3.2). One backward pass
    of a local model a query.

    Args:
        path: Folder of a causal language model with its tokenizer; any that transformers can load.
        longest: Tokens of the query that are read.

    Raises:
        ImportError: torch or transformers is missing; names the extra that brings them.
    """

    names = ("log_gradient_norm",)

    def __init__(self, path: str, longest: int = 256) -> None:
        try:
            import torch
            from transformers import AutoModelForCausalLM, AutoTokenizer
        except ImportError as error:
            raise ImportError(
                f"{error.name!r} is not installed. Install it with: pip install 'hola-plugins[minilm]'"
            ) from error
        self._torch: Any = torch
        self._tokenizer = AutoTokenizer.from_pretrained(path)
        self._model = AutoModelForCausalLM.from_pretrained(path).eval().requires_grad_(False)
        self._longest = longest

    def norm(self, query: str) -> float:
        """Gives C(q); 0 for a query of fewer than two tokens, which predicts nothing."""
        torch = self._torch
        ids = self._tokenizer(query, return_tensors="pt", truncation=True, max_length=self._longest).input_ids
        if ids.shape[1] < 2:
            return 0.0
        embedded = self._model.get_input_embeddings()(ids).detach().requires_grad_(True)
        with torch.enable_grad():
            loss = self._model(inputs_embeds=embedded, labels=ids).loss
        (gradient,) = torch.autograd.grad(loss, embedded)
        return float(gradient.norm())

    def measure(self, query: str, candidates: Candidates) -> Float64:
        """Gives the logarithm of 1 + C(q), float64[n, 1]."""
        return np.full((len(candidates), 1), math.log1p(self.norm(query)))
