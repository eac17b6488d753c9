"""Distances between the target's distribution and a draft's, over the target's likeliest tokens and one rest."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional

from hola_plugins.lobi.divergence import Recorded

Loss = Callable[[Recorded, torch.Tensor], torch.Tensor]
"""Gives the distance of each position, float32[n], from what was recorded to logits, float32[n, vocabulary]."""

_TINY = 1e-9


def reverse_kl(target: Recorded, logits: torch.Tensor) -> torch.Tensor:
    """Gives the KL divergence from the draft to the target: it punishes what the target would never say."""
    own, other = _partition(target, logits)
    return (other * (other.clamp(min=_TINY).log() - own.clamp(min=_TINY).log())).sum(-1)


def total_variation(target: Recorded, logits: torch.Tensor) -> torch.Tensor:
    """Gives the total variation distance: one minus the acceptance rate of sampling (Leviathan et al., 2023)."""
    own, other = _partition(target, logits)
    return (own - other).abs().sum(-1) / 2


def greedy(target: Recorded, logits: torch.Tensor) -> torch.Tensor:
    """Gives the cross-entropy on the target's likeliest token."""
    best = target.log_probs.argmax(-1)
    tokens = best if target.tokens is None else target.tokens.long().gather(-1, best[:, None])[:, 0]
    return functional.cross_entropy(logits, tokens.to(logits.device), reduction="none")


LOSSES: dict[str, Loss] = {
    "kl": Recorded.divergence,
    "reverse_kl": reverse_kl,
    "total_variation": total_variation,
    "greedy": greedy,
}
"""Distances by the name of their setting."""


def _partition(target: Recorded, logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Gives both distributions over the recorded tokens and the rest, float32[n, kept + 1]."""
    own = torch.cat([target.log_probs.exp(), target.rest], -1).to(logits.device)
    other = functional.softmax(logits, dim=-1)
    if target.tokens is not None:
        other = other.gather(-1, target.tokens.long().to(logits.device))
    rest = (1 - other.sum(-1, keepdim=True)).clamp(min=0)
    return own, torch.cat([other, rest], -1)
