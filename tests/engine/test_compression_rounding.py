"""Lo-Bi scores plans with a GPTQ of its own: it must round as llmcompressor's does, which makes the checkpoint."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("llmcompressor")

from compress_once import TARGET, rows
from compressed_tensors.quantization import QuantizationScheme
from compressed_tensors.quantization.lifecycle.forward import fake_quantize
from llmcompressor.modifiers.gptq.gptq_quantize import quantize_weight
from llmcompressor.observers import Observer
from torch.utils.data import DataLoader
from transformers import AutoModelForCausalLM

from hola_plugins.lobi.calibration import read_calibration
from hola_plugins.lobi.gptq import GptqRounding
from hola_plugins.lobi.quantise import NearestRounding, weight_scale
from hola_plugins.lobi.scheme import ACTORDER, parse_scheme

LAYER = "model.layers.1.mlp.down_proj"


@pytest.mark.parametrize("name", ["W4A16_CHANNEL", "W4A16", "W4A16_G32"])
def test_a_layer_is_rounded_as_llmcompressor_rounds_it(name):
    model = AutoModelForCausalLM.from_pretrained(TARGET, dtype=torch.float32)
    text = read_calibration(DataLoader(rows(), batch_size=1), 12, 0.25)
    layer, inputs = model.get_submodule(LAYER), []
    with (
        torch.no_grad(),
        layer.register_forward_pre_hook(lambda _, args: inputs.append(args[0].flatten(0, 1))),
    ):
        for batch in text.fitting:
            batch.logits(model)
    seen = torch.cat(inputs)
    scheme = parse_scheme(name)
    weight = layer.weight.detach()
    grouped = weight.reshape(len(weight), -1, scheme.group_size or weight.shape[1])
    scale = weight_scale(grouped, scheme)[..., 0]
    settings = QuantizationScheme.model_validate(scheme.as_config_group([LAYER])).weights
    settings.actorder = ACTORDER
    theirs, _, _ = quantize_weight(
        weight[None].clone(),
        (seen.T @ seen)[None],
        scale[None],
        torch.zeros_like(scale)[None],
        None,
        settings,
    )
    ours = GptqRounding(model, text.fitting, [LAYER], [scheme])(LAYER, weight, scheme)
    nearest = (grouped / scale[..., None]).round().mul(scale[..., None]).flatten(1)
    assert same(ours, theirs[0]) > 0.995
    assert same(ours, nearest) < 0.9


@pytest.mark.parametrize("name", ["W8A8", "FP8", "W8A16_CHANNEL"])
def test_a_dead_channel_in_float16_is_rounded_as_compressed_tensors_rounds_it(name):
    torch.manual_seed(0)
    layer, scheme = torch.nn.Linear(128, 16, bias=False, dtype=torch.float16), parse_scheme(name)
    layer.weight.data[7] = torch.randn(128).half() * 1e-6
    settings = QuantizationScheme.model_validate(scheme.as_config_group([LAYER])).weights
    observer = Observer.load_from_registry(
        "memoryless_minmax", base_name="weight", args=settings, module=layer
    )
    found = observer(layer.weight).get_qparams()
    theirs = fake_quantize(layer.weight, found["scale"], found["zero_point"], settings).float()
    ours = NearestRounding(torch.float16)(LAYER, layer.weight.detach(), scheme)
    assert torch.equal(ours[7], theirs[7])
    torch.testing.assert_close(ours, theirs, atol=1.1 * float(found["scale"].max()), rtol=0.13)


def same(one: torch.Tensor, other: torch.Tensor) -> float:
    """Gives the share of weights that are equal."""
    return float(torch.isclose(one, other, atol=1e-6).float().mean())
