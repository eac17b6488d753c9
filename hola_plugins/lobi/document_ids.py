"""Token ids of texts and chats: a chat goes through the model's template, where it has one."""

from __future__ import annotations

from typing import Any

from jinja2 import TemplateError

from hola_plugins.lobi.calibration_file import Document
from hola_plugins.lobi.config import LoBiError


def templated_ids(document: Document, tokenizer: Any, instead: str, **template: Any) -> list[int] | None:
    """Gives the ids of a chat as the model's template writes it; None for a text, or without a template.

    Args:
        document: A text or a chat.
        tokenizer: The model's.
        instead: The key of a record that needs no template, for the message.
        template: Keywords of the template.

    Raises:
        LoBiError: If the template refuses the chat.
    """
    if isinstance(document, str) or not getattr(tokenizer, "chat_template", None):
        return None
    try:
        text = tokenizer.apply_chat_template(document, tokenize=False, **template)
    except TemplateError as error:
        roles = ", ".join(one["role"] for one in document)
        raise LoBiError(
            f"the model's chat template does not take the roles {roles} ({error}): change them, or give {instead!r}"
        ) from error
    return list(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])


def plain_ids(document: Document, tokenizer: Any) -> list[int]:
    """Gives the ids of a text, or of the contents of a chat, a line each."""
    text = document if isinstance(document, str) else "\n".join(one["content"] for one in document)
    return list(tokenizer(text, verbose=False)["input_ids"])
