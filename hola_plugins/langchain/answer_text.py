"""What a chain gives as an answer or a question, as text: strings, messages, chats and structured output."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from langchain_core.load.serializable import Serializable
from langchain_core.messages import BaseMessage
from pydantic import BaseModel


def text_of(value: Any) -> str:
    """Gives the text of a value.

    Args:
        value: A string, or what has a `text`, as messages do; a list of messages, whose texts become lines; a mapping,
            model, dataclass or list, which becomes JSON under the names of its own schema; None, which is no text.
    """
    if value is None:
        return ""
    if _is_chat(value):
        return "\n".join(text_of(message) for message in value)
    if _is_structured(value):
        return json.dumps(value, ensure_ascii=False, default=_plain)
    return str(getattr(value, "text", value))


def _is_chat(value: Any) -> bool:
    return isinstance(value, list | tuple) and any(isinstance(one, BaseMessage) for one in value)


def _is_structured(value: Any) -> bool:
    """Tells structured output from LangChain's own classes, which are models too."""
    if isinstance(value, Serializable):
        return False
    return isinstance(value, Mapping | BaseModel | list | tuple) or is_dataclass(value)


def _plain(value: Any) -> Any:
    """Gives one level of what `json` does not know as what it knows; as text where it is no structure."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True)
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return dict(value) if isinstance(value, Mapping) else str(value)
