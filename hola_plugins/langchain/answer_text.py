"""What a chain gives as an answer, a question or documents, as text, and what of it can be claims about documents."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import is_dataclass
from typing import Any

from langchain_core.documents import Document
from langchain_core.load.serializable import Serializable
from langchain_core.messages import BaseMessage
from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from hola_plugins.adacomp.cuts import is_unspaced
from hola_plugins.files.input_file import parse_json


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
        return _as_json(value)
    return str(getattr(value, "text", value))


def passages_of(documents: Any) -> list[str]:
    """Gives the texts of documents.

    Args:
        documents: Documents or texts, or one of either.

    Raises:
        ValueError: Something else; the message names its type and the remedy.
    """
    single = isinstance(documents, str | Document)
    if not single and (isinstance(documents, Mapping) or not isinstance(documents, Iterable)):
        raise _no_passage(documents)
    return [_passage(one) for one in ([documents] if single else documents)]


def _passage(document: Any) -> str:
    text = getattr(document, "page_content", document)
    if not isinstance(text, str):
        raise _no_passage(document)
    return text


def _no_passage(given: Any) -> ValueError:
    return ValueError(
        f"the guard's documents must be Documents or strings, got {type(given).__name__}: hand over what the "
        "retriever gave, or its texts"
    )


def claims_of(answer: str) -> str:
    """Gives what of an answer says something: its text, or that in it where it is a JSON object or array.

    Names, numbers, truth values and, beside longer texts, single words are data, such as a language or a source.
    Without a longer text the single words are what is said, and without those the numbers.

    Args:
        answer: Text from `text_of`.

    Returns:
        The texts as paragraphs, in their order.
    """
    try:
        parsed = parse_json(answer)
    except ValueError:
        return answer
    if not isinstance(parsed, dict | list):
        return answer
    values = [*_values(parsed)]
    texts = [one for one in values if isinstance(one, str) and one.strip()]
    longer = [one for one in texts if len(one.split()) > 1 or is_unspaced(one)]
    return "\n\n".join(longer or texts or map(str, values))


def _is_chat(value: Any) -> bool:
    return isinstance(value, list | tuple) and any(isinstance(one, BaseMessage) for one in value)


def _is_structured(value: Any) -> bool:
    """Tells structured output from LangChain's own classes, which are models too."""
    if isinstance(value, Serializable):
        return False
    return isinstance(value, Mapping | BaseModel | list | tuple) or is_dataclass(value)


def _as_json(value: Any) -> str:
    """Writes JSON, in which enumerations are their values; what cannot be JSON, such as a loop, is Python's text."""
    try:
        plain = to_jsonable_python(value, by_alias=True, fallback=_plain)
    except ValueError:
        return str(value)
    return json.dumps(plain, ensure_ascii=False)


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else str(value)


def _values(parsed: Any) -> Iterator[str | int | float]:
    """Gives the strings and numbers in parsed JSON, however deep, in their order."""
    left = [parsed]
    while left:
        one = left.pop()
        if isinstance(one, dict | list):
            left += reversed(one.values() if isinstance(one, dict) else one)
        elif isinstance(one, str | int | float) and not isinstance(one, bool):
            yield one
