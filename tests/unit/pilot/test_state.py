"""What is finished is kept, whole, under the key that it was made with."""

from __future__ import annotations

import pytest

from hola_plugins.pilot.state import State, digest, fingerprint


def test_a_unit_counts_under_its_key_alone(tmp_path):
    state = State(tmp_path / "state")
    assert state.get("round", "a") is None
    state.put("round", "a", {"seconds": 1.5})
    assert State(tmp_path / "state").get("round", "a") == {"seconds": 1.5}
    assert state.get("round", "b") is None
    state.put("round", "b", [1])
    assert (state.get("round", "a"), state.get("round", "b")) == (None, [1])
    state.clear()
    assert state.get("round", "b") is None


def test_a_damaged_file_is_not_finished(tmp_path):
    state = State(tmp_path)
    state.put("round", "a", 1)
    (tmp_path / "round.json").write_text('{"key": "a", "val')
    assert state.get("round", "a") is None


def test_a_write_that_fails_leaves_what_was_there(tmp_path):
    state = State(tmp_path)
    state.put("round", "a", 1)
    with pytest.raises(TypeError):
        state.put("round", "b", object())
    assert state.get("round", "a") == 1


def test_a_key_follows_values_and_files(tmp_path):
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1}) != digest({"a": 1, "b": 3})
    (tmp_path / "model").mkdir()
    before = fingerprint(tmp_path / "model")
    (tmp_path / "model" / "weights").write_text("1")
    assert fingerprint(tmp_path / "model") != before
