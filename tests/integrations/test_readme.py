"""README's example of LangChain, as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

from langchain_core.vectorstores import InMemoryVectorStore

from hola_plugins.langchain.sentence_embeddings import SentenceEmbeddings

README = Path(__file__).parents[2] / "README.md"
TEXTS = [
    "The inlet valve closes first, before the pump stops.",
    "The outlet valve closes once the pressure has fallen.",
    "Bread is baked in the morning.",
    "The bridge was built by hand of grey stone.",
]


def test_the_retriever_answers_and_explains() -> None:
    blocks = re.findall(
        r"^```python\n(.*?)^```", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    (example,) = (block for block in blocks if "AdaCompRetriever" in block)
    vectorstore = InMemoryVectorStore(SentenceEmbeddings())
    ids = vectorstore.add_texts(TEXTS)
    names = {
        "vectorstore": vectorstore,
        "questions": ["Which valve closes first?", "When is bread baked?"] * 4,
        "relevant": [[ids[0]], [ids[2]]] * 4,
    }
    exec(example, names)
    query = "Which valve closes first?"
    found = names["retriever"].invoke(query)
    assert TEXTS[0] in [document.page_content for document in found]
    assert query in str(names["retriever"].explain(query))
