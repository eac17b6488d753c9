"""What a forward pass is timed with: every round sees the same cached context."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from small_models import make
from transformers import Gemma2Config, Gemma2ForCausalLM

from hola_plugins.lobi.draft.cost import _CONTEXT, MANY, _Pass


@pytest.mark.parametrize("count", [1, MANY])
def test_a_pass_leaves_the_cache_as_it_was(count: int) -> None:
    timed = _Pass(make("llama"), count)
    for _ in range(3):
        timed.seconds()
        assert timed._cache.get_seq_length() == _CONTEXT == 128


def test_windows_shorter_than_the_context_are_no_hindrance() -> None:
    config = Gemma2Config(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        sliding_window=32,
    )
    timed = _Pass(Gemma2ForCausalLM(config).eval(), MANY)
    for _ in range(2):
        timed.seconds()
        assert timed._cache.get_seq_length() == _CONTEXT
