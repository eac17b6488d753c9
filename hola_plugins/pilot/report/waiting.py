"""Latency as the user waits for it: where passages are searched for, that comes before the request."""

from __future__ import annotations

from hola_plugins.pilot.results import Request, Results, Stage


def includes_search(results: Results) -> bool:
    """Says whether the time of the search is known wherever passages were searched."""
    retrievals = [stage.retrieval for stage in results.stages if stage.status == "done" and stage.retrieval]
    return bool(retrievals) and all(one.seconds is not None for one in retrievals)


def as_waited(results: Results) -> tuple[Stage, ...]:
    """Gives the stages with the mean time of their search before every request that has one.

    They are as they are where that time is not known of all stages that search.
    """
    if not includes_search(results):
        return results.stages
    return tuple(
        _delayed(stage, stage.retrieval.seconds or 0.0 if stage.retrieval else 0.0)
        for stage in results.stages
    )


def _delayed(stage: Stage, seconds: float) -> Stage:
    """Gives a stage whose requests begin so many seconds earlier where passages were searched for them."""
    requests = (_earlier(one, seconds) if one.searched else one for one in stage.requests)
    return stage.model_copy(update={"requests": tuple(requests)})


def _earlier(request: Request, seconds: float) -> Request:
    """Gives a request that begins so many seconds earlier."""
    waited = {
        "latency_s": request.latency_s + seconds,
        "first_token_s": request.first_token_s + seconds,
    }
    return request.model_copy(update=waited)
