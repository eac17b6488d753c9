"""Make a small trained target cost what a real one costs, without changing its output.

A drafter is judged against the time the target needs for a step. A 4-million-parameter target needs so little that no
draft can pay; random weights of a realistic size write noise that nothing predicts. So the trained model is kept and
weights are added that compute, but contribute exactly zero (see `widened_checkpoint.py`): layers, which also cost
attention and KV cache, and FFN width. How much is found by measuring vLLM's decode step on this machine.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from engine_pool import Pool, WorkerError, worker_environment
from hola_plugins.doctor.preload import preload_value
from widened_checkpoint import Size, read_config, size_for, size_of, write_widened

_EPILOG = """\
examples:
  python tests/benchmarks/widen.py --model models/small --widen 15
  python tests/benchmarks/widen.py --model models/small --widen 15 --out /tmp/wide --check

The result is kept in --out (default: a folder under the user's cache, keyed by model and milliseconds) and reused.
A busy machine makes a step look longer and the result come out too small: run it on a quiet one.
In bfloat16 more width changes the order of sums, so logits may differ by a rounding step; layers alone are exact.
"""
_STEP_ENGINE: dict[str, Any] = {
    "dtype": "bfloat16",
    "max_model_len": 256,
    "max_num_seqs": 1,
    "kv_cache_memory_bytes": 256 << 20,
    "enforce_eager": True,
    "enable_prefix_caching": False,
    "disable_log_stats": False,
}


def cache_folder(model: Path, milliseconds: float, deepen: int) -> Path:
    """Folder of a widened model, keyed by its weights' size and date, the milliseconds and the depth."""
    stats = [(f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in sorted(model.glob("*.safetensors"))]
    key = hashlib.sha256(repr((str(model.resolve()), stats, milliseconds, deepen)).encode()).hexdigest()[:12]
    root = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return root / "hola_plugins" / "widened" / f"{model.name}-{milliseconds:g}ms-{key}"


def step_milliseconds(model: Path) -> float:
    """Decode step of vLLM at batch 1, in milliseconds: the fastest tenth of the best of six runs: noise only adds."""
    cpus = sorted(os.sched_getaffinity(0))
    with Pool() as pool:
        worker = pool.start(
            "widen", {"model": str(model), **_STEP_ENGINE}, worker_environment(cpus, preload_value())
        )
        prompt = [list(range(10, 74))]
        worker.run(prompt, 16, 1)
        return 1_000 * min(float(worker.run(prompt, 48, 1)["step_p10_s"]) for _ in range(6))


def widen(model: Path, milliseconds: float, out: Path | None = None, deepen: int = 3) -> Path:
    """Return a widened copy of a model whose decode step takes at least some milliseconds, made if not cached.

    Args:
        model: Checkpoint folder, Llama family, safetensors.
        milliseconds: Least time of one decode step at batch 1.
        out: Folder of the copy; None means the cache.
        deepen: Factor on the number of layers; the rest is FFN width.

    Raises:
        RuntimeError: If no attempt reaches the time.
    """
    target = out or cache_folder(model, milliseconds, deepen)
    note = target / "widened.json"
    wanted = {"model": str(model.resolve()), "milliseconds": milliseconds, "deepen": deepen}
    if note.is_file() and wanted.items() <= json.loads(note.read_text()).items():
        return target
    draft = target.with_name(f"{target.name}.part")
    try:
        size, tried = calibrate(model, draft, milliseconds, deepen)
        write_widened(model, draft, size)
        text = json.dumps({**wanted, "layers": size.layers, "width": size.width, "tried": tried}, indent=2)
        (draft / note.name).write_text(text + "\n")
        shutil.rmtree(target, ignore_errors=True)
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return target


def calibrate(
    model: Path, scratch: Path, milliseconds: float, deepen: int
) -> tuple[Size, list[dict[str, float]]]:
    """Find the least size whose step takes at least some milliseconds, to about a quarter.

    Args:
        model: Checkpoint folder.
        scratch: Folder to write attempts to.
        milliseconds: Least time of a step.
        deepen: Factor on the number of layers.

    Returns:
        The size and all attempts.

    Raises:
        RuntimeError: If no attempt reaches the time.
    """
    config = read_config(model)
    parameters, tried, best = 40_000_000, [], None
    for _ in range(6):
        size = size_for(config, parameters, deepen)
        write_widened(model, scratch, size)
        took = step_milliseconds(scratch)
        tried.append({"layers": size.layers, "width": size.width, "step_ms": round(took, 2)})
        print(f"widen: {tried[-1]}", file=sys.stderr)
        if took >= milliseconds and (best is None or size.width < best.width):
            best = size
        if milliseconds <= took <= 1.25 * milliseconds or (best and size.width <= size_of(config).width):
            break
        parameters = int(parameters * min(4.0, max(0.4, 1.1 * milliseconds / took)))
    if best is None:
        raise RuntimeError(f"a step still takes under {milliseconds} ms after {tried}: lower --widen")
    return best, tried


def difference(model: Path, wide: Path) -> dict[str, Any]:
    """Compare the logits of two checkpoints with transformers, in bfloat16.

    Returns:
        Largest absolute difference, whether all are bit-identical, and how often the arg-max agrees.
    """
    import torch
    from transformers import AutoModelForCausalLM

    ids = torch.randint(
        0, int(read_config(model)["vocab_size"]), (4, 128), generator=torch.Generator().manual_seed(0)
    )
    logits = []
    for folder in (model, wide):
        network = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).eval()
        with torch.inference_mode():
            logits.append(network(ids).logits.float())
    gap = (logits[0] - logits[1]).abs()
    agree = (logits[0].argmax(-1) == logits[1].argmax(-1)).float().mean()
    return {
        "max_abs_difference": gap.max().item(),
        "logit_scale": logits[0].abs().max().item(),
        "bit_identical": bool((gap == 0).all()),
        "argmax_agreement": agree.item(),
    }


def main(argv: list[str] | None = None) -> int:
    """Make the copy, check it if asked, print one JSON line; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--model", type=Path, required=True, help="checkpoint folder (Llama family, safetensors)"
    )
    parser.add_argument(
        "--widen", type=float, required=True, metavar="MS", help="least milliseconds a decode step"
    )
    parser.add_argument("--out", type=Path, help="folder of the copy (default: in the user's cache)")
    parser.add_argument(
        "--deepen", type=int, default=3, help="factor on the layers; the rest is width (default: 3)"
    )
    parser.add_argument(
        "--check", action="store_true", help="compare logits with the original in transformers"
    )
    args = parser.parse_args(argv)
    if args.widen <= 0 or args.deepen < 1:
        parser.error(f"--widen must be > 0 and --deepen >= 1, got {args.widen} and {args.deepen}")
    try:
        target = widen(args.model, args.widen, args.out, args.deepen)
    except (OSError, ValueError, RuntimeError, WorkerError) as error:
        print(f"widen: {error}", file=sys.stderr)
        return 2
    result: dict[str, Any] = {"model": str(target), **json.loads((target / "widened.json").read_text())}
    if args.check:
        result["check"] = difference(args.model, target)
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
