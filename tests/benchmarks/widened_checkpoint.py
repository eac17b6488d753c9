"""Make a checkpoint bigger without changing what it says.

Two additions that add exactly zero to the residual stream: layers, copied from those that exist, whose `o_proj` and
`down_proj` are zero; and FFN neurons whose columns in `down_proj` are zero. The engine cannot know and computes them.
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

_LAYER = re.compile(r"^(.*layers)\.(\d+)\.(.+)$")
_OUTPUTS = ("self_attn.o_proj.", "mlp.down_proj.")
_EXTRAS = (
    "tokenizer*",
    "special_tokens_map.json",
    "generation_config.json",
    "vocab.*",
    "merges.txt",
    "chat_template*",
)

Tensors = dict[str, torch.Tensor]


class UnknownArchitectureError(ValueError):
    """The checkpoint does not have the layer names of the Llama family."""


@dataclass(frozen=True, slots=True)
class Size:
    """Depth and FFN width of a checkpoint.

    Attributes:
        layers: Number of layers.
        width: FFN width, `intermediate_size`.
    """

    layers: int
    width: int


def read_config(folder: Path) -> dict[str, Any]:
    """Read `config.json` of a checkpoint folder."""
    path = folder / "config.json"
    if not path.is_file():
        raise FileNotFoundError(f"the model must be a local folder with a config.json, got {folder}")
    config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return config


def size_of(config: dict[str, Any]) -> Size:
    """Depth and FFN width of a configuration."""
    return Size(int(config["num_hidden_layers"]), int(config["intermediate_size"]))


def layer_parameters(config: dict[str, Any], width: int) -> int:
    """Weights of one layer at an FFN width, norms left out."""
    hidden, heads = int(config["hidden_size"]), int(config["num_attention_heads"])
    head = int(config.get("head_dim") or hidden // heads)
    kv = int(config.get("num_key_value_heads") or heads)
    return hidden * head * 2 * (heads + kv) + 3 * hidden * width


def size_for(config: dict[str, Any], parameters: int, deepen: int) -> Size:
    """Depth and width at which the layers hold `parameters` weights.

    Args:
        config: The checkpoint's configuration.
        parameters: Weights wanted in the layers; fewer than there are leaves the checkpoint as it is.
        deepen: Factor on the number of layers.

    Returns:
        The size, its width a multiple of 128 and no less than the checkpoint's.
    """
    now = size_of(config)
    layers = now.layers * deepen
    if parameters <= now.layers * layer_parameters(config, now.width):
        return now
    fixed = layer_parameters(config, 0)
    width = (parameters // layers - fixed) // (3 * int(config["hidden_size"]))
    return Size(layers, max(now.width, -(-width // 128) * 128))


def widened_tensors(tensors: Tensors, config: dict[str, Any], size: Size, seed: int = 0) -> Tensors:
    """Add layers and FFN neurons that contribute zero.

    Args:
        tensors: The checkpoint's weights.
        config: Its configuration.
        size: Depth and width wanted, neither less than the checkpoint's.
        seed: Seed of the random weights in front of the zero columns.

    Returns:
        New weights, bfloat16.

    Raises:
        UnknownArchitectureError: If there is no `layers.N.mlp.down_proj.weight`.
    """
    old = size_of(config)
    if not any(name.endswith("layers.0.mlp.down_proj.weight") for name in tensors):
        raise UnknownArchitectureError(
            "the weights must have Llama's names (model.layers.N.mlp.down_proj.weight): widen another model"
        )
    generator = torch.Generator().manual_seed(seed)
    wide = {name: _widened(name, value, size.width, generator) for name, value in tensors.items()}
    for name, value in list(wide.items()):
        found = _LAYER.match(name)
        if found is None:
            continue
        for index in range(old.layers + int(found[2]), size.layers, old.layers):
            empty = found[3].startswith(_OUTPUTS)
            wide[f"{found[1]}.{index}.{found[3]}"] = torch.zeros_like(value) if empty else value.clone()
    return wide


def _widened(name: str, value: torch.Tensor, width: int, generator: torch.Generator) -> torch.Tensor:
    value = value.to(torch.bfloat16)
    if ".mlp.down_proj.weight" in name:
        zeros = torch.zeros(value.shape[0], width - value.shape[1], dtype=torch.bfloat16)
        return torch.cat([value, zeros], dim=1)
    if ".mlp.gate_proj." in name or ".mlp.up_proj." in name:
        shape = (width - value.shape[0], *value.shape[1:])
        noise = torch.randn(shape, generator=generator) * 0.02
        return torch.cat([value, noise.to(torch.bfloat16)], dim=0)
    return value.contiguous()


def widened_config(config: dict[str, Any], size: Size) -> dict[str, Any]:
    """The configuration of the widened checkpoint."""
    changed = dict(config)
    changed.pop("torch_dtype", None)
    changed.update(num_hidden_layers=size.layers, intermediate_size=size.width, dtype="bfloat16")
    if isinstance(types := config.get("layer_types"), list):
        changed["layer_types"] = (types * -(-size.layers // len(types)))[: size.layers]
    return changed


def write_widened(source: Path, target: Path, size: Size) -> None:
    """Write a widened copy of a checkpoint, tokenizer included.

    Args:
        source: Folder of the checkpoint, with `*.safetensors`.
        target: Folder to write; replaced if it exists.
        size: Depth and width wanted.
    """
    config = read_config(source)
    files = sorted(source.glob("*.safetensors"))
    if not files:
        raise FileNotFoundError(f"{source} holds no *.safetensors")
    tensors: Tensors = {}
    for file in files:
        tensors.update(load_file(file))
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for pattern in _EXTRAS:
        for file in source.glob(pattern):
            shutil.copyfile(file, target / file.name)
    wide = widened_tensors(tensors, config, size)
    save_file(wide, target / "model.safetensors", metadata={"format": "pt"})
    text = json.dumps(widened_config(config, size), indent=2)
    (target / "config.json").write_text(text + "\n", encoding="utf-8")
