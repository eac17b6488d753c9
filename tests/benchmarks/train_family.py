"""Train a small language model of another family from nothing, for measuring compression beyond Llama.

It is a weak model, but its weights are trained ones: random weights say nothing about compression.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from compression_text import read_documents
from small_training import train_for

_EPILOG = """\
example:
  python tests/benchmarks/train_family.py --family qwen3 --tokenizer tests/models/target --text gsm8k/train.jsonl \\
      --out /tmp/qwen3-4m --minutes 5

With an --out that exists training goes on from there. --start saves most of the time: a Qwen3 that starts from a
trained Llama has but its norms of queries and keys to learn (lower --rate then, say 0.2). The last line of the output is one JSON object.
"""
_SHAPE = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "max_position_embeddings",
    "rms_norm_eps",
    "rope_parameters",
    "tie_word_embeddings",
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
)


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--family", default="qwen3", help="model type of transformers with a gated MLP (default: qwen3)")
    add("--tokenizer", type=Path, required=True, metavar="DIR", help="folder with a tokenizer")
    add("--start", type=Path, metavar="DIR", help="Llama model whose shape and weights to start from")
    add("--text", type=Path, required=True, metavar="FILE", help="text, as bench_compression.py reads it")
    add("--out", type=Path, required=True, metavar="DIR", help="folder of the model")
    add("--minutes", type=float, default=5.0, help="minutes of training (default: 5)")
    add("--hidden", type=int, default=256, help="hidden size, a multiple of 128 (default: 256)")
    add("--layers", type=int, default=4, help="layers (default: 4)")
    add("--rows", type=int, default=16, help="rows of a step (default: 16)")
    add("--length", type=int, default=256, help="tokens of a row (default: 256)")
    add("--rate", type=float, default=1.0, help="factor on the learning rates (default: 1)")
    add("--seed", type=int, default=0, help="seed of weights and order (default: 0)")
    return parser


def new_model(family: str, hidden: int, layers: int, tokenizer: Any) -> Any:
    """Makes an untrained model with heads of 64, two queries to a key, and tied embeddings."""
    config = AutoConfig.for_model(
        family,
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=3 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=hidden // 64,
        num_key_value_heads=hidden // 128,
        head_dim=64,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return AutoModelForCausalLM.from_config(config)


def turned_into(family: str, folder: Path) -> Any:
    """Makes a model of a family from one of the same shape: shared weights are taken, what is new starts as it is."""
    known = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    config = AutoConfig.for_model(family, **{name: getattr(known.config, name) for name in _SHAPE})
    model = AutoModelForCausalLM.from_config(config)
    model.load_state_dict(known.state_dict(), strict=False)
    return model


def main() -> None:
    """Trains, saves in bfloat16 and prints one JSON line."""
    args = build_parser().parse_args()
    torch.manual_seed(args.seed)
    tokenizer = AutoTokenizer.from_pretrained(args.tokenizer)
    end = tokenizer.eos_token_id
    ids = torch.tensor(
        [id_ for text in read_documents(args.text) for id_ in [*tokenizer(text)["input_ids"], end]]
    )
    if (args.out / "config.json").is_file():
        model = AutoModelForCausalLM.from_pretrained(args.out, dtype=torch.float32)
    elif args.start:
        model = turned_into(args.family, args.start)
    else:
        model = new_model(args.family, args.hidden, args.layers, tokenizer).float()
    draw = torch.Generator().manual_seed(args.seed)
    model.train()

    def loss() -> torch.Tensor:
        starts = torch.randint(len(ids) - args.length, (args.rows,), generator=draw)
        batch = torch.stack([ids[start : start + args.length] for start in starts.tolist()])
        logits = model(input_ids=batch, use_cache=False).logits[:, :-1]
        return functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), batch[:, 1:].reshape(-1))

    losses = train_for(args.minutes, model, loss, args.rate)
    model.to(torch.bfloat16).save_pretrained(args.out)
    tokenizer.save_pretrained(args.out)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    last = round(sum(losses[-10:]) / len(losses[-10:]), 4)
    print(json.dumps({"out": str(args.out), "parameters": parameters, "steps": len(losses), "loss": last}))


if __name__ == "__main__":
    main()
