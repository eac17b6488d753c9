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


def test_import_takes_milliseconds():
    program = "import time; t = time.perf_counter(); import hola_plugins; print(time.perf_counter() - t)"
    assert min(float(run(program)) for _ in range(3)) < 0.05


def test_public_names_are_listed():
    assert set(hola_plugins.__all__) <= set(dir(hola_plugins))


def test_unknown_name_says_what_there_is():
    with pytest.raises(AttributeError, match="'nothing'; it has HSDProposer"):
        _ = hola_plugins.nothing
