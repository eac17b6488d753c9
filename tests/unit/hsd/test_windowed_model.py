"""The neural runtime against plain forward passes of the same model."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from transformers.integrations.sdpa_attention import sdpa_attention_forward

from hola_plugins.hsd.config import ConfigError, IntermediateConfig
from hola_plugins.hsd.window_attention import _grouped_attention
from hola_plugins.hsd.windowed_model import WindowedModel

DRAFT = Path(__file__).parents[2] / "models" / "draft"


def settings(**changes: object) -> IntermediateConfig:
    return IntermediateConfig.model_validate({"model": str(DRAFT), "window": 128, "requests": 4, **changes})


@pytest.fixture(scope="module")
def plain():
    return transformers.AutoModelForCausalLM.from_pretrained(DRAFT, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def vocabulary(plain) -> int:
    return plain.config.vocab_size


def expected(plain, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    with torch.inference_mode():
        chances = plain(torch.tensor(tokens[None].astype(np.int64))).logits[0].softmax(-1)
    best = chances.max(-1)
    return best.indices.numpy(), best.values.numpy()


@pytest.mark.parametrize("order", [(2, 0, 3), (1, 2, 3)])
def test_ragged_rows_in_pieces_predict_like_whole_passes(
    plain, vocabulary: int, order: tuple[int, ...]
) -> None:
    model = WindowedModel(settings(), vocabulary, str(DRAFT))
    rng = np.random.default_rng(0)
    rows = [rng.integers(3, vocabulary, length).astype(np.int32) for length in (9, 70, 33)]
    lanes = np.array(order)
    done = np.zeros(3, dtype=np.int32)
    got: list[list[tuple[int, float]]] = [[], [], []]
    while any(done[row] < len(tokens) for row, tokens in enumerate(rows)):
        counts = [min(int(rng.integers(1, 12)), len(tokens) - done[row]) for row, tokens in enumerate(rows)]
        asked = [row for row in range(3) if counts[row]]
        fed = np.full((len(asked), max(counts)), -1, dtype=np.int32)
        for one, row in enumerate(asked):
            fed[one, : counts[row]] = rows[row][done[row] : done[row] + counts[row]]
        predicted, chance = model.forward(lanes[asked], done[asked], fed)
        for one, row in enumerate(asked):
            got[row] += zip(predicted[one, : counts[row]], chance[one, : counts[row]], strict=True)
            done[row] += counts[row]
    for tokens, pairs in zip(rows, got, strict=True):
        best, chance = expected(plain, tokens)
        np.testing.assert_allclose([pair[1] for pair in pairs], chance, atol=1e-4)
        assert [pair[0] for pair in pairs] == best.tolist()


def test_tokens_that_turned_out_wrong_are_overwritten(plain, vocabulary: int) -> None:
    model = WindowedModel(settings(), vocabulary, str(DRAFT))
    tokens = np.arange(5, 25, dtype=np.int32)
    lane, none = np.array([1]), np.zeros(1, dtype=np.int32)
    model.forward(lane, none, np.concatenate([tokens[:10], tokens[:6] + 40])[None])
    predicted, _ = model.forward(lane, none + 10, tokens[None, 10:])
    assert predicted[0].tolist() == expected(plain, tokens)[0][10:].tolist()


def test_a_window_longer_than_the_model_reads_is_refused(vocabulary: int) -> None:
    with pytest.raises(ConfigError, match=r"'intermediate.window' = 4096: .* reads 2048 tokens at most"):
        WindowedModel(settings(window=4096), vocabulary, str(DRAFT))


def test_a_model_with_learned_positions_runs_ragged_rows_in_a_window_as_long_as_it_reads(tmp_path) -> None:
    config = transformers.GPT2Config(vocab_size=64, n_positions=128, n_embd=32, n_layer=1, n_head=2)
    transformers.GPT2LMHeadModel(config).save_pretrained(tmp_path)
    model = WindowedModel(settings(model=str(tmp_path), window=128), 64, None)
    ragged = np.array([[1, 2, 3], [4, -1, -1]], dtype=np.int32)
    predicted, _ = model.forward(np.arange(2), np.zeros(2, dtype=np.int32), ragged)
    assert predicted.shape == (2, 3)


@pytest.mark.parametrize("shared", [1, 2, 4])
def test_heads_that_share_keys_and_values_predict_like_a_plain_pass(tmp_path: Path, shared: int) -> None:
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=64,
        hidden_size=64,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=shared,
        initializer_range=0.5,
    )
    plain = transformers.LlamaForCausalLM(config).eval()
    plain.save_pretrained(tmp_path)
    model = WindowedModel(settings(model=str(tmp_path)), 64, None)
    tokens = np.arange(3, 27, dtype=np.int32)
    model.forward(np.array([1]), np.zeros(1, dtype=np.int32), tokens[None, :16])
    predicted, chance = model.forward(np.array([1]), np.array([16], dtype=np.int32), tokens[None, 16:])
    best, wanted = expected(plain, tokens)
    assert predicted[0].tolist() == best[16:].tolist()
    np.testing.assert_allclose(chance[0], wanted[16:], atol=1e-4)


def test_a_mask_for_every_head_is_left_to_transformers() -> None:
    draw = torch.Generator().manual_seed(0)
    query = torch.randn(2, 4, 3, 8, generator=draw)
    key, value = (torch.randn(2, 2, 5, 8, generator=draw) for _ in range(2))
    module = torch.nn.Module()
    module.num_key_value_groups, module.is_causal = 2, True
    mask = torch.randn(2, 1, 3, 5, generator=draw)
    for one in (mask, mask.expand(2, 4, 3, 5)):
        found, _ = _grouped_attention(module, query, key, value, one)
        wanted, _ = sdpa_attention_forward(module, query, key, value, one)
        torch.testing.assert_close(found, wanted)


def test_a_window_longer_than_a_layer_looks_back_is_refused(tmp_path: Path) -> None:
    sizes = {"vocab_size": 64, "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 1, "num_key_value_heads": 1}
    config = transformers.MistralConfig(**sizes, **heads, sliding_window=130)
    transformers.MistralForCausalLM(config).save_pretrained(tmp_path)
    WindowedModel(settings(model=str(tmp_path), window=130), 64, None)
    with pytest.raises(ConfigError, match=r"'intermediate.window' = 256: .* reads 130 tokens at most"):
        WindowedModel(settings(model=str(tmp_path), window=256), 64, None)


def test_a_model_with_other_layers_than_attention_is_refused(tmp_path: Path) -> None:
    config = transformers.Lfm2Config(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=1,
        num_key_value_heads=1,
        layer_types=["conv", "full_attention"],
    )
    transformers.Lfm2ForCausalLM(config).save_pretrained(tmp_path)
    with pytest.raises(
        ConfigError, match=r"does not run over a window.*layers all are attention.*hola draft"
    ):
        WindowedModel(settings(model=str(tmp_path), window=128), 64, None)


def test_a_token_that_the_model_does_not_know_harms_no_other_row(plain, vocabulary: int) -> None:
    model = WindowedModel(settings(), vocabulary, str(DRAFT))
    known = np.arange(5, 13, dtype=np.int32)
    both = np.stack([known, np.full(8, vocabulary + 90, dtype=np.int32)])
    predicted, _ = model.forward(np.arange(2), np.zeros(2, dtype=np.int32), both)
    assert predicted[0].tolist() == expected(plain, known)[0].tolist()


def test_memory_is_all_there_after_the_first_pass(vocabulary: int) -> None:
    model = WindowedModel(settings(), vocabulary, str(DRAFT))
    model.forward(np.array([0]), np.zeros(1, dtype=np.int32), np.ones((1, 1), dtype=np.int32))
    before = addresses(model)
    model.forward(np.arange(4), np.zeros(4, dtype=np.int32), np.ones((4, 100), dtype=np.int32))
    assert addresses(model) == before != []


def addresses(model: WindowedModel) -> list[int]:
    """Gives where the memory of each layer lies."""
    return [one.data_ptr() for pair in model._cache._memory.values() for one in pair]


def test_another_vocabulary_is_refused(vocabulary: int, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"has \d+ tokens, the target 32000.*hola draft"):
        WindowedModel(settings(), 32000, None)
    other = shutil.copytree(DRAFT, tmp_path / "other")
    tokenizer = transformers.AutoTokenizer.from_pretrained(other)
    tokenizer.add_tokens(["<unheard-of>"])
    tokenizer.save_pretrained(other)
    with pytest.raises(ConfigError, match=r"differs from the target's in \d+ entries"):
        WindowedModel(settings(), vocabulary, str(other))


def test_what_is_no_model_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"intermediate\.model.*cannot load.*folder or hub id"):
        WindowedModel(settings(model=str(tmp_path)), 1000, None)
