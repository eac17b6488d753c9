"""Small models of several families, and text for the embedded one."""

from __future__ import annotations

import inspect
import textwrap
from pathlib import Path
from typing import Any

import torch
import transformers

TARGET = Path(__file__).parents[2] / "models" / "target"
_LLAMA = {
    "vocab_size": 128,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": 0,
}
_PLAIN = {key: value for key, value in _LLAMA.items() if key != "head_dim"}
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("Llama", _LLAMA),
    "qwen2": ("Qwen2", _PLAIN),
    "qwen3": ("Qwen3", _LLAMA),
    "mistral": ("Mistral", _LLAMA),
    "gemma": ("Gemma", _LLAMA),
    "gemma2": ("Gemma2", _LLAMA | {"sliding_window": 32}),
    "gemma3": ("Gemma3", _LLAMA | {"sliding_window": 32}),
    "phi": ("Phi", {**_PLAIN, "num_key_value_heads": 4}),
    "phi3": ("Phi3", _PLAIN),
    "gpt2": ("GPT2", {"vocab_size": 128, "n_embd": 64, "n_layer": 3, "n_head": 4, "n_positions": 64}),
}
_CONFIGS = {"gemma3": "Gemma3TextConfig"}
_HEADS = {"gpt2": "GPT2LMHeadModel"}


def make(family: str, **changes: Any) -> Any:
    """Gives a model with random weights, float32, in evaluation mode."""
    name, settings = FAMILIES[family]
    torch.manual_seed(0)
    config = getattr(transformers, _CONFIGS.get(family, f"{name}Config"))(**settings | changes)
    model = getattr(transformers, _HEADS.get(family, f"{name}ForCausalLM"))(config)
    for weight in model.parameters():
        if weight.dim() == 2:
            torch.nn.init.normal_(weight, std=0.15)
    return model.eval()


def target() -> Any:
    """Gives the embedded target in float32."""
    return transformers.AutoModelForCausalLM.from_pretrained(TARGET, dtype=torch.float32).eval()


def target_rows(count: int = 8, length: int = 64) -> list[dict[str, torch.Tensor]]:
    """Gives rows of a library file's text for the embedded target."""
    ids = transformers.AutoTokenizer.from_pretrained(TARGET)(inspect.getsource(textwrap))["input_ids"]
    assert len(ids) >= count * length
    return [{"input_ids": torch.tensor(ids[place * length : (place + 1) * length])} for place in range(count)]


def random_rows(count: int = 6, length: int = 16) -> list[dict[str, torch.Tensor]]:
    """Gives rows of random ids of the small vocabulary."""
    torch.manual_seed(1)
    return [{"input_ids": torch.randint(1, 128, (length,))} for _ in range(count)]
