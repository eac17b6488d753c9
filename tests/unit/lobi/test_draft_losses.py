"""Distances over the likeliest tokens and a rest are those of the whole vocabulary, or bounds of them."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from small_models import make, random_rows

from hola_plugins.lobi.calibration import Batch
from hola_plugins.lobi.divergence import record
from hola_plugins.lobi.draft.losses import LOSSES


@pytest.fixture
def said():
    model = make("llama")
    ids = torch.stack([row["input_ids"] for row in random_rows()])
    batch = Batch(ids, torch.ones_like(ids))
    return (
        model,
        batch,
        batch.logits(model).detach(),
        torch.randn(90, 128, generator=torch.Generator().manual_seed(2)),
    )


def distances(own, other):
    p, q = own.softmax(-1), other.softmax(-1)
    return {
        "kl": (p * (p.log() - q.log())).sum(-1),
        "reverse_kl": (q * (q.log() - p.log())).sum(-1),
        "total_variation": (p - q).abs().sum(-1) / 2,
        "greedy": -q.log().gather(-1, own.argmax(-1, keepdim=True))[:, 0],
    }


@pytest.mark.parametrize("name", LOSSES)
def test_with_all_tokens_they_are_the_definitions(said, name):
    model, batch, own, other = said
    (whole,) = record(model, [batch])
    torch.testing.assert_close(LOSSES[name](whole, other), distances(own, other)[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["kl", "reverse_kl", "total_variation"])
def test_with_some_tokens_they_are_no_larger_and_zero_at_the_target(said, name):
    model, batch, own, other = said
    (some,) = record(model, [batch], 8)
    found = LOSSES[name](some, other)
    assert bool((found <= distances(own, other)[name] + 1e-5).all())
    assert float(found.min()) > 0.001
    assert float(LOSSES[name](some, own).abs().max()) < 1e-4
    torch.testing.assert_close(LOSSES["greedy"](some, other), distances(own, other)["greedy"])
