"""A float16 checkpoint stores scales in float16, where those of a dead output channel round to 0."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from small_models import make, random_rows

from hola_plugins.lobi.calibration import read_calibration
from hola_plugins.lobi.gptq import GptqRounding
from hola_plugins.lobi.quantise import NearestRounding, stored_scale
from hola_plugins.lobi.scheme import parse_scheme

LAYER = "model.layers.1.mlp.gate_proj"
DEAD = 7
SMALLEST = 6e-8
"""float16's smallest number above 0, as it is read."""


@pytest.mark.parametrize("name", ["W8A8", "FP8", "W8A16", "W8A16_CHANNEL", "W4A16_CHANNEL"])
def test_a_dead_channel_is_rounded_to_nothing_and_its_neighbours_as_without_it(name):
    torch.manual_seed(0)
    scheme, weight = parse_scheme(name), (torch.randn(16, 128) * 0.02).half()
    alive = NearestRounding(torch.float16)("layer", weight, scheme)
    weight[DEAD] = SMALLEST
    weight[DEAD, ::3] = 0
    rounded = NearestRounding(torch.float16)("layer", weight, scheme)
    assert not rounded[DEAD].any()
    others = torch.arange(16) != DEAD
    assert torch.equal(rounded[others], alive[others])
    scales = stored_scale(weight.float()[:, None], scheme, torch.float16)
    assert float(scales[DEAD]) == torch.finfo(torch.float16).eps


@pytest.mark.parametrize("dead", [slice(0, 32), slice(32, 64)])
def test_gptq_leaves_a_channel_with_a_dead_group_as_it_was(dead):
    model = make("llama").half()
    weight = model.get_submodule(LAYER).weight.detach()
    weight[DEAD, dead] = 0
    weight[DEAD, dead.start] = SMALLEST
    text, scheme = read_calibration(random_rows(), 8, 0.25), parse_scheme("W4A16_G32")
    rounded = GptqRounding(model, text.fitting, [LAYER], [scheme])(LAYER, weight, scheme)
    assert torch.corrcoef(torch.stack([rounded[DEAD], weight[DEAD].float()]))[0, 1] > 0.95
