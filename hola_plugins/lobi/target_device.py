"""Where the checkpoint will probably run: the kind of machine that this one is."""

from __future__ import annotations

from collections.abc import Iterable

from hola_plugins.cpu import cpu_flags
from hola_plugins.lobi.scheme import parse_scheme


def detect_device() -> str:
    """Gives cuda where torch sees one, cpu for a CPU with AVX-512, else cpu_avx2: a `target_device`."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "cpu" if "avx512f" in cpu_flags() else "cpu_avx2"


def runs_in_float32(device: str) -> bool:
    """Tells whether vLLM runs what is quantised for a device in float32 on this machine.

    Its kernels for packed weights take 16 bits alone, and so does the one for 8 bits where a CPU has AMX.
    """
    return device == "cpu_avx2" and "amx_tile" not in cpu_flags()


def speed_hint(device: str, schemes: Iterable[str]) -> str | None:
    """Gives what to expect of the speed on a CPU, for choices that make nothing faster there; else None.

    Args:
        device: A `target_device`.
        schemes: The names that are chosen from.
    """
    if device == "cpu_avx2":
        return "expect less memory, not more speed: vLLM multiplies in 8 bits slowly without AVX-512"
    if device == "cpu" and any(parse_scheme(name).bits == 4 for name in schemes):
        return (
            "for speed rather than size: --choices W8A8,BF16 (without AMX vLLM multiplies in 8 bits several times as "
            "fast as in 16, and in 4 bits slower)"
        )
    return None
