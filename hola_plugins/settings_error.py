"""Settings that pydantic refused, in words: key, value, what is allowed, and the nearest name of an unknown key."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

KeyPath = tuple[str | int, ...]
"""Keys and numbers that lead to a value."""

_KEY = "[key]"
"""What pydantic puts behind a key that is wrong itself, whatever its value."""

_SHOWN = 200
"""Characters of a value that a message repeats."""


def explain(
    error: ValidationError,
    settings: Any,
    model: type[BaseModel],
    owner: str = "",
    beside: Collection[str] = (),
) -> list[tuple[KeyPath, str]]:
    """Puts each error into a sentence.

    Of a value that may be of several kinds, only the kind whose own keys or range it misses is named.

    Args:
        error: What pydantic found.
        settings: What was given.
        model: What it was to be.
        owner: Whose settings they are, such as HSD; empty where the reader knows.
        beside: Keys that may stand beside the fields of the model.

    Returns:
        The place in the settings and the sentence of each.
    """
    found = [(_place(one, settings), one) for one in error.errors()]
    depth: dict[KeyPath, int] = {}
    for place, one in found:
        for end in range(len(place) + 1):
            depth[place[:end]] = max(depth.get(place[:end], 0), len(one["loc"]))
    return [
        (place, _sentence(place, one, model, owner, beside))
        for place, one in found
        if len(one["loc"]) == depth[place]
    ]


def in_words(
    error: ValidationError,
    settings: Any,
    model: type[BaseModel],
    owner: str = "",
    beside: Collection[str] = (),
) -> str:
    """Puts all errors into one line; see `explain`."""
    return "; ".join(sentence for _, sentence in explain(error, settings, model, owner, beside))


def _place(error: Mapping[str, Any], settings: Any) -> KeyPath:
    """Gives the keys that lead to what is wrong, without the kinds of value that pydantic names among them."""
    place: list[str | int] = []
    for part in error["loc"]:
        if _holds(settings, part):
            place.append(part)
            settings = settings[part]
    return (*place, error["loc"][-1]) if error["type"] == "missing" else tuple(place)


def _holds(settings: Any, part: str | int) -> bool:
    """Tells whether settings have such a key or entry."""
    if isinstance(settings, list | tuple):
        return isinstance(part, int) and part < len(settings)
    return isinstance(settings, Mapping) and part in settings


def _sentence(
    place: KeyPath, error: Mapping[str, Any], model: type[BaseModel], owner: str, beside: Collection[str]
) -> str:
    """Turns one error into a sentence with key, value and remedy."""
    key, whose = repr(dotted(place)), f"{owner} setting " if owner else ""
    if error["type"] == "extra_forbidden":
        names = [*_section_at(model, place[:-1]).model_fields, *(beside if len(place) == 1 else ())]
        return f"unknown {whose or 'key '}{key}; {_nearest(str(place[-1]), names)}"
    if error["type"] == "missing":
        return f"{whose}{key} is missing"
    allowed = error["msg"].removeprefix("Value error, ")
    if error["type"] == "model_type":
        allowed = f"must hold keys of {', '.join(sorted(_section_at(model, place).model_fields))}"
    if place:
        value = "" if error["loc"][-1] == _KEY else f" = {_shown(error['input'])}"
        return f"{whose}{key}{value}: {allowed}"
    return f"{owner} settings: {allowed}" if owner else allowed


def _nearest(key: str, names: Collection[str]) -> str:
    """Asks whether another key is meant, and lists all that there are."""
    near = difflib.get_close_matches(key, names, n=1, cutoff=0.0)[0]
    return f"did you mean {near!r}? Allowed here: {', '.join(sorted(names))}"


def _shown(value: Any) -> str:
    """Gives a value as a message repeats it: its beginning."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def dotted(place: KeyPath) -> str:
    """Writes a place as a.b[0].c."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _section_at(model: type[BaseModel], place: KeyPath) -> type[BaseModel]:
    """Finds the section at a place."""
    for part in place:
        if isinstance(part, str):
            model = next(_sections(model.model_fields[part].annotation))
    return model


def _sections(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yields the sections that a field may hold: itself, one of many, or one that may be missing."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _sections(inner)
