"""Products of bfloat16 tensors in float32: on a CPU without AVX-512 that is many times faster, and as exact."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

_PRODUCTS = {
    functional.linear,
    torch.matmul,
    torch.bmm,
    torch.addmm,
    torch.Tensor.matmul,
    torch.Tensor.__matmul__,
    functional.scaled_dot_product_attention,
}


class Float32Products(TorchFunctionMode):
    """While it is entered, products on the CPU are computed in float32 and rounded once, to what they were."""

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Runs a function of torch."""
        named = kwargs or {}
        if function not in _PRODUCTS or not (args and _is_half_on_cpu(args[0])):
            return function(*args, **named)
        wide = function(*map(_widened, args), **{name: _widened(value) for name, value in named.items()})
        return wide.to(args[0].dtype)


def _is_half_on_cpu(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.dtype == torch.bfloat16 and value.device.type == "cpu"


def _widened(value: Any) -> Any:
    return value.float() if _is_half_on_cpu(value) else value
