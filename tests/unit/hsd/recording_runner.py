"""A runner that keeps what was drafted for one tenant's requests."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fake_runner import FakeRunner, Replay

from hola_plugins.hsd.drafter import HierarchicalDrafter

Draft = tuple[int, list[int]]
"""Length of the request, and the draft for it."""


class _Recorder:
    """Stands between a runner and its drafter.

    Args:
        drafter: The drafter.
        watched: Requests whose drafts are kept.
    """

    def __init__(self, drafter: HierarchicalDrafter, watched: Sequence[Replay]) -> None:
        self.runner: FakeRunner | None = None
        self.drafts: list[Draft] = []
        self.drafter = drafter
        self._watched = [id(replay) for replay in watched]

    def propose(self, sampled, lengths, buffer):
        drafts = self.drafter.propose(sampled, lengths, buffer)
        for replay, length, draft in zip(self.runner.rows, lengths, drafts, strict=False):
            if id(replay) in self._watched:
                self.drafts.append((int(length), list(draft)))
        return drafts


def drafts_for(
    make_drafter: Callable[..., HierarchicalDrafter],
    watched: Sequence[Replay],
    others: Sequence[Replay] = (),
    *,
    rows: int = 1,
    settings: dict[str, object],
) -> list[Draft]:
    """Serves others' requests and then the watched ones, ``rows`` at a time; gives every draft for the latter."""
    recorder = _Recorder(make_drafter(rows=rows, **settings), watched)
    recorder.runner = FakeRunner(recorder, rows, 512, 64, 8)
    recorder.runner.run([*others, *watched])
    assert recorder.drafter.snapshot()["errors"] == 0
    return recorder.drafts
