"""The user's prompts: read from a file, drawn, tokenised."""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hola_plugins.lobi.calibration_file import Document, messages_of, pieces, read_text, records_of
from hola_plugins.lobi.config import LoBiError
from hola_plugins.lobi.default_text import default_documents
from hola_plugins.lobi.document_ids import plain_ids, templated_ids

logger = logging.getLogger(__name__)

LEAST_PROMPTS = 24
"""Fewer prompts than this teach and measure nothing."""

_RECORDS = "a 'prompt' or 'question', a 'text' to go on from, or 'messages' of 'role' and 'content'"
_BEGINNING = 400
"""Characters of a text that are its prompt; the target writes the rest."""


def read_prompts(path: Path) -> list[Document]:
    """Reads a file of prompts.

    Args:
        path: ``.jsonl`` or ``.json`` (one record a line, or one list), ``.parquet`` (one record a row), anything
            else as UTF-8 text, whose pieces each give their beginning. A record holds ``prompt``, ``question``,
            ``text`` or ``messages``; what it was answered with, if given, is left out: the target answers itself.

    Raises:
        LoBiError: If the file is empty, binary, or holds something else; the message names the line.
        OSError: If it cannot be read.
        ImportError: If parquet's library is missing.
    """
    records = records_of(path)
    if records is None:
        prompts: list[Document] = [_beginning(piece) for piece in pieces(read_text(path))]
    else:
        prompts = [_prompt(record, where) for where, record in records]
    if not prompts:
        raise LoBiError(f"{path} is empty: give prompts as the target will see them, one JSON object a line")
    return prompts


def default_prompts() -> list[Document]:
    """Gives the beginnings of Python's documentation and library, for whoever gives no prompts."""
    return [_beginning(document) for document in default_documents()]


def token_prompts(
    prompts: Sequence[Document],
    tokenizer: Any,
    most: int,
    longest: int,
    seed: int,
    least: int = LEAST_PROMPTS,
) -> list[list[int]]:
    """Draws prompts in an order fixed by the seed, each text once.

    Args:
        prompts: Texts and chats.
        tokenizer: The target's; chats go through its template, where it has one.
        most: Most prompts.
        longest: Longest prompt in tokens; longer ones are left out.
        seed: Seed of the order.
        least: Fewest prompts that are of use.

    Returns:
        Token ids of each prompt, at least one.

    Raises:
        LoBiError: If fewer than ``least`` remain, or the template refuses a chat.
    """
    found: dict[tuple[int, ...], None] = {}
    left_out = 0
    for prompt in random.Random(seed).sample(prompts, len(prompts)):  # noqa: S311 - an order, no secret
        ids = _token_ids(prompt, tokenizer)
        if len(ids) > longest:
            left_out += 1
        elif ids:
            found[tuple(ids)] = None
        if len(found) == most:
            break
    if len(found) < least:
        raise LoBiError(
            f"there are {len(found)} different prompts of 1 to {longest} tokens ({left_out} are longer): give at "
            f"least {least}; some hundreds are of use"
        )
    if left_out:
        logger.warning("%d prompts of more than %d tokens are left out", left_out, longest)
    return [list(ids) for ids in found]


def _prompt(record: Any, where: str) -> Document:
    """Reads one record."""
    if not isinstance(record, dict):
        raise LoBiError(f"{where} must be an object with {_RECORDS}, got {type(record).__name__}")
    for key in ("prompt", "question"):
        if isinstance(record.get(key), str):
            return str(record[key])
    if isinstance(record.get("text"), str):
        return _beginning(record["text"])
    if chat := messages_of(_unanswered(record.get("messages")), where):
        return chat
    raise LoBiError(f"{where} must hold {_RECORDS}; it has {', '.join(map(repr, record)) or 'nothing'}")


def _unanswered(messages: Any) -> Any:
    """Leaves out the answer at the end of a chat, which need not be text."""
    match messages:
        case [*asked, {"role": "assistant"}]:
            return asked
        case _:
            return messages


def _beginning(text: str) -> str:
    """Gives the beginning of a text, up to a space."""
    text = text.lstrip()
    return text if len(text) <= _BEGINNING else text[:_BEGINNING].rpartition(" ")[0] or text[:_BEGINNING]


def _token_ids(prompt: Document, tokenizer: Any) -> list[int]:
    """Gives the ids of a prompt as an engine makes them."""
    chat = templated_ids(prompt, tokenizer, "prompt", add_generation_prompt=True)
    return plain_ids(prompt, tokenizer) if chat is None else chat
