"""Exercises answered by copying, editing or quoting what stands in the prompt."""

import keyword
import random
import re
from collections.abc import Callable, Sequence

SENTENCE_END = re.compile(r"(?<=[.?!])\s+(?=[A-Z])")
IDENTIFIER = re.compile(r"\b[a-z_][a-z_0-9]{1,20}\b")
BUGS = (
    (" == ", " != "), (" != ", " == "), (" < ", " > "), (" > ", " < "), (" + ", " - "), (" - ", " + "),
    (" and ", " or "), (" or ", " and "), (" is not None", " is None"), (" is None", " is not None"),
    ("return ", "retrun "), ("True", "False"), ("False", "True"), (" not in ", " in "), (" in ",
        " not in "), ("self.", "slef."), ("):\n", ")\n"), ("[0]", "[1]"),
)  # fmt: skip
COPY_HEADS = (
    ("Text: ", "\nCopy: "), ("Text:\n", "\n\nCopy:\n"), ("Repeat the following text.\n\n", "\n\n"),
    ("Original: ", "\nCopy: "), ("Please copy this text word for word.\n\n", "\n\nCopy:\n\n"), ("Input: ",
        "\nOutput: "), ("Say it again: ", "\nAgain: "), ('"', '"\n"'), ("", "\n\n"), ("# Notes\n\n",
        "\n\n# The same notes once more\n\n"), ("Before:\n", "\n\nAfter:\n"),
)  # fmt: skip
CODE_HEADS = (
    ("```python\n", "\n```\n\n```python\n", "\n```"), ("Code:\n\n", "\n\nThe same code again:\n\n", "\n"),
    ("# file: old.py\n\n", "\n\n\n# file: new.py\n\n", "\n"), ("", "\n\n\n", "\n"),
)  # fmt: skip

Passages = Sequence[str]


def exercise(rng: random.Random, paragraphs: Passages, functions: Passages) -> str:
    """Return one exercise, drawn from all kinds in this module.

    Args:
        rng: Source of every choice.
        paragraphs: Prose passages on one line each.
        functions: Function definitions, dedented.
    """
    kinds: tuple[tuple[Callable[[], str], int], ...] = (
        (lambda: _copy_prose(rng, paragraphs), 6),
        (lambda: _copy_code(rng, functions), 5),
        (lambda: _copy_words(rng, paragraphs), 5),
        (lambda: _copy_far(rng, paragraphs, functions), 4),
        (lambda: _copy_numbers(rng), 2),
        (lambda: _rename(rng, functions), 4),
        (lambda: _fix(rng, functions), 4),
        (lambda: _replace_word(rng, paragraphs), 3),
        (lambda: _quote(rng, paragraphs), 5),
        (lambda: _records(rng), 2),
    )
    make = rng.choices([kind for kind, _ in kinds], weights=[weight for _, weight in kinds])[0]
    return make()


def _copy_prose(rng: random.Random, paragraphs: Passages) -> str:
    text = " ".join(rng.sample(paragraphs, rng.randint(1, 3)))
    opening, again = rng.choice(COPY_HEADS)
    return (
        opening
        + text
        + (again + text) * rng.choice((1, 1, 1, 2, 3))
        + rng.choice(('"', "")) * (opening == '"')
    )


def _copy_code(rng: random.Random, functions: Passages) -> str:
    text = "\n\n".join(rng.sample(functions, rng.choice((1, 1, 2))))
    opening, again, closing = rng.choice(CODE_HEADS)
    return opening + text + (again + text) * rng.choice((1, 1, 2)) + closing


def _copy_words(rng: random.Random, paragraphs: Passages) -> str:
    """A shuffled bag of words repeated: only copying predicts it, neither grammar nor topic helps."""
    words = " ".join(rng.sample(paragraphs, 3)).split()
    bag = rng.sample(words, min(len(words), rng.randint(4, 80)))
    separator = rng.choice((" ", " ", ", ", "\n", " - "))
    line = separator.join(bag)
    return "\n".join([line] * rng.randint(2, 5))


def _copy_far(rng: random.Random, paragraphs: Passages, functions: Passages) -> str:
    """Several passages first, then the same passages in another order."""
    passages = rng.sample(paragraphs, rng.randint(2, 4)) + rng.sample(functions, rng.randint(0, 2))
    rng.shuffle(passages)
    named = [f"[{number}] {passage}" for number, passage in enumerate(passages, start=1)]
    again = rng.sample(named, len(named))
    return (
        "\n\n".join(named)
        + rng.choice(("\n\nAgain:\n\n", "\n\n---\n\n", "\n\nIn another order:\n\n"))
        + "\n\n".join(again)
    )


def _copy_numbers(rng: random.Random) -> str:
    numbers = [str(rng.randint(0, 10 ** rng.randint(1, 4))) for _ in range(rng.randint(4, 40))]
    line = rng.choice((" ", ", ", "\n")).join(numbers)
    return f"Numbers: {line}\nCopy: {line}" if rng.random() < 0.5 else "\n".join([line] * 3)


def _identifiers(code: str) -> list[str]:
    found = {name for name in IDENTIFIER.findall(code) if not keyword.iskeyword(name)}
    return sorted(name for name in found if code.count(name) > 1)


def _rename(rng: random.Random, functions: Passages) -> str:
    code = rng.choice(functions)
    names = _identifiers(code)
    if not names:
        return _copy_code(rng, functions)
    old, new = rng.choice(names), rng.choice(_identifiers(rng.choice(functions)) or ["value"])
    renamed = re.sub(rf"\b{re.escape(old)}\b", new, code)
    ask = rng.choice(
        ("Rename {} to {}.", "Rename `{}` to `{}` in this function.", "Change the name {} to {}:")
    ).format(old, new)
    return f"{ask}\n\n```python\n{code}\n```\n\n```python\n{renamed}\n```"


def _fix(rng: random.Random, functions: Passages) -> str:
    code = rng.choice(functions)
    bugs = [(right, wrong) for right, wrong in BUGS if right in code]
    if not bugs:
        return _copy_code(rng, functions)
    right, wrong = rng.choice(bugs)
    broken = code.replace(right, wrong, 1)
    ask = rng.choice(
        ("Fix the function.", "Fix the bug in this function:", "This function is wrong. Fix it.")
    )
    return f"{ask}\n\n```python\n{broken}\n```\n\nFixed:\n\n```python\n{code}\n```"


def _replace_word(rng: random.Random, paragraphs: Passages) -> str:
    text = rng.choice(paragraphs)
    words = [word for word in text.split() if word.isalpha() and len(word) > 2]
    others = [word for word in rng.choice(paragraphs).split() if word.isalpha()]
    if not words or not others:
        return _copy_prose(rng, paragraphs)
    old, new = rng.choice(words), rng.choice(others)
    edited = re.sub(rf"\b{old}\b", new, text)
    return f'Replace "{old}" with "{new}".\n\nText: {text}\n\nEdited: {edited}'


def _quote(rng: random.Random, paragraphs: Passages) -> str:
    """A question over numbered passages, answered by a sentence quoted from one of them."""
    passages = rng.sample(paragraphs, rng.randint(1, 4))
    sentences = [sentence for passage in passages for sentence in SENTENCE_END.split(passage)]
    sentence = rng.choice(sentences)
    words = sentence.split()
    start = rng.randint(0, max(0, len(words) - 5))
    topic = " ".join(words[start : start + rng.randint(1, 5)]).strip(".,:;()")
    context = "\n\n".join(f"[{number}] {passage}" for number, passage in enumerate(passages, start=1))
    ask = rng.choice(
        (
            'What does the text say about "{}"?',
            'Which sentence contains "{}"?',
            'Quote the sentence with "{}".',
        )
    )
    return f"Context:\n{context}\n\nQuestion: {ask.format(topic)}\nAnswer: {sentence}"


def _records(rng: random.Random) -> str:
    """A table and the same table in another notation."""
    names = rng.sample(
        ("name", "size", "price", "colour", "city", "year", "count", "level", "state", "owner"), 3
    )
    words = (
        "red",
        "blue",
        "open",
        "closed",
        "north",
        "south",
        "small",
        "large",
        "old",
        "new",
        "spring",
        "garden",
        "river",
    )
    rows = [
        [rng.choice(words), str(rng.randint(1, 999)), rng.choice(words)] for _ in range(rng.randint(2, 8))
    ]
    table = "\n".join(",".join(row) for row in [names, *rows])
    pairs = (
        "{" + ", ".join(f'"{key}": "{cell}"' for key, cell in zip(names, row, strict=True)) + "}"
        for row in rows
    )
    return f"CSV:\n{table}\n\nJSON:\n" + "\n".join(pairs)
