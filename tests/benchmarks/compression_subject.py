"""A model under test: its structure, its sizes, its text, and the plans that people write for it by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import torch

from compression_host import Layers, load, load_tokenizer
from compression_measure import Ruler
from compression_text import Corpus
from hola_plugins.lobi.checkpoint_bytes import Layout
from hola_plugins.lobi.guard import largest_that_fit
from hola_plugins.lobi.plan import Plan, hand_made_plans
from hola_plugins.lobi.quantisation_plan import allowed_schemes, quantisable_groups
from hola_plugins.lobi.scheme import UNQUANTISED
from hola_plugins.lobi.structure import read_structure

_IGNORED = ["lm_head"]
_RULES = ("first layers", "last layers", "mlp_out")
_HIGH = "W8A8"


class Subject:
    """A model with its text.

    Args:
        folder: Folder of the model.
        corpus: Its text.
        rows: Rows of calibration text.
        evaluation_rows: Rows of evaluation text.
        length: Tokens of a row.
        device: Device whose kernels decide which shapes a scheme fits.
    """

    def __init__(
        self, folder: Path, corpus: Corpus, rows: int, evaluation_rows: int, length: int, device: str
    ) -> None:
        self.folder, self.name = folder, folder.name
        self.setting = (
            f"{corpus.calibration.name} {rows}x{length}, {corpus.evaluation.name} {evaluation_rows}x{length}"
        )
        self._corpus, self._rows, self._length = corpus, rows, length
        self._evaluation_rows, self.device = evaluation_rows, device
        self.model, self.tokenizer = load(folder), load_tokenizer(folder)
        self.groups = quantisable_groups(self.model, read_structure(self.model), _IGNORED)
        self.layout = Layout(self.model)
        self.original_bytes = self.layout.size({})

    def calibration(self, seed: int) -> torch.Tensor:
        """Gives the calibration text of a seed, int64[rows, length]."""
        return self._corpus.calibration_rows(self.tokenizer, self._rows, self._length, seed)

    @cached_property
    def ruler(self) -> Ruler:
        """What checkpoints are measured with."""
        text = self._corpus.evaluation_rows(self.tokenizer, self._evaluation_rows, self._length)
        return Ruler(self.folder, text)

    def ceiling(self, budget: float) -> int:
        """Gives the bytes of a budget in percent of the original's."""
        return int(budget / 100 * self.original_bytes)

    def size(self, plan: Plan) -> int:
        """Gives the bytes of the checkpoint of a plan."""
        return self.layout.size(plan.by_layer(self.groups))

    def layers(self, plan: Plan) -> Layers:
        """Gives the quantised layers of each scheme of a plan."""
        return plan.layers(self.groups)

    def uniform(self, schemes: Sequence[str]) -> Iterator[Plan]:
        """Yields the plans of one scheme for all layers."""
        for family in self._families(schemes):
            if family[0].is_uniform:
                yield family[0]

    def mixtures(self, schemes: Sequence[str], budgets: Sequence[float]) -> Iterator[Plan]:
        """Yields the hand-made mixtures: W8A8 in the first layers, the last, or every down_proj.

        Args:
            schemes: What the other layers may have.
            budgets: Percents; of each rule the largest that fits one is worth making.
        """
        families = [
            family
            for family in self._families([*(name for name in schemes if name != _HIGH), _HIGH])
            if family[0].origin.startswith(_RULES) and f" {_HIGH}," in family[0].origin
        ]
        found: dict[str, Plan] = {}
        for ceiling in map(self.ceiling, budgets):
            fitting = largest_that_fit(
                families, self.size, lambda plan, most=ceiling: self.size(plan) <= most
            )
            for plan, size in fitting:
                found.setdefault(f"{plan.origin} {size}", plan)
        yield from found.values()

    def _families(self, schemes: Sequence[str]) -> Iterator[list[Plan]]:
        names = [*schemes, UNQUANTISED]
        allowed = allowed_schemes(self.model, self.layout, self.groups, names, self.device)
        return hand_made_plans(self.groups, allowed, list(schemes))

    def count(self, plan: Plan) -> int:
        """Gives in how many groups a plan has W8A8."""
        return sum(name == _HIGH for name in plan.schemes.values())
