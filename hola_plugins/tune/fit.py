"""Whether the baseline takes what is held out: it is sent last, and the searches before it are long."""

from __future__ import annotations

from hola_plugins.pilot.config import PilotConfig
from hola_plugins.pilot.process import ProcessError
from hola_plugins.pilot.server_plan import ServerPlan
from hola_plugins.pilot.state import State, digest
from hola_plugins.pilot.traffic import Round
from hola_plugins.pilot.workload import Prompt
from hola_plugins.tune.bench import Bench
from hola_plugins.tune.duel import Arena
from hola_plugins.tune.held_out import baseline_side

_NAME = "fit"


def check_fit(bench: Bench, state: State) -> None:
    """Sends the baseline the longest of its prompts, unless that is finished.

    Args:
        bench: The measuring parts over what was held out.
        state: What is finished.

    Raises:
        ValueError: The server refuses it; names what makes it fit.
        ProcessError: The server does not start or is lost.
    """
    side = baseline_side(bench)
    longest = max(side.prompts, key=lambda one: len(one.text))
    key = digest(side.plan.key(), longest.text, repr(bench.arena.traffic))
    if state.get(_NAME, key):
        return
    bench.arena.show("baseline: sending its longest prompt")
    found = _sent(bench.arena, side.plan, longest)
    if found.lost:
        raise ProcessError(f"the baseline's longest prompt got no answer: {found.lost[0]}")
    if found.failures:
        raise ValueError(
            f"the baseline's longest prompt is refused: {found.failures[0]}; {_remedy(bench.pilot)}"
        )
    state.put(_NAME, key, True)


def _sent(arena: Arena, plan: ServerPlan, prompt: Prompt) -> Round:
    """Sends a prompt to a server of its own, which ends then."""
    try:
        server = arena.fleet.server(plan)
        found = arena.traffic.run(server.url, [prompt], 0, lambda _: None)
        server.check_running()
    finally:
        arena.fleet.release(plan)
    return found


def _remedy(pilot: PilotConfig) -> str:
    """Names what makes a prompt shorter, or its place longer."""
    depth = f" or 'documents.k' ({pilot.documents.k} passages a query)" if pilot.documents else ""
    return f"if it is too long, raise 'max-model-len' in 'engine', or lower 'max_tokens' ({pilot.max_tokens}){depth}"
