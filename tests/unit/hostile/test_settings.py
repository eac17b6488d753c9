"""Settings of strangers: they are taken, or named by this package's own error."""

from __future__ import annotations

import contextlib
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strange import DEEP, HOSTILE_BYTES, VALUES, as_json, settings_near

from hola_plugins.adacomp.calibration_file import load
from hola_plugins.corpus.settings import read_settings
from hola_plugins.hsd.config import ConfigError, HSDConfig, load_config
from hola_plugins.lobi import config as lobi
from hola_plugins.lobi.draft.config import load_draft_config
from hola_plugins.lobi.stock_recipe import stock_recipe
from hola_plugins.pilot.config import PilotConfig
from hola_plugins.pilot.config_file import ConfigError as FileError
from hola_plugins.pilot.config_file import read_config
from hola_plugins.pilot.state import State
from hola_plugins.tune.config import TuneConfig

yaml = pytest.importorskip("yaml")

many = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
some = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
each_file = pytest.mark.parametrize("content", HOSTILE_BYTES.values(), ids=HOSTILE_BYTES)
each_model = pytest.mark.parametrize("model", [PilotConfig, TuneConfig], ids=lambda model: model.__name__)

LAUGHS = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))


@many
@given(settings_near(HSDConfig, "config_file"))
def test_settings_of_hsd(given_settings):
    with contextlib.suppress(ConfigError):
        assert isinstance(load_config(given_settings), HSDConfig)


@many
@given(settings_near(lobi.LoBiConfig))
def test_keys_of_a_recipe(given_settings):
    with contextlib.suppress(lobi.LoBiError):
        assert isinstance(lobi.load_config(given_settings), lobi.LoBiConfig)


@some
@given(VALUES)
def test_any_value_as_settings(value):
    for read, error in ((load_config, ConfigError), (_lobi, lobi.LoBiError), (_draft, lobi.LoBiError)):
        with contextlib.suppress(error):
            read(value)


def _lobi(value):
    return lobi.load_config(value if isinstance(value, dict) else {"target_bits": value})


def _draft(value):
    return load_draft_config(value if isinstance(value, dict) else {"size": value})


@each_file
def test_bytes_as_a_settings_file_of_hsd(tmp_path, content):
    file = tmp_path / "hsd.json"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"hsd\.json|labels|prompt"):
        load_config({"config_file": str(file)})


def test_a_settings_file_that_never_ends_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in ("/dev/zero", str(tmp_path / "pipe"), str(tmp_path)):
        with pytest.raises(ConfigError, match=r"plain file"):
            load_config({"config_file": path})


@each_file
def test_bytes_as_a_configuration(tmp_path, content):
    file = tmp_path / "pilot.yaml"
    file.write_bytes(content)
    with pytest.raises(FileError, match=r"pilot\.yaml"):
        read_config(file, PilotConfig)


@each_model
@some
@given(data=st.data())
def test_keys_and_values_of_a_configuration(tmp_path, model, data):
    file = tmp_path / "pilot.yaml"
    file.write_bytes(as_json(data.draw(settings_near(model))))
    with contextlib.suppress(FileError):
        read_config(file, model)


@each_model
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.sampled_from("ab:-[]{}&*!|>'\"?,#% \n\t01.~<=@`\x07\ufeff"), max_size=40))
def test_text_as_a_configuration(tmp_path, model, text):
    file = tmp_path / "pilot.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(FileError, match=r"pilot\.yaml"):
        read_config(file, model)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (LAUGHS, "10000 keys and entries in 20 levels are allowed, and aliases make more of them"),
        ("a: &a [*a]\n", "20 levels are allowed"),
        ("x: &a {b: *a}\n", "20 levels are allowed"),
        (DEEP[0], "nested too deeply"),
        ("a: 2024-99-99\n", "no YAML: month must be in"),
        (
            "model: !!python/object/apply:os.system ['touch broken']\n",
            "no YAML: could not determine a constructor",
        ),
        ("model: ~nobody-here/x\nprompts: p\n", "must be a path that this system can hold"),
        (f"model: m\nprompts: {'a' * 5000}\n", "must be a path that this system can hold"),
        ('model: m\nprompts: "a\\0b"\n', "must be a file"),
        ('model: "\\ud800"\n', "line 1: '\\ud800' holds half a character"),
        ("repeats: .nan\nmax_tokens: .inf\n", "'repeats' = nan"),
    ],
)
def test_a_trick_in_a_configuration_is_named(tmp_path, monkeypatch, text, words):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "pilot.yaml"
    file.write_text(text)
    with pytest.raises(FileError) as caught:
        read_config(file, PilotConfig)
    assert words in str(caught.value)
    assert not (tmp_path / "broken").exists()


@each_file
def test_bytes_as_a_calibration_an_indexs_settings_a_recipe_and_a_finished_unit(tmp_path, content):
    for name in ("calibration.json", "corpus.json", "recipe.yaml", "report.json", "unit.json"):
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=r"calibration\.json"):
        load(tmp_path / "calibration.json")
    with pytest.raises(ValueError, match=r"corpus\.json"):
        read_settings(tmp_path)
    for name in ("recipe.yaml", "report.json"):
        with pytest.raises(lobi.LoBiError, match=name):
            stock_recipe(tmp_path / name)
    assert State(tmp_path).get("unit", "key") is None


@some
@given(
    content=st.dictionaries(
        st.sampled_from(
            [
                "format",
                "promise",
                "signals",
                "bias",
                "target",
                "labels",
                "reach",
                "k_min",
                "k_max",
                "threshold",
                "floor",
            ]
        ),
        st.just(1) | VALUES,
    )
)
def test_a_calibration_with_any_values(tmp_path, content):
    file = tmp_path / "calibration.json"
    file.write_bytes(as_json({"format": 1, "promise": "recall", **content}))
    with pytest.raises(ValueError, match=r"calibration\.json"):
        load(file)


def test_a_recipe_of_aliases_is_refused(tmp_path):
    (tmp_path / "recipe.yaml").write_text(
        "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{l: *a{n - 1}, r: *a{n - 1}}}\n" for n in range(1, 40))
    )
    with pytest.raises(lobi.LoBiError, match=r"recipe\.yaml"):
        stock_recipe(tmp_path)
