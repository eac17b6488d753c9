"""Logistic regression by Newton's method: P(relevant) from a row of signals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from hola_plugins.adacomp.signals import Float64

NDArrayBool: TypeAlias = NDArray[np.bool_]

_ROUNDS = 50
_HALVINGS = 20
_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class LogisticModel:
    """Weights over standardised columns.

    Attributes:
        mean: Subtracted from each column, float64[m].
        scale: Divides each column, float64[m], positive.
        weights: One a column, float64[m].
        bias: Log-odds where every column is at its mean.
    """

    mean: Float64
    scale: Float64
    weights: Float64
    bias: float

    def log_odds(self, rows: Float64) -> Float64:
        """Gives the log-odds of each row, float64[n]."""
        values: Float64 = ((rows - self.mean) / self.scale) @ self.weights + self.bias
        return values


def fit_logistic(rows: Float64, relevant: NDArrayBool, ridge: float = 10.0) -> LogisticModel:
    """Fits the weights.

    Args:
        rows: Signals, float64[n, m].
        relevant: Which rows are relevant, bool[n].
        ridge: Strength of the pull of the weights to 0, for columns of standard deviation 1; not on the bias.

    Raises:
        ValueError: If no row is relevant or all are.
    """
    if relevant.all() or not relevant.any():
        raise ValueError(
            f"labels must hold relevant and other passages, got {int(relevant.sum())} relevant of "
            f"{len(relevant)}: check that the ids or answers exist in the corpus"
        )
    mean, scale = rows.mean(axis=0), rows.std(axis=0)
    scale[scale < 1e-9] = 1.0
    design = np.concatenate([np.ones((len(rows), 1)), (rows - mean) / scale], axis=1)
    share = float(relevant.mean())
    theta: Float64 = np.zeros(design.shape[1])
    theta[0] = np.log(share / (1.0 - share))
    penalty = np.diag([0.0, *[ridge] * rows.shape[1]])
    for _ in range(_ROUNDS):
        before = theta
        theta = _descended(design, relevant, before, penalty)
        if float(np.abs(theta - before).max()) < _TOLERANCE:
            break
    return LogisticModel(mean, scale, theta[1:], float(theta[0]))


def probability(log_odds: Float64) -> Float64:
    """Turns log-odds into probabilities."""
    values: Float64 = 1.0 / (1.0 + np.exp(-np.clip(log_odds, -500.0, 500.0)))
    return values


def _descended(design: Float64, relevant: NDArrayBool, theta: Float64, penalty: Float64) -> Float64:
    """Takes one Newton step, halved until the loss does not rise; stays where no step helps."""
    p = probability(design @ theta)
    gradient = design.T @ (relevant - p) - penalty @ theta
    curvature = (design.T * (p * (1.0 - p))) @ design + penalty + 1e-9 * np.eye(len(theta))
    step = np.linalg.solve(curvature, gradient)
    loss = _loss(design, relevant, theta, penalty)
    for halvings in range(_HALVINGS):
        reached: Float64 = theta + step * 0.5**halvings
        if _loss(design, relevant, reached, penalty) <= loss:
            return reached
    return theta


def _loss(design: Float64, relevant: NDArrayBool, theta: Float64, penalty: Float64) -> float:
    """Gives the penalised negative log-likelihood."""
    log_odds = design @ theta
    return float(np.logaddexp(0.0, log_odds).sum() - log_odds[relevant].sum() + 0.5 * theta @ penalty @ theta)
