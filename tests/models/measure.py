"""Measure the saved models on held-out text: loss, agreement of the draft with the target, copying."""

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm
from transformers import LlamaForCausalLM

import checkpoints
import corpus
import training

ROWS, LENGTH = 16, 1_024
COPIED_TOKENS = 60
COPY_PROMPTS = 16


@dataclass(frozen=True, slots=True)
class Score:
    """What was measured on one kind of text.

    Attributes:
        losses: Mean cross-entropy in nats a token, one for each model.
        agreement: Share of positions at which both models' likeliest token is the same; nan with one model.
    """

    losses: tuple[float, ...]
    agreement: float


def score(
    kind: str, sources: corpus.Sources, tokenizer: Tokenizer, models: Sequence[LlamaForCausalLM]
) -> Score:
    """Run one or two models over held-out text of one kind."""
    losses, same = torch.zeros(len(models)), 0.0
    for row in training.rows_of(kind, sources, tokenizer, rows=ROWS, length=LENGTH):
        ids = row.to(models[0].device)
        with torch.inference_mode():
            logits = [model(input_ids=ids).logits[0, :-1].float() for model in models]
        losses += torch.tensor([float(functional.cross_entropy(part, ids[0, 1:])) for part in logits])
        same += float((logits[0].argmax(-1) == logits[-1].argmax(-1)).float().mean())
    agreement = same / ROWS if len(models) > 1 else math.nan
    return Score(tuple((losses / ROWS).tolist()), agreement)


def greedy(model: LlamaForCausalLM, ids: Sequence[int], tokens: int) -> list[int]:
    """Return `tokens` token ids, always the likeliest next one but never the end of text."""
    prompt = torch.tensor([list(ids)], device=model.device)
    out = model.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        do_sample=False,
        min_new_tokens=tokens,
        max_new_tokens=tokens,
    )
    if not isinstance(out, Tensor):
        raise TypeError(f"generate must return token ids, got {type(out).__name__}")
    return [int(token) for token in out[0, prompt.shape[1] :]]


def copying_share(model: LlamaForCausalLM, tokenizer: Tokenizer, passages: Sequence[str]) -> float:
    """Return the share of the first `COPIED_TOKENS` tokens repeated in place when asked to copy, greedily."""
    right = 0
    for passage in passages:
        asked = tokenizer.encode(f"Text: {passage}\nCopy:").ids
        wanted = tokenizer.encode(" " + passage).ids[:COPIED_TOKENS]
        right += sum(a == b for a, b in zip(greedy(model, asked, COPIED_TOKENS), wanted, strict=True))
    return right / (COPIED_TOKENS * len(passages))


def followed_share(model: LlamaForCausalLM, tokenizer: Tokenizer, passages: Sequence[str]) -> float:
    """Return the share of the same tokens that the model ranks first, given those before: copying once begun."""
    right = 0
    for passage in passages:
        asked = tokenizer.encode(f"Text: {passage}\nCopy:").ids
        wanted = tokenizer.encode(" " + passage).ids[:COPIED_TOKENS]
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([asked + wanted], device=model.device)).logits[0]
        first = logits[len(asked) - 1 : -1].argmax(-1).tolist()
        right += sum(a == b for a, b in zip(first, wanted, strict=True))
    return right / (COPIED_TOKENS * len(passages))


def own_agreement(
    target: LlamaForCausalLM, draft: LlamaForCausalLM, prompts: Sequence[Sequence[int]], tokens: int = 64
) -> float:
    """Return the share of the target's greedy tokens that the draft chooses in the same context."""
    same = 0.0
    for prompt in prompts:
        written = [*prompt, *greedy(target, prompt, tokens)]
        with torch.inference_mode():
            logits = draft(input_ids=torch.tensor([written], device=draft.device)).logits[0]
        logits = logits[len(prompt) - 1 : -1]
        same += float((logits.argmax(-1).cpu() == torch.tensor(written[len(prompt) :])).float().mean())
    return same / len(prompts)


def print_report(out: Path, device: torch.device) -> None:
    """Print the whole report on whichever of the two models `out` holds."""
    names = [name for name in checkpoints.SHAPES if (out / name / "model.safetensors").is_file()]
    models = [checkpoints.load(out / name, device) for name in names]
    tokenizer = checkpoints.load_tokenizer(out / names[0])
    sources = corpus.read_sources(held_out=True)
    print(
        "held-out   "
        + "  ".join(f"{name:>6} loss  perplexity" for name in names)
        + "  agreement on text  on the target's own"
    )
    for kind in tqdm(corpus.KINDS, desc="measuring", leave=False):
        result = score(kind, sources, tokenizer, models)
        cells = "  ".join(f"{loss:11.3f}  {math.exp(loss):10.2f}" for loss in result.losses)
        prompts = [
            row[0, :256].tolist() for row in training.rows_of(kind, sources, tokenizer, rows=12, length=320)
        ]
        own = own_agreement(models[0], models[-1], prompts) if len(models) > 1 else math.nan
        tqdm.write(f"{kind:<10} {cells}  {result.agreement:17.3f}  {own:19.3f}")
    long = [text for text in sources.paragraphs if len(tokenizer.encode(text).ids) >= COPIED_TOKENS]
    for name, model in zip(names, models, strict=True):
        passages = long[:COPY_PROMPTS]
        share = copying_share(model, tokenizer, passages)
        followed = followed_share(model, tokenizer, passages)
        print(
            f"{name}: {share:.1%} of {COPIED_TOKENS} tokens of unseen passages copied in place, "
            f"{followed:.1%} ranked first given those before"
        )


def main() -> None:
    """Parse the options and print the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent, help="folder that holds target/ and draft/"
    )
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    options = parser.parse_args()
    print_report(options.out, torch.device(options.device))


if __name__ == "__main__":
    main()
