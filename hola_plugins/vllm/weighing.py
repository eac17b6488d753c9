"""What a model's weights take where vLLM does not say, which is on a CPU: the growth of the heap while it loads.

    --worker-extension-cls hola_plugins.vllm.weighing.WeighedLoading --load-format hola_weighed

Parameters do not tell there: vLLM's kernels keep packed copies inside oneDNN and empty the parameters.
"""

from __future__ import annotations

import gc
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vllm.model_executor.model_loader import register_model_loader
from vllm.model_executor.model_loader.default_loader import DefaultModelLoader

from hola_plugins.vllm.heap import heap_bytes
from hola_plugins.vllm.weight_log import log_weights

if TYPE_CHECKING:
    from torch import nn

LOAD_FORMAT = "hola_weighed"

logger = logging.getLogger(__name__)

_weights: list[int] = []


class WeighedLoading:
    """Named as the worker's extension, it has the worker import this module and so know the load format."""

    def hola_weight_bytes(self) -> int:
        """Gives the bytes of all models that this worker's process loaded so, packed copies included."""
        return sum(_weights)


@register_model_loader(LOAD_FORMAT)
class WeighingLoader(DefaultModelLoader):
    """vLLM's loader, with a scale under it; one line of the log says what each model weighs."""

    def __init__(self, load_config: Any) -> None:
        super().__init__(replace(load_config, load_format="auto"))

    def load_model(self, *args: Any, **kwargs: Any) -> nn.Module:
        """Loads a model and notes its weight; without a scale it loads all the same."""
        try:
            before = heap_bytes()
        except OSError as error:
            logger.warning("the weights are not weighed: %s", error)
            return super().load_model(*args, **kwargs)
        model = super().load_model(*args, **kwargs)
        gc.collect()
        _weights.append(heap_bytes() - before)
        log_weights(_weights[-1])
        return model
