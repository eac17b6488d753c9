"""From scores to the plan: which schemes each group may have, the scores, the solver, the guard."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hola_plugins.lobi.budget import Budget
from hola_plugins.lobi.calibration import Calibration, every_nth_row
from hola_plugins.lobi.checkpoint_bytes import Layout
from hola_plugins.lobi.config import LoBiConfig, LoBiError
from hola_plugins.lobi.divergence import Recorded
from hola_plugins.lobi.fake_quantisation import Quantiser
from hola_plugins.lobi.gptq import GptqRounding
from hola_plugins.lobi.guard import Measured, choose, largest_that_fit
from hola_plugins.lobi.ignored import is_ignored
from hola_plugins.lobi.linear import is_transposed
from hola_plugins.lobi.plan import Plan, hand_made_plans
from hola_plugins.lobi.quantise import NearestRounding
from hola_plugins.lobi.rounding import Rounding, choose_rounding
from hola_plugins.lobi.saved_tensors import fingerprint
from hola_plugins.lobi.scheme import ACTORDER, UNQUANTISED, parse_scheme
from hola_plugins.lobi.score_cache import cached_scores
from hola_plugins.lobi.sensitivity import Scores, fisher_scores, kl_scores
from hola_plugins.lobi.structure import Group, Structure
from hola_plugins.lobi.unquantised_roles import unquantised_roles

logger = logging.getLogger(__name__)

_HOPELESS = 2.0
"""A rule-made plan whose score is over this multiple of the solver's is not measured."""

_MOST_RIVALS = 8
"""Rule-made plans that are measured, those of the lowest scores."""

_SCORED_TOKENS = 4096
"""Tokens of the text that the backward pass scores on, at least: with more, plans came out no better."""

Allowed = dict[str, list[str]]
"""Names of the schemes that a group may have, by its name, fewest bytes first."""


@dataclass(frozen=True, slots=True)
class Allocation:
    """The outcome for one model.

    Attributes:
        budget: The budget, over the groups that the plan covers.
        scores: Their scores.
        measured: The chosen plan, and behind it all that it was compared with.
        rounding: How weights were rounded for the scores and the comparison.
        seconds: Time of scoring, with solving, and of the comparison on held-out text.
    """

    budget: Budget
    scores: Scores
    measured: list[Measured]
    rounding: Rounding
    seconds: dict[str, float]

    @property
    def best(self) -> Measured:
        """The chosen plan."""
        return self.measured[0]


def quantisable_groups(model: Any, structure: Structure, ignore: Sequence[str]) -> tuple[Group, ...]:
    """Gives the groups of which no layer is to be ignored."""
    return tuple(
        group
        for group in structure.all_groups
        if not any(is_ignored(name, model.get_submodule(name), ignore) for name in group.members)
    )


def allowed_schemes(
    model: Any, layout: Layout, groups: Sequence[Group], names: Sequence[str], device: str
) -> Allowed:
    """Gives the schemes that the family and the shapes of each group allow; at least to leave it as it is.

    compressed-tensors knows no layer of GPT-2's layout, so those are left as they are.

    Args:
        model: The model.
        layout: Its layout.
        groups: The groups.
        names: Names of the schemes to choose from.
        device: Where vLLM will run them.
    """
    left = unquantised_roles(model)

    def fits(group: Group, name: str) -> bool:
        transposed = any(is_transposed(model.get_submodule(member)) for member in group.members)
        if group.role in left or transposed:
            return name == UNQUANTISED
        return all(parse_scheme(name).fits(*layout.shape(member), device) for member in group.members)

    found: Allowed = {}
    for group in groups:
        names_that_fit = [name for name in names if fits(group, name)] or [UNQUANTISED]
        sizes = {name: layout.weight_bytes(group.members, parse_scheme(name)) for name in names_that_fit}
        found[group.name] = sorted(sizes, key=sizes.__getitem__)
    return found


def make_budget(config: LoBiConfig, model: Any, structure: Structure, original_bytes: int) -> Budget:
    """Makes the budget, and raises at once where no plan fits it.

    Raises:
        InfeasibleBudgetError: If no plan fits.
        LoBiError: If all layers are ignored.
    """
    groups = quantisable_groups(model, structure, config.ignore)
    if not groups:
        raise LoBiError(f"ignore: {config.ignore} leaves nothing to quantise: ignore less, or give no budget")
    layout = Layout(model)
    allowed = allowed_schemes(model, layout, groups, config.scheme_names, config.target_device)
    budget = Budget(config, layout, groups, allowed, original_bytes)
    budget.check(model)
    return budget


def allocate_bits(
    config: LoBiConfig,
    model: Any,
    structure: Structure,
    text: Calibration,
    original: Sequence[Recorded],
    original_bytes: int,
) -> Allocation:
    """Scores, solves, compares.

    Args:
        config: The settings.
        model: The model, after any cut.
        structure: Its structure.
        text: Text for scores and for measuring.
        original: What the model as it came says to the held-out text.
        original_bytes: Size of model.safetensors of the model as it came.
    """
    began = time.perf_counter()
    budget = make_budget(config, model, structure, original_bytes)
    groups, allowed = budget.groups, budget.allowed
    names = [name for group in groups for name in group.members]
    chosen = choose_rounding(config, model, names)
    rounding = functools.cache(lambda: _rounding(chosen, config, model, names, text))
    settings = config.model_dump(include={"sensitivity", "seed"})
    settings |= {"rounding": chosen, "allowed": allowed}
    settings |= {"scored_tokens": _SCORED_TOKENS, "actorder": ACTORDER}
    ids = (tensor for batch in text.fitting for tensor in (batch.ids, batch.mask))
    key = fingerprint(model, settings, ids) if config.cache else ""

    def score() -> Scores:
        logger.info("scoring %d groups in up to %d schemes", len(groups), max(map(len, allowed.values())))
        if config.sensitivity == "kl":
            return kl_scores(model, text.fitting, groups, allowed, rounding())
        some = every_nth_row(text.fitting, _SCORED_TOKENS)
        return fisher_scores(model, some, groups, allowed, rounding(), structure.layers, config.seed)

    scores = cached_scores(config.cache, key, allowed, score)
    solved = budget.solve(scores)
    candidates = [(solved, budget.size(solved))]
    if config.guard:
        candidates += _rivals(config, budget, scores, solved)
    scored = time.perf_counter()
    measured = choose(model, candidates, groups, text.held_out, original, rounding())
    seconds = {"scoring": scored - began, "comparison": time.perf_counter() - scored}
    return Allocation(budget, scores, measured, chosen, seconds)


def _rivals(config: LoBiConfig, budget: Budget, scores: Scores, solved: Plan) -> list[tuple[Plan, int]]:
    """Gives the plans to compare with: every uniform one that fits, and the rule-made ones that may win."""
    by_bits = sorted(config.scheme_names, key=lambda name: parse_scheme(name).stored_bits)
    families = hand_made_plans(budget.groups, budget.allowed, by_bits)
    limit = _HOPELESS * solved.score(scores)
    found = [
        one
        for one in largest_that_fit(families, budget.size, budget.fits)
        if one[0].schemes != solved.schemes
    ]
    uniform = [one for one in found if one[0].is_uniform]
    ruled = sorted((one for one in found if not one[0].is_uniform), key=lambda one: one[0].score(scores))
    return uniform + [one for one in ruled[:_MOST_RIVALS] if one[0].score(scores) <= limit]


def _rounding(
    chosen: Rounding, config: LoBiConfig, model: Any, names: Sequence[str], text: Calibration
) -> Quantiser:
    """Makes the rounding that was chosen; GPTQ's runs the model over the text."""
    if chosen == "nearest":
        return NearestRounding(model.dtype)
    return GptqRounding(model, text.fitting, names, [parse_scheme(name) for name in config.scheme_names])
