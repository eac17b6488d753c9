"""The stages of an adoption: what each adds, which server it needs, and why one is left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from hola_plugins.pilot.compression import compress_command
from hola_plugins.pilot.config import PilotConfig, StageName
from hola_plugins.pilot.passages import retriever_settings
from hola_plugins.pilot.server_plan import ServerPlan
from hola_plugins.pilot.stage_words import addition, title

Depth = Literal["fixed", "adaptive"]
"""How a query's passages are found: a fixed number of them, or by AdaComp."""


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage.

    Attributes:
        name: Its name.
        title: Its name for people.
        adds: What it adds, in a sentence.
        depth: How passages are found.
        server: What it is served by; None where it is left out.
        left_out: Why it is left out; None where it runs.
        failed: Whether it is left out because something failed.
    """

    name: StageName
    title: str
    adds: str
    depth: Depth
    server: ServerPlan | None
    left_out: str | None = None
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Made:
    """A model that the stages need, or why there is none.

    Attributes:
        model: Its folder or hub id; None where there is none.
        error: Why making it failed, where it did.
    """

    model: str | None = None
    error: str | None = None


def plan_stages(config: PilotConfig, compressed: Made, intermediate: Made) -> list[StagePlan]:
    """Plans the stages; each adds to those before it that are not left out.

    Args:
        config: The configuration.
        compressed: The compressed model.
        intermediate: The model of the intermediate level.
    """
    plans: list[StagePlan] = []
    on: set[StageName] = set()
    for name in config.stages:
        left_out = _why_left_out(name, config, compressed, intermediate)
        if left_out is None:
            on.add(name)
        plans.append(
            StagePlan(
                name=name,
                title=title(name, config),
                adds=addition(name, config),
                depth="adaptive" if "adacomp" in on else "fixed",
                server=None if left_out else _server(name, config, on, compressed.model, intermediate.model),
                left_out=left_out,
                failed=_made_for(name, compressed, intermediate).error is not None,
            )
        )
    return plans


def stage_settings(plan: StagePlan, config: PilotConfig) -> dict[str, dict[str, Any] | str]:
    """Gives what is set in each host, what calibrates the retriever, and the command that compresses the model."""
    if plan.server is None:
        return {}
    settings: dict[str, dict[str, Any] | str] = {"vllm": plan.server.served}
    if config.documents is not None:
        adaptive = plan.depth == "adaptive"
        fixed = {"langchain": {"k": config.documents.k}}
        settings |= retriever_settings(config.documents, config.adacomp) if adaptive else fixed
    if plan.server.model != config.model and config.lobi.checkpoint is None:
        settings["hola compress"] = compress_command(config.model, config.lobi)
    return settings


def _made_for(name: StageName, compressed: Made, intermediate: Made) -> Made:
    """Gives what was made for a stage alone."""
    return {"lobi": compressed, "all": intermediate}.get(name, Made())


def _why_left_out(name: StageName, config: PilotConfig, compressed: Made, intermediate: Made) -> str | None:
    """Says why a stage is left out; None where it runs."""
    error = _made_for(name, compressed, intermediate).error
    if error is not None:
        return error
    if name == "adacomp" and config.documents is None:
        return "no documents are given"
    if name == "all" and intermediate.model is None:
        return "no intermediate model is given, and no draft and compress_python to make one"
    if name == "lobi" and compressed.model is None:
        return "no compress_python and no lobi.checkpoint are given"
    if name == "all" and compressed.error is not None:
        return f"it adds to the stage before, which failed: {compressed.error.splitlines()[0]}"
    return None


def _server(
    name: StageName,
    config: PilotConfig,
    on: set[StageName],
    compressed: str | None,
    intermediate_model: str | None,
) -> ServerPlan:
    """Gives the server of a stage from what is switched on.

    Where HSD drafts, every stage has a server of its own, also where it differs in nothing: from a shared one HSD's
    store would replay the answers that the stage before got to the same prompts.
    """
    drafts = "hsd" in on or "all" in on
    hsd = dict(config.hsd.settings) if drafts else {}
    intermediate = hsd.pop("intermediate", {})
    if "all" in on:
        hsd["intermediate"] = {**intermediate, "model": intermediate_model}
    return ServerPlan(
        name=name if drafts else "lobi" if "lobi" in on else "baseline",
        model=compressed if "lobi" in on and compressed else config.model,
        dtype=config.dtype,
        draft_tokens=config.hsd.draft_tokens if drafts else None,
        hsd=hsd,
        engine=config.engine,
        variables=config.environment,
    )
