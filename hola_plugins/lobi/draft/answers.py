"""What the target says to prompts, greedily: the text that a draft has to guess."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from transformers import GenerationConfig

from hola_plugins.lobi.calibration import Batch
from hola_plugins.lobi.config import LoBiError
from hola_plugins.lobi.progress import track

Item = TypeVar("Item")

_TOKENS_AT_A_TIME = 16384
"""Tokens of all prompts and answers of a batch: bounds the key-value cache."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A prompt with the target's own continuation.

    Attributes:
        ids: Token ids of both; an end-of-sequence token is the last, where the target wrote one.
        prompt: Tokens of the prompt.
    """

    ids: list[int]
    prompt: int


@dataclass(frozen=True, slots=True)
class AnswerBatch:
    """Answers as rows, padded at their ends.

    Attributes:
        text: The rows.
        drafted: Where the next token is one that a draft guesses, bool[rows, length - 1]: the answer but its
            first token, which the target gives when it reads the prompt.
    """

    text: Batch
    drafted: torch.Tensor


def answer_prompts(
    model: Any,
    prompts: Sequence[Sequence[int]],
    most: int,
    keep: Callable[[list[Answer]], None] = lambda _: None,
) -> list[Answer]:
    """Has the target continue prompts with its likeliest tokens.

    Args:
        model: A causal language model of transformers.
        prompts: Token ids, at least one each.
        most: Longest answer in tokens.
        keep: Is given the answers of each batch when they are there.

    Returns:
        The answers in the order of the prompts.

    Raises:
        LoBiError: If the context of the model is too short for prompt and answer.
    """
    longest = max(len(prompt) for prompt in prompts) + most
    context = getattr(model.config.get_text_config(), "max_position_embeddings", None) or longest
    if longest > context:
        raise LoBiError(
            f"prompts of up to {longest - most} tokens with answers of {most} do not fit the context of {context} "
            "tokens: lower --prompt-tokens or --answer-tokens"
        )
    places = range(len(prompts))
    batches = _filled(places, lambda one: len(prompts[one]) + most, len(prompts), _TOKENS_AT_A_TIME)
    found: dict[int, Answer] = {}
    for batch in track(batches, "the target answers", len(batches)):
        answers = _continue(model, [list(prompts[one]) for one in batch], most)
        keep(answers)
        found.update(zip(batch, answers, strict=True))
    return [found[one] for one in places]


def batch_answers(answers: Sequence[Answer], rows: int, tokens: int) -> list[AnswerBatch]:
    """Stacks answers of similar length.

    Args:
        answers: At least one.
        rows: Most rows of a batch.
        tokens: Most tokens of a batch, padding included; one row is always taken.
    """
    return [_stack(batch) for batch in _filled(answers, lambda one: len(one.ids), rows, tokens)]


def _filled(items: Iterable[Item], length: Callable[[Item], int], rows: int, tokens: int) -> list[list[Item]]:
    """Groups items of similar length, at most so many, or of so many tokens with padding; one always fits."""
    batches: list[list[Item]] = [[]]
    for item in sorted(items, key=length):
        count = len(batches[-1]) + 1
        if batches[-1] and (count > rows or count * length(item) > tokens):
            batches.append([])
        batches[-1].append(item)
    return [batch for batch in batches if batch]


def _continue(model: Any, prompts: list[list[int]], most: int) -> list[Answer]:
    """Generates the answers of one batch, with prompts padded at their beginnings."""
    ends = end_tokens(model)
    width = max(len(prompt) for prompt in prompts)
    pad = min(ends, default=0)
    ids = torch.tensor([[pad] * (width - len(prompt)) + prompt for prompt in prompts])
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    greedy = GenerationConfig(
        do_sample=False, max_new_tokens=most, pad_token_id=pad, eos_token_id=sorted(ends) or None
    )
    with torch.no_grad(), _own_settings_aside(model):
        out = model.generate(
            ids.to(model.device), attention_mask=mask.to(model.device), generation_config=greedy
        )
    return [
        Answer(prompt + _up_to_end(row, ends), len(prompt))
        for prompt, row in zip(prompts, out[:, width:].tolist(), strict=True)
    ]


@contextmanager
def _own_settings_aside(model: Any) -> Iterator[None]:
    """Takes the model's own settings of generation away, with which transformers fills whatever a call leaves open."""
    own = model.generation_config
    model.generation_config = GenerationConfig()
    try:
        yield
    finally:
        model.generation_config = own


def end_tokens(model: Any) -> set[int]:
    """Gives the tokens that end an answer."""
    ends = getattr(model.generation_config, "eos_token_id", None)
    if ends is None:
        ends = model.config.get_text_config().eos_token_id
    return set(ends) if isinstance(ends, list) else {ends} - {None}


def _up_to_end(tokens: list[int], ends: set[int]) -> list[int]:
    """Cuts tokens after the first that ends the answer."""
    place = next((place for place, token in enumerate(tokens) if token in ends), len(tokens))
    return tokens[: place + 1]


def _stack(answers: Sequence[Answer]) -> AnswerBatch:
    """Pads answers at their ends and notes which tokens are drafted."""
    width = max(len(answer.ids) for answer in answers)
    ids = torch.tensor([answer.ids + [0] * (width - len(answer.ids)) for answer in answers])
    place = torch.arange(width)
    length = torch.tensor([len(answer.ids) for answer in answers])[:, None]
    prompt = torch.tensor([answer.prompt for answer in answers])[:, None]
    text = Batch(ids, (place < length).long())
    return AnswerBatch(text, ((place > prompt) & (place < length))[:, 1:])
