"""The shape of a draft keeps its size and takes few layers first."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from small_models import FAMILIES, make, random_rows, target

from hola_plugins.lobi.calibration import read_calibration
from hola_plugins.lobi.config import LoBiError
from hola_plugins.lobi.cut import Cut, apply_cut
from hola_plugins.lobi.draft.config import load_draft_config
from hola_plugins.lobi.draft.shape import Extent, choose_shape
from hola_plugins.lobi.saliency import lora_saliency
from hola_plugins.lobi.structure import read_structure


def shape(model, **settings):
    return choose_shape(model, read_structure(model), load_draft_config(settings))


def test_few_layers_come_first():
    whole = target()
    assert shape(whole, size=0.17) == Cut(384, None, 1)
    assert shape(whole, size=0.5) == Cut(384, None, 3)
    assert shape(whole, size=0.13) == Cut(256, None, 1)
    assert shape(whole, layers=2) == Cut(384, None, 2)
    assert shape(whole, layers=3, size=0.3) == Cut(128, None, 3)
    assert shape(whole, size=0.07) == Cut(128, 1, 1)


@pytest.mark.parametrize("family", sorted(FAMILIES))
@pytest.mark.parametrize("size", [0.25, 0.4, 0.7])
def test_the_cut_model_has_no_more_parameters_than_asked(family, size):
    model = make(family)
    structure, before = read_structure(model), Extent.of(model)
    cut = shape(model, size=size, multiple=32)
    saliency = lora_saliency(model, read_calibration(random_rows(), 8, 0.25).fitting, structure, 8, 0)
    apply_cut(model, structure, saliency, cut)
    share = Extent.of(model).decoder_parameters / before.decoder_parameters
    assert Extent.of(model).layers == cut.layers
    assert 0.6 * size <= share <= size + 0.01


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"size": 0.01}, r"--size 1.0% is under the smallest draft of this target: ask for 6.3% or more"),
        ({"size": 0.1, "layers": 5}, r"with 5 layers: ask for 31.4% or more"),
        ({"layers": 6}, "--layers must be under the target's 6 layers, got 6"),
    ],
)
def test_a_size_that_cannot_be_made_is_answered_with_the_least(settings, words):
    with pytest.raises(LoBiError, match=words):
        shape(target(), **settings)
