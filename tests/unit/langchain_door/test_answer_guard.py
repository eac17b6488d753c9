"""The guard behind a chain."""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableLambda
from pydantic import BaseModel, Field, ValidationError

from hola_plugins import AnswerGuard
from hola_plugins.langchain.answer_guard import EVENT
from hola_plugins.langchain.answer_text import claims_of, text_of

DOCUMENTS = [Document("The inlet valve closes first, at 2 bar.", metadata={"source": "valves.md"})]
GOOD = {"question": "Which?", "documents": DOCUMENTS, "answer": "The inlet valve closes first [1]."}
BAD = GOOD | {"answer": "The outlet valve explodes at 7 bar."}


def test_a_grounded_answer_passes_unchanged():
    result = AnswerGuard().invoke(GOOD)
    assert result["answer"] == GOOD["answer"]
    assert result["guard"]["passed"] and result["guard"]["reasons"] == []
    assert result["guard"]["sentences"][0]["support"] == 1.0


def test_an_invented_one_is_flagged_with_the_reason():
    result = AnswerGuard().invoke(BAD)
    assert result["answer"] == BAD["answer"]
    assert (result["guard"]["passed"], result["guard"]["action"]) == (False, "flagged")
    assert "not in the passages: 7, " in result["guard"]["reasons"][0]


def test_the_questions_words_are_no_claims_where_the_question_is_known():
    asked = {
        "question": "What does the inlet valve of the old feed pump do under full pressure?",
        "documents": DOCUMENTS,
    }
    state = asked | {"answer": "The inlet valve of the old feed pump under full pressure closes."}
    assert AnswerGuard().invoke(state)["guard"]["passed"]
    assert not AnswerGuard(question_key="unknown").invoke(state)["guard"]["passed"]


def test_or_withheld_and_kept_in_the_audit_trail(tmp_path):
    guard = AnswerGuard(on_failure="withhold", audit=tmp_path / "audit.jsonl")
    chain = RunnableLambda(lambda state: state) | guard
    results = chain.batch([GOOD, BAD])
    assert [one["answer"] for one in results] == [GOOD["answer"], guard.withheld]
    records = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert sorted(one["action"] for one in records) == ["passed", "withheld"]
    assert BAD["answer"] in {one["answer"] for one in records}


async def test_async_says_the_same():
    assert await AnswerGuard().ainvoke(BAD) == AnswerGuard().invoke(BAD)


def test_an_event_goes_to_the_callbacks():
    class Listener(BaseCallbackHandler):
        seen = None

        def on_custom_event(self, name, data, **_):
            self.seen = (name, data["action"])

    listener = Listener()
    AnswerGuard().invoke(BAD, {"callbacks": [listener]})
    assert listener.seen == (EVENT, "flagged")


def test_what_the_chain_says_for_nothing_found_is_allowed():
    nothing = "The documents say nothing about this."
    state = {"documents": [], "answer": nothing}
    assert AnswerGuard(allowed=(nothing,)).invoke(state)["guard"]["passed"]
    assert "no passage" in AnswerGuard().invoke(state)["guard"]["reasons"][0]


@pytest.mark.parametrize(
    ("settings", "answer", "reason"),
    [
        ({"pattern": r"\d+"}, "12", None),
        ({"pattern": r"\d+"}, "twelve", "does not match the pattern"),
        ({"json_schema": {"type": "object", "required": ["n"]}}, '{"n": 1}', None),
        ({"json_schema": {"type": "object", "required": ["n"]}}, '{"m": 1}', "breaks the schema at $"),
        ({"json_schema": {"type": "object"}}, "{", "no JSON"),
        ({}, "  ", "is empty"),
    ],
)
def test_pattern_and_schema(settings, answer, reason):
    verdict = AnswerGuard(minimum_support=0.0, **settings).invoke({"documents": [], "answer": answer})[
        "guard"
    ]
    assert verdict["passed"] == (reason is None)
    assert reason is None or reason in verdict["reasons"][0]


class Finding(BaseModel):
    text: str = Field(alias="valve")


@dataclass
class Plain:
    valve: str


SCHEMA = {
    "type": "object",
    "properties": {"valve": {"type": "string"}},
    "required": ["valve"],
    "additionalProperties": False,
}


@pytest.mark.parametrize("answer", [{"valve": "inlet"}, Finding(valve="inlet"), Plain("inlet")])
@pytest.mark.parametrize("support", [0.0, 0.5])
def test_structured_answers_are_judged_as_their_json_and_stay_what_they_are(answer, support):
    result = AnswerGuard(json_schema=SCHEMA, minimum_support=support).invoke(GOOD | {"answer": answer})
    assert result["guard"]["passed"] and result["answer"] is answer


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"valve": 7}, "breaks the schema at $.valve"),
        ([Finding(valve="inlet")], "breaks the schema at $"),
        (None, "is empty"),
    ],
)
def test_structured_answers_that_break_the_schema_fail(answer, reason):
    guard = AnswerGuard(json_schema=SCHEMA, minimum_support=0.0, on_failure="withhold")
    result = guard.invoke(GOOD | {"answer": answer})
    assert reason in result["guard"]["reasons"][0] and result["answer"] == guard.withheld


TRUE = "The inlet valve closes first."


class Cited(BaseModel):
    answer: str
    confidence: float = 0.93
    citations: list[int] = [17]


@pytest.mark.parametrize(
    "answer",
    [
        Cited(answer=TRUE),
        {"final_answer": TRUE, "reasoning": "It closes at 2 bar.", "follow_up_questions": []},
        {"answer": TRUE, "grounded": True, "language": "en", "source": "pumps.md"},
        {
            "statements": [
                {"text": TRUE, "citations": [17]},
                {"text": "It closes at 2 bar.", "citations": [4]},
            ]
        },
        json.dumps({"answer": TRUE, "confidence": 0.93}),
        {"valve": "inlet", "confidence": 0.93},
        {"bar": 2},
        {},
        "[" * 3000 + "]" * 3000,
    ],
)
def test_structured_answers_whose_texts_are_right_pass(answer, tmp_path):
    audit = tmp_path / "audit.jsonl"
    result = AnswerGuard(on_failure="withhold", audit=audit).invoke(GOOD | {"answer": answer})
    assert result["guard"]["reasons"] == [] and result["answer"] is answer
    assert json.loads(audit.read_text())["answer"] == text_of(answer)


@pytest.mark.parametrize(
    ("answer", "unknown"),
    [
        ({"answer": BAD["answer"], "confidence": 0.93}, "7, "),
        ({"answer": TRUE, "reasoning": BAD["answer"]}, "7, "),
        (json.dumps({"answer": BAD["answer"]}), "7, "),
        ({"valve": "outlet", "confidence": 0.93}, "outlet"),
        ({"bar": 7}, "7"),
    ],
)
def test_structured_answers_with_an_invented_text_fail(answer, unknown):
    (reason,) = AnswerGuard().invoke(GOOD | {"answer": answer})["guard"]["reasons"]
    assert f"not in the passages: {unknown}" in reason
    assert "confidence" not in reason


def test_a_text_in_a_script_without_spaces_is_no_label():
    assert claims_of('{"a": "第七阀门首先关闭", "b": "en", "c": "one two"}') == "第七阀门首先关闭\n\none two"
    assert claims_of("No {JSON}") == "No {JSON}" and claims_of("12") == "12"


class Valve(enum.Enum):
    INLET = "inlet"


class Kind(BaseModel):
    kind: Valve


CIRCLE = {}
CIRCLE["self"] = CIRCLE


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({Valve.INLET: Valve.INLET}, '{"inlet": "inlet"}'),
        ([Kind(kind=Valve.INLET), {"kind": Valve.INLET}], '[{"kind": "inlet"}, {"kind": "inlet"}]'),
        ({date(2026, 1, 2): date(2026, 1, 3)}, '{"2026-01-02": "2026-01-03"}'),
        ({("a", 1): {1}}, '{"a,1": [1]}'),
        (
            MappingProxyType({"a": MappingProxyType({"b": Finding(valve="ü")})}),
            '{"a": {"b": {"valve": "ü"}}}',
        ),
        ({"a": Plain("inlet"), "b": ...}, '{"a": {"valve": "inlet"}, "b": "Ellipsis"}'),
        ({"a": b"\xff"}, "{'a': b'\\xff'}"),
        (CIRCLE, "{'self': {...}}"),
    ],
)
def test_every_structure_has_a_text(value, text):
    assert text_of(value) == text


def test_a_chat_as_the_question_is_audited_by_its_text(tmp_path):
    chat = [HumanMessage("Which valve closes?"), AIMessage("At what pressure?"), HumanMessage("2 bar.")]
    guard = AnswerGuard(audit=tmp_path / "audit.jsonl")
    answer = AIMessage("The inlet valve closes first.")
    result = guard.invoke({"question": chat, "answer": answer, "documents": DOCUMENTS})
    assert result["guard"]["passed"] and result["answer"] is answer
    record = json.loads((tmp_path / "audit.jsonl").read_text())
    assert record["question"] == "Which valve closes?\nAt what pressure?\n2 bar."


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pattern": "("}, "must be a regular expression"),
        ({"json_schema": {"type": "nonsense"}}, "must be a JSON schema"),
        ({"on_failure": "shout"}, "flag"),
        ({"minimum_support": 2}, "less than or equal to 1"),
        ({"minimum_suport": 0.5}, "Extra inputs"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        AnswerGuard(**settings)


@pytest.mark.parametrize("documents", [DOCUMENTS[0].page_content, [DOCUMENTS[0].page_content], DOCUMENTS[0]])
def test_texts_are_documents_too(documents):
    assert AnswerGuard().invoke(GOOD | {"documents": documents})["guard"]["passed"]
    assert not AnswerGuard().invoke(BAD | {"documents": documents})["guard"]["passed"]


@pytest.mark.parametrize(
    ("documents", "kind"),
    [
        (None, "NoneType"),
        ({"a": 1}, "dict"),
        ([{"page_content": "x"}], "dict"),
        ([None], "NoneType"),
        (3, "int"),
    ],
)
def test_what_is_no_document_is_refused_with_the_remedy(documents, kind):
    with pytest.raises(
        ValueError, match=f"must be Documents or strings, got {kind}: hand over what the retriever"
    ):
        AnswerGuard().invoke(GOOD | {"documents": documents})


def test_an_input_without_documents_is_refused_with_the_remedy():
    with pytest.raises(ValueError, match=r"needs a mapping with 'answer' and 'documents', got \['answer'\]"):
        AnswerGuard().invoke({"answer": "x"})
