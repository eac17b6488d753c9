import copy

import pytest
from rich.console import Console

from hola_plugins.hsd.report import acceptance_rate, mean_acceptance_length, render_snapshot

SNAPSHOT = {
    "version": "0.1.0", "time": 1_700_000_000, "uptime_s": 12.5, "calls": 1000, "requests": 12,
    "levels": {
        "request": {"asked": 900, "proposed": 3000, "matched": 2000, "chosen": 2500, "accepted": 1900,
                    "gate_pass_rate": 0.8, "errors": 3, "backed_off": True},
    },
    "draft_us": {"p50": 30.1, "p99": 90.2},
    "tokens": {"drafted": 2500, "accepted": 1900, "emitted": 2900, "rows": 1000},
    "step_time_ms": {"16": 22.0, "8": 20.5, "128": 40.0},
    "control": {"mode": "goodput", "survival_floor": 0.3, "breaker": "open", "breaker_trips": 1},
    "store": {"tokens": 100, "capacity": 1000, "bytes": 1 << 20},
    "index_bytes": 3 << 20, "errors": 0, "deadlines_missed": 2,
}  # fmt: skip


def text_of(snapshot):
    console = Console(width=140, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    console.print(render_snapshot(snapshot))
    console.file.close()
    return console.export_text()


def test_shows_the_counters():
    text = text_of(SNAPSHOT)
    for shown in ("76.0%", "2.90", "backed off", "open (1 trips)", "3.0 MiB", "2023-11-14 22:13:20 UTC"):
        assert shown in text


def test_step_times_are_in_the_order_of_their_sizes():
    lines = text_of(SNAPSHOT).splitlines()
    sizes = [line.split()[0] for line in lines if "█" in line]
    assert sizes == ["8", "16", "128"]


def test_rates_need_something_to_divide_by():
    assert acceptance_rate({"accepted": 0, "drafted": 0}) is None
    assert mean_acceptance_length({"accepted": 3, "rows": 2}) == 2.5


@pytest.mark.parametrize("field", sorted(set(SNAPSHOT) - {"calls"}))
def test_any_field_may_be_missing_or_null(field):
    assert text_of({name: value for name, value in SNAPSHOT.items() if name != field})
    assert text_of({**SNAPSHOT, field: None})


def test_unknown_fields_are_left_out():
    snapshot = copy.deepcopy(SNAPSHOT) | {"newer": {"x": 1}}
    snapshot["levels"]["request"]["newer"] = "y"
    assert text_of(snapshot) == text_of(SNAPSHOT)


def test_foreign_text_is_neither_markup_nor_control():
    text = text_of({**SNAPSHOT, "version": "[red]\x1b[31m0"})
    assert "[red][31m0" in text
    assert "\x1b" not in text


@pytest.mark.parametrize(
    "change",
    [
        {"levels": [1]},
        {"calls": "many"},
        {"step_time_ms": {"few": 1}},
        {"tokens": {"rows": True}},
        {"time": 1e300},
    ],
)
def test_wrong_types_are_errors(change):
    with pytest.raises(ValueError, match=r"must be .*, got"):
        text_of({**SNAPSHOT, **change})


@pytest.mark.parametrize(
    "change",
    [
        {"tokens": "A" * 5_000_000},
        {"calls": ["A" * 5_000_000] * 9},
        {"step_time_ms": {"A" * 5_000_000: 1}},
        {"version": "A" * 5_000_000},
        {"levels": {"A" * 5_000_000: {}}},
    ],
)
def test_of_foreign_text_only_the_beginning_is_shown(change):
    try:
        shown = text_of({**SNAPSHOT, **change})
    except ValueError as error:
        shown = str(error)
    assert len(shown) < 5000


def test_other_objects_are_no_snapshots():
    with pytest.raises(ValueError, match="must have levels, tokens or calls"):
        text_of({"level": "INFO"})
    with pytest.raises(ValueError, match="must have levels, tokens or calls") as refusal:
        text_of({"A" * 5_000_000: 1})
    assert len(str(refusal.value)) < 500
