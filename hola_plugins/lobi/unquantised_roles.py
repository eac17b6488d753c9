"""Layers that vLLM loads unquantised only, by family: what its model files do not hand to its quantised layers.

Read in the model files of vLLM 0.32: a head that gets no quantisation, or a name that no checkpoint has; fused
layers that the family does not declare; rows that are regrouped in every tensor, packed or not.
"""

from __future__ import annotations

from typing import Any

_HEAD = frozenset({"head"})
_BY_MODEL_TYPE = {
    "bloom": frozenset({"head", "attention_in"}),
    "gpt2": _HEAD,
    "gptj": frozenset({"attention_in"}),
    "opt": _HEAD,
    "stablelm": frozenset({"head", "attention_in", "mlp_in"}),
}


def unquantised_roles(model: Any) -> frozenset[str]:
    """Gives the roles (see `Group`) whose layers are left as they are in a model of this family."""
    return _BY_MODEL_TYPE.get(model.config.model_type, frozenset())
