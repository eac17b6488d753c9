"""Training a small model on a CPU for so many minutes: Muon for the matrices of the layers, AdamW for the rest."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from tqdm import tqdm

from compression_products import Float32Products

_PEAK = {"muon": 0.02, "adam": 0.004}
_WARM_UP, _COOL_DOWN = 0.02, 0.5


def train_for(minutes: float, model: Any, loss: Callable[[], torch.Tensor], rate: float = 1.0) -> list[float]:
    """Trains in place, by the clock.

    Args:
        minutes: How long.
        model: The model, in float32.
        loss: Draws a batch and gives its loss.
        rate: Factor on the learning rates.

    Returns:
        The loss of every step.
    """
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "layers" in name]
    others = [p for name, p in model.named_parameters() if not (p.ndim == 2 and "layers" in name)]
    optimisers = {
        "muon": torch.optim.Muon(matrices, lr=_PEAK["muon"], weight_decay=0.02),
        "adam": torch.optim.AdamW(others, lr=_PEAK["adam"], betas=(0.9, 0.95), weight_decay=0.0),
    }
    began = time.monotonic()
    losses: list[float] = []
    with tqdm(total=100, unit="%", bar_format="{l_bar}{bar}| {elapsed}<{remaining} {postfix}") as bar:
        while (spent := (time.monotonic() - began) / (60 * minutes)) < 1:
            share = min(1.0, spent / _WARM_UP + 0.01, (1 - spent) / _COOL_DOWN)
            for name, optimiser in optimisers.items():
                optimiser.param_groups[0]["lr"] = rate * _PEAK[name] * share
            losses.append(_step(model, loss(), list(optimisers.values())))
            bar.n = round(100 * spent, 1)
            bar.set_postfix_str(f"step {len(losses)}, loss {losses[-1]:.3f}")
    return losses


def _step(model: Any, loss: torch.Tensor, optimisers: list[torch.optim.Optimizer]) -> float:
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimiser in optimisers:
        with Float32Products():  # Muon multiplies in bfloat16
            optimiser.step()
        optimiser.zero_grad(set_to_none=True)
    return float(loss.detach())
