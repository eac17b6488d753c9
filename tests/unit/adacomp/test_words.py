"""Words and sentences in scripts of several kinds."""

from __future__ import annotations

import pytest

from hola_plugins.adacomp.sentences import split_sentences
from hola_plugins.adacomp.words import contains_words, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Valves close, 2 of 3.", ["valve", "close", "2", "of", "3"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("தமிழ் மொழி", ["தமிழ்", "மொழி"]),
        ("İstanbul ISTANBUL", ["istanbul", "istanbul"]),
        ("cafe\u0301 café", ["café", "café"]),
        ("日本語 abc", ["日", "本", "語", "abc"]),
        ("snake_case", ["snake", "case"]),
    ],
)
def test_words_are_whole_in_every_script(text, expected):
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "wanted", "held"),
    [
        ("The valves close.", "valve closes", True),
        ("The valves close.", "Valve", True),
        ("The carpet", "car", False),
        ("the sign is +", "+", True),
        ("the sign is +", " + ", True),
        ("", "+", False),
        ("2 minus 1", "+", False),
    ],
)
def test_a_text_holds_words_whole_and_signs_as_they_are(text, wanted, held):
    assert contains_words(text, wanted) is held


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("One. Two? Three!", 3),
        ("यह पहला है। यह दूसरा है।", 2),
        ("هل هذا أول؟ نعم.", 2),
        ("一つ。二つ。", 2),
        ("Dr. No came. He left.", 2),
    ],
)
def test_sentences_end_where_their_script_ends_them(text, count):
    assert len(split_sentences(text)) == count
