"""What the figures of each search follow from; under another key they are measured anew."""

from __future__ import annotations

from collections.abc import Mapping

from hola_plugins.pilot.documents import document_files
from hola_plugins.pilot.sections import AdaComp, Documents
from hola_plugins.pilot.state import digest, fingerprint
from hola_plugins.tune.bench import Bench
from hola_plugins.tune.choice import Choice


def retrieval_key(documents: Documents, settings: AdaComp, versions: Mapping[str, str]) -> str:
    """Names what tokens and recall follow from.

    Args:
        documents: The documents and the queries to them.
        settings: What the settings of a trial are laid over.
        versions: Packages of the environment that retrieves.
    """
    given = (documents.queries, settings.labels, settings.calibration)
    files = [fingerprint(one) for one in (*document_files(documents), *given) if one is not None]
    sections = [one.model_dump(mode="json") for one in (documents, settings)]
    return digest(sections, files, versions)


def weights_key(bench: Bench, choice: Choice, versions: Mapping[str, str], minimise: str) -> str:
    """Names what the figures of compressed models follow from.

    Args:
        bench: The measuring parts.
        choice: The settings so far.
        versions: Packages of the environment that compresses.
        minimise: What decides.
    """
    settings = bench.pilot.lobi
    text = None if settings.calibration is None else fingerprint(settings.calibration)
    return digest(_sent(bench, choice), settings.model_dump(mode="json"), text, versions, minimise)


def drafts_key(bench: Bench, choice: Choice) -> str:
    """Names what the figures of HSD's settings follow from."""
    return digest(_sent(bench, choice), bench.pilot.hsd.model_dump(mode="json"))


def _sent(bench: Bench, choice: Choice) -> str:
    """Names what latency and accuracy follow from, whatever the setting."""
    prompts = [(one.id, one.text) for one in bench.prompts]
    passages = bench.contexts.key(bench.depth)
    tasks = [one.model_dump(mode="json") for one in bench.pilot.accuracy]
    files = [fingerprint(path) for one in bench.pilot.accuracy for path in one.files]
    server = choice.server(bench.pilot, "search").key()
    traffic = [repr(bench.arena.traffic), bench.arena.repeats]
    return digest(prompts, passages, tasks, files, server, traffic, bench.scores.versions)
