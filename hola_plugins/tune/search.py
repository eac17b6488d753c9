"""One search: optuna proposes settings, each is measured once, and every trial is kept in a journal.

Where all combinations fit into the trials, all are tried; otherwise optuna's TPE proposes them, with broken limits as
its constraints. The first value of every list makes the first trial. A search that was stopped goes on: what was being
measured then, or failed, is measured again, what was finished is not.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from hola_plugins.pilot.process import ProcessError
from hola_plugins.tune.limits import Figures, Limit, violations

Values = Mapping[str, Sequence[Any]]
"""Names of settings, each with plain values to choose from."""

Report = Callable[[int, float], None]
"""Is told a step and the cost of it; raises where the trial is hopeless."""


class Measured(NamedTuple):
    """What measuring settings gives.

    Attributes:
        figures: What was measured.
        cost: What is minimised.
        turns: The cost turn by turn; none for a cost without noise.
    """

    figures: Figures
    cost: float
    turns: tuple[float, ...] = ()


Measure = Callable[[dict[str, Any], Report], Measured]
"""Measures settings."""


class Trial(BaseModel):
    """One setting that was tried.

    Attributes:
        settings: Its settings.
        status: "done", "stopped" where it was hopeless, or "failed".
        figures: What was measured.
        cost: What is minimised.
        turns: The cost turn by turn; none for a cost without noise.
        again: Whether all this is of a second measurement, as the best of a search gets one.
        violations: By limit, the share of it by which it is broken; at most 0 where it is kept.
        error: Why it failed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    settings: dict[str, Any]
    status: Literal["done", "stopped", "failed"]
    figures: Figures = Figures()
    cost: float | None = None
    turns: tuple[float, ...] = ()
    again: bool = False
    violations: dict[str, float] = {}
    error: str | None = None

    @property
    def feasible(self) -> bool:
        """Whether it was measured and keeps all limits."""
        return self.status == "done" and self.worst <= 0

    @property
    def worst(self) -> float:
        """The share of a limit by which the one is broken that is broken most; at most 0 where all are kept."""
        return max(self.violations.values(), default=0.0)

    @property
    def label(self) -> str:
        """Its settings in words."""
        return ", ".join(f"{name}: {value}" for name, value in self.settings.items()) or "left out"


class Search:
    """A search over settings.

    Args:
        journal: File of optuna's journal; made where it is not there.
        name: Name of the study; it names what the figures follow from too, so that other data start another study.
        values: What is chosen from.
        limits: The limits that count here.
        trials: Most trials.
        seed: Seed of the proposals.

    Raises:
        ImportError: optuna is missing.
    """

    def __init__(
        self, journal: Path, name: str, values: Values, limits: Sequence[Limit], trials: int, seed: int
    ) -> None:
        self._optuna = _optuna()
        self._values = values
        self._limits = limits
        points = math.prod(len(one) for one in values.values())
        self.trials = min(trials, points)
        self._study = self._open(journal, name, seed)
        self._take_up()
        self._failed = self._failures()
        self._line_up(one.settings for one in self._failed.values())
        if points <= trials:
            self._line_up(
                dict(zip(values, point, strict=True)) for point in itertools.product(*values.values())
            )

    def run(self, measure: Measure, finished: Callable[[], None]) -> list[Trial]:
        """Measures what is not finished.

        Args:
            measure: Measures settings.
            finished: Told after every trial.
        """
        for _ in range(len(self.results())):
            finished()
        while len(self.results()) < self.trials:
            self._try(measure)
            finished()
        return self.results()

    def results(self) -> list[Trial]:
        """Lists the finished trials in their order, judged by the limits of now.

        Those that failed in an earlier run are left out: what stopped them may be mended.
        """
        found = (one for number, one in self._kept().items() if number not in self._failed)
        return [judged(one, self._limits) for one in found]

    def _kept(self) -> dict[int, Trial]:
        """Gives what the journal holds of every trial that was measured, by its number."""
        found = self._study.get_trials(deepcopy=False)
        return {
            one.number: Trial.model_validate(one.user_attrs["trial"])
            for one in found
            if "trial" in one.user_attrs
        }

    def _failures(self) -> dict[int, Trial]:
        """Gives the trials that have failed so far."""
        return {number: one for number, one in self._kept().items() if one.status == "failed"}

    def _try(self, measure: Measure) -> None:
        """Measures one proposal."""
        optuna, trial = self._optuna, self._study.ask()
        settings = {name: trial.suggest_categorical(name, list(one)) for name, one in self._values.items()}

        def report(step: int, cost: float) -> None:
            trial.report(cost, step)
            if trial.should_prune():
                raise optuna.TrialPruned

        try:
            measured = self._known(settings) or measure(settings, report)
        except optuna.TrialPruned:
            self._keep(trial, Trial(settings=settings, status="stopped"))
            self._study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        except (ProcessError, ValueError) as error:
            self._keep(trial, Trial(settings=settings, status="failed", error=str(error)))
            self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            done = Trial(settings=settings, status="done", **measured._asdict())
            self._keep(trial, judged(done, self._limits))
            self._study.tell(trial, measured.cost)

    def _keep(self, trial: Any, result: Trial) -> None:
        trial.set_user_attr("trial", result.model_dump(mode="json"))

    def _known(self, settings: dict[str, Any]) -> Measured | None:
        """Gives what is known of settings that TPE proposes again."""
        for one in self.results():
            if one.settings == settings and one.cost is not None:
                return Measured(one.figures, one.cost, one.turns)
        return None

    def _open(self, journal: Path, name: str, seed: int) -> Any:
        """Opens the study."""
        optuna = self._optuna
        journal.parent.mkdir(parents=True, exist_ok=True)
        backend = optuna.storages.journal.JournalFileBackend(str(journal))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study = optuna.create_study(
                study_name=name,
                storage=optuna.storages.JournalStorage(backend),
                pruner=optuna.pruners.WilcoxonPruner(p_threshold=0.05, n_startup_steps=6),
                load_if_exists=True,
            )
            tried = len(study.get_trials(deepcopy=False))  # the same seed would propose the same again
            study.sampler = optuna.samplers.TPESampler(seed=seed + tried, constraints_func=_constraints)
        return study

    def _take_up(self) -> None:
        """Puts back what was being measured when a search was stopped; starts a new one with the first values."""
        state = self._optuna.trial.TrialState
        for one in self._study.get_trials(deepcopy=False, states=(state.RUNNING,)):
            self._study.tell(one.number, state=state.FAIL)
            if len(one.params) == len(self._values) and "trial" not in one.user_attrs:
                self._study.enqueue_trial(one.params)
        if not self._study.get_trials(deepcopy=False):
            self._study.enqueue_trial({name: one[0] for name, one in self._values.items()})

    def _line_up(self, points: Iterable[dict[str, Any]]) -> None:
        """Lines up those of some settings that are neither finished nor waiting."""
        waiting = self._study.get_trials(deepcopy=False, states=(self._optuna.trial.TrialState.WAITING,))
        known = [one.settings for one in self.results()]
        known += [one.system_attrs["fixed_params"] for one in waiting]
        for settings in points:
            if settings not in known:
                self._study.enqueue_trial(settings)
                known.append(settings)


def judged(trial: Trial, limits: Sequence[Limit]) -> Trial:
    """Gives a trial with what its figures break of limits."""
    return trial.model_copy(update={"violations": dict(violations(limits, trial.figures))})


def _constraints(trial: Any) -> Sequence[float]:
    """Gives a trial's broken limits as optuna wants them: over 0 where one is broken."""
    return list(trial.user_attrs.get("trial", {}).get("violations", {}).values())


def _optuna() -> Any:
    """Gives optuna, which says only what goes wrong."""
    try:
        import optuna
    except ImportError as error:
        message = "'optuna' is not installed. Install it with: pip install 'hola-plugins[pilot]'"
        raise ImportError(message) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
