"""Teach a small model to copy what stands in its context, as larger ones do and toys do not.

First on sequences of tokens that come again, most of them random, where nothing helps but looking back (induction heads,
arXiv 2209.11895); the loss counts what comes again. Then on prompts with their responses, with some of the first kind
among them. Every twentieth prompt is kept out, and the share of its response's tokens that the model ranks first, given
those before, is reported by category.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.nn import functional
from transformers import AutoModelForCausalLM, AutoTokenizer

from json_lines import read_json_lines
from small_training import train_for

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "models"))
from recurring import IGNORED, Recurring

_EPILOG = """\
example:
  python tests/benchmarks/workloads.py --data data --out /tmp/mix --count 500 --seed 1 \\
      --categories copy,second_turn,story,maths --apart-from /tmp/prompts
  python tests/benchmarks/train_copier.py --model gsm-4m --out copier \\
      --prompts /tmp/mix/{copy,second_turn,story,maths}.jsonl

The last line of the output is one JSON object.
"""
_STEP_TOKENS = 4_000
_PROMPT_WEIGHT = 0.3
_KEPT_OUT = 20
_SHORTEST = 8

Row = tuple[list[int], list[float]]
"""Token ids, and what each weighs in the loss."""

Pair = tuple[list[int], list[int]]
"""Token ids of a prompt and of its response."""


class Stage(NamedTuple):
    """A part of the training.

    Attributes:
        minutes: Its share of the minutes.
        length: Tokens of a row.
        again: Share of rows that are sequences that come again; the others are prompts with responses.
    """

    minutes: float
    length: int
    again: float


_STAGES = (Stage(0.4, 160, 0.85), Stage(0.6, 448, 0.35))


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--model", type=Path, required=True, metavar="DIR", help="small model to go on from")
    add("--prompts", type=Path, nargs="+", required=True, metavar="FILE", help="prompts with responses")
    add("--out", type=Path, required=True, metavar="DIR", help="folder of the model")
    add("--minutes", type=float, default=10.0, help="minutes of training (default: 10)")
    add("--rate", type=float, default=0.5, help="factor on the learning rates (default: 0.5)")
    add("--seed", type=int, default=0, help="seed of what is drawn (default: 0)")
    return parser


class Again:
    """Rows in which stretches of tokens come again, parts of texts among them.

    Args:
        texts: Token ids of texts.
        vocabulary: Number of token ids.
        rng: What draws.
    """

    def __init__(self, texts: list[list[int]], vocabulary: int, rng: random.Random) -> None:
        self._texts, self._rng = texts, rng
        self._recurring = Recurring(self._part, 1, vocabulary, seed=rng.random())

    def row(self, length: int) -> Row:
        """Draws a row."""
        ids, labels = self._recurring.row(length)
        return ids, [float(label != IGNORED) for label in labels]

    def _part(self, length: int) -> list[int]:
        text = self._rng.choice(self._texts)
        start = self._rng.randrange(max(1, len(text) - length))
        return text[start : start + length]


class Tasks:
    """Prompts with their responses, one after the other.

    Args:
        pairs: Token ids of prompts and of responses.
        end: The token that ends a response.
        rng: What draws.
    """

    def __init__(self, pairs: list[Pair], end: int, rng: random.Random) -> None:
        self._pairs, self._end, self._rng = pairs, end, rng

    def row(self, length: int) -> Row:
        """Draws a row."""
        ids: list[int] = []
        weights: list[float] = []
        while len(ids) < length:
            prompt, response = self._rng.choice(self._pairs)
            ids += [*prompt, *response, self._end]
            weights += [_PROMPT_WEIGHT] * len(prompt) + [1.0] * (len(response) + 1)
        return ids[:length], weights[:length]


def weighted_loss(model: Any, rows: list[Row]) -> torch.Tensor:
    """Gives the cross-entropy of the tokens that weigh something; only their logits are computed."""
    ids = torch.tensor([row[0] for row in rows])
    weights = torch.tensor([row[1] for row in rows])[:, 1:]
    counted = weights > 0
    hidden = model.model(input_ids=ids[:, :-1], use_cache=False).last_hidden_state
    losses = functional.cross_entropy(model.lm_head(hidden[counted]), ids[:, 1:][counted], reduction="none")
    return (losses * weights[counted]).sum() / weights.sum()


@torch.no_grad()
def ranked_first(model: Any, pairs: list[Pair]) -> float:
    """Gives the share of responses' tokens that the model ranks first, given those before."""
    right = total = 0
    for prompt, response in pairs:
        ids = torch.tensor([prompt + response])
        guesses = model(input_ids=ids).logits[0, len(prompt) - 1 : -1].argmax(-1)
        right += int((guesses == ids[0, len(prompt) :]).sum())
        total += len(response)
    return right / max(1, total)


def main() -> None:
    """Trains, saves in bfloat16 and prints one JSON line."""
    args = build_parser().parse_args()
    rng = random.Random(args.seed)
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32).train()
    fitting: list[Pair] = []
    kept_out: dict[str, list[Pair]] = {}
    for file in args.prompts:
        for number, row in enumerate(read_json_lines(file)):
            pair = (tokenizer(row["prompt"])["input_ids"], tokenizer(row["response"])["input_ids"])
            (kept_out.setdefault(row["category"], []) if number % _KEPT_OUT == 0 else fitting).append(pair)
    again = Again([text for _, text in fitting if len(text) > _SHORTEST], len(tokenizer), rng)
    tasks = Tasks(fitting, tokenizer.eos_token_id, rng)

    def loss_in(stage: Stage) -> Callable[[], torch.Tensor]:
        def loss() -> torch.Tensor:
            rows = _STEP_TOKENS // stage.length
            makers = [again if rng.random() < stage.again else tasks for _ in range(rows)]
            return weighted_loss(model, [maker.row(stage.length) for maker in makers])

        return loss

    steps = 0
    for stage in _STAGES:
        steps += len(train_for(stage.minutes * args.minutes, model, loss_in(stage), args.rate))
    shares = {category: round(ranked_first(model, pairs), 3) for category, pairs in kept_out.items()}
    model.to(torch.bfloat16).save_pretrained(args.out)
    tokenizer.save_pretrained(args.out)
    print(json.dumps({"out": str(args.out), "steps": steps, "ranked_first": shares}))


if __name__ == "__main__":
    main()
