"""What the figures of each search follow from; under another key they are measured anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hola_plugins.pilot.documents import document_files
from hola_plugins.pilot.named_files import hsd_files
from hola_plugins.pilot.sections import AdaComp, Documents
from hola_plugins.pilot.stages import Depth
from hola_plugins.pilot.state import digest, fingerprint
from hola_plugins.tune.bench import Bench
from hola_plugins.tune.choice import Choice
from hola_plugins.tune.duel import Side


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
    return digest(_reference(bench, choice), settings.model_dump(mode="json"), text, versions, minimise)


def drafts_key(bench: Bench, choice: Choice) -> str:
    """Names what the figures of HSD's settings follow from."""
    hsd = bench.pilot.hsd
    files = [fingerprint(path) for path in hsd_files(hsd.settings)]
    return digest(_reference(bench, choice), hsd.model_dump(mode="json"), files)


def served_key(bench: Bench, sides: Sequence[Side], depths: Sequence[Depth]) -> str:
    """Names what latency and accuracy of servers follow from.

    Args:
        bench: The measuring parts.
        sides: The servers and what they are sent.
        depths: How the passages of what is sent were found.
    """
    servers = [side.plan.key() for side in sides]
    prompts = [[(one.id, one.text) for one in side.prompts] for side in sides]
    passages = [bench.contexts.key(depth) for depth in depths]
    tasks = [one.model_dump(mode="json") for one in bench.pilot.accuracy]
    files = [fingerprint(path) for one in bench.pilot.accuracy for path in one.files]
    traffic = [repr(bench.arena.traffic), bench.arena.repeats]
    return digest(servers, prompts, passages, tasks, files, traffic, bench.scores.versions)


def _reference(bench: Bench, choice: Choice) -> str:
    """Names what the figures of the settings so far follow from, with which those of every trial are compared."""
    side = Side(choice.server(bench.pilot, "search"), bench.prompts)
    return served_key(bench, [side], [bench.depth])
