"""Names of the methods, and the settings of Lo-Bi's variants."""

from __future__ import annotations

from typing import Any

VARIANTS: dict[str, dict[str, Any]] = {
    "lobi": {},
    "tuned": {"tune": {"steps": 100}},
    "unguarded": {"guard": False},
    "pruned": {"prune": "auto"},
    "unrecovered": {"prune": "auto", "lora": {"steps": 0}},
}
"""Keys of Lo-Bi's recipe entry by method: as it comes, with tuning, without the guard, with a cut, without its recovery."""

TOOLS = ("autoround", "autoround_whole", "modelopt")
"""Other tools that choose bits by layer; the second one rounds by itself too, the others' plans are made by GPTQ."""

METHODS = (*VARIANTS, "uniform", "mixtures", "awq", *TOOLS)
"""What can be asked for."""

BY_HAND = ("rtn", "gptq", "awq", "mixture")
"""Families of what people do without measuring: uniform schemes and mixtures."""

RIVALS: dict[str, tuple[str, ...]] = {"by hand": BY_HAND} | {tool: (tool,) for tool in TOOLS}
"""Families that Lo-Bi is compared with, by the name of the comparison."""
