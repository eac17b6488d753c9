"""Where an index lies and what it remembers."""

from __future__ import annotations

import pytest

from hola_plugins.corpus.settings import (
    CorpusSettings,
    default_index,
    index_at,
    read_settings,
    updated_settings,
    write_settings,
)


def test_settings_are_remembered_and_changed_one_by_one(tmp_path):
    assert read_settings(tmp_path) is None
    write_settings(tmp_path, updated_settings(tmp_path, "model", None))
    assert read_settings(tmp_path) == CorpusSettings(embedding="model", chunk=800)
    write_settings(tmp_path, updated_settings(tmp_path, None, 300))
    assert read_settings(tmp_path) == CorpusSettings(embedding="model", chunk=300)


def test_a_chunk_out_of_range_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"'chunk' = 5: .*greater than or equal to 100"):
        updated_settings(tmp_path, None, 5)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"unknown": 1}', '{"chunk": "many"}'])
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / "corpus.json").write_text(content)
    with pytest.raises(ValueError, match=r"corpus\.json is damaged"):
        read_settings(tmp_path)


def test_settings_that_are_a_link_are_refused(tmp_path):
    write_settings(tmp_path / "elsewhere", CorpusSettings())
    (tmp_path / "corpus.json").symlink_to(tmp_path / "elsewhere" / "corpus.json")
    with pytest.raises(ValueError, match=r"corpus\.json must be a plain file, and is a link"):
        read_settings(tmp_path)


def test_an_index_is_found_by_its_own_place_or_its_folders(tmp_path):
    write_settings(default_index(tmp_path), CorpusSettings())
    assert index_at(tmp_path) == index_at(default_index(tmp_path)) == default_index(tmp_path)
    with pytest.raises(ValueError, match=r"no index at .*: make one with `hola index"):
        index_at(tmp_path / "elsewhere")
