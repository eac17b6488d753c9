"""Who may import what, and the size and manners of the modules."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "hola_plugins"
MODULES = sorted(PACKAGE.rglob("*.py"))
HOSTS = {"vllm": "vllm", "langchain": "langchain_core", "llmcompressor": "llmcompressor"}
METHODS = ("hsd", "adacomp", "lobi")
EXTRAS = {
    "adacomp": ["langchain"],
    "corpus": ["langchain"],
    "langchain": ["langchain", "minilm"],
    "lobi": ["llmcompressor"],
    "llmcompressor": ["llmcompressor"],
    "page": ["pilot"],
    "pilot": ["pilot"],
    "tune": ["pilot"],
}
MODULES_OF = {"faiss-cpu": "faiss", "pyyaml": "yaml"}
ARRIVE_WITH = {
    "vllm": {"vllm", "torch", "transformers"},
    "langchain": {"langchain_core", "pydantic_core", "torch", "transformers"},
    "llmcompressor": {
        "llmcompressor",
        "compressed_tensors",
        "psutil",
        "safetensors",
        "torch",
        "transformers",
        "yaml",
    },
    "hsd": {"torch", "transformers"},
    "lobi": {"huggingface_hub", "pyarrow", "torch", "transformers", "yaml"},
    "pilot": {"huggingface_hub", "pyarrow", "pynvml"},
}
"""What a door's host, or a method's extra, installs; HSD's neural level runs inside vLLM."""

NEURAL = {"window_attention.py", "window_cache.py", "windowed_model.py"}
"""The modules of HSD with its one neural level."""


def place(path):
    """The first name below the package: a door, a method, or another module."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def each_module(**keywords):
    return pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)), **keywords)


@each_module()
def test_only_its_door_imports_a_host(path):
    tops = {name.split(".")[0] for name in imports(path)}
    allowed = {HOSTS.get(place(path))}
    assert not (tops & set(HOSTS.values())) - allowed


@each_module()
def test_methods_import_no_other_method_no_door_and_no_torch(path):
    if place(path) not in METHODS:
        pytest.skip("not a method")
    others = {*METHODS, *HOSTS, "cli", "pilot", "tune"} - {place(path)}
    names = set(imports(path))
    assert not {name for name in names for other in others if f"{name}.".startswith(f"hola_plugins.{other}.")}
    if place(path) != "lobi" and path.name not in NEURAL:
        assert not {name for name in names if name.split(".")[0] == "torch"}


@each_module()
def test_third_party_imports_are_declared(path):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    lines = project["dependencies"] + [
        line for extra in EXTRAS.get(place(path), ()) for line in extras[extra]
    ]
    names = {re.match(r"[\w-]+", line).group() for line in lines}
    declared = {MODULES_OF.get(name, name.replace("-", "_")) for name in names}
    tops = {name.split(".")[0] for name in imports(path)}
    known = sys.stdlib_module_names | declared | ARRIVE_WITH.get(place(path), set()) | {"hola_plugins"}
    assert not tops - known


@each_module()
def test_modules_stay_small_and_check_input_without_assert(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 300
    assert not [node.lineno for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Assert)]


@each_module()
def test_only_the_command_line_prints(path):
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    assert place(path) == "cli" or not [c.lineno for c in calls if getattr(c.func, "id", "") == "print"]


def test_tests_have_no_init_files():
    assert not list((ROOT / "tests").rglob("__init__.py"))
