"""A small corpus whose passages differ in a part and a hall."""

from __future__ import annotations

from langchain_core.documents import Document

PARTS = ("valve", "pump", "filter", "gauge", "boiler", "turbine", "rotor", "seal", "hose", "clamp")
DOCUMENTS = [
    Document(
        id=f"{part}-{hall}", page_content=f"The {part} in hall {hall} is checked every {hall + 2} weeks."
    )
    for part in PARTS
    for hall in range(4)
]
