"""An answer for the terminal: the decision in words, the passages with what is kept of them, the tokens."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.text import Text

from hola_plugins.adacomp.passage import Passage
from hola_plugins.adacomp.sentences import split_sentences
from hola_plugins.corpus.asking import USUAL_K, Answer
from hola_plugins.langchain.explanation import PassageStory
from hola_plugins.terminal_text import clean, clean_line

KEPT, LEFT_OUT = "bold green", "dim"

REASONS = {
    "fixed_k": "you asked for this many passages",
    "calibrated": "the passages whose calibrated relevance reaches the threshold",
    "largest_gap": "not calibrated: the depth follows the largest fall in the scores",
    "depth_limit": "the most that is allowed: the calibration's labels cannot carry its target",
    "no_evidence": "nothing in the index is near this question",
    "model_confident": "the model answers this without help",
    "empty_corpus": "the index is empty",
    "policy_failed": "the most that is allowed: the depth policy or one of its signals failed",
}


def render_answer(answer: Answer) -> RenderableType:
    """Renders an answer; what is sent to a model is green, what is left out is dim."""
    explanation = answer.explanation
    kept = [one for one in explanation.passages if one.dropped is None and one.id in answer.originals]
    dropped = [one for one in explanation.passages if one.dropped is not None]
    parts: list[RenderableType] = [_header(answer)]
    parts += [_passage(story, answer.originals[story.id]) for story in kept]
    notes = [f"left out: {story.id} ({story.dropped})" for story in dropped]
    notes += [f"note: {warning}" for warning in explanation.warnings]
    parts += [Text(clean_line(note), style="yellow") for note in notes]
    return Group(*parts, _tokens(answer))


def _header(answer: Answer) -> RenderableType:
    """Says what was decided and why."""
    explanation = answer.explanation
    searches = "1 search" if explanation.searches == 1 else f"{explanation.searches} searches"
    kept = f"{explanation.k} of {explanation.candidates} candidates kept after {searches}"
    lines = [f"{explanation.level}: {kept}", REASONS[explanation.reason]]
    if explanation.threshold is not None:
        lines.append(f"threshold of the relevance: {explanation.threshold:.3f}")
    if explanation.nearest is not None:
        lines.append(f"nearest passage: cosine {explanation.nearest:.2f}")
    if explanation.evidence is not None and explanation.floor is not None:
        lines.append(
            f"evidence {explanation.evidence:.2f}, real questions have {explanation.floor:.2f} or more"
        )
    title = Text(clean(explanation.query), style="bold")
    return Panel(Text("\n".join(lines)), title=title, title_align="left")


def _passage(story: PassageStory, passage: Passage) -> RenderableType:
    """Shows one passage with its kept sentences."""
    place = str(passage.metadata.get("source", passage.id))
    if "page" in passage.metadata:
        place += f", page {passage.metadata['page']}"
    scores = f"cosine {story.similarity:.2f}, with BM25 {story.score:.2f}"
    if story.relevance is not None:
        scores += f", relevance {story.relevance:.2f}"
    title = Text(f"{story.rank}. {clean_line(place)}", style="bold cyan").append(f"  {scores}", style="dim")
    return Group(Text(), title, _sentences(story, passage.text))


def _sentences(story: PassageStory, text: str) -> Text:
    """Marks the sentences that are kept; all of them where nothing was cut."""
    if story.compressed is None:
        return Text(clean(text), style=KEPT)
    shown = Text()
    for place, sentence in enumerate(split_sentences(text)):
        line = " ".join(clean(sentence).split())
        shown.append(line, style=KEPT if place in story.compressed.kept else LEFT_OUT).append(" ")
    return shown


def _tokens(answer: Answer) -> RenderableType:
    """Says what is saved against the usual retriever."""
    usual = f"the {USUAL_K} nearest passages whole: {answer.usual_tokens}"
    share = f"{answer.saved:.0%} saved" if answer.saved >= 0 else f"{-answer.saved:.0%} more"
    return Text(f"\nabout {answer.tokens} tokens; {usual}; {share}", style="bold")
