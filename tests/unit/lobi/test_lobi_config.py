"""Settings: errors that say what to do."""

from __future__ import annotations

import pytest

from hola_plugins.lobi.config import LoBiConfig, LoBiError, PruneConfig, load_config


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"target_byte": 1}, ("'target_byte'", "did you mean 'target_bytes'")),
        ({"target_bytes": 9, "target_bits": 4.5}, ("one budget", "target_bits and target_bytes")),
        ({"target_ratio": 1.5}, ("target_ratio", "1.5")),
        ({"prune": "auto"}, ("prune: auto needs a budget",)),
        ({"prune": 1.0}, ("prune", "less than 1")),
        ({"choices": ["W4A17"]}, ("'W4A17'", "W4A16")),
        ({"choices": ["W8A16"]}, ("W8A16 does not load", "cpu", "W8A8")),
        ({"lora": {"rnk": 8}}, ("unknown Lo-Bi setting 'lora.rnk'", "did you mean 'rank'")),
        ({"prune": {"chanels": 0.2}}, ("unknown Lo-Bi setting 'prune.chanels'", "did you mean 'channels'")),
        ({"prune": "half"}, ("'prune' = 'half': must hold keys of channels", "Input should be 'auto'")),
        ({"lora": {"when": "always"}}, ("lora.when",)),
    ],
)
def test_a_wrong_setting_names_key_value_and_remedy(
    settings: dict[str, object], words: tuple[str, ...]
) -> None:
    with pytest.raises(LoBiError) as caught:
        load_config(settings)
    for word in words:
        assert word in str(caught.value)


def test_a_number_cuts_channels() -> None:
    assert load_config({"prune": 0.25}).prune == PruneConfig(channels=0.25)


def test_the_default_choices_load_on_their_device() -> None:
    for device in ("cpu", "cpu_avx2", "cuda"):
        config = LoBiConfig.model_validate({"target_device": device})
        assert config.scheme_names
        load_config({"target_device": device, "choices": config.scheme_names})


def test_without_a_budget_nothing_is_quantised() -> None:
    assert not load_config({"prune": 0.5}).allocates
    assert load_config({"target_bits": 4.5}).allocates
