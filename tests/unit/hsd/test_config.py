"""Settings: defaults without a word, and errors that say what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hola_plugins.hsd.config import ConfigError, HSDConfig, load_config


def test_nothing_gives_the_defaults() -> None:
    assert load_config(None) == load_config({}) == HSDConfig()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"taw": 1.0}, ("'taw'", "did you mean 'tau'")),
        ({"store": {"isolatd": True}}, ("'store.isolatd'", "did you mean 'isolated'")),
        ({"tau": "x"}, ("'tau' = 'x'",)),
        ({"tau": -1.0}, ("'tau'", "-1.0", "nats")),
        ({"rounds": 0}, ("'rounds'", "0", "greater than or equal to 1")),
        ({"levels": []}, ("'levels'", "at least one")),
        ({"levels": ["request", "request"]}, ("'levels'", "each once")),
        (
            {"levels": ["request"], "store": {"corpus": "manual.txt"}},
            ("'store'", "manual.txt", "levels 'store' and 'transitions'", "name one in 'levels'"),
        ),
        ({"config_file": 3}, ("'config_file'", "3")),
        ({"config_file": "/no/such/file"}, ("/no/such/file", "No such file")),
    ],
)
def test_a_wrong_setting_names_key_value_and_remedy(
    settings: dict[str, object], words: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(settings)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("level", ["store", "transitions"])
def test_a_corpus_needs_one_level_that_reads_it(level: str) -> None:
    config = load_config({"levels": ["request", level], "store": {"corpus": "manual.txt"}})
    assert config.store.corpus == "manual.txt"


def test_settings_that_are_no_mapping_are_refused() -> None:
    with pytest.raises(ConfigError, match="must be a mapping"):
        load_config([1])  # type: ignore[arg-type]


def test_file_is_read_and_settings_beside_it_win(tmp_path: Path) -> None:
    file = tmp_path / "hsd.json"
    below = {"rounds": 2, "tau": 1.5, "store": {"isolated": True, "tokens": 8_192}}
    file.write_text(json.dumps(below))
    config = load_config({"config_file": str(file), "rounds": 5, "store": {"tokens": 4_096}})
    assert (config.rounds, config.tau) == (5, 1.5)
    assert (config.store.isolated, config.store.tokens) == (True, 4_096)


@pytest.mark.parametrize("content", ["{", "[1]"])
def test_a_broken_file_is_named(tmp_path: Path, content: str) -> None:
    file = tmp_path / "hsd.json"
    file.write_text(content)
    with pytest.raises(ConfigError, match=r"hsd\.json"):
        load_config({"config_file": str(file)})
