"""A Llama-shaped checkpoint of random weights, of any size, written layer by layer so that making it needs no memory."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import LlamaConfig

ROOT = Path(__file__).parents[2]
HIDDEN, INTERMEDIATE, HEADS, KV_HEADS = 1024, 2816, 16, 4


def make_checkpoint(folder: Path, size: int) -> int:
    """Writes at least so many bytes in bfloat16, one file a layer, with the tokenizer of the test models.

    Returns:
        The bytes of the weights.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(ROOT / "tests/models/target" / file, folder)
    vocabulary = json.loads((ROOT / "tests/models/target/config.json").read_text())["vocab_size"]
    outer = {
        "model.embed_tokens.weight": (vocabulary, HIDDEN),
        "model.norm.weight": (HIDDEN,),
        "lm_head.weight": (vocabulary, HIDDEN),
    }
    layer = _layer()
    a_layer = 2 * sum(torch.Size(shape).numel() for shape in layer.values())
    layers = -(-size // a_layer)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=HIDDEN,
        intermediate_size=INTERMEDIATE,
        num_hidden_layers=layers,
        num_attention_heads=HEADS,
        num_key_value_heads=KV_HEADS,
        tie_word_embeddings=False,
        dtype="bfloat16",
        architectures=["LlamaForCausalLM"],
    )
    config.save_pretrained(folder)
    parts = [outer] + [
        {f"model.layers.{n}.{name}": shape for name, shape in layer.items()} for n in range(layers)
    ]
    torch.manual_seed(0)
    where: dict[str, str] = {}
    total = 0
    for number, part in enumerate(parts, 1):
        file = f"model-{number:05}-of-{len(parts):05}.safetensors"
        tensors = {name: _random(name, shape, layers) for name, shape in part.items()}
        save_file(tensors, folder / file, metadata={"format": "pt"})
        where |= dict.fromkeys(tensors, file)
        total += sum(tensor.nbytes for tensor in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": where}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return total


def _layer() -> dict[str, tuple[int, ...]]:
    """Gives the shapes of one decoder layer."""
    head = HIDDEN // HEADS
    return {
        "self_attn.q_proj.weight": (HIDDEN, HIDDEN),
        "self_attn.k_proj.weight": (KV_HEADS * head, HIDDEN),
        "self_attn.v_proj.weight": (KV_HEADS * head, HIDDEN),
        "self_attn.o_proj.weight": (HIDDEN, HIDDEN),
        "mlp.gate_proj.weight": (INTERMEDIATE, HIDDEN),
        "mlp.up_proj.weight": (INTERMEDIATE, HIDDEN),
        "mlp.down_proj.weight": (HIDDEN, INTERMEDIATE),
        "input_layernorm.weight": (HIDDEN,),
        "post_attention_layernorm.weight": (HIDDEN,),
    }


def _random(name: str, shape: tuple[int, ...], layers: int) -> torch.Tensor:
    """Draws a weight as models are initialised: the residual branches smaller the deeper the model."""
    if len(shape) == 1:
        return torch.ones(shape, dtype=torch.bfloat16)
    spread = 0.02 / (2 * layers) ** 0.5 if name.endswith(("o_proj.weight", "down_proj.weight")) else 0.02
    return (torch.randn(shape) * spread).to(torch.bfloat16)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, required=True, help="of its weights")
    parser.add_argument("--out", type=Path, required=True, help="its folder, which is replaced")
    asked = parser.parse_args()
    print(f"{make_checkpoint(asked.out, int(asked.gigabytes * 1e9))} bytes in {asked.out}")
