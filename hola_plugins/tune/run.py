"""A tuning from its configuration to the files of the three hosts.

The searches follow one another, the cheap one first, each with what the ones before it chose:

1. AdaComp, which needs no server: the fewest tokens of passages that keep the floor of recall. It fixes what the later
   searches send.
2. Lo-Bi, a compression and a server for every setting: the model that the rest is measured on. What a model answers
   does not depend on how it is drafted.
3. HSD, a server for every setting, whose use depends on both: text that repeats, and the time of a step.

A grid over all three would multiply what here adds up. Leaving a method out is always one of its settings; where a cost
is a latency, the best of the others is measured once more, and chosen only where that gain is more than noise. Where
nothing keeps the limits of a search with what the last one that was not skipped chose, up to three of that one's
next-best settings are tried. What was chosen is written, and then measured again, beside the pilot's baseline, on
prompts, queries and questions that no search saw; whether the baseline takes the longest of these prompts is found out
before all searches.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from hola_plugins.files.locked_folder import locked
from hola_plugins.files.whole_file import write_text
from hola_plugins.pilot.accuracy import check_tasks
from hola_plugins.pilot.compression import compress_command
from hola_plugins.pilot.config import PilotConfig
from hola_plugins.pilot.config_file import read_config
from hola_plugins.pilot.environment import Environment
from hola_plugins.pilot.passages import labelled_queries
from hola_plugins.pilot.process import ProcessError
from hola_plugins.pilot.progress import Progress
from hola_plugins.pilot.server import Fleet
from hola_plugins.pilot.state import State
from hola_plugins.tune import host_files
from hola_plugins.tune.bench import Bench
from hola_plugins.tune.choice import Choice, Searched, Tuned
from hola_plugins.tune.config import TuneConfig
from hola_plugins.tune.fit import check_fit
from hola_plugins.tune.gain import missing_gain
from hola_plugins.tune.held_out import measure_held_out
from hola_plugins.tune.limits import Figures, broken, limits_of
from hola_plugins.tune.order import Searches
from hola_plugins.tune.split import PARTS, Splitter

FOLDER = "tuned"
"""Folder in the output folder that receives the files of the hosts, and what was found."""


class Tuner:
    """Tunes one configuration.

    Args:
        config: The configuration.
        config_sha256: Hash of its file.
        progress: Told how far it is.
        fresh: Whether what is finished is forgotten.
    """

    def __init__(
        self, config: TuneConfig, config_sha256: str, progress: Progress, *, fresh: bool = False
    ) -> None:
        self._config = config
        self._config_sha256 = config_sha256
        self._progress = progress
        self._fresh = fresh
        self._state = {part: State(config.out / "state" / part) for part in PARTS}

    def run(self) -> Tuned:
        """Searches what is not finished, measures the choice, and writes everything.

        Raises:
            ValueError: Data or limits that cannot be used, or another run in the same folder.
            ImportError: A library that is missing; names the extra.
            ProcessError: A server failed that others are compared with.
        """
        with locked(self._config.out, "set another 'out'"):
            if self._fresh:
                shutil.rmtree(self._config.out / "state", ignore_errors=True)
            pilot = self._pilot()
            parts = Splitter(self._config.out / "data", self._config.held_out, self._config.seed).split(pilot)
            environment = Environment(pilot, self._config.out / "logs")
            folder = self._config.out / FOLDER
            with environment.fleet() as fleet:
                self._check_fit(parts["held-out"], environment, fleet)
                host_files.clear(folder)
                searches = Searches(
                    self._config, parts["search"], environment, self._state["search"], fleet, self._progress
                )
                tuned = self._described(searches.run(), pilot, environment)
                fleet.stop()
                choice = tuned.choice
                if choice is not None:
                    self._write_files(folder, choice, pilot, searches)
                    write_tuned(tuned, folder)
                    tuned = self._confirmed(tuned, choice, parts["held-out"], environment, fleet)
            return write_tuned(tuned, folder)

    def _pilot(self) -> PilotConfig:
        """Reads the pilot's configuration, and refuses what cannot be used before any work."""
        pilot = read_config(self._config.pilot, PilotConfig)
        check_limits(self._config, pilot)
        check_tasks(pilot.accuracy, pilot.tokenizer)
        return pilot

    def _check_fit(self, pilot: PilotConfig, environment: Environment, fleet: Fleet) -> None:
        """Refuses data held out that the baseline does not take."""
        check_fit(self._bench(Choice.baseline(pilot), pilot, environment, fleet), self._state["held-out"])

    def _described(self, tuned: Tuned, pilot: PilotConfig, environment: Environment) -> Tuned:
        """Adds where the figures come from and, of a choice, what is known before it is measured on data held out."""
        known: dict[str, Any] = {"versions": environment.all_versions, "config_sha256": self._config_sha256}
        if tuned.choice is not None:
            lobi = tuned.choice.lobi
            known["searched"] = merged(tuned.searches)
            known["compress_command"] = compress_command(pilot.model, lobi) if lobi else None
            known["unconfirmed"] = "the measurement is not finished"
        return tuned.model_copy(update=known)

    def _confirmed(
        self, tuned: Tuned, choice: Choice, pilot: PilotConfig, environment: Environment, fleet: Fleet
    ) -> Tuned:
        """Adds what the choice does on the data held out, or why that could not be measured."""
        try:
            return self._measured(tuned, choice, pilot, environment, fleet)
        except ProcessError as error:
            return tuned.model_copy(update={"unconfirmed": str(error)})

    def _measured(
        self, tuned: Tuned, choice: Choice, pilot: PilotConfig, environment: Environment, fleet: Fleet
    ) -> Tuned:
        """Adds what the choice does on the data held out."""
        bench = self._bench(choice, pilot, environment, fleet)
        reference, held_out = measure_held_out(bench, choice, self._state["held-out"])
        self._progress.step()
        limits = limits_of(self._config)
        changed = choice != Choice.baseline(pilot)
        no_gain = missing_gain(self._config.minimise, limits, reference, held_out) if changed else None
        return tuned.model_copy(
            update={
                "unconfirmed": None,
                "reference": reference,
                "held_out": held_out,
                "broken": tuple(broken(limits, held_out)),
                "no_gain": no_gain,
            }
        )

    def _bench(self, choice: Choice, pilot: PilotConfig, environment: Environment, fleet: Fleet) -> Bench:
        """Gives the measuring parts over what is held out."""
        return Bench(pilot, choice, environment, self._state["held-out"], fleet, self._progress.show)

    def _write_files(self, folder: Path, choice: Choice, pilot: PilotConfig, searches: Searches) -> None:
        """Writes the configuration of every host that has one."""
        host_files.write_serve(folder, choice, pilot)
        if choice.adacomp is not None:
            host_files.write_adacomp(folder, choice.adacomp, searches.retriever(choice.adacomp))
        if choice.lobi is not None:
            host_files.write_recipe(folder, Path(choice.model))


def check_limits(config: TuneConfig, pilot: PilotConfig) -> None:
    """Refuses limits on what the pilot's configuration gives nothing to measure with.

    Raises:
        ValueError: There is such a limit.
    """
    if config.floor.accuracy is not None and not pilot.accuracy:
        raise ValueError(
            f"'floor.accuracy' = {config.floor.accuracy:g} needs questions: give 'accuracy' in {config.pilot}"
        )
    if config.floor.recall is None:
        return
    needed = f"'floor.recall' = {config.floor.recall:g} needs"
    if pilot.documents is None:
        raise ValueError(f"{needed} documents with labelled queries: give 'documents' in {config.pilot}")
    labelled = len(labelled_queries(pilot.documents.queries))
    if labelled < 2:
        raise ValueError(
            f"{needed} two labelled queries at least, one to search with and one held out, and "
            f"{pilot.documents.queries} has {labelled or 'none'}: give 'relevant' or 'answers' in more of its lines"
        )


def merged(searches: tuple[Searched, ...]) -> Figures:
    """Gives the figures of all choices together; a later search measures with what the earlier ones chose."""
    found: dict[str, float] = {}
    for one in searches:
        if one.chosen is not None:
            found |= one.chosen.figures.model_dump(exclude_none=True, exclude={"speedup"})
    return Figures.model_validate(found)


def write_tuned(tuned: Tuned, folder: Path) -> Tuned:
    """Writes what was found, whole or not at all; gives it."""
    write_text(folder / host_files.TUNED, tuned.model_dump_json(indent=1) + "\n")
    return tuned
