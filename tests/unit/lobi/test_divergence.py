"""Divergence: nothing between a model and itself, infinitely much to one that computes no numbers."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from small_models import make, random_rows

from hola_plugins.lobi.calibration import read_calibration
from hola_plugins.lobi.divergence import measure, record


@pytest.mark.parametrize("kept", [16, 128])
def test_a_model_is_no_way_from_itself(kept):
    model, text = make("llama"), read_calibration(random_rows(), 8, 0.25)
    found = measure(model, text.held_out, record(model, text.held_out, kept))
    assert found.kl < 1e-6


def test_logits_that_are_no_numbers_are_infinitely_far():
    model, text = make("llama"), read_calibration(random_rows(), 8, 0.25)
    original = record(model, text.held_out)
    model.model.norm.weight.data[0] = math.nan
    found = measure(model, text.held_out, original)
    assert (found.kl, found.perplexity) == (math.inf, math.inf)


def test_keeping_fewer_tokens_bounds_the_divergence_from_below():
    text = read_calibration(random_rows(), 8, 0.25)
    model, other = make("llama"), make("llama")
    other.model.layers[0].mlp.down_proj.weight.data.mul_(0.5)
    few, all_of_them = (
        measure(other, text.held_out, record(model, text.held_out, kept)).kl for kept in (16, 128)
    )
    assert 0 < few <= all_of_them + 1e-6
