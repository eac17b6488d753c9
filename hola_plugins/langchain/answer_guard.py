"""`AnswerGuard`: a runnable behind the model that lets grounded answers pass, and flags or withholds the others."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from langchain_core.callbacks import (
    AsyncCallbackManagerForChainRun,
    CallbackManagerForChainRun,
    adispatch_custom_event,
    dispatch_custom_event,
)
from langchain_core.runnables import RunnableConfig, RunnableSerializable
from langchain_core.runnables.config import patch_config, run_in_executor
from pydantic import ConfigDict, Field, PrivateAttr, field_validator

from hola_plugins.adacomp.audit import AuditTrail
from hola_plugins.adacomp.groundedness import Support, supports
from hola_plugins.files.input_file import parse_json
from hola_plugins.langchain.answer_text import claims_of, passages_of, text_of

EVENT = "adacomp.guard"
"""Name of the event that every checked answer sends; its data is the verdict."""

State = dict[str, Any]


class AnswerGuard(RunnableSerializable[State, State]):
    """Checks an answer against the passages that it was given, a pattern and a JSON schema.

        chain = build_chain(retriever, model) | AnswerGuard(on_failure="withhold", audit="answers.jsonl")

    It takes a mapping with the answer and the documents and gives it back with ``guard``, the verdict: ``passed``,
    ``reasons`` and the support of every sentence. The answer may be a string, a message, or structured output; it
    stays what it is unless it is withheld. A withheld answer is replaced by ``withheld``; the audit trail keeps the
    original.

    Pattern, schema and audit trail see structured output as its JSON. Support is asked of the texts in it alone, and of
    those in an answer that is itself JSON: names, truth values, numbers and single words beside a longer text, such as
    a confidence, a label or the numbers of citations, pass unjudged. Where no text is longer than a word the words are
    judged, and where there is none the numbers.

    Attributes:
        minimum_support: Support under which a sentence counts as invented, 0 to 1; see
            `hola_plugins.adacomp.groundedness`. 0 switches the check off.
        on_failure: "flag" leaves the answer in place, "withhold" replaces it.
        withheld: What a withheld answer is replaced by.
        allowed: Answers that pass as they are, such as what the chain says when nothing was found.
        pattern: A regular expression that the whole answer must match; None for none.
        json_schema: A JSON schema that the answer must be valid against; None for none.
        entails: A classifier, (passage, sentence) -> probability of entailment, such as
            `hola_plugins.langchain.entailment.entailment_model` gives; None counts words.
        audit: File that receives one JSON line an answer; None for none.
        answer_key: Key of the answer.
        documents_key: Key of its documents, or of their texts.
        question_key: Key of the question, whose words an answer may repeat; without one every word is a claim.

    Raises:
        ValueError: A pattern or schema that is none, or an input without answer or documents, or with others.
        ImportError: ``json_schema`` without the package jsonschema.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    minimum_support: float = Field(default=0.5, ge=0.0, le=1.0)
    on_failure: Literal["flag", "withhold"] = "flag"
    withheld: str = "The answer was withheld: the documents do not support it."
    allowed: tuple[str, ...] = ()
    pattern: str | None = None
    json_schema: dict[str, Any] | None = None
    entails: Callable[[str, str], float] | None = Field(default=None, exclude=True)
    audit: Path | None = None
    answer_key: str = "answer"
    documents_key: str = "documents"
    question_key: str = "question"

    _trail: AuditTrail | None = PrivateAttr(default=None)

    @field_validator("pattern")
    @classmethod
    def _is_a_pattern(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"must be a regular expression, got {pattern!r}: {error}") from None
        return pattern

    @field_validator("json_schema")
    @classmethod
    def _is_a_schema(cls, schema: dict[str, Any] | None) -> dict[str, Any] | None:
        if schema is not None:
            validator, error = _json_schema()
            try:
                validator.check_schema(schema)
            except error as problem:
                raise ValueError(f"must be a JSON schema: {problem.message}") from None
        return schema

    def model_post_init(self, context: Any, /) -> None:
        """Opens the audit trail."""
        super().model_post_init(context)
        if self.audit is not None:
            self._trail = AuditTrail(self.audit)

    def invoke(self, input: State, config: RunnableConfig | None = None, **kwargs: Any) -> State:  # noqa: A002
        """Checks one answer."""
        return self._call_with_config(self._guard, input, config)

    async def ainvoke(self, input: State, config: RunnableConfig | None = None, **kwargs: Any) -> State:  # noqa: A002
        """Checks one answer; a classifier runs in a thread."""
        return await self._acall_with_config(self._guard_async, input, config)

    def _guard(self, state: State, run_manager: CallbackManagerForChainRun, config: RunnableConfig) -> State:
        checked, verdict = self._check(state)
        if run_manager.handlers:
            child = patch_config(config, callbacks=run_manager.get_child())
            dispatch_custom_event(EVENT, verdict, config=child)
        return checked

    async def _guard_async(
        self, state: State, run_manager: AsyncCallbackManagerForChainRun, config: RunnableConfig
    ) -> State:
        checked, verdict = await run_in_executor(config, self._check, state)
        if run_manager.handlers:
            child = patch_config(config, callbacks=run_manager.get_child())
            await adispatch_custom_event(EVENT, verdict, config=child)
        return checked

    def _check(self, state: State) -> tuple[State, State]:
        """Gives the state with its verdict, and the verdict alone."""
        answer, evidence = self._parts(state)
        question = text_of(state.get(self.question_key))
        claims = claims_of(answer)
        judged = supports(claims, evidence, self.entails, question) if self.minimum_support else []
        reasons = [] if answer.strip() in self.allowed else list(self._reasons(answer, evidence, judged))
        action = "passed" if not reasons else "flagged" if self.on_failure == "flag" else "withheld"
        verdict = {
            "passed": not reasons,
            "action": action,
            "reasons": reasons,
            "sentences": [
                {"text": one.sentence, "support": round(one.support, 4), "passage": one.passage}
                for one in judged
            ],
        }
        if self._trail is not None:
            self._trail.write({"event": EVENT, "question": question or None, "answer": answer, **verdict})
        shown = self.withheld if action == "withheld" else state[self.answer_key]
        return {**state, self.answer_key: shown, "guard": verdict}, verdict

    def _parts(self, state: Any) -> tuple[str, list[str]]:
        """Takes answer and passages out of the input."""
        if not isinstance(state, Mapping) or not {self.answer_key, self.documents_key} <= set(state):
            got = sorted(state) if isinstance(state, Mapping) else type(state).__name__
            raise ValueError(
                f"the guard needs a mapping with {self.answer_key!r} and {self.documents_key!r}, got {got}: keep both "
                "with RunnablePassthrough.assign, or set answer_key and documents_key"
            )
        return text_of(state[self.answer_key]), passages_of(state[self.documents_key])

    def _reasons(self, answer: str, evidence: list[str], judged: list[Support]) -> Any:
        """Yields what is wrong with an answer, a sentence each."""
        if not answer.strip():
            yield "the answer is empty"
            return
        if self.pattern is not None and not re.fullmatch(self.pattern, answer.strip(), re.DOTALL):
            yield f"the answer does not match the pattern {self.pattern!r}"
        if self.json_schema is not None:
            yield from _schema_errors(answer, self.json_schema)
        if self.minimum_support and not evidence:
            yield "no passage was given that could support the answer"
            return
        for one in judged:
            if one.support < self.minimum_support:
                unknown = f"; not in the passages: {', '.join(one.unknown)}" if one.unknown else ""
                yield f"support {one.support:.2f} of {one.sentence!r}{unknown}"


def _json_schema() -> tuple[Any, Any]:
    """Gives jsonschema's newest validator and its error."""
    try:
        from jsonschema import Draft202012Validator
        from jsonschema.exceptions import SchemaError
    except ImportError as error:
        message = "'jsonschema' is not installed. Install it with: pip install 'hola-plugins[langchain]'"
        raise ImportError(message) from error
    return Draft202012Validator, SchemaError


def _schema_errors(answer: str, schema: dict[str, Any]) -> list[str]:
    """Lists how an answer breaks a JSON schema."""
    validator, _ = _json_schema()
    try:
        errors = list(validator(schema).iter_errors(parse_json(answer)))
    except ValueError as error:
        return [f"the answer is no JSON: {error}"]
    except RecursionError:
        return ["the answer is nested too deeply to be checked against the schema"]
    return [f"the answer breaks the schema at {one.json_path}: {one.message}" for one in errors]
