"""Every file that an operator copies from integrations/langchain runs, against the real server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import proxy_bypass_environment

import demo
import httpx
import numpy as np
import pytest
import rag_chain
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from hola_plugins.corpus.asking import OpenIndex, open_index
from hola_plugins.langchain import AdaCompRetriever
from hola_plugins.langchain.confidence import ModelConfidence
from hola_plugins.langchain.model_signals import LogprobMargin

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "integrations" / "langchain"

DOCUMENTS = {
    "pump.md": "# Pump\n\nThe inlet valve of the pump closes first. The outlet valve closes ten seconds later.",
    "boat.txt": "A red boat waits at the bridge. It carries flour to the mill every morning.",
    "oven.md": "# Oven\n\nThe baker lights the oven at four. The first loaves are sold before eight.",
}
QUESTION = "Which valve closes first?"


def _run(*command: str, timeout: float = 600) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documents")
    for name, text in DOCUMENTS.items():
        (folder / name).write_text(text)
    _run("-m", "hola_plugins.cli", "index", str(folder))
    return folder


@pytest.fixture(scope="module")
def index(folder: Path) -> OpenIndex:
    return open_index(folder)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with demo.Server() as server:
        yield server.ready()


def _drafts(url: str) -> float:
    lines = httpx.get(f"{url.removesuffix('/v1')}/metrics").text.splitlines()
    return sum(
        float(line.split()[-1]) for line in lines if line.startswith("vllm:spec_decode_num_drafts_total")
    )


def test_rag_chain_answers_with_sources_and_hsd_drafts(url: str, folder: Path) -> None:
    before = _drafts(url)
    output = _run(str(FOLDER / "rag_chain.py"), str(folder), QUESTION, "--url", url, "--tokens", "48")
    answer, sources = output.split("\nSources:\n")
    assert answer.strip()
    assert sources.splitlines()[0].startswith("[1] pump.md")
    assert _drafts(url) > before


def test_the_budget_is_counted_with_the_served_models_tokenizer(url: str, index: OpenIndex) -> None:
    model = rag_chain.served_model(url, max_tokens=8)
    count = rag_chain.token_counter(url, model.model_name)
    tokenizer = AutoTokenizer.from_pretrained(ROOT / "tests" / "models" / "target")
    texts = [*DOCUMENTS.values(), "naïve 漢字"]
    assert [count(text) for text in texts] == [
        len(tokenizer.encode(text, add_special_tokens=False)) for text in texts
    ]
    retriever = AdaCompRetriever.from_vectorstore(index.store, token_budget=40, length_function=count, k=3)
    documents = retriever.invoke(QUESTION)
    assert documents
    assert sum(count(document.page_content) for document in documents) <= 40


def test_chain_gives_question_documents_and_answer(url: str, index: OpenIndex) -> None:
    retriever = AdaCompRetriever.from_vectorstore(index.store, k=2)
    chain = rag_chain.build_chain(retriever, rag_chain.served_model(url, max_tokens=8))
    result = chain.invoke({"question": QUESTION})
    assert result["question"] == QUESTION
    assert result["documents"][0].metadata["source"] == "pump.md"
    assert isinstance(result["answer"], str)


def test_without_passages_no_model_is_asked(index: OpenIndex) -> None:
    retriever = AdaCompRetriever.from_vectorstore(index.store, min_similarity=0.99)
    unreachable = rag_chain.ChatOpenAI(base_url="http://127.0.0.1:9/v1", api_key="none", model="none")
    result = rag_chain.build_chain(retriever, unreachable).invoke({"question": QUESTION})
    assert (result["documents"], result["answer"]) == ([], rag_chain.NOTHING)


def _greedy_margin(question: str, tokens: int) -> float:
    """The mean gap of the two likeliest tokens over a greedy answer, by transformers."""
    folder = ROOT / "tests" / "models" / "target"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    ids = tokenizer(f"{question}\n\nAnswer:", return_tensors="pt").input_ids
    answer = model.generate(
        ids, max_new_tokens=tokens, do_sample=False, output_logits=True, return_dict_in_generate=True
    )
    gaps = [logits[0].float().topk(2).values for logits in answer.logits]
    return float(np.mean([float(first - second) for first, second in gaps]))


def test_the_margin_of_the_served_model_is_that_of_its_logits(url: str) -> None:
    model = rag_chain.served_model(url, max_tokens=8).model_copy(update={"temperature": 1.0})
    margin = LogprobMargin(model, tokens=12)
    for question in (QUESTION, "Who lights the oven, and when?"):
        assert margin.confidence(question) == pytest.approx(_greedy_margin(question, 12), abs=0.02)
        assert margin.confidence(question) == margin.confidence(question)


def test_the_margin_gates_and_is_a_signal(url: str, index: OpenIndex) -> None:
    margin = LogprobMargin(rag_chain.served_model(url, max_tokens=8), tokens=8)
    value = margin.confidence(QUESTION)
    for threshold, reason in ((value - 0.1, "model_confident"), (value + 0.1, "largest_gap")):
        gated = AdaCompRetriever.from_vectorstore(
            index.store, confidence=ModelConfidence(margin.confidence, threshold)
        )
        assert gated.explain(QUESTION).reason == reason
    weighing = AdaCompRetriever.from_vectorstore(index.store, signals=(margin,))
    questions = [QUESTION, "Who lights the oven?", "What does the boat carry?", "When are the loaves sold?"]
    answers = ["inlet valve", "baker lights", "carries flour", "before eight"]
    calibration = weighing.calibrate(questions, answers, target=0.6)
    assert calibration.signals[-1] == "logprob_margin"
    assert weighing.invoke(QUESTION)[0].metadata["source"] == "pump.md"


def test_citations_tell_cited_from_given(index: OpenIndex) -> None:
    documents = AdaCompRetriever.from_vectorstore(index.store, k=2).invoke(QUESTION)
    assert "[1] (pump.md)" in rag_chain.numbered(documents)
    first, second = rag_chain.citations("The inlet valve [1].", documents)
    assert first == "[1] pump.md"
    assert second.endswith("(given, not cited)")


@pytest.mark.parametrize(("own", "elsewhere"), [("*", True), ("corp.example", False), (None, False)])
def test_demo_asks_its_server_past_every_proxy_and_keeps_the_wildcard(
    monkeypatch: pytest.MonkeyPatch, own: str | None, elsewhere: bool
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("no_proxy", own or "")
    demo._ask_directly("127.0.0.1")
    hosts = ("127.0.0.1", "elsewhere.example", own or "127.0.0.1")
    assert [bool(proxy_bypass_environment(host)) for host in hosts] == [True, elsewhere, True]


def test_demo_answers_over_the_projects_documentation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("VLLM_API_KEY", "secret")
    output = _run(str(FOLDER / "demo.py"))
    assert "drafts nothing" in output
    assert "[1] README.md" in output
