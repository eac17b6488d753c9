"""A budget, of any of the three kinds, against plans for one model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any

from hola_plugins.lobi.allocation import Choice, allocate
from hola_plugins.lobi.checkpoint_bytes import Layout
from hola_plugins.lobi.config import InfeasibleBudgetError, LoBiConfig
from hola_plugins.lobi.plan import Plan
from hola_plugins.lobi.saved_tensors import head_is_tied
from hola_plugins.lobi.scheme import UNQUANTISED, parse_scheme
from hola_plugins.lobi.sensitivity import Scores
from hola_plugins.lobi.structure import Group


def ceiling(config: LoBiConfig, original_bytes: int) -> int | None:
    """Gives the most bytes of model.safetensors that settings allow; None where they name none.

    Args:
        config: The settings.
        original_bytes: Size of model.safetensors of the model as it came.
    """
    if config.target_ratio is not None:
        return int(config.target_ratio * original_bytes)
    return config.target_bytes


class Budget:
    """What a plan may take.

    Args:
        config: The settings; one budget is given.
        layout: The layout of the model that is quantised, after any cut.
        groups: Its groups that may be quantised.
        allowed: Names of the schemes that fit each group.
        original_bytes: Size of model.safetensors of the model as it came.
    """

    def __init__(
        self,
        config: LoBiConfig,
        layout: Layout,
        groups: tuple[Group, ...],
        allowed: Mapping[str, Sequence[str]],
        original_bytes: int,
    ) -> None:
        self._layout = layout
        self.groups = groups
        self.allowed = allowed
        self._bits = config.target_bits
        self._may_be_cut = config.target_bits is None and config.prune != "auto"
        self._weights = layout.weights(member for group in groups for member in group.members)
        limit = ceiling(config, original_bytes)
        self._ceiling = original_bytes if limit is None else limit
        self._sizes: dict[tuple[str | None, ...], int] = {}
        self._costs: dict[bool, dict[str, dict[str, int]]] = {}

    def of(self, size: int) -> Budget:
        """Gives a budget of so many bytes over the same groups and choices; what is known of plans is shared."""
        other = copy(self)
        other._bits, other._ceiling = None, size  # noqa: SLF001 - of its own class
        return other

    def size(self, plan: Plan) -> int:
        """Gives the exact size of model.safetensors under a plan, in bytes."""
        schemes = tuple(plan.schemes.get(group.name) for group in self.groups)
        if schemes not in self._sizes:
            self._sizes[schemes] = self._layout.size(plan.by_layer(self.groups))
        return self._sizes[schemes]

    def bits(self, plan: Plan) -> float:
        """Gives the mean of stored bits, scales included, over the weights that may be quantised."""
        by_layer = plan.by_layer(self.groups)
        stored = sum(self._layout.weight_bytes([name], scheme) for name, scheme in by_layer.items())
        return 8 * stored / self._weights

    def fits(self, plan: Plan) -> bool:
        """Tells whether a plan keeps within the budget."""
        return self.bits(plan) <= self._bits if self._bits is not None else self.size(plan) <= self._ceiling

    def allows(self, plan: Plan) -> int:
        """Gives the bytes that it allows model.safetensors; where it is in bits, those that it allows this plan."""
        if self._bits is None:
            return self._ceiling
        return self.size(plan) + int((self._bits - self.bits(plan)) * self._weights / 8)

    def smallest(self) -> Plan:
        """Gives the plan of fewest bytes."""
        return self._cheapest(header=True)

    def check(self, model: Any) -> None:
        """Refuses a budget that no plan fits.

        Args:
            model: The model, which the message describes.

        Raises:
            InfeasibleBudgetError: If none fits; the message names the smallest budget that does.
        """
        cheapest = self._cheapest(header=self._bits is None)
        if not self.fits(cheapest):
            raise InfeasibleBudgetError(self._too_small(cheapest, model))

    def solve(self, scores: Scores) -> Plan:
        """Gives the plan of least total score that fits.

        Raises:
            InfeasibleBudgetError: If none fits.
        """
        if self._bits is not None:
            menu = self._menu(scores, header=False)
            return Plan("solver", allocate(menu, int(self._bits * self._weights / 8)))
        return self._solve_bytes(scores)

    def _solve_bytes(self, scores: Scores) -> Plan:
        """Solves under the ceiling in bytes.

        How long header entries are depends on the whole plan by some digits. Costs bound them from above; what
        a plan is off by is taken from the capacity until it fits, and what it leaves over is handed back once.
        """
        menu, cheapest = self._menu(scores, header=True), self.smallest()
        least = sum(menu[group][name].cost for group, name in cheapest.schemes.items())
        capacity = least + self._ceiling - self.size(cheapest)
        found = Plan("solver", allocate(menu, capacity))
        while not self.fits(found):
            capacity = max(least, capacity - (self.size(found) - self._ceiling))
            found = Plan("solver", allocate(menu, capacity))
        left = self._ceiling - self.size(found)
        more = Plan("solver", allocate(menu, capacity + left))
        return more if self.fits(more) else found

    def _menu(self, scores: Scores, *, header: bool) -> dict[str, dict[str, Choice]]:
        """Gives cost and score of every choice."""
        return {
            group: {name: Choice(cost, scores[group][name]) for name, cost in costs.items()}
            for group, costs in self._costs_of(header=header).items()
        }

    def _costs_of(self, *, header: bool) -> dict[str, dict[str, int]]:
        """Gives what every choice takes of the budget, with its entries in the header or without."""
        if header not in self._costs:
            self._costs[header] = {
                group.name: {
                    name: self._cost(group, name, header=header) for name in self.allowed[group.name]
                }
                for group in self.groups
            }
        return self._costs[header]

    def _cost(self, group: Group, name: str, *, header: bool) -> int:
        scheme = parse_scheme(name)
        if not header:
            return self._layout.weight_bytes(group.members, scheme)
        largest = self.size(Plan("largest", {group.name: UNQUANTISED for group in self.groups}))
        return self._layout.bytes_at_most(group.members, scheme, largest)

    def _cheapest(self, *, header: bool) -> Plan:
        """Gives the plan of fewest bytes, with entries in the header or without."""
        costs = self._costs_of(header=header)
        return Plan("smallest", {group: min(row, key=row.__getitem__) for group, row in costs.items()})

    def _too_small(self, cheapest: Plan, model: Any) -> str:
        """Says what the budget is and what would do."""
        if self._bits is not None:
            asked, least = (
                f"target_bits is {self._bits}",
                f"target_bits: {math.ceil(self.bits(cheapest) * 1e4) / 1e4}",
            )
        else:
            asked, least = f"the budget is {self._ceiling} bytes", f"target_bytes: {self.size(cheapest)}"
        return f"{asked}, the smallest that is feasible is {least}{self._embedding(model)}; {self._remedy()}"

    def _embedding(self, model: Any) -> str:
        """Says what the embedding takes of a checkpoint."""
        if self._bits is not None:
            return ""
        weight = model.get_input_embeddings().weight
        shared = " and the head, one weight" if head_is_tied(model) else ""
        return (
            f", {weight.numel() * weight.element_size()} of them for the embedding{shared}, which loads nowhere "
            "quantised"
        )

    def _remedy(self) -> str:
        """Says what makes the budget feasible: to cut the model lowers its bytes, not the bits of what remains."""
        cut = ", or let the model be cut as well (prune: auto)" if self._may_be_cut else ""
        if all(list(names) == [UNQUANTISED] for names in self.allowed.values()):
            return (
                "none of its layers can be quantised (transformers loads no quantised Conv1D, other shapes fit "
                f"no scheme): raise the budget{cut}"
            )
        return f"raise it, or add a choice of fewer bits{cut}"
