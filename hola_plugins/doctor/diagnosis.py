"""The order of the checks."""

from __future__ import annotations

from collections.abc import Iterator

from hola_plugins.doctor import host
from hola_plugins.doctor.finding import Finding, note
from hola_plugins.doctor.requirements import (
    MODULES,
    OTHER_HOSTS,
    check_module,
    check_other_host,
    check_python,
)

_NOT_CHECKED = "not checked (--quick)"


def diagnose(*, quick: bool = False) -> Iterator[Finding]:
    """Checks everything that HSD needs, and the versions of the other hosts, cheap checks first.

    Args:
        quick: Leaves out what has to import vLLM, torch or numba, each in a process of its own.

    Yields:
        The findings as they come.
    """
    vllm = host.find_vllm()
    yield check_python()
    yield from map(check_module, MODULES)
    yield from filter(None, map(check_other_host, OTHER_HOSTS))
    yield host.check_gpu(vllm)
    if vllm is not None:
        yield host.check_server_command()
    if host.is_cpu_build(vllm):
        yield host.check_cpu()
        yield from host.check_preload()
    if quick:
        for name in ("kernels", *host.COMPANIONS, "proposer", "sampling"):
            yield note(name, _NOT_CHECKED, "hola doctor (without --quick)")
        return
    yield host.check_kernels()
    yield from map(host.check_companion, host.COMPANIONS)
    yield host.check_door()
    if vllm is not None:
        yield host.check_sampling()
