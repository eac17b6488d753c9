"""What a thousand answers cost at the prices given."""

from __future__ import annotations

from dataclasses import dataclass

from hola_plugins.pilot.report.latency import Speed
from hola_plugins.pilot.results import Prices

_ANSWERS = 1000


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost of 1,000 answers in the currency of the prices; None where that price is not given.

    Attributes:
        machine: The serving machine's time.
        tokens_in: Prompt tokens.
        tokens_out: Answer tokens.
    """

    machine: float | None
    tokens_in: float | None
    tokens_out: float | None

    @property
    def total(self) -> float:
        """The sum of what is known."""
        return sum(part for part in (self.machine, self.tokens_in, self.tokens_out) if part is not None)


def cost(speed: Speed, prices: Prices, seconds: float) -> Cost | None:
    """Gives the cost of 1,000 answers; None without any price.

    Args:
        speed: The stage's speed.
        prices: What the user pays.
        seconds: What all its answers together took the machine, 0 where that is not known.
    """
    hours = _ANSWERS * seconds / speed.answers / 3600
    parts = Cost(
        machine=_times(prices.machine_hour, hours) if seconds else None,
        tokens_in=_times(prices.million_tokens_in, _ANSWERS * speed.tokens_in / 1e6),
        tokens_out=_times(prices.million_tokens_out, _ANSWERS * speed.tokens_out / 1e6),
    )
    return None if parts == Cost(None, None, None) else parts


def _times(price: float | None, amount: float) -> float | None:
    """Gives price by amount where there is a price."""
    return None if price is None else price * amount
