"""Answer a question from your documents: index, adaptive retriever, prompt, a model served by vLLM with HSD.

    python -m vllm.entrypoints.openai.api_server --config integrations/vllm/serve.yaml
    hola index docs
    python integrations/langchain/rag_chain.py docs "Which valve closes first?"

The model needs a chat template; for one without, start the server with --chat-template integrations/langchain/plain_chat.jinja.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import Any

import httpx
from langchain_core.documents import Document
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnableBranch, RunnableLambda, RunnablePassthrough
from langchain_openai import ChatOpenAI

from hola_plugins.corpus.asking import open_index
from hola_plugins.langchain import AdaCompRetriever, AnswerGuard

NOTHING = "The documents say nothing about this."
PROMPT = ChatPromptTemplate.from_messages(
    [
        (
            "system",
            "Answer from the numbered passages alone and cite them like [1]. If they do not help, say so.",
        ),
        ("human", "{passages}\n\nQuestion: {question}"),
    ]
)


def served_model(url: str, max_tokens: int) -> ChatOpenAI:
    """Gives the model that the server at ``url`` (.../v1) serves."""
    name = httpx.get(f"{url}/models").raise_for_status().json()["data"][0]["id"]
    return ChatOpenAI(
        base_url=url, api_key="none", model=name, temperature=0.0, max_completion_tokens=max_tokens
    )


def token_counter(url: str, model: str) -> Callable[[str], int]:
    """Gives a function that counts tokens as the served model does, so that a budget is exact."""
    client = httpx.Client(base_url=url.removesuffix("/v1"))

    @lru_cache(maxsize=4096)
    def count(text: str) -> int:
        answer = client.post("/tokenize", json={"model": model, "prompt": text, "add_special_tokens": False})
        return int(answer.raise_for_status().json()["count"])

    return count


def numbered(documents: Sequence[Document]) -> str:
    """Writes the passages with the numbers that the answer cites."""
    return "\n\n".join(
        f"[{number}] ({document.metadata.get('source', 'unknown')}) {document.page_content}"
        for number, document in enumerate(documents, 1)
    )


def build_chain(
    retriever: AdaCompRetriever, model: Runnable[Any, Any]
) -> Runnable[dict[str, str], dict[str, Any]]:
    """Gives the chain from {"question"} to {"question", "documents", "answer"}; no passage, no call of the model."""
    passages = RunnableLambda(lambda state: numbered(state["documents"]))
    generate = RunnablePassthrough.assign(passages=passages) | PROMPT | model | StrOutputParser()
    answer = RunnableBranch((lambda state: not state["documents"], lambda _: NOTHING), generate)
    retrieve = itemgetter("question") | retriever
    return RunnablePassthrough.assign(documents=retrieve) | RunnablePassthrough.assign(answer=answer)


def citations(answer: str, documents: Sequence[Document]) -> list[str]:
    """Lists the passages that the model was given and says which of them its answer cites."""
    cited = {int(number) for number in re.findall(r"\[(\d+)\]", answer)}
    return [
        f"[{number}] {document.metadata.get('source', 'unknown')}{'' if number in cited else ' (given, not cited)'}"
        for number, document in enumerate(documents, 1)
    ]


def main() -> None:
    """Prints the answer and its sources."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("index", type=Path, help="what `hola index` made, or the folder it was made of")
    parser.add_argument("question", help="the question")
    parser.add_argument(
        "--url", default="http://localhost:8000/v1", help="the server (default: port 8000 here)"
    )
    parser.add_argument("--budget", type=int, default=500, help="most tokens of passages (default: 500)")
    parser.add_argument("--tokens", type=int, default=128, help="most tokens of the answer (default: 128)")
    parser.add_argument(
        "--guard", action="store_true", help="withhold an answer that the passages do not support"
    )
    options = parser.parse_args()

    model = served_model(options.url, options.tokens)
    count = token_counter(options.url, model.model_name)
    retriever = open_index(options.index).retriever(token_budget=options.budget, length_function=count)
    chain = build_chain(retriever, model)
    if options.guard:
        chain |= AnswerGuard(on_failure="withhold", allowed=(NOTHING,))
    result = chain.invoke({"question": options.question})
    print(result["answer"].strip())
    print("\nSources:", *citations(result["answer"], result["documents"]), sep="\n")
    for reason in result.get("guard", {}).get("reasons", ()):
        print(f"guard: {reason}")


if __name__ == "__main__":
    main()
