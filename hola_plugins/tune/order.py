"""The searches one after the other, each with what the ones before it chose."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hola_plugins.pilot.compression import Compressor
from hola_plugins.pilot.config import PilotConfig
from hola_plugins.pilot.documents import open_documents
from hola_plugins.pilot.passages import adaptive_retriever
from hola_plugins.pilot.progress import Progress
from hola_plugins.pilot.sections import AdaComp
from hola_plugins.pilot.server import Fleet
from hola_plugins.pilot.state import State, digest
from hola_plugins.pilot.workload import read_queries
from hola_plugins.tune.bench import Bench, Environment
from hola_plugins.tune.choice import Choice, Method, Searched, Tuned
from hola_plugins.tune.config import TuneConfig
from hola_plugins.tune.drafts import DraftTrials, draft_settings, draft_values
from hola_plugins.tune.keys import drafts_key, retrieval_key, weights_key
from hola_plugins.tune.limits import Figures, Limit, among, broken, limits_of
from hola_plugins.tune.retrieval import RetrievalTrials, retrieval_values
from hola_plugins.tune.search import Measure, Search, Trial, Values, best_of, judged, nearest_of
from hola_plugins.tune.weights import WeightTrials, weight_values

if TYPE_CHECKING:
    from hola_plugins.corpus.asking import OpenIndex
    from hola_plugins.langchain import AdaCompRetriever

_LIMITED: dict[Method, tuple[str, ...]] = {
    "retrieval": ("recall",),
    "lobi": ("accuracy", "memory_gib"),
    "hsd": ("latency_s", "latency_p95_s", "memory_gib"),
}
"""Figures whose limits count in each search; latency is settled by the last one."""


class InfeasibleError(ValueError):
    """No setting of a search keeps all limits; the message names the nearest one."""


class Searches:
    """Searches the settings of all methods.

    Args:
        config: The configuration.
        pilot: The pilot's configuration over the data of the search.
        environment: The environments.
        state: What is finished.
        fleet: Runs the servers.
        progress: Told how far it is.
    """

    def __init__(
        self,
        config: TuneConfig,
        pilot: PilotConfig,
        environment: Environment,
        state: State,
        fleet: Fleet,
        progress: Progress,
    ) -> None:
        self._config = config
        self._pilot = pilot
        self._environment = environment
        self._state = state
        self._fleet = fleet
        self._progress = progress
        self._limits = limits_of(config)
        self._done: list[Searched] = []
        self._steps = 1  # what is held out is measured in one

    def run(self) -> Tuned:
        """Runs all searches, up to one that finds nothing that keeps the limits."""
        adacomp = self._pilot.adacomp if self._pilot.documents else None
        choice = Choice(adacomp=adacomp, model=self._pilot.model)
        try:
            for search in (self._search_retrieval, self._search_weights, self._search_drafts):
                choice = search(choice)
                self._fleet.stop()
        except InfeasibleError as error:
            return Tuned(searches=tuple(self._done), infeasible=str(error))
        return Tuned(searches=tuple(self._done), choice=choice)

    def retriever(self, settings: AdaComp) -> AdaCompRetriever:
        """Gives AdaComp's retriever over the documents."""
        return adaptive_retriever(self._index, settings)

    def _search_retrieval(self, choice: Choice) -> Choice:
        """Searches AdaComp's settings."""
        space, documents = self._config.retrieval, self._pilot.documents
        if space is None or documents is None or self._config.floor.recall is None:
            missing = "documents" if documents is None else "floor.recall, without which least is best"
            return self._skip("retrieval", "not asked for" if space is None else f"needs {missing}", choice)
        queries = read_queries(documents.queries)
        settings = self._pilot.adacomp
        trials = RetrievalTrials(self._index, queries, settings, self._progress.show)
        key = retrieval_key(documents, settings, self._environment.own_versions)
        best = self._search("retrieval", key, retrieval_values(space, settings), space.trials, trials.measure)
        return choice.model_copy(update={"adacomp": settings.model_copy(update=best.settings)})

    def _search_weights(self, choice: Choice) -> Choice:
        """Searches Lo-Bi's settings."""
        space, python = self._config.lobi, self._pilot.compress_python
        if space is None or python is None or self._config.floor.accuracy is None:
            missing = "compress_python" if python is None else "floor.accuracy, without which least is best"
            return self._skip("lobi", "not asked for" if space is None else f"needs {missing}", choice)
        bench = self._bench(choice)
        folder, versions = self._config.out / "checkpoints", self._environment.compress_versions
        made_by = Compressor(python, self._pilot.model, folder, self._environment.logs, self._state, versions)
        trials = WeightTrials(bench, choice, made_by, self._config.minimise)
        key = weights_key(bench, choice, versions, self._config.minimise)
        plain = self._plain("lobi", key, trials.original)
        best = self._search("lobi", key, weight_values(space), space.trials, trials.measure, plain)
        if not best.settings:
            return choice
        chosen = {"lobi": trials.settings(best.settings), "model": trials.checkpoint(best.settings)}
        return choice.model_copy(update=chosen)

    def _search_drafts(self, choice: Choice) -> Choice:
        """Searches HSD's settings."""
        space = self._config.hsd
        if space is None:
            drafting = choice.model_copy(update={"hsd": dict(self._pilot.hsd.settings)})
            return self._skip("hsd", "not asked for: as in the pilot's configuration", drafting)
        bench = self._bench(choice)
        trials = DraftTrials(bench, choice)
        key = drafts_key(bench, choice)
        plain = self._plain("hsd", key, trials.original)
        best = self._search("hsd", key, draft_values(space), space.trials, trials.measure, plain)
        chosen = draft_settings(self._pilot, best.settings) if best.settings else None
        return choice.model_copy(update={"hsd": chosen})

    def _search(
        self,
        method: Method,
        key: str,
        values: Values,
        trials: int,
        measure: Measure,
        plain: Trial | None = None,
    ) -> Trial:
        """Runs one search; gives its best.

        Raises:
            InfeasibleError: Nothing keeps the limits.
        """
        limits = among(self._limits, _LIMITED[method])
        name = f"{method}-{digest(key, {one: list(found) for one, found in values.items()})}"
        search = Search(self._state.folder / "trials.log", name, values, limits, trials, self._config.seed)
        self._steps += search.trials
        self._progress.expect(self._steps)
        found = search.run(measure, self._progress.step)
        if plain is not None:
            found = [judged(plain, limits), *found]
        best = best_of(found)
        note = None if best else f"{method}: {_why_none(found, limits)}"
        self._done.append(Searched(method=method, trials=tuple(found), chosen=best, note=note))
        if best is None:
            raise InfeasibleError(note)
        return best

    def _plain(self, method: Method, key: str, measure: Callable[[], tuple[Figures, float]]) -> Trial:
        """Gives the setting without the method, measured where that is not finished."""
        found: Any = self._state.get(f"plain-{method}", key)
        if found is None:
            figures, cost = measure()
            found = Trial(settings={}, status="done", figures=figures, cost=cost).model_dump(mode="json")
            self._state.put(f"plain-{method}", key, found)
        return Trial.model_validate(found)

    def _skip(self, method: Method, why: str, choice: Choice) -> Choice:
        """Notes that nothing is searched."""
        self._done.append(Searched(method=method, note=why))
        return choice

    def _bench(self, choice: Choice) -> Bench:
        return Bench(self._pilot, choice, self._environment, self._state, self._fleet, self._progress.show)

    @cached_property
    def _index(self) -> OpenIndex:
        """The opened index."""
        documents = self._pilot.documents
        if documents is None:
            raise ValueError("there are no documents to open")
        self._progress.show("opening the documents")
        name = digest(str(documents.path), documents.embedding, documents.chunk)
        return open_documents(documents, Path(self._pilot.out, "index", name), self._progress.show)


def _why_none(trials: list[Trial], limits: tuple[Limit, ...]) -> str:
    """Says which limit is nearest to be met and by how much it is broken."""
    nearest = nearest_of(trials)
    if nearest is None:
        failed = [one.error for one in trials if one.error]
        return f"no setting could be measured: {failed[0] if failed else 'all were stopped'}"
    settings = ", ".join(f"{name} {value}" for name, value in nearest.settings.items()) or "none of its own"
    return (
        f"no setting keeps all limits; the nearest ({settings}): {'; '.join(broken(limits, nearest.figures))}"
    )
