"""The drafter behind a runner that moves rows, preempts, leaves gaps, chunks prompts and truncates."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from failing_level import FailingLevel
from fake_runner import FakeRunner, Replay
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hola_plugins.hsd.block import commit_offers, open_rows
from hola_plugins.hsd.drafter import HierarchicalDrafter
from hola_plugins.hsd.level import DRAFTED, SLOT, WINDOW, Gate

MakeDrafter = Callable[..., HierarchicalDrafter]


def _replays(count: int, seed: int = 0, noise: float = 0.0) -> list[Replay]:
    rng = random.Random(seed)
    passage = [rng.randrange(64) for _ in range(40)]
    replays = []
    for _ in range(count):
        output = [token if rng.random() >= noise else rng.randrange(64) for token in passage * 3]
        replays.append(Replay(passage + [rng.randrange(64) for _ in range(5)] + output, prompt=45))
    return replays


def test_copies_are_drafted(make_drafter: MakeDrafter) -> None:
    runner = FakeRunner(make_drafter(), 4, 512, 64, 8)
    runner.run(_replays(6))
    assert runner.emitted / runner.steps > 4.0
    assert runner.drafter.snapshot()["errors"] == 0


@pytest.mark.parametrize("isolated", [False, True])
def test_disturbances_cost_drafts_and_nothing_else(make_drafter: MakeDrafter, isolated: bool) -> None:
    runner = FakeRunner(make_drafter(store={"isolated": isolated}), 4, 512, 64, 8)
    runner.run(_replays(12, noise=0.05), seed=3, trouble=0.15, chunk=16)
    snapshot = runner.drafter.snapshot()
    assert runner.emitted == 12 * 120
    assert snapshot["errors"] == 0
    assert runner.emitted / runner.steps > 1.5


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sequences=st.lists(st.lists(st.integers(0, 63), min_size=3, max_size=200), min_size=1, max_size=8),
    trouble=st.floats(0.0, 0.5),
    seed=st.integers(0, 1000),
)
def test_any_traffic_keeps_the_contract(
    make_drafter: MakeDrafter, sequences: list[list[int]], trouble: float, seed: int
) -> None:
    runner = FakeRunner(make_drafter(), 4, 512, 64, 8)
    replays = [Replay(tokens, prompt=1 + len(tokens) // 3) for tokens in sequences]
    runner.run(replays, seed=seed, trouble=trouble, chunk=20)
    assert all(replay.done == len(replay.tokens) for replay in replays)
    assert runner.drafter.snapshot()["errors"] == 0


def test_equal_tokens_give_equal_drafts(make_drafter: MakeDrafter) -> None:
    runs = []
    for _ in range(2):
        runner = FakeRunner(make_drafter(), 4, 512, 64, 8)
        runner.run(_replays(8, noise=0.1), trouble=0.1)
        runs.append((runner.steps, runner.drafter.snapshot()["tokens"]))
    assert runs[0] == runs[1]


def _timed(drafter: HierarchicalDrafter) -> int:
    """Counts the steps that were timed; nine tokens share the place of eight."""
    return sum(int(drafter.control.curve.observations(1, tokens)) for tokens in range(1, 9))


def test_a_step_in_which_a_request_went_on_with_a_prompt_is_not_timed(make_drafter: MakeDrafter) -> None:
    drafter = make_drafter(rows=1, deterministic=False)
    chat = Chat(drafter)
    chat.hear([1, 2, 3, 4] * 8)
    chat.say([1, 2, 3, 4] * 4)
    timed = _timed(drafter)
    chat.hear([5, 6, 7, 8] * 5)
    chat.say([5])
    assert _timed(drafter) == timed
    chat.say([6, 7])
    assert _timed(drafter) == timed + 2


def test_a_prompt_that_comes_again_is_no_step_either(make_drafter: MakeDrafter) -> None:
    drafter = make_drafter(rows=1, deterministic=False)
    for _ in range(5):
        probe = Chat(drafter)
        probe.hear([1, 2, 3, 4])
        probe.say([5])
    assert _timed(drafter) == 0


def test_a_step_in_which_another_request_ended_its_prompt_is_not_timed(make_drafter: MakeDrafter) -> None:
    drafter = make_drafter(rows=2, deterministic=False)
    buffer = np.tile(np.arange(1, 33, dtype=np.int32), (2, 16))
    buffer[1] += 1
    calls = [(20, [], 9, []), (21, [21], 9, []), (22, [22], 10, [11]), (23, [23], 11, [12])]
    timed = []
    for mine, said, other, answered in calls:
        drafter.propose([said, answered], np.array([mine, other], dtype=np.int32), buffer)
        timed.append(sum(drafter.control.curve.observations(n, t) for n in (1, 2) for t in range(1, 9)))
    assert timed == [0, 0, 0, 1]


@pytest.mark.parametrize("timed", [1, 3])
def test_a_batch_beside_which_there_is_always_a_prompt_is_drafted_for(
    make_drafter: MakeDrafter, timed: int
) -> None:
    drafter = make_drafter(rows=3, deterministic=False)
    buffer = np.tile(np.arange(8, dtype=np.int32), (3, 64))
    drafts = []
    for length in range(40, 140):
        drafter.control.observe_step(timed, timed, None, 0.01)
        said = [int(buffer[0, length - 1])]
        lengths = np.array([length, length, 9], dtype=np.int32)
        drafts.append(drafter.propose([said, said, []], lengths, buffer)[0])
    assert not any(drafts[:32])
    assert sum(map(bool, drafts[32:])) > 50


def test_room_to_the_longest_request_is_kept(make_drafter: MakeDrafter) -> None:
    drafter = make_drafter(rows=1)
    buffer = np.tile(np.arange(8, dtype=np.int32), (1, 64))
    for length in range(480, 513):
        drafts = drafter.propose([[int(buffer[0, length - 1])]], np.array([length], dtype=np.int32), buffer)
        assert len(drafts[0]) <= max(0, 511 - length)


def test_store_serves_other_requests_unless_isolated(make_drafter: MakeDrafter) -> None:
    rng = random.Random(5)
    answer = [rng.randrange(64) for _ in range(100)]
    lengths = {}
    for isolated in (False, True):
        drafter = make_drafter(rows=1, store={"isolated": isolated}, levels=("store", "transitions"))
        runner = FakeRunner(drafter, 1, 512, 64, 8)
        runner.run([Replay([prompt, *answer], prompt=1) for prompt in range(4)])
        lengths[isolated] = runner.emitted / runner.steps
    assert lengths[True] == 1.0
    assert lengths[False] > 2.0


class Chat:
    """One row that says what it is told: a prompt that comes at once, an answer token by token."""

    def __init__(self, drafter: HierarchicalDrafter) -> None:
        self.drafter = drafter
        self.buffer = np.zeros((1, 512), dtype=np.int32)
        self.length = 0

    def hear(self, tokens: list[int]) -> None:
        """Appends a prompt."""
        self.buffer[0, self.length : self.length + len(tokens)] = tokens
        self.length += len(tokens)

    def say(self, tokens: list[int]) -> list[list[int]]:
        """Emits an answer; gives the draft behind each token."""
        drafts = []
        for token in tokens:
            self.hear([token])
            drafts.append(
                self.drafter.propose([[token]], np.array([self.length], dtype=np.int32), self.buffer)[0]
            )
        return drafts


def test_an_answer_serves_other_requests_and_a_prompt_its_own_alone(make_drafter: MakeDrafter) -> None:
    """Eight tokens before an answer go with it, so that it is found."""
    drafter = make_drafter(rows=1)
    rng = random.Random(9)
    first, second = ([32 + rng.randrange(32) for _ in range(40)] for _ in range(2))
    answers = [[rng.randrange(32) for _ in range(40)] for _ in range(2)]
    chat = Chat(drafter)
    for prompt, answer in zip((first, second), answers, strict=True):
        chat.hear(prompt)
        chat.say(answer)
    for others, served in ((first[:32], False), (second[:32], False), (answers[0], True), (answers[1], True)):
        other = Chat(drafter)
        other.hear([63])
        drafts = other.say(others)
        right = sum(draft[:1] == others[place + 1 : place + 2] for place, draft in enumerate(drafts[:-1]))
        assert (right > 25) if served else (right < 6), others
    own = chat.say(first[:20])
    assert sum(draft[:1] == first[place + 1 : place + 2] for place, draft in enumerate(own)) > 12


def test_corpus_serves_isolated_requests(make_drafter: MakeDrafter) -> None:
    rng = random.Random(6)
    corpus = np.array([rng.randrange(64) for _ in range(200)], dtype=np.int32)
    drafter = make_drafter(rows=1, store={"isolated": True})
    drafter.add_corpus(corpus)
    runner = FakeRunner(drafter, 1, 512, 64, 8)
    runner.run([Replay(corpus[20:150].tolist(), prompt=4)])
    assert runner.emitted / runner.steps > 3.0


def test_a_corpus_outlives_outputs_and_errors(make_drafter: MakeDrafter) -> None:
    rng = random.Random(8)
    corpus = np.array([rng.randrange(64) for _ in range(3_000)], dtype=np.int32)
    drafter = make_drafter(rows=1, store={"tokens": 4_096}, levels=("store",))
    drafter.add_corpus(corpus)
    for _ in range(40):
        drafter.hierarchy.store.add(np.array([rng.randrange(64) for _ in range(256)], dtype=np.int32))

    def length(passage: list[int]) -> float:
        runner = FakeRunner(drafter, 1, 512, 64, 8)
        runner.run([Replay(passage, prompt=4)])
        return runner.emitted / runner.steps

    assert length(corpus[20:150].tolist()) > 3.0
    assert length(corpus[-150:].tolist()) > 3.0
    drafter._build()
    assert length(corpus[300:430].tolist()) > 3.0


def test_a_corpus_that_leaves_no_room_is_refused(make_drafter: MakeDrafter) -> None:
    drafter = make_drafter(store={"tokens": 4_096})
    with pytest.raises(ValueError, match="3500 tokens need a store of at least 4524, got 4096"):
        drafter.add_corpus(np.ones(3_500, dtype=np.int32))


def test_an_output_is_stored_in_the_step_in_which_another_ends_its_prompt(make_drafter: MakeDrafter) -> None:
    drafter = make_drafter(rows=2)
    buffer = np.zeros((2, 512), dtype=np.int32)
    buffer[0, :60] = np.arange(60)
    buffer[1, :50] = np.arange(60, 10, -1)
    for length in range(10, 40):
        drafter.propose([[int(buffer[0, length - 1])], []], np.array([length, 20], dtype=np.int32), buffer)
    assert drafter.hierarchy.store.tokens == 0
    buffer[0] = buffer[1]
    drafter.propose([[int(buffer[0, 20])]], np.array([21], dtype=np.int32), buffer)
    assert drafter.hierarchy.store.tokens >= 30


def test_without_the_store_level_no_output_is_stored(make_drafter: MakeDrafter) -> None:
    drafter = make_drafter(rows=1, levels=("request", "transitions"))
    FakeRunner(drafter, 1, 512, 64, 8).run(_replays(4))
    assert drafter.hierarchy.store.tokens == 0


def test_the_gate_of_a_number_of_nats_is_worked_out_before_the_first_call(
    make_drafter: MakeDrafter, monkeypatch: pytest.MonkeyPatch
) -> None:
    drafter = make_drafter(tau=1.0)
    monkeypatch.delattr("hola_plugins.hsd.drafter.sure_probability")
    FakeRunner(drafter, 4, 512, 64, 8).run(_replays(4))
    assert drafter.snapshot()["errors"] == 0


def test_the_survival_floor_that_is_shown_is_the_one_in_force(make_drafter: MakeDrafter) -> None:
    drafter = make_drafter(deterministic=False)
    drafter.control.threshold = 0.5
    assert drafter._gate(1).survival == drafter.snapshot()["control"]["survival_floor"] == 0.25


class UnforgettingLevel(FailingLevel):
    """Fails in what it is told, not in what it is asked."""

    def extend(self, block: Any, gate: Gate) -> None:
        """Adds nothing."""

    def forget(self, slot: int) -> None:
        """Fails."""
        raise RuntimeError("on purpose")


def test_a_level_that_cannot_forget_is_left_out_and_the_others_go_on(make_drafter: MakeDrafter) -> None:
    good = make_drafter()
    drafter = HierarchicalDrafter(good._config, good._limits, 4, (UnforgettingLevel(),))
    runner = FakeRunner(drafter, 4, 512, 64, 8)
    runner.run(_replays(6))
    assert runner.emitted / runner.steps > 4.0
    assert drafter.snapshot()["levels"]["failing"]["errors"] > 0


def test_a_further_level_with_another_number_is_refused(make_drafter: MakeDrafter) -> None:
    good = make_drafter()
    level = FailingLevel()
    level.number = 4
    with pytest.raises(ValueError, match=r"must have the numbers \[3\], in this order, got \[4\]"):
        HierarchicalDrafter(good._config, good._limits, 4, (level,))


def test_failing_level_is_counted_and_left_out(
    make_drafter: MakeDrafter, caplog: pytest.LogCaptureFixture
) -> None:
    good = make_drafter()
    drafter = HierarchicalDrafter(good._config, good._limits, 4, (FailingLevel(),))
    runner = FakeRunner(drafter, 4, 512, 64, 8)
    runner.run(_replays(6))
    failing: dict[str, Any] = drafter.snapshot()["levels"]["failing"]
    assert runner.emitted / runner.steps > 4.0
    assert 1 <= failing["errors"] < 5
    assert caplog.text.count("left out for") == 1


def _drafts(drafter: HierarchicalDrafter, rows: int) -> list[Any]:
    """Gives the first rows of the block that the drafter left, as far as they are filled, and what it predicted."""
    block = drafter._block
    drafted = block.state[:rows, DRAFTED]
    trails = [block.trail[slot, : block.trail_length[slot]].tolist() for slot in block.state[:rows, SLOT]]
    filled = [
        (block.window[row, WINDOW : WINDOW + count].tolist(), block.chance[row, :count].tolist())
        for row, count in enumerate(drafted)
    ]
    return [drafted.tolist(), filled, trails]


@pytest.mark.parametrize("noise", [0.02, 0.3])
def test_lookups_draft_what_their_levels_draft_one_by_one(make_drafter: MakeDrafter, noise: float) -> None:
    drafter = make_drafter()
    hierarchy, block = drafter.hierarchy, drafter._block
    runner = FakeRunner(drafter, 4, 512, 64, 8)
    gate = Gate(sure=0.6, floor=0.1, survival=0.02)
    compared = 0
    for seed in range(8):
        runner.run(_replays(4, seed, noise)[: 2 + seed % 3], seed)
        replays = _replays(4, seed, noise)
        lengths = np.array([50 + 20 * row for row in range(4)], dtype=np.int32)
        for row, replay in enumerate(replays):
            runner.buffer[row, : len(replay.tokens)] = replay.tokens
        drafter.propose(
            [[replay.tokens[n - 1]] for replay, n in zip(replays, lengths, strict=True)],
            lengths,
            runner.buffer,
        )
        slots, room = block.state[:4, SLOT].copy(), np.full(4, 8, dtype=np.int32)
        open_rows(block.table, slots, lengths, room, runner.buffer)
        hierarchy._lookups.extend(block, gate, 0b111, 4)
        commit_offers(block.table, gate.floor, gate.survival)
        together = _drafts(drafter, 4)
        open_rows(block.table, slots, lengths, room, runner.buffer)
        for _ in range(4):
            for level in (hierarchy.request, hierarchy.store, hierarchy.transitions):
                level.extend(block, gate)
            commit_offers(block.table, gate.floor, gate.survival)
        assert _drafts(drafter, 4) == together
        compared += sum(together[0])
    assert compared > 20


def test_failing_lookups_are_left_out_and_drop_nothing_that_was_learnt(
    make_drafter: MakeDrafter, monkeypatch: pytest.MonkeyPatch
) -> None:
    drafter = make_drafter(backoff_calls=8)
    hierarchy, extend, asked = drafter.hierarchy, drafter.hierarchy._lookups.extend, []

    def fail_after_drafting(*arguments: Any) -> None:
        asked.append(drafter._tracker.call)
        extend(*arguments)
        raise MemoryError("no room for the kernel's arrays")

    runner = FakeRunner(drafter, 4, 512, 64, 8)
    runner.run(_replays(4))
    monkeypatch.setattr(hierarchy._lookups, "extend", fail_after_drafting)
    steps, emitted, accepted = runner.steps, runner.emitted, drafter.snapshot()["tokens"]["accepted"]
    runner.run(_replays(4, seed=1))
    snapshot = drafter.snapshot()
    assert drafter.hierarchy is hierarchy
    assert runner.emitted - emitted == runner.steps - steps
    assert snapshot["tokens"]["accepted"] == accepted
    assert all(level["errors"] == len(asked) for level in snapshot["levels"].values())
    assert [later - call for call, later in itertools.pairwise(asked)] == [9, 17, 33]
    monkeypatch.undo()
    runner.run(_replays(8))
    assert drafter.snapshot()["tokens"]["accepted"] > accepted


def test_failure_of_a_call_starts_anew(make_drafter: MakeDrafter) -> None:
    drafter = make_drafter()
    buffer = np.zeros((4, 512), dtype=np.int32)
    assert drafter.propose([[1], [2]], None, buffer) == [[], []]  # type: ignore[arg-type]
    assert drafter.snapshot()["errors"] == 1
    runner = FakeRunner(drafter, 4, 512, 64, 8)
    runner.run(_replays(4))
    assert runner.emitted / runner.steps > 4.0


def test_long_prompts_are_indexed_over_several_calls(make_drafter: MakeDrafter) -> None:
    drafter = make_drafter(rows=1, index_tokens_per_call=256)
    rng = random.Random(1)
    passage = [rng.randrange(64) for _ in range(450)]
    buffer = np.zeros((1, 512), dtype=np.int32)
    tokens = passage + passage[:60]
    buffer[0, : len(tokens)] = tokens
    drafted = [
        bool(drafter.propose([[tokens[length - 1]]], np.array([length], dtype=np.int32), buffer)[0])
        for length in range(460, 500)
    ]
    assert drafted[-1]
