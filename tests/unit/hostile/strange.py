"""Values and bytes that nobody should write."""

from __future__ import annotations

import json

from hypothesis import strategies as st

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, -1, 2**63, 2**31])
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(
        ["\0", "\ud800", "~nobody-here/x", "a" * 5000, "../../etc", "/dev/zero", "\u202e", "re:("]
    )
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | st.integers(), inner, max_size=3)
    ),
    max_leaves=8,
)
JSON_VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)

DEEP = ("[" * 3_000, '{"a":' * 3_000)
"""Nested deeper than a parser can follow."""

HOSTILE_BYTES = {
    "empty": b"",
    "zeros": b"\0" * 9000,
    "half of UTF-8": b"\xff\xfe\xc3",
    "deep lists": DEEP[0].encode(),
    "deep objects": DEEP[1].encode(),
    "a huge number": b'{"labels": 1' + b"0" * 5000 + b"}",
    "infinity": b'{"labels": Infinity}',
    "a list": b"[]",
    "a number": b"1e999",
    "half a surrogate": rb'{"prompt": "\ud800"}',
    "cut off": b'{"prompt": "x',
}


def settings_near(model, *more: str) -> st.SearchStrategy:
    """Gives mappings whose keys are mostly a settings model's own, with any values; sections by their own keys."""
    sections = {
        name: field.annotation.model_fields
        for name, field in model.model_fields.items()
        if hasattr(field.annotation, "model_fields")
    }
    values = {
        name: st.dictionaries(st.sampled_from(list(fields)), VALUES, max_size=3)
        for name, fields in sections.items()
    }
    known = {
        name: VALUES | values[name] if name in values else VALUES for name in (*model.model_fields, *more)
    }
    near = st.fixed_dictionaries({}, optional=known)
    return st.builds(
        lambda one, other: {**other, **one},
        near,
        st.dictionaries(st.text(max_size=8) | st.integers(), VALUES, max_size=1),
    )


def as_json(value: object) -> bytes:
    """Writes JSON as Python does, infinities and halves of characters included."""
    return json.dumps(value).encode("utf-8", "surrogatepass")
