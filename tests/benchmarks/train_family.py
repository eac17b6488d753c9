"""Train a small language model of another family from nothing, for measuring compression beyond Llama.

It is a weak model, but its weights are trained ones: random weights say nothing about compression.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional
from tqdm import tqdm
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from compression_products import Float32Products
from compression_text import read_documents

_EPILOG = """\
example:
  python tests/benchmarks/train_family.py --family qwen3 --tokenizer tests/models/target --text gsm8k/train.jsonl \\
      --out /tmp/qwen3-4m --minutes 5

With an --out that exists training goes on from there. --start saves most of the time: a Qwen3 that starts from a
trained Llama has but its norms of queries and keys to learn (lower --rate then, say 0.2). The last line of the output is one JSON object.
"""
_PEAK = {"muon": 0.02, "adam": 0.004}
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
_WARM_UP, _COOL_DOWN = 0.02, 0.5


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


def train(model: Any, ids: torch.Tensor, args: argparse.Namespace) -> tuple[int, float]:
    """Trains in place: Muon for the matrices of the layers, AdamW for the rest.

    Args:
        model: The model, in float32.
        ids: The text, int64[tokens].
        args: Options of the command line.

    Returns:
        Steps taken, and the mean loss of the last ten.
    """
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "layers" in name]
    others = [p for name, p in model.named_parameters() if not (p.ndim == 2 and "layers" in name)]
    optimisers = {
        "muon": torch.optim.Muon(matrices, lr=_PEAK["muon"], weight_decay=0.02),
        "adam": torch.optim.AdamW(others, lr=_PEAK["adam"], betas=(0.9, 0.95), weight_decay=0.0),
    }
    draw = torch.Generator().manual_seed(args.seed)
    began = time.monotonic()
    losses: list[float] = []
    with tqdm(total=100, unit="%", bar_format="{l_bar}{bar}| {elapsed}<{remaining} {postfix}") as bar:
        while (spent := (time.monotonic() - began) / (60 * args.minutes)) < 1:
            starts = torch.randint(len(ids) - args.length, (args.rows,), generator=draw)
            batch = torch.stack([ids[start : start + args.length] for start in starts.tolist()])
            for name, optimiser in optimisers.items():
                share = min(1.0, spent / _WARM_UP + 0.01, (1 - spent) / _COOL_DOWN)
                optimiser.param_groups[0]["lr"] = args.rate * _PEAK[name] * share
            losses.append(_step(model, batch, list(optimisers.values())))
            bar.n = round(100 * spent, 1)
            bar.set_postfix_str(f"step {len(losses)}, loss {losses[-1]:.3f}")
    return len(losses), sum(losses[-10:]) / len(losses[-10:])


def _step(model: Any, batch: torch.Tensor, optimisers: list[torch.optim.Optimizer]) -> float:
    logits = model(input_ids=batch, use_cache=False).logits[:, :-1]
    loss = functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), batch[:, 1:].reshape(-1))
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimiser in optimisers:
        with Float32Products():  # Muon multiplies in bfloat16
            optimiser.step()
        optimiser.zero_grad(set_to_none=True)
    return float(loss.detach())


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
    steps, loss = train(model.train(), ids, args)
    model.to(torch.bfloat16).save_pretrained(args.out)
    tokenizer.save_pretrained(args.out)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    print(
        json.dumps({"out": str(args.out), "parameters": parameters, "steps": steps, "loss": round(loss, 4)})
    )


if __name__ == "__main__":
    main()
