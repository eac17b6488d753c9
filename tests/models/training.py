"""The training loop: batches packed from streams of text, Muon and AdamW, a budget in steps or minutes."""

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm
from transformers import LlamaForCausalLM

import corpus
from checkpoints import END_ID, VOCABULARY
from recurring import IGNORED, Recurring

WARM_UP, COOL_DOWN = 0.02, 0.40
"""Shares of the budget in which the learning rate rises, and falls to zero; between them it is constant."""

STAGES = ((0.12, "recurring", 128), (0.55, "text", 512), (0.90, "text", 1_024), (1.01, "text", 2_048))
"""Up to which share of the budget rows are of what, and of how many tokens; long rows come last."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How long to train; whichever limit comes first ends it.

    Attributes:
        steps: Optimiser steps.
        minutes: Minutes of wall clock.
        batch_tokens: Tokens in one step.
    """

    steps: int
    minutes: float
    batch_tokens: int

    def spent(self, step: int, started: float) -> float:
        """Return the share of the budget used after `step` steps, 0 to 1."""
        return min(1.0, max(step / self.steps, (time.monotonic() - started) / (60 * self.minutes)))


class Packer:
    """Fills rows of any length with documents of all kinds, end to end, in the shares of `corpus.MIX`."""

    def __init__(self, sources: corpus.Sources, tokenizer: Tokenizer, seed: int) -> None:
        self._tokenizer = tokenizer
        self._streams = {kind: corpus.stream(kind, sources, seed) for kind in corpus.KINDS}
        self._given = dict.fromkeys(corpus.KINDS, 0)
        self._rest: list[int] = []

    def batch(self, rows: int, length: int) -> tuple[Tensor, Tensor]:
        """Return token ids, [rows, length], and the same as labels."""
        ids = torch.tensor(self.take(rows * length)).view(rows, length)
        return ids, ids

    def take(self, tokens: int) -> list[int]:
        """Return the next token ids."""
        while len(self._rest) < tokens:
            kind = min(corpus.KINDS, key=lambda name: self._given[name] / corpus.MIX[name])
            ids = [*self._tokenizer.encode(next(self._streams[kind])).ids, END_ID]
            self._given[kind] += len(ids)
            self._rest.extend(ids)
        taken, self._rest = self._rest[:tokens], self._rest[tokens:]
        return taken


def learning_rate_share(spent: float) -> float:
    """Return the factor on the peak learning rate: a short rise, a plateau, a straight fall to zero."""
    return min(1.0, spent / WARM_UP + 0.01, (1.0 - spent) / COOL_DOWN)


def optimizers(model: LlamaForCausalLM, muon_rate: float, adam_rate: float) -> list[torch.optim.Optimizer]:
    """Return Muon for the matrices of the layers and AdamW for the embedding and the norms."""
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    others = [p for name, p in model.named_parameters() if p.ndim != 2 or "embed" in name]
    muon = torch.optim.Muon(matrices, lr=muon_rate, weight_decay=0.02, momentum=0.95)
    adam = torch.optim.AdamW(others, lr=adam_rate, betas=(0.9, 0.95), weight_decay=0.0)
    return [muon, adam]


def train(
    model: LlamaForCausalLM,
    packer: Packer,
    budget: Budget,
    *,
    teacher: LlamaForCausalLM | None = None,
    muon_rate: float = 0.02,
    adam_rate: float = 0.004,
    compiled: bool = True,
    save: Callable[[], None] = lambda: None,
    save_minutes: float = 4.0,
) -> int:
    """Train a model in place.

    Args:
        model: The model; its device decides where training runs.
        packer: Source of text.
        budget: When to stop, and the size of a step.
        teacher: A model whose next-token distribution is learned besides the text (distillation); None
            learns the text alone.
        muon_rate: Peak learning rate of the matrices.
        adam_rate: Peak learning rate of the embedding and the norms.
        compiled: Compile the model first, once for each row length; needs a C++ compiler.
        save: Called every `save_minutes` while training.
        save_minutes: Minutes between two saves.

    Returns:
        How many steps were taken.
    """
    device = next(model.parameters()).device
    model.train()
    chosen = optimizers(model, muon_rate, adam_rate)
    peaks = [optimizer.param_groups[0]["lr"] for optimizer in chosen]
    started = saved = time.monotonic()
    sources: dict[str, Packer | Recurring] = {
        "recurring": Recurring(packer.take, END_ID + 1, VOCABULARY, seed=0),
        "text": packer,
    }
    run = torch.compile(model, dynamic=False) if compiled else model
    progress = tqdm(
        total=100, unit="%", bar_format="{l_bar}{bar}| {elapsed}<{remaining} {postfix}", mininterval=10
    )
    for step in itertools.count():
        spent = budget.spent(step, started)
        if spent >= 1.0:
            progress.close()
            return step
        source, length = next((source, length) for share, source, length in STAGES if spent < share)
        ids, labels = sources[source].batch(max(1, budget.batch_tokens // length), length)
        for optimizer, peak in zip(chosen, peaks, strict=True):
            optimizer.param_groups[0]["lr"] = peak * learning_rate_share(spent)
        loss = _step(run, teacher, ids.to(device), labels.to(device), chosen)
        progress.n = round(100 * spent, 1)
        progress.set_postfix_str(f"step {step}, loss {loss:.3f}, {source} in rows of {length}", refresh=False)
        progress.update(0)
        if time.monotonic() - saved > 60 * save_minutes:
            save()
            saved = time.monotonic()
    raise AssertionError("unreachable: the loop above ends by returning")


def _step(
    model: LlamaForCausalLM,
    teacher: LlamaForCausalLM | None,
    ids: Tensor,
    labels: Tensor,
    chosen: list[torch.optim.Optimizer],
) -> float:
    on_cuda = ids.device.type == "cuda"  # on a CPU float32 is the faster one at these sizes
    with torch.autocast(ids.device.type, dtype=torch.bfloat16, enabled=on_cuda):
        logits = model(input_ids=ids, use_cache=False).logits
    loss = text_loss = _text_loss(logits, labels)
    if teacher is not None:
        with torch.no_grad(), torch.autocast(ids.device.type, dtype=torch.bfloat16, enabled=on_cuda):
            wanted = teacher(input_ids=ids, use_cache=False).logits
        loss = 0.2 * text_loss + 0.8 * _teacher_loss(logits, wanted)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimizer in chosen:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return float(text_loss.detach())


def _text_loss(logits: Tensor, labels: Tensor) -> Tensor:
    return functional.cross_entropy(
        logits[:, :-1].reshape(-1, VOCABULARY).float(), labels[:, 1:].reshape(-1), ignore_index=IGNORED
    )


def _teacher_loss(logits: Tensor, wanted: Tensor) -> Tensor:
    """Cross-entropy against the teacher's distribution; its gradient is that of the KL divergence."""
    return functional.cross_entropy(
        logits.reshape(-1, VOCABULARY).float(), wanted.reshape(-1, VOCABULARY).float().softmax(-1)
    )


def rows_of(
    kind: str, sources: corpus.Sources, tokenizer: Tokenizer, *, rows: int, length: int
) -> Iterator[Tensor]:
    """Yield `rows` tensors of shape [1, length], packed from one kind of text by a fixed seed."""
    rest: list[int] = []
    texts = corpus.stream(kind, sources, seed=-1)
    for _ in range(rows):
        while len(rest) < length:
            rest.extend([*tokenizer.encode(next(texts)).ids, END_ID])
        yield torch.tensor(rest[:length])[None]
        rest = rest[length:]
