"""What of an answer stands in the evidence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hola_plugins.adacomp.groundedness import supports

EVIDENCE = [
    "The inlet valve closes first. The outlet valve closes when the pressure has fallen to 2.50 bar.",
    "The pump runs at 1,450 revolutions a minute, and its seal is changed every 8,000 hours.",
]


@pytest.mark.parametrize(
    "sentence",
    [
        "The inlet valve closes first.",
        "When the pressure has fallen to 2.5 bar, the outlet valve closes [1].",
        "The pump runs at 1450 revolutions a minute.",
        "THE SEALS ARE CHANGED EVERY 8,000 HOURS",
    ],
)
def test_what_was_copied_or_said_otherwise_is_supported(sentence):
    (one,) = supports(sentence, EVIDENCE)
    assert one.support >= 0.75
    assert one.passage in (0, 1)


def test_an_invented_sentence_is_not_supported_and_says_what_is_unknown():
    one, other = supports("The inlet valve closes first. Elephants paint watercolours in Vienna.", EVIDENCE)
    assert one.support == 1.0
    assert other.support == 0.0
    assert {"elephant", "vienna"} <= set(other.unknown)


def test_a_wrong_number_takes_all_support_away():
    (one,) = supports("The pump runs at 1,540 revolutions a minute.", EVIDENCE)
    assert (one.support, one.unknown) == (0.0, ("1,540",))


def test_numbers_of_a_list_and_of_citations_are_no_claims():
    answer = "1. The inlet valve closes first [1, 2].\n2. The pump runs at 1,450 revolutions a minute [2-3]."
    assert [one.support for one in supports(answer, EVIDENCE)] == [1.0, 1.0]
    one = supports("7. The inlet valve closes first.", EVIDENCE)[0]
    assert one.unknown[:1] == ("7",)


def test_another_inflection_is_the_same_word_and_another_word_is_not():
    (one,) = supports("Outlet valves are closed, pressures fall, inlets close.", EVIDENCE)
    assert one.support == 1.0
    (other,) = supports("The inlets press pumpkins.", ["The inlet is pressurised by a pump."])
    assert other.unknown == ("press", "pumpkin")


def test_what_is_repeated_of_the_question_is_no_claim():
    question = "Which engineers of plant 7 know the pump's seal is changed after?"
    said = "Engineers of plant 7 know the pump's seal is changed after {}."
    (true,) = supports(said.format("8,000 hours"), EVIDENCE, question=question)
    assert (true.support, true.unknown) == (1.0, ())
    (invented,) = supports(said.format("leaking oil"), EVIDENCE, question=question)
    assert (invented.support, invented.unknown) == (0.0, ("leaking",))
    assert supports(said.format("8,000 hours"), EVIDENCE)[0].support == 0.0


def test_a_number_written_as_a_word_is_known_in_figures():
    assert supports("It waits 7 seconds.", ["It waits seven seconds."])[0].support == 1.0
    assert supports("It waits 8 seconds.", ["It waits seven seconds."])[0].unknown == ("8",)


@pytest.mark.parametrize(
    ("answer", "passage"),
    [
        ("圧力は12バールです。", "圧力は\uff11\uff12バールです。"),
        ("圧力は1450バールです。", "圧力は\uff11\uff0c\uff14\uff15\uff10バールです。"),
        ("الضغط هو 12.5 بار.", "الضغط هو \u0661\u0662\u066b\u0665 بار."),
        ("الضغط هو ١٤٥٠ بار.", "الضغط هو 1450 بار."),
        ("Die Miete beträgt 1450 Euro.", "Die Miete beträgt 1.450 Euro."),
        ("Die Miete beträgt 1.450 Euro.", "Die Miete beträgt 1450,00 Euro."),
        ("Die Miete beträgt 1.450.000,50 Euro.", "Die Miete beträgt 1,450,000.5 Euro."),
        ("Der Spalt ist 0.125 Millimeter breit.", "Der Spalt ist 0,125 Millimeter breit."),
        ("Der Preis: 1450 Franken.", "Der Preis: 1'450 Franken."),
        ("Der Preis: 1\u2019450 Franken.", "Der Preis: 1450 Franken."),
        ("Le prix est de 1450,5 euros.", "Le prix est de 1 450,50 euros."),
        ("Le prix est de 2 001 450 euros.", "Le prix est de 2\u202f001\u202f450 euros."),
        ("Le prix est de 1450 euros.", "Le prix est de 1\u00a0450 euros."),
        ("1\u2009450", "It costs 1,450 euros."),
        ("7", "It waits seven seconds."),
    ],
)
def test_a_number_written_another_way_is_the_same(answer, passage):
    (one,) = supports(answer, [passage])
    assert (one.support, one.unknown) == (1.0, ())


@pytest.mark.parametrize(
    ("answer", "unknown"),
    [("1451", "1451"), ("14.5", "14.5"), ("145", "145"), ("1 45", "45"), ("450 euros, 1", "450")],
)
def test_another_number_is_not(answer, unknown):
    (one,) = supports(f"It costs {answer} euros.", ["It costs 1.450 euros, or 1 each."])
    assert (one.support, one.unknown[:1]) == (0.0, (unknown,))


def test_a_point_before_three_digits_is_read_both_ways():
    for answer in ("1.45", "1450", "1,450", "1.450"):
        assert supports(f"It weighs {answer} kilograms.", ["It weighs 1.450 kilograms."])[0].support == 1.0
    (million,) = supports("It weighs 1.45 kilograms.", ["It weighs 1.450.000 kilograms."])
    assert million.unknown == ("1.45",)


def test_a_comma_before_three_digits_is_of_thousands():
    for answer in ("1", "1.000", "1,000"):
        known = answer != "1"
        (one,) = supports(f"It weighs {answer} kilograms.", ["It weighs 1,000 kilograms."])
        assert (one.support == 1.0) == known
    assert supports("It weighs 1,000 kilograms.", ["It weighs one kilogram."])[0].unknown == ("1,000",)


def test_numbers_in_a_row_stay_numbers_of_their_own():
    for answer in ("It ran at 120, at 130 rpm.", "It ran at 120 130 rpm."):
        assert supports(answer, ["It ran at 90 120 130 rpm."])[0].support == 1.0


def test_an_exponent_is_no_number():
    assert supports("It covers 10 m².", ["It covers 10 square metres."])[0].support == 1.0


def test_the_better_passage_decides():
    assert [one.passage for one in supports("The valve closes first. The pump has a seal.", EVIDENCE)] == [
        0,
        1,
    ]


def test_nothing_supports_without_evidence_and_an_empty_answer_has_no_sentence():
    assert [one.support for one in supports("The valve closes.", [])] == [0.0]
    assert supports("  [1] ", EVIDENCE) == []


def test_a_classifier_decides_in_place_of_words():
    said = []

    def entails(passage, sentence):
        said.append((passage, sentence))
        return 0.9 if "pump" in passage else 0.2

    (one,) = supports("It turns quickly.", EVIDENCE, entails)
    assert (one.support, one.passage, len(said)) == (0.9, 1, 2)
    (wrong,) = supports("It turns 99 times.", EVIDENCE, entails)
    assert (wrong.support, wrong.unknown) == (0.0, ("99",))


def test_scripts_without_spaces_are_judged():
    (one,) = supports("富士山は高い。", ["富士山は日本で一番高い山です。"])
    assert one.support > 0.9


@given(st.text(max_size=200))
def test_every_text_supports_itself(text):
    plain = text.replace("[", "").replace("]", "")
    assert all(one.support == 1.0 for one in supports(plain, [plain]))


@given(st.text(max_size=200), st.lists(st.text(max_size=100), max_size=3))
def test_support_is_a_share(answer, evidence):
    assert all(0.0 <= one.support <= 1.0 for one in supports(answer, evidence))
