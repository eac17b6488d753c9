"""The schemes a layer may be stored in: names, what compressed-tensors calls them, where they load.

Which scheme loads where was tried with vLLM 0.32 on a CPU; for cuda it follows the kernels' own checks in
vLLM's source.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

UNQUANTISED = "BF16"
"""The name of the choice that leaves a layer as it is, whatever its dtype."""

ACTORDER = "static"
"""The order in which GPTQ rounds columns, in llmcompressor's word: the most active first; groups stay as they lie."""


@dataclass(frozen=True, slots=True)
class Scheme:
    """How the weights of a layer are stored.

    Attributes:
        name: The name in recipes and reports.
        kind: Number format; none leaves the layer as it is.
        bits: Bits of a weight; 16 for none.
        group_size: Weights along the input that share a scale; None shares one by output channel.
        activation_bits: 8 where activations are quantised by token at run time, else 16.
    """

    name: str
    kind: Literal["none", "int", "float"]
    bits: int
    group_size: int | None
    activation_bits: int

    @property
    def packed(self) -> bool:
        """Whether weights are stored in 32-bit words (weight-only integers)."""
        return self.kind == "int" and self.activation_bits == 16

    @property
    def coarse(self) -> bool:
        """Whether its steps are so coarse that GPTQ and a search for scales pay; elsewhere plain rounding is as good."""
        return self.kind == "int" and self.bits < 8

    @property
    def stored_bits(self) -> float:
        """Bits of a weight with its share of 16-bit scales; those by output channel are left out."""
        return self.bits + 16 / self.group_size if self.group_size else self.bits

    def fits(self, rows: int, columns: int, device: str) -> bool:
        """Tells whether vLLM runs a weight of this shape, output by input, on a device."""
        if self.group_size is not None and columns % self.group_size:
            return False
        step_rows, step_columns = _PACKED_STEPS[device] if self.packed else (1, 1)
        return rows % step_rows == 0 and columns % step_columns == 0

    def loads_on(self, device: str) -> bool:
        """Tells whether vLLM loads it on a device."""
        return self.name in LOADABLE[device]

    def as_config_group(self, targets: list[str]) -> dict[str, Any]:
        """Gives compressed-tensors' config group for layers by name."""
        strategy = "channel" if self.group_size is None else "group"
        group: dict[str, Any] = {
            "targets": targets,
            "weights": {"num_bits": self.bits, "type": self.kind, "symmetric": True, "strategy": strategy},
        }
        if self.group_size is not None:
            group["weights"]["group_size"] = self.group_size
        if self.coarse:
            group["weights"]["observer"] = "memoryless_mse"
        if self.activation_bits == 8:
            group["input_activations"] = {
                "num_bits": 8,
                "type": self.kind,
                "symmetric": True,
                "strategy": "token",
                "dynamic": True,
            }
        return group


SCHEMES = {
    scheme.name: scheme
    for scheme in (
        Scheme("W4A16", "int", 4, 128, 16),
        Scheme("W4A16_G64", "int", 4, 64, 16),
        Scheme("W4A16_G32", "int", 4, 32, 16),
        Scheme("W4A16_CHANNEL", "int", 4, None, 16),
        Scheme("W8A8", "int", 8, None, 8),
        Scheme("W8A16", "int", 8, 128, 16),
        Scheme("W8A16_CHANNEL", "int", 8, None, 16),
        Scheme("FP8", "float", 8, None, 8),
        Scheme(UNQUANTISED, "none", 16, None, 16),
    )
}

_PACKED_STEPS = {"cpu": (32, 32), "cpu_avx2": (32, 32), "cuda": (64, 128)}
"""Steps of output and input channels that vLLM's kernels for packed weights take, by device."""

_EVERYWHERE = ("W4A16", "W4A16_G64", "W4A16_G32", "W4A16_CHANNEL", "W8A8", "FP8", UNQUANTISED)
LOADABLE = {
    "cpu": _EVERYWHERE,
    "cpu_avx2": ("W8A8", UNQUANTISED),
    "cuda": (*_EVERYWHERE, "W8A16", "W8A16_CHANNEL"),
}
"""Names of the schemes that vLLM loads, by device. Its kernel for packed weights on a CPU needs AVX-512."""

DEFAULT_CHOICES = {
    "cpu_avx2": LOADABLE["cpu_avx2"],
    "cpu": ("W4A16_CHANNEL", "W4A16", "W4A16_G64", "W4A16_G32", "W8A8", UNQUANTISED),
    "cuda": ("W4A16_CHANNEL", "W4A16", "W4A16_G64", "W4A16_G32", "W8A16", "W8A8", "FP8", UNQUANTISED),
}


def parse_scheme(name: str) -> Scheme:
    """Gives the scheme of a name.

    Raises:
        ValueError: If there is none.
    """
    if name not in SCHEMES:
        raise ValueError(f"unknown scheme {name!r}; there are {', '.join(SCHEMES)}")
    return SCHEMES[name]
