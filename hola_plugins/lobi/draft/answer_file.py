"""Answers of a target on disk, a line each: a run that was stopped goes on where it was."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hola_plugins.files.input_file import LINE_BYTES, parse_json
from hola_plugins.lobi.draft.answers import Answer, answer_prompts, end_tokens
from hola_plugins.lobi.saved_tensors import fingerprint

logger = logging.getLogger(__name__)


def kept_answers(
    folder: Path | None, model: Any, prompts: Sequence[Sequence[int]], most: int
) -> list[Answer]:
    """Reads answers, and generates and keeps those that are missing.

    Args:
        folder: Where they are kept, one file for a target, its end tokens and a length of answers; None keeps none.
        model: The target.
        prompts: Token ids, at least one each.
        most: Longest answer in tokens.

    Returns:
        The answers in the order of the prompts.
    """
    if folder is None:
        return answer_prompts(model, prompts, most)
    settings = {"answer_tokens": most, "end_tokens": sorted(end_tokens(model))}
    file = folder / f"{fingerprint(model, settings)}.jsonl"
    known = _read(file, model.config.get_text_config().vocab_size)
    missing = [prompt for prompt in prompts if _key(prompt) not in known]
    if len(missing) < len(prompts):
        logger.info("%d answers read from %s", len(prompts) - len(missing), file)
    if missing:
        answer_prompts(model, missing, most, lambda answers: _append(file, answers, known))
    return [Answer(known[_key(prompt)], len(prompt)) for prompt in prompts]


def _key(prompt: Sequence[int]) -> str:
    """Gives the digest of a prompt."""
    return hashlib.sha256(json.dumps(list(prompt)).encode()).hexdigest()


def _read(file: Path, vocabulary: int) -> dict[str, list[int]]:
    """Reads token ids by the digest of their prompts, one line in memory at a time; a damaged one is left out.

    Args:
        file: The file.
        vocabulary: Every id is less.
    """
    found: dict[str, list[int]] = {}
    if file.is_file():
        with file.open("rb") as lines:
            while line := lines.readline(LINE_BYTES):
                found |= _kept(file, line, vocabulary) if line.strip() else {}
    return found


def _kept(file: Path, line: bytes, vocabulary: int) -> dict[str, list[int]]:
    """Reads a line; nothing, with a warning, where it is damaged."""
    try:
        record = parse_json(line.decode())
        ids = [int(one) for one in record["ids"]]
        if all(0 <= one < vocabulary for one in ids):
            return {_key(ids[: record["prompt"]]): ids}
    except (ValueError, LookupError, TypeError, OverflowError):
        pass
    logger.warning("%s has a damaged line, whose prompt is answered again", file)
    return {}


def _append(file: Path, answers: Sequence[Answer], known: dict[str, list[int]]) -> None:
    """Keeps answers on disk and in memory."""
    known |= {_key(answer.ids[: answer.prompt]): answer.ids for answer in answers}
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = [_line({"prompt": answer.prompt, "ids": answer.ids}) for answer in answers]
    with file.open("a", encoding="utf-8") as out:
        out.write("".join(lines))


def _line(record: Mapping[str, Any]) -> str:
    """Gives a record as a line of its own, also behind one that was cut off."""
    return f"\n{json.dumps(record)}\n"
