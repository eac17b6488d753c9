import subprocess
import sys
from pathlib import Path

import pytest

import hola_plugins

ROOT = Path(__file__).parents[2]


def run(program):
    arguments = [sys.executable, "-c", program]
    return subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_import_loads_no_third_party_module():
    program = """
import sys
before = set(sys.modules)
import hola_plugins
print(*(n for n in set(sys.modules) - before if n.split(".")[0] not in sys.stdlib_module_names))
"""
    assert run(program).split() == ["hola_plugins"]


def test_import_and_listing_load_no_costly_part_of_the_standard_library():
    program = """
import sys
import hola_plugins
dir(hola_plugins)
print(*sys.modules)
"""
    costly = {
        "asyncio",
        "importlib.metadata",
        "inspect",
        "logging",
        "multiprocessing",
        "subprocess",
        "unittest",
    }
    assert not costly & set(run(program).split())


def test_a_name_of_langchain_loads_its_door_alone():
    pytest.importorskip("langchain_core")
    program = """
import sys
import hola_plugins
print(hola_plugins.FaissStore is hola_plugins.FaissStore, hola_plugins.AdaCompRetriever.__module__)
print(*(name for name in sys.modules if name.startswith("hola_plugins.")))
"""
    name, loaded = run(program).splitlines()
    assert name == "True hola_plugins.langchain.retriever"
    assert {module.split(".")[1] for module in loaded.split()} == {"adacomp", "files", "langchain"}


def test_public_names_are_listed():
    assert set(hola_plugins.__all__) <= set(dir(hola_plugins))


def test_unknown_name_says_what_there_is():
    with pytest.raises(AttributeError, match="'nothing'; it has AdaCompRetriever, AnswerGuard, FaissStore"):
        _ = hola_plugins.nothing
