"""What a forward pass is timed with: every round sees the same cached context."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from small_models import make

from hola_plugins.lobi.draft.cost import _CONTEXT, MANY, _Pass


@pytest.mark.parametrize("count", [1, MANY])
def test_a_pass_leaves_the_cache_as_it_was(count: int) -> None:
    timed = _Pass(make("llama"), count)
    for _ in range(3):
        timed.seconds()
        assert timed._cache.get_seq_length() == _CONTEXT == 128


def test_windows_shorter_than_the_context_are_no_hindrance() -> None:
    timed = _Pass(make("gemma2"), MANY)
    assert timed._model.config.sliding_window < _CONTEXT
    for _ in range(2):
        timed.seconds()
        assert timed._cache.get_seq_length() == _CONTEXT
