"""A plan: the scheme of every group; and the plans that people write by hand, to compare with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from hola_plugins.lobi.scheme import UNQUANTISED, Scheme, parse_scheme
from hola_plugins.lobi.sensitivity import Scores
from hola_plugins.lobi.structure import Group


@dataclass(frozen=True, slots=True)
class Plan:
    """Schemes of all groups.

    Attributes:
        origin: What made it, in a reader's words: solver, ``uniform W8A8``, or a rule; where a plan is only sized,
            which one it is: smallest, largest, at ease, finished.
        schemes: Scheme's name by group's name.
        is_uniform: Whether it gives every group one scheme, as far as shapes allow.
    """

    origin: str
    schemes: Mapping[str, str]
    is_uniform: bool = False

    def score(self, scores: Scores) -> float:
        """Gives its expected divergence, in nats a token: the sum of what its groups score in their schemes."""
        return sum(scores[group][name] for group, name in self.schemes.items())

    def by_layer(self, groups: Sequence[Group]) -> dict[str, Scheme]:
        """Gives the scheme of every linear layer by its name."""
        return {
            member: parse_scheme(self.schemes[group.name])
            for group in groups
            if group.name in self.schemes
            for member in group.members
        }

    def layers(self, groups: Sequence[Group]) -> dict[str, list[str]]:
        """Gives the quantised layers of each scheme, as recipes name them."""
        found: dict[str, list[str]] = {}
        for layer, scheme in self.by_layer(groups).items():
            if scheme.name != UNQUANTISED:
                found.setdefault(scheme.name, []).append(layer)
        return found


def hand_made_plans(
    groups: Sequence[Group], allowed: Mapping[str, Sequence[str]], names: Sequence[str]
) -> Iterator[list[Plan]]:
    """Yields families of plans that people make without measuring, each from small to large.

    They leave the head as it is, where its choices allow that: the rule of every stock recipe.

    Args:
        groups: The groups, first layer first.
        allowed: Names of the schemes that fit each group's shapes.
        names: All schemes to choose from, fewest bits first.

    Yields:
        One family a rule; of each, the largest that fits a budget is worth comparing.
    """
    for name in names:
        yield [Plan(f"uniform {name}", _uniform(groups, allowed, names, name), is_uniform=True)]
    depth = max((group.layer for group in groups if group.role != "head"), default=-1) + 1
    orders = {
        "first layers": list(range(depth)),
        "last layers": list(range(depth - 1, -1, -1)),
        "outer layers": sorted(range(depth), key=lambda layer: (min(layer, depth - 1 - layer), layer)),
    }
    for low_place, low in enumerate(names):
        for high in names[low_place + 1 :]:
            under = _uniform(groups, allowed, names, low)
            over = _uniform(groups, allowed, names, high)
            for rule, order in orders.items():
                yield [
                    Plan(f"{rule} {high}, rest {low}", _mix(groups, under, over, set(order[:count]), None))
                    for count in range(1, depth)
                ]
            for role in ("mlp_out", "attention_in", "attention_out", "mlp_in"):
                yield [Plan(f"{role} {high}, rest {low}", _mix(groups, under, over, None, role))]


def _uniform(
    groups: Sequence[Group], allowed: Mapping[str, Sequence[str]], names: Sequence[str], name: str
) -> dict[str, str]:
    """Gives every group the scheme, or the next one with more bits that its shapes allow."""
    start = names.index(name)

    def scheme(group: Group) -> str:
        largest = allowed[group.name][-1]
        if group.role == "head":
            return largest
        return next((one for one in names[start:] if one in allowed[group.name]), largest)

    return {group.name: scheme(group) for group in groups}


def _mix(
    groups: Sequence[Group],
    under: Mapping[str, str],
    over: Mapping[str, str],
    layers: set[int] | None,
    role: str | None,
) -> dict[str, str]:
    """Takes ``over`` in these layers or this role, ``under`` elsewhere."""
    return {
        group.name: (over if (layers is not None and group.layer in layers) or group.role == role else under)[
            group.name
        ]
        for group in groups
    }
