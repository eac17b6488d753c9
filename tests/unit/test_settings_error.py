"""What pydantic refuses is named by key, value, what is allowed, and the nearest name."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from hola_plugins.settings_error import explain, in_words

NO_INTEGER = "Input should be a valid integer, unable to parse string as an integer"


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid")

    share: float = 0.0
    name: str = ""

    @field_validator("share")
    @classmethod
    def _is_a_share(cls, share: float) -> float:
        if share > 1.0:
            raise ValueError("is a share, of at most 1")
        return share


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")

    size: int


class Whole(BaseModel):
    model_config = ConfigDict(extra="forbid")

    cut: Section | Literal["auto"] = "auto"
    parts: tuple[Part, ...] = ()
    other: Part | None = None
    plan: dict[str, list[str]] = {}

    @field_validator("cut", mode="before")
    @classmethod
    def _a_number_is_a_share(cls, cut: Any) -> Any:
        return {"share": cut} if isinstance(cut, float) else cut


def refused(settings: Any) -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        Whole.model_validate(settings)
    return caught.value


@pytest.mark.parametrize(
    ("settings", "sentences"),
    [
        (
            {"cuts": 1},
            ["unknown HOLA setting 'cuts'; did you mean 'cut'? Allowed here: cut, file, other, parts, plan"],
        ),
        (
            {"cut": {"shre": 0.1}},
            ["unknown HOLA setting 'cut.shre'; did you mean 'share'? Allowed here: name, share"],
        ),
        ({"cut": {"share": 2}}, ["HOLA setting 'cut.share' = 2: is a share, of at most 1"]),
        ({"cut": 2.0}, ["HOLA setting 'cut' = 2.0: is a share, of at most 1"]),
        (
            {"cut": "all"},
            [
                "HOLA setting 'cut' = 'all': must hold keys of name, share",
                "HOLA setting 'cut' = 'all': Input should be 'auto'",
            ],
        ),
        (
            {"parts": [{"size": 1}, {"size": "x" * 300}], "other": {}},
            [
                f"HOLA setting 'parts[1].size' = '{'x' * 199}...: {NO_INTEGER}",
                "HOLA setting 'other.size' is missing",
            ],
        ),
        (
            {"parts": [{"size": 1, "siz": 1}]},
            ["unknown HOLA setting 'parts[0].siz'; did you mean 'size'? Allowed here: size"],
        ),
        ({"plan": {"cut": 1}}, ["HOLA setting 'plan.cut' = 1: Input should be a valid list"]),
        (3, ["HOLA settings: must hold keys of cut, other, parts, plan"]),
    ],
)
def test_each_mistake_is_a_sentence(settings: Any, sentences: list[str]) -> None:
    error = refused(settings)
    assert in_words(error, settings, Whole, "HOLA", ["file"]) == "; ".join(sentences)


def test_without_an_owner_the_key_stands_alone_with_its_place() -> None:
    settings = {"cut": {"nam": 1}, "parts": [{"size": "x"}]}
    assert [(place, text.split(";")[0]) for place, text in explain(refused(settings), settings, Whole)] == [
        (("cut", "nam"), "unknown key 'cut.nam'"),
        (
            ("parts", 0, "size"),
            f"'parts[0].size' = 'x': {NO_INTEGER}",
        ),
    ]
    assert in_words(refused(3), 3, Whole) == "must hold keys of cut, other, parts, plan"
