"""The stages in words: what each is called, and what it adds to those before it."""

from __future__ import annotations

from hola_plugins.pilot.config import PilotConfig, StageName
from hola_plugins.pilot.sections import LoBi

_TITLES: dict[StageName, str] = {
    "baseline": "Baseline",
    "hsd": "+ HSD",
    "adacomp": "+ AdaComp",
    "lobi": "+ Lo-Bi",
    "all": "+ intermediate level",
}
_WITH_HSD = "+ HSD with an intermediate level"


def title(name: StageName, config: PilotConfig) -> str:
    """Names a stage for people."""
    return _WITH_HSD if _brings_hsd(name, config) else _TITLES[name]


def addition(name: StageName, config: PilotConfig) -> str:
    """Says in a sentence what a stage adds."""
    drafts = f"Hierarchical speculative decoding drafts up to {config.hsd.draft_tokens} tokens a step"
    if _brings_hsd(name, config):
        return f"{drafts}, which a small model verifies and extends before the target does."
    passages = f", with {config.documents.k} passages a query" if config.documents else ""
    sentences: dict[StageName, str] = {
        "baseline": f"vLLM as it comes{passages}.",
        "hsd": f"{drafts}, without a model.",
        "adacomp": "Retrieval as deep as the query needs, cut to the sentences that are worth their tokens.",
        "lobi": _compressed(config.lobi),
        "all": "A small model verifies and extends HSD's drafts before the target does.",
    }
    return sentences[name]


def _brings_hsd(name: StageName, config: PilotConfig) -> bool:
    """Tells whether a stage is the intermediate level with no stage of HSD before it, whose drafts it works on."""
    return name == "all" and "hsd" not in config.stages


def _compressed(lobi: LoBi) -> str:
    """Says where the compressed model is from."""
    if lobi.checkpoint is not None:
        return f"A compressed model that was ready, {lobi.checkpoint}."
    return f"The model compressed under a budget of {lobi.budget}."
