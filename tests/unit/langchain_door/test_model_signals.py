"""Signals from a language model: the gradient norm of a real tiny one, the margin of returned log-probabilities."""

import math
import sys

import numpy as np
import pytest
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage

from hola_plugins.langchain.entailment import entailment_model
from hola_plugins.langchain.model_signals import GradientNorm, LogprobMargin


def chat(*pairs):
    content = [{"token": "x", "top_logprobs": [{"logprob": p} for p in pair]} for pair in pairs]
    metadata = {"logprobs": {"content": content}} if pairs else {}
    return GenericFakeChatModel(messages=iter([AIMessage("x", response_metadata=metadata)]))


def test_the_margin_is_the_mean_gap_of_the_two_likeliest():
    assert LogprobMargin(chat((-0.1, -2.1), (-0.5, -1.5))).confidence("q") == pytest.approx(1.5)


def test_a_model_without_logprobs_is_refused():
    with pytest.raises(ValueError, match="must return log-probabilities"):
        LogprobMargin(chat()).confidence("q")


@pytest.mark.parametrize("load", [GradientNorm, entailment_model])
def test_a_missing_library_is_named_with_the_extra_that_brings_it(monkeypatch, load):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(
        ImportError, match=r"^'transformers' is not .*: pip install 'hola-plugins\[minilm\]'$"
    ):
        load("model")


@pytest.fixture(scope="module")
def target():
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from pathlib import Path

    return GradientNorm(str(Path(__file__).parents[2] / "models" / "target"))


def test_the_gradient_norm_matches_finite_differences(target):
    import torch

    ids = target._tokenizer("The valve closes when", return_tensors="pt").input_ids
    embedded = target._model.get_input_embeddings()(ids).double()
    model = target._model.double()
    norm = target.norm("The valve closes when")
    generator = torch.Generator().manual_seed(0)
    direction = torch.randn(embedded.shape, generator=generator, dtype=torch.float64)
    step, direction = 1e-5, direction / direction.norm()
    with torch.no_grad():
        up, down = (model(inputs_embeds=embedded + s * direction, labels=ids).loss for s in (step, -step))
    slope = abs(float(up - down)) / (2 * step)
    assert 0 < slope <= norm
    assert math.isfinite(norm)


def test_a_query_without_a_next_token_has_no_gradient(target):
    assert target.norm("") == 0.0
    assert np.log1p(target.norm("a long question about valves")) > 0.0
