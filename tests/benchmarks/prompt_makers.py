"""One maker a category: an endless, seeded stream of (prompt, reference response) pairs.

The categories are the situations a drafter meets: text that repeats its context (`copy`), repeats it with a few
substitutions (`edit`, `second_turn`), and text that does not (`story`, `maths`, `code`, `text`).
"""

from __future__ import annotations

import keyword
import random
import re
from collections.abc import Callable, Iterator
from typing import TypeVar

from prompt_sources import DataFolder

Pair = tuple[str, str]
T = TypeVar("T")
Maker = Callable[[DataFolder, random.Random], Iterator[Pair]]

_NAMES = ("Maria", "Viktor", "Amara", "Jonas", "Leila", "Oskar", "Priya", "Tomas")
_WORDS = ("items", "buffer", "total", "entry", "cursor", "result_list", "left_side", "counter")
_BUGS = (
    (" < ", " <= "),
    (" > ", " >= "),
    (" == ", " != "),
    (" + ", " - "),
    ("True", "False"),
    (" and ", " or "),
)


def _shuffled(items: list[T], rng: random.Random) -> Iterator[T]:
    while items:
        order = items[:]
        rng.shuffle(order)
        yield from order


def _sentence(passage: str, answers: list[str]) -> str:
    sentences = re.split(r"(?<=[.!?])\s+", passage)
    hits = [s for s in sentences if any(a.lower() in s.lower() for a in answers)]
    return hits[0] if hits else sentences[0]


def copy(data: DataFolder, rng: random.Random) -> Iterator[Pair]:
    """Passages, then a request to repeat one whole, or to quote the sentence that answers."""
    found = data.passages("nq")
    for turn, (query, passage, answers) in enumerate(_shuffled(found, rng)):
        if turn % 3 == 0:
            yield f"Passage: {passage}\n\nRepeat the passage word for word.\n\nPassage:", f" {passage}"
            continue
        other = rng.choice(found)[1]
        texts = [passage, other] if rng.random() < 0.5 else [other, passage]
        context = "\n\n".join(f"[{i + 1}] {text}" for i, text in enumerate(texts))
        ask = "Quote the passage that answers the question" if turn % 3 == 1 else "Answer with a quotation"
        quote = passage if turn % 3 == 1 else _sentence(passage, answers)
        yield f"{context}\n\nQuestion: {query}?\n{ask}.\nAnswer:", f' "{quote}"'


def _functions(data: DataFolder, rng: random.Random) -> Iterator[tuple[str, str]]:
    rows = data.rows("human_eval/HumanEval.jsonl")
    for row in _shuffled(rows, rng):
        yield row["prompt"] + row["canonical_solution"], row["entry_point"]


def _local_name(code: str, rng: random.Random) -> str | None:
    names = sorted(set(re.findall(r"^\s+(?:for )?([a-z_][a-z_0-9]*)(?: =| in )", code, re.MULTILINE)))
    names = [name for name in names if not keyword.iskeyword(name) and name not in _WORDS]
    return rng.choice(names) if names else None


def _renamed(code: str, old: str, new: str) -> str:
    return re.sub(rf"\b{re.escape(old)}\b", new, code)


def _broken(code: str, rng: random.Random) -> str | None:
    head, _, body = code.rpartition('"""')
    bugs = [(a, b) for a, b in _BUGS if a in body]
    if not head or not bugs:
        return None
    right, wrong = rng.choice(bugs)
    return head + '"""' + body.replace(right, wrong, 1)


def edit(data: DataFolder, rng: random.Random) -> Iterator[Pair]:
    """A function and an order to rename something or repair it; the response is the function again."""
    for turn, (code, entry) in enumerate(_functions(data, rng)):
        given, want = code, code
        if turn % 3 == 2:
            broken = _broken(code, rng)
            if broken is None:
                continue
            given, ask = broken, "Fix the bug in this function"
        else:
            old = entry if turn % 3 == 0 else _local_name(code, rng)
            if old is None:
                continue
            new = f"new_{entry}" if old == entry else rng.choice(_WORDS)
            want, ask = _renamed(code, old, new), f"Rename `{old}` to `{new}` in this function"
        yield f"{ask}.\n\n```python\n{given}```\n\nEdited function:\n\n```python\n", f"{want}```"


def _chat(first: str, answer: str, second: str) -> str:
    return f"User: {first}\n\nAssistant: {answer}\n\nUser: {second}\n\nAssistant: "


def _code_talk(data: DataFolder, rng: random.Random) -> Iterator[Pair]:
    for code, entry in _functions(data, rng):
        answer = f"Here it is:\n\n```python\n{code}```"
        ask = f"Good. Call it `my_{entry}` and mark the last line with a comment."
        want = _renamed(code, entry, f"my_{entry}").rstrip() + "  # done\n"
        yield (
            _chat(f"Write the Python function `{entry}`.", answer, ask),
            f"Of course:\n\n```python\n{want}```",
        )


def _maths_talk(data: DataFolder, rng: random.Random) -> Iterator[Pair]:
    for row in _shuffled(data.rows("gsm8k/test.jsonl"), rng):
        names = re.findall(
            r"(?<=[a-z,] )[A-Z][a-z]{2,}\b|^[A-Z][a-z]{2,}(?=\u2019s|'s| has)", row["question"]
        )
        names = [name for name in names if name in row["answer"]]
        if not names:
            continue
        new = rng.choice(_NAMES)
        ask = f"Write the solution again for {new} instead of {names[0]}."
        yield _chat(row["question"], row["answer"], ask), row["answer"].replace(names[0], new)


def _reference_talk(data: DataFolder, rng: random.Random) -> Iterator[Pair]:
    rows = [r for r in data.rows("spec_bench/question.jsonl") if len(r["turns"]) == 2]
    rows = [r for r in rows if len(r.get("reference") or []) == 2 and all(map(str.strip, r["reference"]))]
    for row in _shuffled(rows, rng):
        yield _chat(row["turns"][0], row["reference"][0], row["turns"][1]), row["reference"][1]


def second_turn(data: DataFolder, rng: random.Random) -> Iterator[Pair]:
    """A conversation with one answer given; the second answer quotes and edits the first."""
    streams = [_code_talk(data, rng), _maths_talk(data, rng), _reference_talk(data, rng)]
    while True:
        for stream in streams:
            yield next(stream)


def _split(text: str, at: int) -> Pair:
    cut = text.rfind(" ", 0, at)
    return text[:cut], text[cut:]


def story(data: DataFolder, rng: random.Random) -> Iterator[Pair]:
    """The beginning of a story and its continuation: TinyStories and children's books in turn."""
    short = _shuffled([s for s in data.stories() if len(s) > 300], rng)
    books = [b for b in data.books() if len(b) > 20_000]
    while True:
        tale = next(short)
        yield _split(tale, len(tale) // 3)
        book = rng.choice(books)
        start = book.find(" ", rng.randrange(5_000, len(book) - 4_000)) + 1
        yield _split(book[start : start + 1_800], 700)


def maths(data: DataFolder, rng: random.Random) -> Iterator[Pair]:
    """A word problem and its worked answer."""
    for row in _shuffled(data.rows("gsm8k/test.jsonl"), rng):
        yield f"Question: {row['question']}\nAnswer:", f" {row['answer']}"


def code(data: DataFolder, rng: random.Random) -> Iterator[Pair]:
    """A signature with its docstring and the body."""
    for row in _shuffled(data.rows("human_eval/HumanEval.jsonl"), rng):
        yield row["prompt"], row["canonical_solution"]


def text(data: DataFolder, rng: random.Random) -> Iterator[Pair]:
    """Encyclopaedic prose: WikiText paragraphs and XQuAD passages in turn."""
    articles = _shuffled(data.articles(), rng)
    passages = _shuffled(sorted({p for _, p, _ in data.passages("xquad") if len(p) > 400}), rng)
    while True:
        for stream in (articles, passages):
            prose = next(stream)
            yield _split(prose, len(prose) // 3)


MAKERS: dict[str, Maker] = {
    "copy": copy,
    "edit": edit,
    "second_turn": second_turn,
    "story": story,
    "maths": maths,
    "code": code,
    "text": text,
}
