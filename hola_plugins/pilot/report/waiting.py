"""Latency as the user waits for it: the search for passages comes before the request."""

from __future__ import annotations

from hola_plugins.pilot.results import Results, Stage


def includes_search(results: Results) -> bool:
    """Says whether the time of the search is known wherever passages were searched."""
    retrievals = [stage.retrieval for stage in results.stages if stage.status == "done" and stage.retrieval]
    return bool(retrievals) and all(one.seconds is not None for one in retrievals)


def as_waited(results: Results) -> tuple[Stage, ...]:
    """Gives the stages with the mean time of their search before every request, where it is known of them all."""
    if not includes_search(results):
        return results.stages
    return tuple(
        _delayed(stage, stage.retrieval.seconds or 0.0 if stage.retrieval else 0.0)
        for stage in results.stages
    )


def _delayed(stage: Stage, seconds: float) -> Stage:
    """Gives a stage whose requests all begin so many seconds earlier."""
    requests = (
        request.model_copy(
            update={
                "latency_s": request.latency_s + seconds,
                "first_token_s": request.first_token_s + seconds,
            }
        )
        for request in stage.requests
    )
    return stage.model_copy(update={"requests": tuple(requests)})
