"""A question to an index, and how the answer looks."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest
from hashed_words import HashedWords
from rich.console import Console

from hola_plugins.adacomp import calibration_file
from hola_plugins.corpus.answer_view import KEPT, LEFT_OUT, REASONS, render_answer
from hola_plugins.corpus.asking import OpenIndex
from hola_plugins.langchain import AdaCompRetriever, FaissStore

LONG = "The inlet valve closes first. Boats carry flour. Bread is sold at eight. Nobody minds the rain."
TEXTS = [
    LONG,
    "A red boat waits at the bridge.",
    "The baker lights the oven.",
    "A dog ran away.",
    "Rain fell.",
]


@pytest.fixture
def opened(tmp_path):
    metadatas = [{"source": f"{number}.md"} for number in range(5)]
    store = FaissStore.from_texts(TEXTS, HashedWords(4096), metadatas, ids=list("abcde"))
    return OpenIndex(tmp_path, store)


def shown(answer):
    console = Console(width=100, file=io.StringIO())
    console.print(render_answer(answer))
    return console.file.getvalue()


def test_the_decision_the_passages_and_the_tokens_are_shown(opened):
    text = shown(opened.ask("Which valve closes first?", k=2))
    assert "Which valve closes first?" in text
    assert REASONS["fixed_k"] in text
    assert "1. 0.md" in text
    assert "the 4 nearest passages whole" in text


def test_kept_sentences_are_highlighted_and_the_rest_is_dim(opened):
    answer = opened.ask("Which inlet valve closes first?", k=1, budget=8)
    assert [one.page_content for one in answer.explanation.documents] == ["The inlet valve closes first."]
    assert answer.tokens <= 8
    segments = list(Console(width=200).render(render_answer(answer)))
    style_of = {segment.text.strip(): str(segment.style) for segment in segments if segment.text.strip()}
    assert style_of["The inlet valve closes first."] == KEPT
    assert style_of["Boats carry flour."] == LEFT_OUT


def test_what_fits_as_it_is_is_shown_as_kept(opened):
    answer = opened.ask("Which inlet valve closes first?", k=1, budget=400)
    assert answer.explanation.as_json()["kept"][0]["kept_sentences"] == [0, 1, 2, 3]
    segments = list(Console(width=200).render(render_answer(answer)))
    style_of = {segment.text.strip(): str(segment.style) for segment in segments if segment.text.strip()}
    assert style_of["Boats carry flour."] == KEPT


def test_tokens_saved_are_measured_against_four_whole_passages(opened):
    answer = opened.ask("Which valve closes first?", k=1, budget=8)
    assert answer.saved == pytest.approx(1 - answer.tokens / answer.usual_tokens)
    assert 0 < answer.saved < 1
    assert opened.ask("Which valve closes first?", k=5).saved < 0


def test_json_holds_decision_texts_and_tokens(opened):
    content = json.loads(json.dumps(opened.ask("Which valve closes first?", k=2).as_json()))
    assert (content["reason"], content["k"]) == ("fixed_k", 2)
    assert content["documents"][0] == {"id": "a", "source": "0.md", "text": LONG}
    assert content["tokens"] > 0


def test_a_calibration_in_the_index_is_used(opened):
    retriever = AdaCompRetriever.from_vectorstore(opened.store)
    queries = [" ".join(text.split()[:4]) for text in TEXTS] * 12
    retriever.calibrate(queries, [{name} for name in "abcde"] * 12, target=0.8)
    retriever.save_calibration(opened.folder / "calibration.json")
    answer = opened.ask("zebra quantum xylophone")
    assert answer.explanation.reason == "no_evidence"
    assert (answer.tokens, answer.explanation.documents) == (0, ())
    assert REASONS["no_evidence"] in shown(answer)


def test_a_calibration_in_the_index_that_is_a_link_is_refused_and_one_of_the_user_is_not(opened, tmp_path):
    retriever = AdaCompRetriever.from_vectorstore(opened.store)
    queries = [" ".join(text.split()[:4]) for text in TEXTS] * 12
    retriever.calibrate(queries, [{name} for name in "abcde"] * 12, target=0.8)
    retriever.save_calibration(tmp_path / "elsewhere.json")
    link = opened.folder / "calibration.json"
    link.symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(ValueError, match=r"calibration\.json must be a plain file, and is a link"):
        opened.ask("Which valve closes first?")
    assert opened.retriever(calibration=link).calibration


@pytest.mark.parametrize(
    "put",
    [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("nowhere")],
    ids=["pipe", "folder", "dangling link"],
)
def test_what_is_no_file_in_place_of_the_calibration_is_refused_by_name(opened, put):
    put(opened.folder / "calibration.json")
    with pytest.raises(ValueError, match=r"calibration\.json must be a plain file"):
        opened.ask("Which valve closes first?")


def test_a_calibration_that_is_changed_while_it_is_opened_is_read_once(opened, monkeypatch):
    retriever = AdaCompRetriever.from_vectorstore(opened.store)
    queries = [" ".join(text.split()[:4]) for text in TEXTS] * 12
    calibration = retriever.calibrate(queries, [{name} for name in "abcde"] * 12, target=0.8)
    file = opened.folder / "calibration.json"
    retriever.save_calibration(file)
    load = calibration_file.load

    def load_and_change(path, *, links=True):
        found = load(path, links=links)
        file.write_text("{}", encoding="utf-8")
        return found

    monkeypatch.setattr(calibration_file, "load", load_and_change)
    assert opened.retriever().calibration.floor == calibration.floor


def test_the_depth_bounds_of_a_calibration_are_used(opened):
    retriever = AdaCompRetriever.from_vectorstore(opened.store, k_min=3, k_max=4)
    queries = [" ".join(text.split()[:4]) for text in TEXTS] * 12
    retriever.calibrate(queries, [{name} for name in "abcde"] * 12, target=0.8)
    retriever.save_calibration(opened.folder / "calibration.json")
    explanation = opened.ask("The inlet valve closes").explanation
    assert (explanation.warnings, explanation.k >= 3) == ((), True)


def test_documents_cannot_steer_the_terminal(opened):
    opened.store.add_texts(["\x1b[2Jvalve closes [red]now[/red]"], [{"source": "\x1b]0;x"}], ids=["evil"])
    text = shown(opened.ask("valve closes now", k=1))
    assert "\x1b" not in text
    assert "[red]now[/red]" in text


def test_a_blank_question_is_refused(opened):
    with pytest.raises(ValueError, match="query must have a character"):
        opened.ask(" ")


def test_an_empty_index_says_so(tmp_path):
    answer = OpenIndex(tmp_path, FaissStore(HashedWords())).ask("anything")
    assert (answer.explanation.reason, answer.saved) == ("empty_corpus", 0.0)
    assert REASONS["empty_corpus"] in shown(answer)
