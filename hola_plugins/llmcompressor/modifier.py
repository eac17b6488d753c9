"""`LoBiModifier`: the stages of Lo-Bi in the order of llmcompressor's events. Importing this module registers it.

Everything that needs gradients or logits happens in `on_initialize`: llmcompressor's pipelines run without
both. The quantisation itself is left to llmcompressor's own modifiers, whose events are passed on.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from compressed_tensors.quantization import QuantizationScheme
from llmcompressor.core import Event, State
from llmcompressor.modifiers import Modifier
from llmcompressor.modifiers.factory import ModifierFactory
from llmcompressor.modifiers.gptq import GPTQModifier
from llmcompressor.modifiers.quantization import QuantizationModifier
from llmcompressor.transformers.compression.compressed_tensors_utils import _retie_embeddings
from pydantic import ConfigDict, ModelWrapValidatorHandler, PrivateAttr, ValidationError, model_validator

from hola_plugins.files.whole_file import check_replaceable
from hola_plugins.llmcompressor.other_modifiers import (
    check_first_quantiser,
    check_plan_is_attached,
    other_modifiers,
)
from hola_plugins.llmcompressor.planned_awq import PlannedAWQModifier, pinned_memory_only_for_accelerators
from hola_plugins.lobi.checkpoint_bytes import checkpoint_bytes
from hola_plugins.lobi.compression import Outcome, compress, with_adapter
from hola_plugins.lobi.config import LoBiConfig, LoBiError, refusal
from hola_plugins.lobi.divergence import measure
from hola_plugins.lobi.report import check_numbers, check_written, make_report
from hola_plugins.lobi.report_files import write_report
from hola_plugins.lobi.scheme import parse_scheme
from hola_plugins.lobi.stock_recipe import stock_modifiers
from hola_plugins.lobi.tunable import QuantisedLayer
from hola_plugins.lobi.tuning import tune

_CLASSES = {
    "GPTQModifier": GPTQModifier,
    "AWQModifier": PlannedAWQModifier,
    "QuantizationModifier": QuantizationModifier,
}
"""llmcompressor's modifiers that make plans, by their names in recipes."""


class LoBiModifier(Modifier, LoBiConfig):  # type: ignore[misc]
    """LoRA-guided pruning, recovery, and a bit width for every layer under one budget.

    Its keys are the fields of `hola_plugins.lobi.config.LoBiConfig`. After a run, ``plan`` and ``prune``
    hold what was decided, so that the saved recipe makes the same checkpoint again without searching, from the same
    calibration rows in the same order: `oneshot` draws a dataset's anew in every pass, whatever ``seed`` says, unless
    it is called with ``shuffle_calibration_samples=False``. A budget is that of the packed checkpoint, so not of one
    that `oneshot` saves with ``save_compressed=False``.
    """

    model_config = ConfigDict(extra="forbid", frozen=False)

    requires_calibration_data: bool = True

    _stages: list[Modifier] = PrivateAttr(default_factory=list)
    _outcome: Outcome | None = PrivateAttr(default=None)
    _report: dict[str, Any] = PrivateAttr(default_factory=dict)
    _planned: float = PrivateAttr(default=0.0)
    _others: list[Modifier] = PrivateAttr(default_factory=list)
    _unseen: bool = PrivateAttr(default=False)
    _attached: dict[str, QuantizationScheme] = PrivateAttr(default_factory=dict)
    _kept: Sequence[Any] | None = PrivateAttr(default=None)
    _report_file: Path | None = PrivateAttr(default=None)
    _adapter: Path | None = PrivateAttr(default=None)

    @model_validator(mode="wrap")
    @classmethod
    def _mistakes_are_named(cls, values: Any, check: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return check(values)
        except ValidationError as error:
            raise refusal(error, values, cls) from None

    def measure_on(self, rows: Sequence[Any]) -> Self:
        """Has held-out text be these rows, which the calibration data does not hold, in place of some that it holds.

        Args:
            rows: Mappings with input_ids and, if padded, attention_mask.
        """
        self._kept = rows
        return self

    def writing_to(self, report: Path, adapter: Path | None) -> Self:
        """Has the report and an adapter go elsewhere than ``report`` and ``lora.adapter`` say; both are kept as set.

        Args:
            report: The JSON file.
            adapter: The folder of the adapter, where one is to be kept; None leaves it where the settings have it.
        """
        self._report_file, self._adapter = report, adapter
        return self

    def on_initialize(self, state: State, **kwargs: Any) -> bool:
        """Cuts, recovers and plans; then prepares llmcompressor's modifiers for that plan."""
        model = state.model
        if (file := self._place_of_report()) is not None:
            check_replaceable(file)
        check_first_quantiser(model)
        _retie_embeddings(model)
        config = LoBiConfig.model_validate(self.model_dump(include=set(LoBiConfig.model_fields)))
        writing = config if self._adapter is None else with_adapter(config, self._adapter)
        outcome = compress(model, state.data.calib, writing, self._kept)
        self.prune = outcome.prune
        if outcome.cut is not None:
            _forget_origin(model)
            _renumber_norms(model, outcome.structure.layers, outcome.kept_layers)
        if outcome.allocation is not None:
            self.plan = outcome.allocation.best.plan.layers(outcome.allocation.budget.groups)
        plan = self.plan or {}
        self._outcome = outcome
        self._others = other_modifiers(self)
        others = [type(one).__name__ for one in self._others]
        self._report = make_report(
            model, config, outcome, plan, others, curve=self._place_of_report() is not None
        )
        self._stages = [
            _CLASSES[name](**keys) for name, keys in stock_modifiers(self.quantizer, plan).items()
        ]
        self.requires_calibration_data = any(stage.requires_calibration_data for stage in self._stages)
        for stage in self._stages:
            stage.initialize(state, **kwargs)
        layers = [layer for names in plan.values() for layer in names]
        self._attached = {layer: model.get_submodule(layer).quantization_scheme for layer in layers}
        self._planned = time.perf_counter()
        return True

    def on_calibration_start(self, state: State, event: Event, **kwargs: Any) -> None:
        """Refuses a recipe that undoes the plan, then passes the event on."""
        if self.plan is not None:
            check_plan_is_attached(state.model, self._attached)
        if self._attached and self.requires_calibration_data:
            self._unseen = True
            self.register_hook(state.model.get_submodule(next(iter(self._attached))), self._see, "forward")
        for stage in self._stages:
            stage.on_calibration_start(state, event, **kwargs)

    def on_sequential_epoch_end(self, state: State, event: Event, modules: Any, **kwargs: Any) -> None:
        """Passes the event on."""
        with pinned_memory_only_for_accelerators():
            for stage in self._stages:
                stage.on_sequential_epoch_end(state, event, modules=modules, **kwargs)

    def _see(self, *_: Any) -> None:
        """Notes that calibration data has come to a layer."""
        self._unseen = False

    def on_calibration_end(self, state: State, event: Event, **kwargs: Any) -> None:
        """Refuses a pipeline that has shown no data to a quantiser that needs it; else passes the event on."""
        self.remove_hooks()
        if self._unseen:
            raise LoBiError(
                f"{self.quantizer} has seen no calibration data: oneshot's pipeline must be sequential, basic or "
                "independent, not datafree; or take quantizer: rtn"
            )
        for stage in self._stages:
            stage.on_calibration_end(state, event, **kwargs)
            stage.ended_ = True

    def on_finalize(self, state: State, **kwargs: Any) -> bool:
        """Ends llmcompressor's modifiers, measures the quantised model and writes the report.

        llmcompressor calls it for a run that was broken off too, before the next one: of that there is no report.
        """
        vars(state.model).pop("set_submodule", None)
        for stage in self._stages:
            stage.finalize(state, **kwargs)
        if self._outcome is not None and self.ended_:
            if self._stages:
                self._report["seconds"]["quantisation"] = time.perf_counter() - self._planned
            self._tune(state.model, self._outcome)
            self._measure(state.model, self._outcome)
            if self.plan is not None:
                self._check_size(state.model, self.plan)
            if (file := self._place_of_report()) is not None:
                write_report(file, self._report)
            self._outcome = None
        return True

    def _place_of_report(self) -> Path | None:
        """Gives the file that receives the report; None for none."""
        if self._report_file is not None or self.report is None:
            return self._report_file
        return Path(self.report)

    def _measure(self, model: Any, outcome: Outcome) -> None:
        """Measures the model as the whole recipe has left it."""
        found = measure(model, outcome.text.held_out, outcome.original)
        seen = self._kept is None and any(one.requires_calibration_data for one in [self, *self._others])
        self._report["measured"] = {"kl": found.kl, "perplexity": found.perplexity, "seen": seen}
        check_numbers(self._report)

    def _check_size(self, model: Any, plan: Mapping[str, Sequence[str]]) -> None:
        """Predicts the size of the model as the whole recipe has left it, and holds it against a budget in bytes."""
        _retie_embeddings(model)
        schemes = {layer: parse_scheme(name) for name, layers in plan.items() for layer in layers}
        size = checkpoint_bytes(model, schemes)
        if self.target_bits is None:
            check_written(self._report, size)
        self._report["predicted"]["bytes"] = size

    def _tune(self, model: Any, outcome: Outcome) -> None:
        """Trains what costs no byte, and notes what that did."""
        if not outcome.fitting or not self.plan or not self.tune.steps:
            return
        began = time.perf_counter()
        layers = {
            name: QuantisedLayer(model.get_submodule(name), parse_scheme(scheme))
            for scheme, names in self.plan.items()
            for name in names
        }
        text, path = outcome.text, outcome.structure.layers
        found = tune(model, layers, path, text, outcome.fitting, outcome.original, self.tune, self.seed)
        self._report["tuning"] = asdict(found)
        self._report["seconds"]["tuning"] = time.perf_counter() - began


def _forget_origin(model: Any) -> None:
    """Keeps llmcompressor from saving the uncut config.json, which it copies from where the model came."""
    model.config._name_or_path = ""  # noqa: SLF001


def _renumber_norms(model: Any, layers: str, kept: list[int]) -> None:
    """Lets llmcompressor put norms back in a model with fewer layers.

    It replaces those of Gemma for the time of a run, and puts them back under the names they had: here these get
    the new numbers of their layers, and those of layers that went are dropped.
    """
    put_back = model.set_submodule

    def renumbered(name: str, module: Any) -> None:
        number, _, rest = name.removeprefix(f"{layers}.").partition(".")
        if not name.startswith(f"{layers}."):
            put_back(name, module)
        elif int(number) in kept:
            put_back(f"{layers}.{kept.index(int(number))}.{rest}", module)

    model.set_submodule = renumbered


ModifierFactory.register("LoBiModifier", LoBiModifier)
