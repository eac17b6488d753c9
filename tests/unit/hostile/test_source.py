"""The source itself: nothing that runs a stranger's bytes is called, and no code is fetched unasked."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SOURCES = sorted(
    path for folder in ("hola_plugins", "integrations") for path in (ROOT / folder).rglob("*.py")
)
each_source = pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))

MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "pandas"}
CALLS = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "read_pickle",
    "unsafe_load",
    "full_load",
    "load_all",
    "read_index",
    "system",
    "popen",
    "deserialize_index",
    "load_local",
}
SAFE = {
    ("np", "load"): ("allow_pickle", False),
    ("np", "save"): ("allow_pickle", False),
    ("torch", "load"): ("weights_only", True),
}
REGULAR = {("re", "compile")}


def calls(path):
    """Yields every call with the name before the last dot, where there is one, and the name behind it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Attribute):
                yield node, getattr(function.value, "id", ""), function.attr
            elif isinstance(function, ast.Name):
                yield node, "", function.id


def keyword(call, name):
    return [
        one.value.value for one in call.keywords if one.arg == name and isinstance(one.value, ast.Constant)
    ]


@each_source
def test_no_pickle_and_nothing_that_evaluates_text(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {
        alias.name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    imported |= {
        (node.module or "").split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
    }
    assert not imported & MODULES
    assert not [
        (call.lineno, name)
        for call, owner, name in calls(path)
        if name in CALLS and (owner, name) not in REGULAR
    ]


@each_source
def test_arrays_tensors_and_yaml_are_read_in_the_safe_way(path):
    for call, owner, name in calls(path):
        if (owner, name) in SAFE:
            argument, value = SAFE[owner, name]
            assert keyword(call, argument) == [value], call.lineno
        if name == "read_array":
            assert keyword(call, "allow_pickle") == [False], call.lineno
        if owner == "yaml":
            assert name in {"safe_load", "safe_dump", "compose"}, call.lineno
        if (owner, name) == ("yaml", "compose"):
            assert any(getattr(one.value, "attr", "") == "SafeLoader" for one in call.keywords), call.lineno


@each_source
def test_no_model_brings_code_unless_the_user_says_so(path):
    given = [one for call, *_ in calls(path) for one in call.keywords if one.arg == "trust_remote_code"]
    assert not given
    assert "trust-remote-code" not in path.read_text(encoding="utf-8")


@each_source
def test_no_command_goes_through_a_shell(path):
    assert not [call.lineno for call, *_ in calls(path) for one in call.keywords if one.arg == "shell"]


def test_the_check_sees_what_it_looks_for(tmp_path):
    file = tmp_path / "bad.py"
    file.write_text(
        "import pickle\nimport numpy as np\nnp.load('x')\nmodel = f('x', trust_remote_code=True)\neval('1')\n"
    )
    for check in (
        test_no_pickle_and_nothing_that_evaluates_text,
        test_arrays_tensors_and_yaml_are_read_in_the_safe_way,
        test_no_model_brings_code_unless_the_user_says_so,
    ):
        with pytest.raises(AssertionError):
            check(file)
