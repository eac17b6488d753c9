"""Two tenants on one drafter with an isolated store: neither text nor acceptance of one reaches the other."""

from __future__ import annotations

import random
from collections.abc import Callable

from fake_runner import Replay
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from recording_runner import drafts_for

from hola_plugins.hsd.drafter import HierarchicalDrafter

MakeDrafter = Callable[..., HierarchicalDrafter]

ISOLATED = {"store": {"isolated": True}}

EVERYTHING = {"control": {"survival": 0.0}, "tau": 5.0}
"""Drafts whatever a level guesses, so that nothing hides behind a low probability."""

COMMON, SECRET, OWN = range(8), range(8, 32), range(32, 64)


def _texts(*alphabets: range) -> st.SearchStrategy[list[list[int]]]:
    token = st.sampled_from([token for alphabet in alphabets for token in alphabet])
    return st.lists(st.lists(token, min_size=12, max_size=90), min_size=1, max_size=4)


def _replays(texts: list[list[int]], prompt: float = 0.4) -> list[Replay]:
    return [Replay(list(text), prompt=1 + int(len(text) * prompt)) for text in texts]


def _leaks(drafts: list[tuple[int, list[int]]]) -> bool:
    return any(token in SECRET for _, draft in drafts for token in draft)


def _secret_after_common(seed: int) -> tuple[list[int], list[int]]:
    """Gives a tenant's text with secrets behind common words, and another's with the same common words."""
    rng = random.Random(seed)
    common = [rng.choice(COMMON) for _ in range(20)]
    return common + [rng.choice(SECRET) for _ in range(30)] + common, common + [
        rng.choice(OWN) for _ in range(40)
    ]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=_texts(COMMON, SECRET), second=_texts(COMMON, OWN), rows=st.integers(1, 3))
def test_no_token_of_a_tenant_is_drafted_for_another(
    make_drafter: MakeDrafter, first: list[list[int]], second: list[list[int]], rows: int
) -> None:
    drafts = drafts_for(
        make_drafter, _replays(second), _replays(first), rows=rows, settings=ISOLATED | EVERYTHING
    )
    assert not _leaks(drafts)


def test_a_shared_store_does_draft_it(make_drafter: MakeDrafter) -> None:
    first, second = _secret_after_common(1)
    drafts = drafts_for(make_drafter, _replays([second], 0.3), _replays([first], 0.1), settings=EVERYTHING)
    assert _leaks(drafts)


def test_a_prompt_that_ends_alike_in_the_same_place_is_not_taken_for_the_other(
    make_drafter: MakeDrafter,
) -> None:
    opening, ending, own = list(COMMON), list(reversed(COMMON)), list(OWN)
    first = [*opening, *SECRET, *ending]
    second = [*opening, *own[: len(SECRET)], *ending, *own[24:], *opening, *own[:8]]
    aborted = Replay(first, prompt=len(first) - 1)
    following = Replay(second, prompt=len(second) - 11)
    assert not _leaks(drafts_for(make_drafter, [following], [aborted], settings=ISOLATED | EVERYTHING))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=_texts(range(4)), second=_texts(range(4)), same=st.booleans())
def test_drafts_do_not_tell_what_another_tenant_sent(
    make_drafter: MakeDrafter, first: list[list[int]], second: list[list[int]], same: bool
) -> None:
    others = [*second, *([text[: len(text) // 3] for text in second]), *first] if same else first
    # A prompt that is the whole text of a request which left in that very call is taken for its continuation.
    assume(not any(replay.tokens[: replay.prompt] in others for replay in _replays(second)))
    with_others = drafts_for(make_drafter, _replays(second), _replays(others, 0.2), settings=ISOLATED)
    assert with_others == drafts_for(make_drafter, _replays(second), settings=ISOLATED)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=_texts(range(4)), second=st.lists(st.integers(0, 3), min_size=20, max_size=90))
def test_nor_what_it_sends_at_the_same_time(
    make_drafter: MakeDrafter, first: list[list[int]], second: list[int]
) -> None:
    (mine,) = _replays([second])
    assume(mine.tokens[: mine.prompt] not in first)
    with_others = drafts_for(make_drafter, _replays([second]), _replays(first[:2]), rows=3, settings=ISOLATED)
    assert with_others == drafts_for(make_drafter, _replays([second]), rows=3, settings=ISOLATED)


def test_a_shared_store_tells(make_drafter: MakeDrafter) -> None:
    first, _ = _secret_after_common(2)
    alone = drafts_for(make_drafter, _replays([first]), settings={})
    assert alone != drafts_for(make_drafter, _replays([first]), _replays([first]), settings={})
