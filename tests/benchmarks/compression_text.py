"""Text for calibration and for measuring: documents of a file, packed into token rows of one length."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hola_plugins.lobi.calibration import Batch
from json_lines import read_json_lines

_FIELDS = (("question", "answer"), ("prompt", "response"), ("text",))
_BATCH_ROWS = 16


class TextError(ValueError):
    """A file that holds too little text, or none that is understood."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """The text of one model.

    Attributes:
        calibration: File whose documents calibrate.
        evaluation: File whose documents measure; those that also calibrate are left out.
    """

    calibration: Path
    evaluation: Path

    def calibration_rows(self, tokenizer: Any, rows: int, length: int, seed: int) -> torch.Tensor:
        """Packs documents in the order of a seed, int64[rows, length]."""
        documents = read_documents(self.calibration)
        random.Random(seed).shuffle(documents)
        return pack(documents, tokenizer, rows, length, self.calibration)

    def evaluation_rows(self, tokenizer: Any, rows: int, length: int) -> torch.Tensor:
        """Packs documents in the order of the file, int64[rows, length]."""
        seen = set(read_documents(self.calibration))
        documents = [one for one in read_documents(self.evaluation) if one not in seen]
        return pack(documents, tokenizer, rows, length, self.evaluation)


def read_documents(file: Path) -> list[str]:
    """Reads the documents of a file.

    Args:
        file: JSON lines with question and answer, prompt and response, or text; or plain text, whose documents
            are parted by empty lines.

    Raises:
        TextError: If a line of JSON has none of those fields.
    """
    if file.suffix in {".jsonl", ".json"}:
        return [_document(row, file) for row in read_json_lines(file)]
    return [part.strip() for part in file.read_text(encoding="utf-8").split("\n\n") if part.strip()]


def _document(item: dict[str, Any], file: Path) -> str:
    for fields in _FIELDS:
        if all(field in item for field in fields):
            return "\n".join(str(item[field]) for field in fields)
    allowed = ", ".join("+".join(fields) for fields in _FIELDS)
    raise TextError(f"{file} has a line with {sorted(item)}; allowed are {allowed}")


def pack(documents: Iterable[str], tokenizer: Any, rows: int, length: int, file: Path) -> torch.Tensor:
    """Packs documents end to end, the end-of-text mark between them, int64[rows, length].

    Raises:
        TextError: If they are too short.
    """
    ids: list[int] = []
    end = [] if tokenizer.eos_token_id is None else [int(tokenizer.eos_token_id)]
    for document in documents:
        ids += [*tokenizer(document)["input_ids"], *end]
        if len(ids) >= rows * length:
            return torch.tensor(ids[: rows * length]).reshape(rows, length)
    raise TextError(
        f"{file} has {len(ids)} tokens, {rows} rows of {length} need {rows * length}: ask for fewer"
    )


def batches(rows: torch.Tensor) -> list[Batch]:
    """Stacks rows into batches for measuring."""
    return [Batch(part, torch.ones_like(part)) for part in rows.split(_BATCH_ROWS)]


def calibration_items(rows: torch.Tensor) -> list[dict[str, torch.Tensor]]:
    """Gives rows as the items of a loader."""
    return [{"input_ids": row, "attention_mask": torch.ones_like(row)} for row in rows]


def as_json_lines(rows: torch.Tensor, tokenizer: Any) -> Iterator[str]:
    """Yields rows as text again, two a line: for tools that tokenise by themselves and drop what is short."""
    for pair in rows.split(2):
        yield json.dumps({"text": tokenizer.decode(pair.flatten().tolist(), skip_special_tokens=True)})
