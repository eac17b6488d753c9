"""Where a sentence ends: at stops that are none of an abbreviation, and at line breaks that wrap nothing."""

from __future__ import annotations

import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hola_plugins.adacomp.line_breaks import blocks
from hola_plugins.adacomp.sentences import LONGEST, split_sentences

GOES_ON = [
    "Dr. Müller hat am 3. Mai 2024 unterschrieben.",
    "Der 2. Weltkrieg endete 1945.",
    "Spätestens am 3. Werktag des 19. Jahrhunderts.",
    "Die Anlage nach § 573c Abs. 2 Nr. 3 BGB ist u. a. nach Abs. § 5 gültig.",
    "Sie kommt z. B. Montag, d. h. Tage später, u. a. Samstag.",
    "Gegründet 44 v. Chr. Geburt, so Dr. Prof. Meier.",
    "See Sec. 3 of v. 2.0, art. 7 and no. 5.",
    "El Sr. López y la Sra. Pérez de EE. UU. firmaron.",
    "Madame ou Mme. Martin, p. ex. Anne.",
    "हमारे डॉ. शर्मा आए।",
    "J. R. R. Tolkien wrote it.",
    "Die Frist endet am 3. 5. 2024 um 12 Uhr.",
    "Die Frist endet am 03.05. 2024, am 3. 5.24 oder am\n3. 5. 24 um 12 Uhr.",
]
ENDS = [
    ["It began in 2012.", "The rest came later."],
    ["He was 12.", "The end."],
    ["It fell by 3.", "Mail came."],
    ["He said no.", "Then he left."],
    ["Wait a sec.", "He comes."],
    ["We study modern art.", "It is old."],
    ["Ludwig kam am 3. Mai.", "Er ging."],
    ["Die Frist endet am 3. 5. 2024.", "Er ging."],
    ["He was 12.", "5 people came."],
    ["Sie lebten in EE. UU.", "Hoy no."],
    ["The value rose by 3.5.", "2023 was a good year."],
    ["The score was 12.5.", "20 teams took part."],
    ["We support Python 3.9.", "30 tests fail on it."],
    ["See section 4.2.", "15 valves were tested."],
]


@pytest.mark.parametrize("text", GOES_ON)
def test_a_stop_of_an_abbreviation_or_an_ordinal_ends_nothing(text):
    assert split_sentences(text) == [text]


@pytest.mark.parametrize("sentences", ENDS)
def test_other_stops_end_a_sentence(sentences):
    assert split_sentences(" ".join(sentences)) == sentences


@pytest.mark.parametrize(
    "sentences",
    [
        [
            "Paris is in France.[1]",
            "It is large.[2][3]",
            "Why?[a]",
            "Who knows.[citation needed]",
            "The end.",
        ],
        ["It rose.¹", "“It fell.”²³", "The end."],
        ["It cost $5.[1]", "Then more."],
    ],
)
def test_marks_of_footnotes_stay_with_the_sentence_before(sentences):
    assert split_sentences(" ".join(sentences)) == sentences


def test_marks_of_footnotes_stay_with_the_sentence_before_without_spaces():
    assert split_sentences("阀门关闭。[1]泵停止。[2]") == ["阀门关闭。[1]", "泵停止。[2]"]


RECORDS = {
    "chat": ["User: how do I reset", "Agent: press the button", "User: which one", "Agent: the red one"],
    "lower-case chat": ["bob: hi", "ann: which valve closes first", "bob: the red one"],
    "Chinese chat": ["用户：哪个阀门先关闭", "客服：红色的", "用户：谢谢"],  # noqa: RUF001
    "messages with times": ["[10:21] Bob: hi", "[10:22] Ann: ok", "10:23 Bob left"],
    "IRC": ["<bob> hi all", "<ann> ok then", "<bob> bye now"],
    "log": [f"2024-05-{day} 10:00 service{day} started on port 80{day}" for day in range(10, 20)],
    "syslog": [f"May  {day} 10:00:01 host service{day} started" for day in range(1, 9)],
    "levels": ["INFO service started", "ERROR disk is full", "[WARN] disk is slow"],
    "tabs": ["Name\tCity\tAge", "Bob\tParis\t33", "Dora\tBern\t66"],
    "columns": ["part | price", "valve | 12", "pump | 99"],
    "CSV": ["Name,City,Age", "Bob,Paris,33", "Dora,Bern,66", "Emil,Kiel,77", "Fay,Cork,88"],
    "YAML": ["name: valve", "price: 12", "stock:", "minimum: 4"],
    "JSON lines": ['{"part": "valve"}', '{"part": "pump"}'],
    "CSV with spaces": [
        "Dora Lee,New Bern,66",
        "Emil Ott,Kiel,77",
        "Fay,Cork,88",
        "Gus,Ulm,99",
        "Hal,Bonn,10",
    ],
    "CSV with accents": ["José Peña,Málaga,33", "André Noé,Orléans,44", "Søren Å,Århus,55"],
    "names in capitals": ["INLET VALVE", "OUTLET VALVE", "MAIN PUMP", "RESERVE PUMP", "UPPER TANK"],
    "names": ["Berlin", "Paris", "London", "Madrid", "Rome", "Vienna"],
    "sentences of like length": [
        "The pump was built by hand in a small town in the north of Norway",
        "It was sold to a farm where it ran for more than ten years",
        "No one had to grease it as the water of the farm was so soft",
        "The valve was closed by hand once a year before the first snow",
        "A hose as long as the road took the water down to the sea",
    ],
    "announced list": ["Two parts are sold here:", "1. the red valve", "2. the green valve"],
    "announced log": ["The log of the night:", "10:21 pump started", "10:22 pump ended"],
    "list": ["Two parts are sold", "- the red valve", "2. the green valve"],
    "no full stops": [
        "The red valve closes before the green valve and the pump",
        "Grease the pump",
        "The inspector comes once a year",
        "A filter costs eight euros",
    ],
}


@pytest.mark.parametrize("lines", RECORDS.values(), ids=RECORDS)
def test_a_record_is_a_sentence(lines):
    assert split_sentences("\n".join(lines)) == lines
    assert split_sentences("\r\n".join(lines)) == lines


def test_the_lines_of_an_item_or_message_stay_together():
    message = "Agent: E24 means that the drain hose is blocked, unscrew the\nfilter and clean it"
    item = "- the red valve, which closes before\n  the green one"
    assert split_sentences(f"User: it says E24\n{message}\n{item}") == ["User: it says E24", message, item]


AS_WIDE = {
    "log": [
        '2024-05-03 10:21:07 ERROR pump 3 does not answer at all\n  File "/opt/valve/controller.py", line 17, in read',
        "2024-05-03 10:22:07 INFO valve closed",
        "2024-05-03 10:23:07 INFO valve open",
    ],
    "chat": [
        "Anna: I think that we should close it now, before it\nis too late, and then go and look for the leak in it",
        "Bert: No, that would not help us very much at all.",
        "Anna: Why?",
    ],
    "keys": [
        "The keys of the settings of the valve controller\nname: what the valve is called on all of its pages",
        "time: seconds until it closes",
    ],
}


@pytest.mark.parametrize("records", AS_WIDE.values(), ids=AS_WIDE)
def test_a_wrapped_line_as_wide_as_the_paragraph_hides_no_record_after_it(records):
    assert split_sentences("\n".join(records)) == records


def test_a_wrapped_line_as_wide_as_the_paragraph_hides_no_item_after_it():
    item = "1. Close the valve and wait until the pressure of it\nhas fallen below the limit of two bar at the gauge"
    assert list(blocks(f"{item}\n2. Open the outlet\n3. Wait")) == [item, "2. Open the outlet", "3. Wait"]


PROSE = (
    "The drain hose carries the water of the machine to the sink, and Siemens, who built the first of them in "
    "1950, gave it a filter that Miele and Bosch took over. Unscrew it twice a year and rinse it under the tap "
    "of the kitchen until nothing is left in it. The pump behind it holds for ten years where the water is soft"
)
WORD = st.text("abcdefgh", min_size=1, max_size=11)
CASES = st.sampled_from([str, str.title, str.upper])


@pytest.mark.parametrize("width", [30, 50, 72, 90])
def test_a_wrapped_paragraph_stays_whole(width):
    wrapped = split_sentences(textwrap.fill(PROSE, width))
    assert [" ".join(sentence.split()) for sentence in wrapped] == split_sentences(PROSE)


@settings(deadline=None)
@given(st.lists(WORD | WORD.map(str.title), min_size=40), CASES, st.integers(32, 90))
def test_no_line_of_a_wrapped_paragraph_ends_it(words, case, width):
    wrapped = textwrap.fill(case(" ".join(words)), width)
    assert list(blocks(wrapped)) == [wrapped]


@settings(deadline=None)
@given(st.lists(WORD, min_size=1), st.integers(11, 31))
def test_no_line_in_small_letters_of_a_narrow_column_ends_it(words, width):
    wrapped = textwrap.fill(" ".join(words), width)
    assert list(blocks(wrapped)) == [wrapped]


SIGNS = [
    "needed:",
    "Green Red:",
    "10:30",
    "[12]",
    "3.5.2024",
    "25.",
    "ERROR",
    "<red>",
    "[text](https://example.org/)",
    "1,200,000",
]


@settings(deadline=None)
@given(st.lists(WORD, min_size=1), st.sampled_from(SIGNS), st.lists(WORD), st.integers(32, 90))
def test_a_sign_of_a_record_after_a_filled_line_ends_no_paragraph(before, sign, after, width):
    wrapped = textwrap.fill(" ".join([*before, sign, *after]), width)
    assert list(blocks(wrapped)) == [wrapped]


@pytest.mark.parametrize("sign", SIGNS)
def test_a_sign_of_a_record_at_the_start_of_a_wrapped_line_is_prose(sign):
    text = f"It was all that was left of the parts of the day\n{sign} and what came later"
    assert split_sentences(text) == [text]


COMMAS = {
    "millions": (
        "The city of Hamburg has 1,850,000 people today, and its port took in\n"
        "more than 8,100,000 containers in the last year, which is less than\n"
        "the 9,700,000 containers of the year before the crisis began."
    ),
    "thousands": (
        "The valve was tested at 10,000 cycles and 20,000 cycles in the plant\n"
        "and at 15,000 cycles and 25,000 cycles in the laboratory of the maker\nof it, without any leak."
    ),
    "German decimals": (
        "Die Temperatur stieg von 10,5 auf 12,7 Grad und der Druck\n"
        "von 1,2 auf 1,4 Bar, was noch unter der Grenze des Ventils\nlag."
    ),
    "Chinese": (
        "打开阀门之前,请先检查压力表,并确认压力低于两个大气\n"
        "压,否则水会从管道中喷出,造成人员受伤,因此必须小心\n操作,并戴上手套。"
    ),
}


@pytest.mark.parametrize("text", COMMAS.values(), ids=COMMAS)
def test_commas_without_spaces_make_no_record_of_prose(text):
    assert split_sentences(text) == [text]


CAPITALS = """THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT, ARISING FROM, OUT OF OR
IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE,
WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE"""


def test_a_wrapped_paragraph_in_capitals_stays_whole():
    assert split_sentences(CAPITALS) == [CAPITALS]


def test_a_short_line_among_capitals_leaves_the_others_together():
    short = "THIS IS PROVIDED WITHOUT WARRANTY"
    assert split_sentences(f"{short}\n{CAPITALS}") == [short, CAPITALS]


def test_a_narrow_column_with_a_noun_at_each_start_stays_whole():
    text = (
        "Der Vermieter schuldet dem\nMieter die Rückgabe der\nKaution samt den üblichen\n"
        "Zinsen, sobald die letzte\nAbrechnung vorliegt und das\nZimmer geräumt ist."
    )
    assert split_sentences(text) == [text]


def test_a_line_that_is_too_long_leaves_a_wrapped_paragraph_whole():
    lines = textwrap.fill(PROSE.replace(".", ","), 60).split("\n")
    text = "\n".join([*lines[:3], "https://example.org/" + "a" * 200, *lines[3:]])
    assert list(blocks(text)) == [text]


def test_lines_wrapped_by_hand_stay_together():
    assert split_sentences("This is a line that\nwraps over several lines. And the\nnext one too.") == [
        "This is a line that\nwraps over several lines.",
        "And the\nnext one too.",
    ]


def test_wrapped_lines_of_a_script_without_spaces_stay_together():
    text = "阀门七号在启动程序开始后三十秒内首先关闭然\n后主泵停止运转并且所有压力传感器将数据发送\n到中央控制室。"
    assert split_sentences(text) == [text]


def test_a_sentence_that_is_too_long_is_cut_at_a_line():
    lines = ["word " * 15 + "word"] * 30
    found = split_sentences("\n".join(lines))
    assert {line for sentence in found for line in sentence.split("\n")} == set(lines)
    assert max(map(len, found)) <= LONGEST


def test_a_long_sentence_of_a_script_without_spaces_is_cut_at_a_comma_before_a_line():
    clause = "阀门七号在启动程序开始后三十秒内首先关闭，然"  # noqa: RUF001
    text = "\n".join([clause] * 9)
    assert all(sentence[-1] == "，" for sentence in split_sentences(text)[:-1])  # noqa: RUF001
