"""Times one matrix product of a linear layer as vLLM does it on this CPU: bfloat16, float32, and 8 bits by oneDNN.

Why a compressed model is faster or slower than the original in vLLM: on a CPU it is these products that count.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch
from vllm import _custom_ops as ops
from vllm.platforms import current_platform

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
    parser.add_argument("--threads", type=int, default=2, help="default: %(default)s")
    asked = parser.parse_args()
    if torch.cpu._is_amx_tile_supported():
        parser.error("this CPU has AMX, where vLLM multiplies 8 bits by another kernel than oneDNN's")
    torch.set_num_threads(asked.threads)
    current_platform.import_kernels()
    found = {}
    for size in asked.sizes.split(","):
        outputs, inputs = (int(part) for part in size.split("x"))
        for tokens in (int(part) for part in asked.tokens.split(",")):
            row = measure(outputs, inputs, tokens)
            found[f"{size}, {tokens} tokens"] = row
            print(f"{size}, {tokens} tokens:", ", ".join(f"{name} {us:.0f} us" for name, us in row.items()))
    print(json.dumps({"microseconds": found, "threads": asked.threads, "torch": torch.__version__}))
    return 0


def measure(outputs: int, inputs: int, tokens: int) -> dict[str, float]:
    """Gives microseconds of a product by type, medians of interleaved rounds.

    Args:
        outputs: Rows of the weights.
        inputs: Columns of the weights.
        tokens: Rows of the activations.
    """
    weights, rows = torch.randn(outputs, inputs), torch.randn(tokens, inputs)
    half, half_rows = weights.bfloat16(), rows.bfloat16()
    steps = torch.rand(1, outputs) + 0.5
    whole = torch.randint(-127, 128, (outputs, inputs), dtype=torch.int8)
    handler = ops.create_onednn_scaled_mm(whole.t(), steps, torch.bfloat16, True, False, 32)

    def in_8_bits() -> None:
        scaled, scales, zero = ops.onednn_scaled_int8_quant(half_rows, None, None, True)
        out = torch.empty(tokens, outputs, dtype=torch.bfloat16)
        ops.onednn_scaled_mm(handler, scaled, out, scales, zero, None, None)

    products: dict[str, Callable[[], object]] = {
        "bfloat16": lambda: torch.nn.functional.linear(half_rows, half),
        "float32": lambda: torch.nn.functional.linear(rows, weights),
        "8 bits": in_8_bits,
    }
    times: dict[str, list[float]] = {name: [] for name in products}
    for _ in range(_ROUNDS):
        for name, product in products.items():
            times[name].append(_microseconds(product))
    return {name: round(statistics.median(some), 1) for name, some in times.items()}


def _microseconds(product: Callable[[], object]) -> float:
    """Gives the mean time of a call."""
    product()
    calls, started = 0, time.perf_counter()
    while (spent := time.perf_counter() - started) < _SECONDS / _ROUNDS:
        product()
        calls += 1
    return 1e6 * spent / max(calls, 1)


if __name__ == "__main__":
    raise SystemExit(main())
