"""The methods under comparison: what each asks of vLLM, and whether it can run here."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

METHODS = ("none", "empty", "ngram", "suffix", "draft_model", "hsd", "hsd_intermediate", "hsd_other")

_ARCTIC = (
    "arctic-inference is not installed. Install it with: pip install cmake ninja nanobind grpcio-tools setuptools wheel "
    '&& nanobind_ROOT="$(python -m nanobind --cmake_dir)" '
    "pip install --no-build-isolation --no-deps arctic-inference"
)


@dataclass(frozen=True, slots=True)
class EngineSetup:
    """What every engine of a run has in common.

    Attributes:
        model: Target model folder.
        draft: Draft model folder of the `draft_model` and `hsd_intermediate` methods.
        max_model_len: Context length, in tokens.
        max_num_seqs: Most requests in flight.
        kv_bytes: Size of each engine's KV cache, in bytes.
        eager: Whether compilation is off.
        dtype: "bfloat16" or "float32".
        hsd: Settings of the `hsd` and `hsd_intermediate` methods.
        hsd_other: Settings of the `hsd_other` method.
        async_scheduling: Whether `none` may schedule asynchronously; None leaves it to vLLM.
    """

    model: str
    draft: str | None
    max_model_len: int
    max_num_seqs: int
    kv_bytes: int
    eager: bool
    dtype: str
    hsd: dict[str, Any] | None
    hsd_other: dict[str, Any] | None = None
    async_scheduling: bool | None = None


def speculative_config(method: str, tokens: int, draft: str | None) -> dict[str, Any] | None:
    """vLLM's `speculative_config` of a method.

    Args:
        method: One of `METHODS`.
        tokens: `num_speculative_tokens`.
        draft: Draft model folder.
    """
    if method == "none":
        return None
    if method == "empty" or method.startswith("hsd"):
        proposer = "empty_proposer.EmptyProposer" if method == "empty" else "hola_plugins.vllm.HSDProposer"
        return {"method": "custom_class", "model": proposer, "num_speculative_tokens": tokens}
    if method == "draft_model":
        return {"method": method, "model": draft, "num_speculative_tokens": tokens}
    if method == "ngram":
        return {
            "method": method,
            "num_speculative_tokens": tokens,
            "prompt_lookup_min": 2,
            "prompt_lookup_max": 4,
        }
    return {"method": method, "num_speculative_tokens": tokens}


def engine_arguments(method: str, tokens: int, setup: EngineSetup) -> dict[str, Any]:
    """Keyword arguments of `vllm.LLM` for a method.

    Prefix caching is off, so that a prompt costs the same whenever it comes; vLLM's statistics are on, because the
    acceptance figures are read from them.
    """
    arguments: dict[str, Any] = {
        "model": setup.model,
        "dtype": setup.dtype,
        "max_model_len": setup.max_model_len,
        "max_num_seqs": setup.max_num_seqs,
        "kv_cache_memory_bytes": setup.kv_bytes,
        "enable_prefix_caching": False,
        "enforce_eager": setup.eager,
        "disable_log_stats": False,
        "seed": 0,
    }
    speculative = speculative_config(method, tokens, setup.draft)
    if speculative is not None:
        arguments["speculative_config"] = speculative
    if method == "none" and setup.async_scheduling is not None:
        arguments["async_scheduling"] = setup.async_scheduling
    if method.startswith("hsd"):
        arguments["additional_config"] = {"hola": {"hsd": _hsd_settings(method, setup)}}
    return arguments


def _hsd_settings(method: str, setup: EngineSetup) -> dict[str, Any]:
    """Settings of HSD; the intermediate level runs the draft model."""
    settings = dict((setup.hsd_other if method == "hsd_other" else setup.hsd) or {})
    if method == "hsd_intermediate":
        settings["intermediate"] = {**settings.get("intermediate", {}), "model": setup.draft}
    return settings


def why_not(method: str, setup: EngineSetup) -> str | None:
    """Why a method cannot run here, with the remedy; None if it can."""
    if method == "suffix" and importlib.util.find_spec("arctic_inference") is None:
        return _ARCTIC
    if method == "hsd_other" and setup.hsd_other is None:
        return "no other settings: pass --hsd-other JSON"
    draft = setup.draft
    needs_draft = method in ("draft_model", "hsd_intermediate")
    if needs_draft and draft is None:
        return "no draft model: pass --draft DIR, a model with the target's tokenizer"
    if needs_draft and not (Path(draft or "") / "config.json").is_file():
        return f"--draft must be a model folder with a config.json, got {draft}"
    return None


def parse_tokens(value: str) -> dict[str, int]:
    """Read `--num-speculative-tokens`: "4", or "4,hsd=8,suffix=16" to set some methods apart.

    Returns:
        Draft length of every method.

    Raises:
        ValueError: If a part is not a count in 1..128 or names no method.
    """
    lengths = dict.fromkeys(METHODS, 4)
    for part in value.split(","):
        name, _, number = part.rpartition("=")
        if not number.isdigit() or not 1 <= int(number) <= 128:
            raise ValueError(f"a draft length must be in 1..128, got {part!r}")
        if name and name not in METHODS:
            raise ValueError(f"unknown method {name!r}, allowed: {', '.join(METHODS)}")
        for method in [name] if name else METHODS:
            lengths[method] = int(number)
    return lengths
