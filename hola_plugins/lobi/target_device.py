"""Where the checkpoint will probably run: the kind of machine that this one is."""

from __future__ import annotations

from hola_plugins.cpu import cpu_flags


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
