"""Text of others, for the terminal."""

from __future__ import annotations


def clean(text: str) -> str:
    """Takes out what could steer a terminal; line breaks stay."""
    return "".join(sign for sign in text if sign.isprintable() or sign == "\n")


def clean_line(text: str) -> str:
    """Takes out what could steer a terminal, and puts a space for a line break, which could pass for a line of ours."""
    return clean(text.replace("\n", " "))
