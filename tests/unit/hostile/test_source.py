"""The source itself: nothing that runs a stranger's bytes is called, and no code is fetched unasked."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SOURCES = [path for folder in ("hola_plugins", "integrations") for path in (ROOT / folder).rglob("*.py")]

MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "pandas"}
BUILT_IN = {"eval", "exec", "compile", "__import__"}
ANYWHERE = {
    "read_pickle",
    "unsafe_load",
    "full_load",
    "read_index",
    "deserialize_index",
    "load_local",
    "system",
    "popen",
}
SAFE = {
    ("np", "load"): ("allow_pickle", False),
    ("np", "save"): ("allow_pickle", False),
    ("torch", "load"): ("weights_only", True),
}
YAML = {"safe_load", "safe_dump", "compose"}


def walk(path: Path, kind: type) -> Iterator[ast.AST]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return (node for node in ast.walk(tree) if isinstance(node, kind))


def calls(path: Path) -> Iterator[tuple[ast.Call, str | None, str]]:
    """Yields every call with the name before the last dot (None where there is no dot), and the name behind it."""
    for node in walk(path, ast.Call):
        if isinstance(node.func, ast.Attribute):
            yield node, getattr(node.func.value, "id", ""), node.func.attr
        elif isinstance(node.func, ast.Name):
            yield node, None, node.func.id


def has(call: ast.Call, keyword: str, value: object) -> bool:
    return any(one.arg == keyword and getattr(one.value, "value", ...) is value for one in call.keywords)


def runs_bytes(path: Path) -> Iterator[object]:
    """Yields what unpickles or evaluates."""
    names = [alias.name for node in walk(path, ast.Import) for alias in node.names]
    names += [node.module or "" for node in walk(path, ast.ImportFrom)]
    yield from (name for name in names if name.split(".")[0] in MODULES)
    for call, owner, name in calls(path):
        if name in ANYWHERE or (owner is None and name in BUILT_IN):
            yield call.lineno, name


def reads_unsafely(path: Path) -> Iterator[object]:
    """Yields readers of arrays, tensors and YAML without the argument that makes them safe."""
    for call, owner, name in calls(path):
        unsafe = (owner, name) in SAFE and not has(call, *SAFE[owner, name])
        unsafe |= name == "_read" and path.name == "array_file.py" and not has(call, "allow_pickle", False)
        unsafe |= owner == "yaml" and name not in YAML
        loaders = [getattr(one.value, "attr", "") for one in call.keywords if one.arg == "Loader"]
        unsafe |= (owner, name) == ("yaml", "compose") and loaders != ["SafeLoader"]
        if unsafe:
            yield call.lineno, name


def trusts_code(path: Path) -> Iterator[object]:
    """Yields where a model may bring code, or a command goes through a shell."""
    for call, *_ in calls(path):
        yield from (call.lineno for one in call.keywords if one.arg in {"trust_remote_code", "shell"})
    if "trust-remote-code" in path.read_text(encoding="utf-8"):
        yield "trust-remote-code"


@pytest.mark.parametrize("look", [runs_bytes, reads_unsafely, trusts_code])
def test_no_file_does_what_a_strangers_bytes_could_use(look, tmp_path):
    assert len(SOURCES) > 200
    assert not {str(path): found for path in SOURCES if (found := list(look(path)))}
    bad = tmp_path / "bad.py"
    bad.write_text(
        "import pickle\nx = np.load('x')\nf('x', trust_remote_code=True)\neval('1')\nyaml.load('x')\n"
    )
    assert list(look(bad))
