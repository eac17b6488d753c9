"""The order of the checks."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from hola_plugins.doctor import host
from hola_plugins.doctor.finding import Finding, note
from hola_plugins.doctor.requirements import (
    ENGINE,
    EVERYWHERE,
    OTHER_HOSTS,
    Provider,
    check_module,
    check_other_host,
    check_python,
    check_vllm_elsewhere,
    find_provider,
)

_NOT_CHECKED = "not checked (--quick)"


def diagnose(*, quick: bool = False) -> Iterator[Finding]:
    """Checks everything that HSD needs, and the versions of the other hosts, cheap checks first.

    Where vLLM is missing and another host is there, what HSD alone needs is left out.

    Args:
        quick: Leaves out what has to import vLLM, torch or numba, each in a process of its own.

    Yields:
        The findings as they come.
    """
    vllm = host.find_vllm()
    others = [other for other in OTHER_HOSTS if find_provider(other.module)]
    elsewhere = vllm is None and bool(others)
    yield check_python()
    yield from map(check_module, EVERYWHERE if elsewhere else (*EVERYWHERE, *ENGINE))
    yield from map(check_module if elsewhere else check_other_host, others)
    if elsewhere:
        yield check_vllm_elsewhere()
    else:
        yield from _check_machine(vllm)
    checks = {"kernels": host.check_kernels}
    checks |= {module: partial(host.check_companion, module) for module in host.COMPANIONS}
    if not elsewhere:
        checks |= {"proposer": host.check_door}
    if vllm is not None:
        checks |= {"sampling": host.check_sampling}
    for name, check in checks.items():
        yield note(name, _NOT_CHECKED, "hola doctor (without --quick)") if quick else check()


def _check_machine(vllm: Provider | None) -> Iterator[Finding]:
    """Checks how the machine and vLLM's build go together."""
    yield host.check_gpu(vllm)
    if vllm is not None:
        yield host.check_server_command()
    if host.is_cpu_build(vllm):
        yield host.check_cpu()
        yield from host.check_preload()
