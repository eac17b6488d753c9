"""AdaComp searched without a server: the fewest tokens of passages that keep the floor of recall."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hola_plugins.pilot.passages import Retrieve, adaptive_retriever, fixed_depth, retrieve_all
from hola_plugins.pilot.sections import AdaComp
from hola_plugins.pilot.workload import Query
from hola_plugins.tune.config import RetrievalSpace
from hola_plugins.tune.limits import Figures
from hola_plugins.tune.search import Measured, Report, Values

if TYPE_CHECKING:
    from hola_plugins.corpus.asking import OpenIndex


def retrieval_values(space: RetrievalSpace, settings: AdaComp) -> Values:
    """Lists what is chosen from; targets count only where there are labels to calibrate with."""
    budgets: dict[str, Any] = {"token_budget": list(space.token_budget)}
    return budgets | ({"target_recall": list(space.target_recall)} if settings.labels else {})


class RetrievalTrials:
    """Measures settings of AdaComp.

    Args:
        index: The opened index.
        queries: Labelled queries, none of them among the labels to calibrate with.
        settings: What the settings of a trial are laid over.
        k: Passages of every query without AdaComp.
        show: Told what is being done.
    """

    def __init__(
        self,
        index: OpenIndex,
        queries: list[Query],
        settings: AdaComp,
        k: int,
        show: Callable[[str], None],
    ) -> None:
        self._index = index
        self._queries = queries
        self._settings = settings
        self._k = k
        self._show = show

    def measure(self, values: dict[str, Any], report: Report) -> Measured:
        """Measures the tokens and the recall of one setting over the queries."""
        settings = self._settings.model_copy(update=values)
        return self._found(adaptive_retriever(self._index, settings).invoke)

    def original(self) -> Measured:
        """Measures the fixed number of passages that the pilot's baseline retrieves."""
        return self._found(fixed_depth(self._index, self._k))

    def _found(self, retrieve: Retrieve) -> Measured:
        found = retrieve_all(retrieve, self._queries, self._show).retrieval
        return Measured(Figures(recall=found.recall, tokens=found.tokens), found.tokens)
