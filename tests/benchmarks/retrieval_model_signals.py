"""Signals of a language model for bench_signals, each asked once a question: what they say is about it alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hola_plugins.adacomp.signals import Float64, Signal
from hola_plugins.adacomp.source import Candidates
from hola_plugins.langchain.model_signals import GradientNorm, LogprobMargin


class AskedOnce:
    """A signal of the question alone, remembered by question.

    Args:
        signal: Gives the same row for every candidate.
    """

    def __init__(self, signal: Signal) -> None:
        self.names = signal.names
        self._signal = signal
        self._rows: dict[str, Float64] = {}

    def measure(self, query: str, candidates: Candidates) -> Float64:
        """Gives float64[n, names]."""
        if query not in self._rows:
            self._rows[query] = self._signal.measure(query, candidates)[:1]
        return np.repeat(self._rows[query], len(candidates), axis=0)


def model_signals(causal_lm: Path | None, chat: str | None) -> dict[str, Signal]:
    """Gives the signals of the models at hand by name.

    Args:
        causal_lm: Folder of a causal language model for the gradient norm; None leaves that out.
        chat: Address of an OpenAI-compatible server for the log-probability margin; None leaves that out.
    """
    found: dict[str, Signal] = {}
    if causal_lm is not None:
        found["gradient norm"] = AskedOnce(GradientNorm(str(causal_lm)))
    if chat is not None:
        found["log-probability margin"] = AskedOnce(_margin(chat))
    return found


def _margin(url: str) -> LogprobMargin:
    """Asks the first model that the server names."""
    from langchain_openai import ChatOpenAI
    from openai import OpenAI

    name = OpenAI(base_url=url, api_key="none").models.list().data[0].id
    return LogprobMargin(ChatOpenAI(base_url=url, api_key="none", model=name, timeout=60))
