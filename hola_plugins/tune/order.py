"""The searches one after the other, each with what the ones before it chose."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from hola_plugins.pilot.compression import Compressor
from hola_plugins.pilot.config import PilotConfig
from hola_plugins.pilot.documents import open_documents
from hola_plugins.pilot.environment import Environment
from hola_plugins.pilot.passages import adaptive_retriever
from hola_plugins.pilot.progress import Progress
from hola_plugins.pilot.sections import AdaComp, Documents
from hola_plugins.pilot.server import Fleet
from hola_plugins.pilot.state import State, digest
from hola_plugins.pilot.workload import read_queries
from hola_plugins.tune.bench import Bench
from hola_plugins.tune.choice import TITLES, Choice, Method, Searched, Tuned
from hola_plugins.tune.config import DraftSpace, RetrievalSpace, TuneConfig, WeightSpace
from hola_plugins.tune.confirmation import measured_again, to_confirm
from hola_plugins.tune.drafts import DraftTrials, draft_settings, draft_values
from hola_plugins.tune.infeasible import InfeasibleError, infeasible, nearest_error
from hola_plugins.tune.kept import kept_trial
from hola_plugins.tune.keys import drafts_key, retrieval_key, weights_key
from hola_plugins.tune.limits import Limit, among, limits_of
from hola_plugins.tune.ranking import ranked
from hola_plugins.tune.retrieval import RetrievalTrials, retrieval_values
from hola_plugins.tune.search import Measure, Measured, Search, Trial, Values, judged
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

_NEEDS_RECALL = "floor.recall, whatever the ceilings: without it the fewest passages are the best"
_NEEDS_ACCURACY = "floor.accuracy, whatever the ceilings: without it the fewest bits are the best"

_STEPS_BACK = 3
"""How many next-best settings of a search are tried where nothing keeps the limits of the next one."""


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
        self._done: dict[Method, Searched] = {}
        self._steps = 1  # what is held out is measured in one

    def run(self) -> Tuned:
        """Runs all searches, up to one that finds nothing that keeps the limits."""
        adacomp = self._pilot.adacomp if self._pilot.documents else None
        choices = iter([Choice(adacomp=adacomp, model=self._pilot.model)])
        try:
            for method in (self._retrieval, self._weights, self._drafts):
                choices = method(choices)
        except InfeasibleError as error:
            return Tuned(searches=error.searches, infeasible=str(error))
        choice = next(choices)
        return Tuned(searches=self._searched(), choice=choice)

    def retriever(self, settings: AdaComp) -> AdaCompRetriever:
        """Gives AdaComp's retriever over the documents."""
        return adaptive_retriever(self._index, settings)

    def _search_after(
        self, choices: Iterator[Choice], search: Callable[[Choice], Iterator[Choice]]
    ) -> Iterator[Choice]:
        """Searches with the best of the choices so far, or the next-best with which something keeps the limits.

        Raises:
            InfeasibleError: Nothing keeps them.
        """
        failed = []
        for choice in islice(choices, 1 + _STEPS_BACK):
            try:
                return search(choice)
            except InfeasibleError as error:
                failed.append(error)
            finally:
                self._fleet.stop()
        raise nearest_error(failed)

    def _retrieval(self, choices: Iterator[Choice]) -> Iterator[Choice]:
        """Gives the choices with AdaComp's settings."""
        space, documents = self._config.retrieval, self._pilot.documents
        if space is None or documents is None or self._config.floor.recall is None:
            missing = "documents" if documents is None else _NEEDS_RECALL
            return self._skip("retrieval", "not asked for" if space is None else f"needs {missing}", choices)
        return self._search_after(choices, partial(self._search_retrieval, space, documents))

    def _search_retrieval(
        self, space: RetrievalSpace, documents: Documents, choice: Choice
    ) -> Iterator[Choice]:
        """Searches AdaComp's settings."""
        queries = read_queries(documents.queries)
        settings = self._pilot.adacomp
        trials = RetrievalTrials(self._index, queries, settings, documents.k, self._progress.show)
        key = retrieval_key(documents, settings, self._environment.own_versions)
        values = retrieval_values(space, settings)
        found = self._search("retrieval", key, values, space.trials, trials.measure, trials.original)
        chosen = (settings.model_copy(update=one.settings) if one.settings else None for one in found)
        return (choice.model_copy(update={"adacomp": one}) for one in chosen)

    def _weights(self, choices: Iterator[Choice]) -> Iterator[Choice]:
        """Gives the choices with Lo-Bi's settings."""
        space, python = self._config.lobi, self._pilot.compress_python
        if space is None or python is None or self._config.floor.accuracy is None:
            missing = "compress_python" if python is None else _NEEDS_ACCURACY
            return self._skip("lobi", "not asked for" if space is None else f"needs {missing}", choices)
        return self._search_after(choices, partial(self._search_weights, space, python))

    def _search_weights(self, space: WeightSpace, python: Path, choice: Choice) -> Iterator[Choice]:
        """Searches Lo-Bi's settings."""
        bench = self._bench(choice)
        folder, versions = self._config.out / "checkpoints", self._environment.compress_versions
        made_by = Compressor(python, self._pilot.model, folder, self._environment.logs, self._state, versions)
        trials = WeightTrials(bench, choice, made_by, self._config.minimise)
        key = weights_key(bench, choice, versions, self._config.minimise)
        values = weight_values(space)
        found = self._search("lobi", key, values, space.trials, trials.measure, trials.original)
        return (trials.chosen(one.settings) if one.settings else choice for one in found)

    def _drafts(self, choices: Iterator[Choice]) -> Iterator[Choice]:
        """Gives the choices with HSD's settings."""
        space = self._config.hsd
        if space is None:
            settings = {"hsd": dict(self._pilot.hsd.settings)}
            drafting = (one.model_copy(update=settings) for one in choices)
            return self._skip("hsd", "not asked for: as in the pilot's configuration", drafting)
        return self._search_after(choices, partial(self._search_drafts, space))

    def _search_drafts(self, space: DraftSpace, choice: Choice) -> Iterator[Choice]:
        """Searches HSD's settings."""
        bench = self._bench(choice)
        trials = DraftTrials(bench, choice)
        key = drafts_key(bench, choice)
        found = self._search("hsd", key, draft_values(space), space.trials, trials.measure, trials.original)
        chosen = (draft_settings(self._pilot, one.settings) if one.settings else None for one in found)
        return (choice.model_copy(update={"hsd": one}) for one in chosen)

    def _search(
        self,
        method: Method,
        key: str,
        values: Values,
        trials: int,
        measure: Measure,
        original: Callable[[], Measured],
    ) -> Iterator[Trial]:
        """Runs one search; gives its settings in their order, each noted as the chosen one when it is taken.

        Raises:
            InfeasibleError: Nothing keeps the limits.
        """
        limits = among(self._limits, _LIMITED[method])
        spaces = {one: list(found) for one, found in values.items()}
        name = f"{method}-{digest(key, spaces, list(Trial.model_fields))}"
        search = Search(self._state.folder / "trials.log", name, values, limits, trials, self._config.seed)
        self._steps += search.trials
        self._progress.expect(self._steps)
        plain = kept_trial(
            self._state,
            f"plain-{method}-{key}",
            lambda: Trial(settings={}, status="done", **original()._asdict()),
        )
        tried = (judged(plain, limits), *search.run(measure, self._progress.step))
        found = self._confirmed(method, key, tried, measure, limits)
        order = ranked(found, self._limits)
        if not order:
            before = [one for one in self._searched() if one.method != method]
            raise infeasible(before, method, found, limits)
        return (self._noted(method, found, one, place) for place, one in enumerate(order))

    def _noted(self, method: Method, trials: tuple[Trial, ...], chosen: Trial, place: int) -> Trial:
        """Notes what a search chose."""
        passed = f"the {place} before it in order let no setting of the next method keep all limits"
        note = passed if place else None
        self._done[method] = Searched(method=method, trials=trials, chosen=chosen, note=note)
        return chosen

    def _confirmed(
        self, method: Method, key: str, trials: tuple[Trial, ...], measure: Measure, limits: Sequence[Limit]
    ) -> tuple[Trial, ...]:
        """Gives the trials with the best measured once more, where its gain may be noise."""
        best = to_confirm(trials)
        if best is None:
            return trials
        self._steps += 1
        self._progress.expect(self._steps)
        name = f"again-{method}-{digest(key, best.settings)}"
        again = kept_trial(self._state, name, lambda: measured_again(best, measure))
        self._progress.step()
        return tuple(judged(again, limits) if one is best else one for one in trials)

    def _skip(self, method: Method, why: str, choices: Iterator[Choice]) -> Iterator[Choice]:
        """Notes that nothing is searched; the next search has all choices of the one before."""
        self._done[method] = Searched(method=method, note=why)
        return choices

    def _searched(self) -> tuple[Searched, ...]:
        """Lists the searches so far in the order of the methods."""
        return tuple(self._done[one] for one in TITLES if one in self._done)

    def _bench(self, choice: Choice) -> Bench:
        return Bench(self._pilot, choice, self._environment, self._state, self._fleet, self._progress.show)

    @cached_property
    def _index(self) -> OpenIndex:
        """The opened index."""
        documents = self._pilot.documents
        if documents is None:
            raise ValueError("there are no documents to open")
        return open_documents(documents, self._pilot.out, self._progress.show)
