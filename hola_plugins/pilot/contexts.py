"""The texts that a pilot sends, by how deep is retrieved for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hola_plugins.pilot.config import PilotConfig
from hola_plugins.pilot.documents import document_files, open_documents
from hola_plugins.pilot.passages import Passages, Retrieve, adaptive_retriever, fixed_depth, retrieve_all
from hola_plugins.pilot.results import Retrieval
from hola_plugins.pilot.stages import Depth
from hola_plugins.pilot.state import State, digest, fingerprint
from hola_plugins.pilot.workload import DataError, Prompt, Query, read_prompts, read_queries, with_passages

if TYPE_CHECKING:
    from hola_plugins.corpus.asking import OpenIndex

_PLAIN_QUESTION = "Question: {question}\nAnswer:"
"""What is sent for an own question where there are no documents."""


class Contexts:
    """Prompts, queries with their passages, and own questions.

    Args:
        config: The configuration.
        state: What is finished.
        versions: Packages of this environment, on which passages depend.
        show: Told what is being done.

    Raises:
        DataError: Prompts or queries that cannot be used.
    """

    def __init__(
        self, config: PilotConfig, state: State, versions: Mapping[str, str], show: Callable[[str], None]
    ) -> None:
        self._config = config
        self._state = state
        self._versions = versions
        self._show = show
        self._prompts = read_prompts(config.prompts) if config.prompts else []
        self._queries = read_queries(config.documents.queries) if config.documents else []
        self._retrievers: dict[Depth, Retrieve] = {}
        self._retrieved: dict[Depth, Passages] = {}
        self._keys: dict[Depth, str] = {}
        self._check()

    @property
    def count(self) -> int:
        """How many prompts and queries there are."""
        return len(self._prompts) + len(self._queries)

    @property
    def repeats(self) -> int:
        """Over how many repeats they are dealt: what is configured, or what fits."""
        return self._config.repeats_over(self.count)

    def prompts(self, depth: Depth) -> list[Prompt]:
        """Gives all that is sent at a depth, in the same order at both."""
        if self._config.documents is None:
            return self._prompts
        template = self._config.documents.prompt
        found = zip(self._queries, self._passages(depth).texts, strict=True)
        return [*self._prompts, *(with_passages(query, texts, template) for query, texts in found)]

    def retrieval(self, depth: Depth) -> Retrieval | None:
        """Says how well passages were found at a depth; None without documents."""
        return self._passages(depth).retrieval if self._config.documents else None

    def ask(self, depth: Depth) -> Callable[[str], str]:
        """Gives the function that turns an own question into the text that is sent."""
        documents = self._config.documents
        if documents is None:
            return lambda question: _PLAIN_QUESTION.replace("{question}", question)

        def ask(question: str) -> str:
            texts = [one.page_content for one in self._retriever(depth)(question)]
            return with_passages(Query("", question), texts, documents.prompt).text

        return ask

    def key(self, depth: Depth) -> str:
        """Names what the passages at a depth follow from; files are looked at once."""
        if depth not in self._keys:
            self._keys[depth] = self._key(depth)
        return self._keys[depth]

    def _key(self, depth: Depth) -> str:
        documents, adaptive = self._config.documents, self._config.adacomp
        if documents is None:
            return ""
        files = [fingerprint(one) for one in document_files(documents)]
        settings: list[Any] = [documents.model_dump(mode="json")]
        if depth == "adaptive":
            given = (one for one in (adaptive.labels, adaptive.calibration) if one is not None)
            settings += [adaptive.model_dump(mode="json"), [fingerprint(one) for one in given]]
        return digest(depth, files, settings, fingerprint(documents.queries), self._versions)

    def _passages(self, depth: Depth) -> Passages:
        """Gives what was retrieved at a depth, at once or from an earlier run."""
        if depth not in self._retrieved:
            key = self.key(depth)
            found = self._state.get(f"passages-{depth}", key)
            if found is None:
                found = retrieve_all(self._retriever(depth), self._queries, self._show).model_dump(
                    mode="json"
                )
                self._state.put(f"passages-{depth}", key, found)
            self._retrieved[depth] = Passages.model_validate(found)
        return self._retrieved[depth]

    def _retriever(self, depth: Depth) -> Retrieve:
        """Gives the retriever of a depth."""
        if depth not in self._retrievers and self._config.documents is not None:
            self._retrievers[depth] = (
                fixed_depth(self.index, self._config.documents.k)
                if depth == "fixed"
                else adaptive_retriever(self.index, self._config.adacomp).invoke
            )
        return self._retrievers[depth]

    @cached_property
    def index(self) -> OpenIndex:
        """The opened index.

        Raises:
            ValueError: There are no documents, or an index that cannot be used.
        """
        documents = self._config.documents
        if documents is None:
            raise ValueError("there are no documents to open")
        return open_documents(documents, self._config.out, self._show)

    def _check(self) -> None:
        """Refuses ids that stand twice, and more repeats than there is to send."""
        both = {one.id for one in self._prompts} & {one.id for one in self._queries}
        if both:
            raise DataError(f"the id {min(both)!r} stands in the prompts and in the queries: rename one")
        if self.count < self.repeats:
            raise DataError(
                f"'repeats' is {self.repeats}, and there are {self.count} prompts and queries to deal"
            )
