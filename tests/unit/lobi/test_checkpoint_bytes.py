"""Predicted sizes equal those of saved files, to the byte."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from safetensors.torch import load_file, save_file
from small_models import FAMILIES, make, target
from transformers import AutoModelForCausalLM

from hola_plugins.lobi.checkpoint_bytes import Layout, checkpoint_bytes
from hola_plugins.lobi.safetensors_file import StoredTensor, file_bytes
from hola_plugins.lobi.saved_tensors import saved_tensors
from hola_plugins.lobi.scheme import SCHEMES
from hola_plugins.lobi.structure import read_structure

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "BF16": torch.bfloat16,
    "I32": torch.int32,
    "I64": torch.int64,
    "I8": torch.int8,
    "F8_E4M3": torch.float8_e4m3fn,
}
TENSORS = st.lists(
    st.builds(
        StoredTensor,
        st.text(
            st.characters(codec="utf-8", categories=["L", "N"], include_characters="._"),
            min_size=1,
            max_size=40,
        ),
        st.sampled_from(sorted(DTYPES)),
        st.lists(st.integers(0, 40), max_size=3).map(tuple),
    ),
    max_size=12,
    unique_by=lambda one: one.name,
)


@settings(max_examples=60, deadline=None)
@given(tensors=TENSORS)
def test_a_file_of_any_tensors(tmp_path_factory, tensors):
    file = tmp_path_factory.mktemp("bytes") / "model.safetensors"
    save_file(
        {one.name: torch.zeros(one.shape, dtype=DTYPES[one.dtype]) for one in tensors},
        file,
        metadata={"format": "pt"},
    )
    assert file_bytes(tensors) == file.stat().st_size


@pytest.mark.parametrize("family", sorted(FAMILIES))
@pytest.mark.parametrize("tied", [True, False])
def test_a_model_as_it_is(family, tied, tmp_path):
    model = make(family, tie_word_embeddings=tied)
    model.save_pretrained(tmp_path)
    assert checkpoint_bytes(model, {}) == (tmp_path / "model.safetensors").stat().st_size


def test_a_model_whose_tensors_have_other_names_in_a_checkpoint(tmp_path):
    shape = {"vocab_size": 128, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
    config = transformers.GPTNeoXConfig(**shape, num_attention_heads=4)
    transformers.GPTNeoXForCausalLM(config).save_pretrained(tmp_path)
    model = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert "lm_head.weight" in model.state_dict()
    model.save_pretrained(tmp_path)
    assert checkpoint_bytes(model, {}) == (tmp_path / "model.safetensors").stat().st_size
    assert "embed_out.weight" in load_file(tmp_path / "model.safetensors")


@pytest.mark.parametrize("part", [100_000, 20_000])
@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_a_model_in_parts(family, part, tmp_path):
    model = make(family)
    model.save_pretrained(tmp_path, max_shard_size=part)
    sizes = [file.stat().st_size for file in tmp_path.glob("*.safetensors")]
    assert len(sizes) > 2
    again = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert checkpoint_bytes(again, {}) == checkpoint_bytes(model, {})
    model.save_pretrained = partial(model.save_pretrained, max_shard_size=part)
    assert checkpoint_bytes(model, {}) == sum(sizes)


@pytest.mark.parametrize(
    "scheme", [one for one in SCHEMES.values() if one.kind != "none"], ids=lambda one: one.name
)
def test_a_model_in_every_scheme_as_compressed_tensors_saves_it(scheme, tmp_path):
    quantization = pytest.importorskip("compressed_tensors.quantization")
    from compressed_tensors.compressors import ModelCompressor

    model = target().bfloat16()
    names = [name for name in read_structure(model).linear_names if scheme.fits(*shape(model, name), "cpu")]
    predicted = checkpoint_bytes(model, dict.fromkeys(names, scheme))
    save = model.save_pretrained
    model.save_pretrained = partial(save, max_shard_size=60_000)
    predicted_parts = checkpoint_bytes(model, dict.fromkeys(names, scheme))
    model.save_pretrained = save
    config = quantization.QuantizationConfig(config_groups={"group": scheme.as_config_group(names)})
    quantization.apply_quantization_config(model, config)
    assert checkpoint_bytes(model, dict.fromkeys(names, scheme)) == predicted
    for name in names:
        model.get_submodule(name).weight_scale.data.fill_(1.0)
    ModelCompressor.from_pretrained_model(model).compress_model(model)
    model.save_pretrained(tmp_path)
    assert predicted == (tmp_path / "model.safetensors").stat().st_size
    model.hf_device_map = {"": "cpu"}
    with pytest.warns(UserWarning, match="offloaded modules"):
        model.save_pretrained(tmp_path / "parts", max_shard_size=60_000)
    parts = [file.stat().st_size for file in (tmp_path / "parts").glob("*.safetensors")]
    assert len(parts) > 4
    assert predicted_parts == sum(parts)


def test_the_bound_of_layers_holds():
    model = target()
    names, layout = read_structure(model).linear_names, Layout(model)
    rest = [
        StoredTensor(name, "F32", tuple(tensor.shape))
        for name, tensor in saved_tensors(model)
        if name.removesuffix(".weight") not in names
    ]
    for scheme in SCHEMES.values():
        bound = layout.bytes_at_most(names, scheme, layout.size({}))
        found = layout.size(dict.fromkeys(names, scheme)) - file_bytes(rest)
        assert found - 16 <= bound <= found * 1.02 + 4096


def shape(model, name):
    return tuple(model.get_submodule(name).weight.shape)
