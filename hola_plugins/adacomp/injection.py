"""Marks of instructions hidden in a passage. They flag; they do not prove, and a miss proves nothing."""

from __future__ import annotations

import re
import unicodedata

_HIDDEN = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\U000e0000-\U000e007f]")
"""Characters that a reader does not see: zero width, direction overrides, tags."""

_TAGS = re.compile("[\U000e0020-\U000e007e]")
"""Invisible copies of ASCII, with which whole sentences are hidden."""

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
    r"(?m:^\s*#{2,}\s*(?:system|instruction|assistant)s?\s*:)",
    "secrecy": r"\b(?:do not|don't|never) (?:tell|inform|reveal (?:this )?to|mention (?:this )?to|alert) (?:the )?users?\b",
    "exfiltration": r"\b(?:reveal|print|repeat|output|send|leak)\b[^.!?\n]{0,40}\b(?:system prompt|hidden prompt|api keys?|"
    r"passwords?|credentials)\b|!\[[^\]]*\]\(https?://[^)\s]*[?&][^)\s]*=\s*(?:\{|%7b|<)",
}

_PATTERNS = {name: re.compile(pattern, re.IGNORECASE) for name, pattern in _MARKS.items()}


def injection_marks(text: str) -> tuple[str, ...]:
    """Names the marks found in a text: override, role, new_instructions, template, secrecy, exfiltration, hidden.

    The text is searched as a model would read it: compatibility forms unified and hidden characters gone,
    so that spacing letters out with them does not help.
    """
    plain = text if text.isascii() else _HIDDEN.sub("", unicodedata.normalize("NFKC", text))
    marks = [name for name, pattern in _PATTERNS.items() if pattern.search(plain)]
    if not text.isascii() and _TAGS.search(text):
        marks.append("hidden")
    return tuple(marks)
