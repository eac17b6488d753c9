"""Train the default target and draft models from nothing: tokenizer first, then the target, then the draft.

Run it with no options to get the two folders beside this file; `--help` explains the choices.
"""

import argparse
import itertools
from pathlib import Path

import torch
from tokenizers import Tokenizer

import checkpoints
import corpus
import measure
import training

HERE = Path(__file__).parent
NAMES = ("target", "draft")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add(
        "--out",
        type=Path,
        default=HERE,
        help="folder that receives target/ and draft/ (default: beside this file)",
    )
    add("--only", choices=NAMES, help="train this model alone and keep the tokenizer already in --out")
    add("--minutes", type=float, help="minutes of training for each model (default: 40 target, 10 draft)")
    add(
        "--steps",
        type=int,
        default=20_000,
        help="optimiser steps at most; the first limit reached ends a run",
    )
    add("--batch-tokens", type=int, help="tokens in one step (default: 6144 on a CPU, 65536 on a GPU)")
    add("--device", default="auto", help="auto, cpu or cuda; auto takes the GPU if there is one, in bfloat16")
    add(
        "--from-text",
        action="store_true",
        help="train the draft on text alone, not on the target's distribution",
    )
    add("--eager", action="store_true", help="do not compile first: needs no C++ compiler, a third slower")
    add("--seed", type=int, default=0, help="seed of the weights and of the order of the text (default: 0)")
    return parser.parse_args()


def _tokenizer(out: Path, only: str | None, sources: corpus.Sources) -> Tokenizer:
    kept = [out / name for name in NAMES if (out / name / "tokenizer.json").is_file()]
    if only and kept:
        return checkpoints.load_tokenizer(kept[0])
    texts = (
        itertools.islice(corpus.stream(kind, sources, seed=1), round(4_000 * share))
        for kind, share in corpus.MIX.items()
    )
    return checkpoints.train_tokenizer(itertools.chain.from_iterable(texts))


def _train(
    name: str,
    options: argparse.Namespace,
    sources: corpus.Sources,
    tokenizer: Tokenizer,
    device: torch.device,
) -> None:
    torch.manual_seed(options.seed)
    model = checkpoints.new_model(name).to(device)
    teacher = (
        checkpoints.load(options.out / "target", device)
        if name == "draft" and not options.from_text
        else None
    )
    minutes = options.minutes or {"target": 40.0, "draft": 10.0}[name]
    tokens = options.batch_tokens or (65_536 if device.type == "cuda" else 6_144)
    packer = training.Packer(sources, tokenizer, seed=options.seed)
    steps = training.train(
        model,
        packer,
        training.Budget(options.steps, minutes, tokens),
        teacher=teacher,
        compiled=not options.eager,
        save=lambda: checkpoints.save(model, tokenizer, options.out / name),
    )
    checkpoints.save(model, tokenizer, options.out / name)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    print(f"{name}: {parameters:,} parameters, {steps:,} steps of {tokens:,} tokens, in {options.out / name}")


def main() -> None:
    """Train what was asked for and print how well it does on held-out text."""
    options = _arguments()
    found = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(found if options.device == "auto" else options.device)
    sources = corpus.read_sources(held_out=False)
    tokenizer = _tokenizer(options.out, options.only, sources)
    for name in [options.only] if options.only else NAMES:
        _train(name, options, sources, tokenizer, device)
    measure.print_report(options.out, device)


if __name__ == "__main__":
    main()
