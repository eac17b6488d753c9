"""Times one matrix product of a linear layer as vLLM does it on this CPU: bfloat16, float32, 8 bits and 4 bits.

Why a compressed model is faster or slower than the original in vLLM: on a CPU it is these products that count.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import time
from collections.abc import Callable, Sequence

import torch
from vllm import _custom_ops as ops
from vllm.model_executor.layers.quantization.utils.quant_utils import pack_quantized_values_into_int32
from vllm.platforms import current_platform
from vllm.scalar_type import scalar_types

from hola_plugins.cpu import cpu_flags

Product = Callable[[], object]

_ROUNDS = 7
_SECONDS = 0.2


def main() -> int:
    """Prints a table, then one JSON line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="example: LD_PRELOAD=$(hola preload) python tests/benchmarks/bench_products.py --sizes 1024x1024,4096x4096",
    )
    parser.add_argument(
        "--sizes", default="1024x1024,4096x4096", help="outputs x inputs (default: %(default)s)"
    )
    parser.add_argument("--tokens", default="1,9,32", help="tokens multiplied at once (default: %(default)s)")
    parser.add_argument(
        "--copies",
        type=int,
        default=1,
        help="matrices multiplied in turn; so many that no cache holds them cost as in a large model (default: 1)",
    )
    parser.add_argument("--threads", type=int, default=2, help="default: %(default)s")
    asked = parser.parse_args()
    if torch.cpu._is_amx_tile_supported():
        parser.error(
            "this CPU has AMX, where vLLM multiplies 8 and 4 bits by other kernels than those timed here"
        )
    torch.set_num_threads(asked.threads)
    current_platform.import_kernels()
    found = {}
    for size in asked.sizes.split(","):
        outputs, inputs = (int(part) for part in size.split("x"))
        for tokens in (int(part) for part in asked.tokens.split(",")):
            row = measure(outputs, inputs, tokens, asked.copies)
            found[f"{size}, {tokens} tokens"] = row
            print(f"{size}, {tokens} tokens:", ", ".join(f"{name} {us:.0f} us" for name, us in row.items()))
    print(json.dumps({"microseconds": found, "threads": asked.threads, "torch": torch.__version__}))
    return 0


def measure(outputs: int, inputs: int, tokens: int, copies: int) -> dict[str, float]:
    """Gives microseconds of a product by type, medians of interleaved rounds.

    Args:
        outputs: Rows of the weights.
        inputs: Columns of the weights.
        tokens: Rows of the activations.
        copies: Matrices that take turns.
    """
    rows = torch.randn(tokens, inputs)
    kinds = {"bfloat16": _in_bfloat16, "float32": _in_float32, "8 bits": _in_8_bits}
    if "avx512f" in cpu_flags():
        kinds["4 bits"] = _in_4_bits
    times: dict[str, list[float]] = {}
    products = {name: [make(outputs, rows) for _ in range(copies)] for name, make in kinds.items()}
    for _ in range(_ROUNDS):
        for name, some in products.items():
            times.setdefault(name, []).append(_microseconds(some))
    return {name: round(statistics.median(some), 1) for name, some in times.items()}


def _in_bfloat16(outputs: int, rows: torch.Tensor) -> Product:
    weights, rows = torch.randn(outputs, rows.shape[1]).bfloat16(), rows.bfloat16()
    return lambda: torch.nn.functional.linear(rows, weights)


def _in_float32(outputs: int, rows: torch.Tensor) -> Product:
    weights = torch.randn(outputs, rows.shape[1])
    return lambda: torch.nn.functional.linear(rows, weights)


def _in_8_bits(outputs: int, rows: torch.Tensor) -> Product:
    """W8A8: activations are rounded by token, oneDNN multiplies."""
    rows = rows.bfloat16()
    weights = torch.randint(-127, 128, (outputs, rows.shape[1]), dtype=torch.int8)
    handler = ops.create_onednn_scaled_mm(
        weights.t(), torch.rand(1, outputs) + 0.5, torch.bfloat16, True, False, 32
    )

    def product() -> None:
        rounded, scales, zero = ops.onednn_scaled_int8_quant(rows, None, None, True)
        out = torch.empty(len(rows), outputs, dtype=torch.bfloat16)
        ops.onednn_scaled_mm(handler, rounded, out, scales, zero, None, None)

    return product


def _in_4_bits(outputs: int, rows: torch.Tensor) -> Product:
    """W4A16 in groups of 128: vLLM's own kernel, laid out as its `CPUWNA16LinearKernel` does."""
    rows = rows.bfloat16()
    inputs = rows.shape[1]
    levels = torch.randint(0, 16, (inputs, outputs), dtype=torch.int32)
    packed = pack_quantized_values_into_int32(levels, scalar_types.uint4b8, 1)
    packed = packed.view(inputs, -1, 2).permute(1, 0, 2).reshape(-1, inputs * 2).contiguous()
    scales = torch.rand(inputs // 128, outputs).bfloat16()
    return lambda: ops.cpu_gemm_wna16(rows, packed, scales, None, None, 8, "vec")


def _microseconds(products: Sequence[Product]) -> float:
    """Gives the mean time of a call, of products that take turns."""
    turns = itertools.cycle(products)
    for _ in products:
        next(turns)()
    calls, started = 0, time.perf_counter()
    while (spent := time.perf_counter() - started) < _SECONDS / _ROUNDS:
        next(turns)()
        calls += 1
    return 1e6 * spent / max(calls, 1)


if __name__ == "__main__":
    raise SystemExit(main())
