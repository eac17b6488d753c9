"""The cross-domain table: every model on every domain, and nothing that is known is asked again."""

from __future__ import annotations

import pytest

from hola_plugins.pilot.cross_domain import measure_cross_domain
from hola_plugins.pilot.process import ProcessError
from hola_plugins.pilot.results import Accuracy
from hola_plugins.pilot.sections import Domain, LoBi
from hola_plugins.pilot.server_plan import ServerPlan

MATHS, SCIENCE = "cross-maths-56847092", "cross-natural-science-5fafdc21"
VALUES = {
    ("baseline", "gsm8k"): 0.5,
    ("baseline", "arc_easy"): 0.6,
    (MATHS, "gsm8k"): 0.48,
    (MATHS, "arc_easy"): 0.4,
    (SCIENCE, "gsm8k"): 0.2,
    (SCIENCE, "arc_easy"): 0.58,
}


class Answers:
    """Stands in for servers, their fleet and their scores: the value by server and task."""

    def __init__(self, known):
        self.known = set(known)
        self.started = []
        self.running = set()

    def server(self, plan):
        self.started.append(plan.name)
        self.running.add(plan.name)
        return plan

    def release(self, plan):
        self.running.discard(plan.name)

    def get(self, plan, depth, task):
        return self.score(plan, task) if (plan.name, task.task) in self.known else None

    def measure(self, plan, depth, task):
        self.known.add((plan.name, task.task))
        return self.score(plan, task)

    def score(self, plan, task):
        return Accuracy(
            task=task.task,
            metric="acc",
            value=VALUES.get((plan.name, task.task), 0.0),
            stderr=0.1,
            questions=9,
        )


class Compressed:
    """Stands in for the compressor: remembers what it was calibrated with."""

    def __init__(self):
        self.calibrations = {}

    def compress(self, name, settings):
        self.calibrations[name] = (settings.budget, settings.calibration.name)
        return f"checkpoints/{name}"


class Steps:
    """Counts steps."""

    count = 0

    def show(self, doing):
        pass

    def step(self):
        self.count += 1


@pytest.fixture
def domains(tmp_path):
    found = []
    for name, task in (("maths", "gsm8k"), ("Natural science!", "arc_easy")):
        path = tmp_path / f"{task}.jsonl"
        path.write_text('{"text": "one"}\n')
        found.append(Domain.model_validate({"name": name, "calibration": path, "task": {"task": task}}))
    return found


def table(domains, answers, compressed, steps):
    plan = ServerPlan("baseline", "model", "float32")
    return measure_cross_domain(domains, LoBi(budget="50%"), plan, compressed, answers, answers, steps)


def test_every_model_is_measured_on_every_domain_beside_the_baseline(domains):
    answers, compressed, steps = Answers(()), Compressed(), Steps()
    rows = table(domains, answers, compressed, steps)
    assert [(one.fitted_on, one.measured_on, one.value, one.reference) for one in rows] == [
        ("maths", "maths", 0.48, 0.5),
        ("maths", "Natural science!", 0.4, 0.6),
        ("Natural science!", "maths", 0.2, 0.5),
        ("Natural science!", "Natural science!", 0.58, 0.6),
    ]
    assert compressed.calibrations == {
        MATHS: ("50%", "gsm8k.jsonl"),
        SCIENCE: ("50%", "arc_easy.jsonl"),
    }
    assert steps.count == 3
    assert answers.running == {"baseline"}, "servers of the domains do not pile up"


@pytest.mark.parametrize("names", [("数学", "法律"), ("A/B", "a b")])
def test_names_of_the_same_letters_get_models_and_servers_of_their_own(domains, names):
    renamed = [one.model_copy(update={"name": name}) for one, name in zip(domains, names, strict=True)]
    answers, compressed = Answers(()), Compressed()
    table(renamed, answers, compressed, Steps())
    assert [calibration for _, calibration in compressed.calibrations.values()] == [
        "gsm8k.jsonl",
        "arc_easy.jsonl",
    ]
    assert set(answers.started) == {"baseline", *compressed.calibrations}


def test_a_server_that_fails_is_released(domains):
    answers = Answers(())

    def fail(plan, depth, task):
        if plan.name == MATHS:
            raise ProcessError("no memory is left")
        return answers.score(plan, task)

    answers.measure = fail
    with pytest.raises(ProcessError):
        table(domains, answers, Compressed(), Steps())
    assert answers.running == {"baseline"}


def test_a_server_whose_scores_are_known_is_not_started(domains):
    answers = Answers([one for one in VALUES if one[0] != MATHS])
    assert len(table(domains, answers, Compressed(), Steps())) == 4
    assert set(answers.started) == {MATHS}
