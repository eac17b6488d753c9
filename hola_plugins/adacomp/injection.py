"""Marks of instructions hidden in a passage. They flag; they do not prove, and a miss proves nothing."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterator

from hola_plugins.adacomp.plain_letters import plain_letters

_INVISIBLE = re.compile("[\U000e0020-\U000e007e\u202d\u202e]|[\ufe00-\ufe0f\U000e0100-\U000e01ef]{4}")
"""Copies of ASCII and rows of variation selectors, in which whole sentences are hidden, and reversed writing."""

_MARKUP = re.compile(r"<!--[^<]{0,2000}?-->|</?[a-z][^<>]{0,200}>", re.IGNORECASE)

_DECIMAL_ENTITY = re.compile(r"&#0*+([0-9]{0,8})[0-9]*+")
"""A character by its number; eight digits are past the last character, thousands more than Python takes for a number."""

_ENCODED = re.compile(r"[A-Za-z0-9+/_-]{24,4096}={0,2}")
_MOST_ENCODED = 20
"""Runs of base64 in a passage that are decoded."""

_MARKS = {
    "override": r"\b(?:ignore|disregard|forget|override|bypass)\s+(?:(?:all|any|the|your|my|of|these|those|previous|prior|"
    r"above|earlier|preceding|foregoing|system|safety|other)\s+){1,5}"
    r"(?:instructions?|prompts?|rules?|guidelines?|directions?|messages?)\b",
    "role": r"\byou are (?:now|no longer) (?:an?|the|bound|restricted|free of|in \w+ mode)\b|"
    r"\bact as (?:an?|the) (?:ai|assistant|system|administrator|developer)\b|"
    r"\b(?:enter|enable|switch to) (?:developer|debug|god|jailbreak) mode\b",
    "new_instructions": r"\b(?:new|updated|real|important) (?:system )?instructions?\s*(?::|for the (?:ai|assistant|model))|"
    r"\b(?:dear|attention|note to(?: the)?|instructions? (?:to|for)(?: the)?) (?:ai|llm|assistant|language model|chatbot)\b",
    "template": r"<\|?(?:im_start|im_end|system|assistant|endoftext|eot_id|start_header_id)\|?>|\[/?INST\]|<</?SYS>>|"
    r"(?m:^[ \t]*#{2,}[ \t]*(?:system|instruction|assistant)s?[ \t]*:)",
    "secrecy": r"\b(?:do not|don't|never) (?:tell|inform|reveal (?:this )?to|mention (?:this )?to|alert) (?:the )?users?\b",
    "exfiltration": r"\b(?:reveal|print|repeat|output|send|leak)\b[^.!?\n]{0,40}\b(?:system prompt|hidden prompt|api keys?|"
    r"passwords?|credentials)\b|"
    r"!\[[^\]]{0,200}\]\(https?://[^)\s?&]{0,300}[?&][^)\s]{0,300}=\s*(?:\{|%7b|<)",
}

_PATTERNS = {name: re.compile(pattern, re.IGNORECASE) for name, pattern in _MARKS.items()}


def injection_marks(text: str) -> tuple[str, ...]:
    """Names the marks found in a text: override, role, new_instructions, template, secrecy, exfiltration, hidden.

    The text is searched as a model would read it: letters that look alike unified, hidden characters, accents and
    markup gone, entities of HTML and base64 decoded. What is found in base64 alone is hidden, too.
    """
    found = _marks_in(text)
    for decoded in _decoded(text):
        if marks := _marks_in(decoded):
            found |= marks | {"hidden"}
    if not text.isascii() and _INVISIBLE.search(text):
        found.add("hidden")
    return tuple(name for name in (*_PATTERNS, "hidden") if name in found)


def _marks_in(text: str) -> set[str]:
    """Searches a text as it stands and as it is shown."""
    plain = plain_letters(html.unescape(_DECIMAL_ENTITY.sub(r"&#\1", text)))
    views = {plain, _MARKUP.sub("", plain)}
    return {name for name, pattern in _PATTERNS.items() if any(map(pattern.search, views))}


def _decoded(text: str) -> Iterator[str]:
    """Yields what is text in a text's base64."""
    for number, run in enumerate(_ENCODED.finditer(text)):
        if number == _MOST_ENCODED:
            return
        letters = run[0].rstrip("=").translate({ord("-"): "+", ord("_"): "/"})
        try:
            yield base64.b64decode(letters + "=" * (-len(letters) % 4)).decode()
        except ValueError:
            continue
