"""A draft learns, keeps its best whatever ends the training, and answers that are there are not asked for again."""

from __future__ import annotations

import json

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")

from small_models import target, target_rows

from hola_plugins.lobi.cut import Cut, apply_cut
from hola_plugins.lobi.divergence import record
from hola_plugins.lobi.draft import answer_file
from hola_plugins.lobi.draft.acceptance import measure_acceptance
from hola_plugins.lobi.draft.answer_file import kept_answers
from hola_plugins.lobi.draft.answers import answer_prompts, batch_answers
from hola_plugins.lobi.draft.config import load_draft_config
from hola_plugins.lobi.draft.distillation import distil
from hola_plugins.lobi.saliency import lora_saliency
from hola_plugins.lobi.structure import read_structure


def prompts(count):
    return [row["input_ids"].tolist() for row in target_rows(count, 16)]


@pytest.fixture(scope="module")
def lesson():
    """The target's answers, what it says to those that are learned from, and those that are measured."""
    answers = answer_prompts(target(), prompts(32), 24)
    fitting = batch_answers(answers[:24], 8, 4096)
    return (
        fitting,
        record(target(), [batch.text for batch in fitting], 32),
        batch_answers(answers[24:], 8, 4096),
    )


@pytest.fixture
def draft(lesson):
    model = target()
    structure = read_structure(model)
    saliency = lora_saliency(model, [batch.text for batch in lesson[0]], structure, 8, 0)
    apply_cut(model, structure, saliency, Cut(256, None, 3))
    return model


def learn(draft, lesson, check=None, **settings):
    fitting, said, checks = lesson
    config = load_draft_config({"check_every": 4, "learning_rate": 1e-3, **settings})
    rate = check or (lambda model: measure_acceptance(model, checks).rate)
    return distil(draft, read_structure(draft), fitting, said, rate, config)


@pytest.mark.parametrize("train", ["all", "lora"])
def test_training_raises_the_acceptance_and_leaves_the_best(draft, lesson, train):
    before = measure_acceptance(draft, lesson[2]).rate
    found = learn(draft, lesson, steps=16, train=train, learning_rate=2e-4)
    assert found.before == before
    assert found.after == max(rate for _, rate in found.curve) > before
    assert measure_acceptance(draft, lesson[2]).rate == pytest.approx(found.after, abs=0.02)
    assert found.ended == "steps"
    assert not any("lora" in name for name, _ in draft.named_parameters())


def test_an_interrupt_keeps_the_best_so_far(draft, lesson):
    calls = []

    def check(model):
        if len(calls) == 3:
            raise KeyboardInterrupt
        calls.append(measure_acceptance(model, lesson[2]).rate)
        return calls[-1]

    found = learn(draft, lesson, check, steps=1000)
    assert found.ended == "stopped"
    assert found.steps == 12
    assert found.after == max(calls)
    assert measure_acceptance(draft, lesson[2]).rate == found.after


def test_a_training_that_harms_leaves_the_draft_as_it_was(draft, lesson):
    before = {name: tensor.clone() for name, tensor in draft.state_dict().items()}
    found = learn(draft, lesson, steps=40, learning_rate=1.0, patience=2)
    assert found.best_step == 0
    assert found.ended in {"patience", "diverged"}
    assert all(torch.equal(before[name], tensor) for name, tensor in draft.state_dict().items())


def test_minutes_end_the_training(draft, lesson):
    found = learn(draft, lesson, steps=100_000, minutes=1e-6)
    assert found.ended == "minutes"
    assert found.steps == 1


def test_answers_are_kept_and_a_cut_off_line_is_answered_again(tmp_path):
    whole, asked = target(), prompts(6)
    first = kept_answers(tmp_path, whole, asked[:4], 8)
    (file,) = tmp_path.iterdir()
    kept = file.read_bytes()
    assert kept_answers(tmp_path, whole, asked[:4], 8) == first
    assert file.read_bytes() == kept
    file.write_bytes(kept[:-30])
    again = kept_answers(tmp_path, whole, asked, 8)
    assert again == answer_prompts(whole, asked, 8)
    assert file.read_bytes().startswith(kept[:-30])
    assert kept_answers(tmp_path, whole, asked, 8) == again


def test_an_answer_of_ids_that_the_target_has_not_is_asked_for_anew(tmp_path, caplog):
    whole, asked = target(), prompts(3)
    first = kept_answers(tmp_path, whole, asked, 8)
    (file,) = tmp_path.iterdir()
    lines = [json.loads(line) for line in file.read_text().split("\n") if line]
    lines[0]["ids"][-1], lines[1]["ids"][-1] = whole.config.vocab_size, -1
    file.write_text("\n".join(map(json.dumps, lines)))
    assert kept_answers(tmp_path, whole, asked, 8) == first
    assert caplog.text.count("has a damaged line") == 2


def test_an_endless_line_of_answers_does_not_fill_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(answer_file, "LINE_BYTES", 64)
    file = tmp_path / "answers.jsonl"
    whole = json.dumps({"prompt": 1, "ids": [1, 2]})
    file.write_text(f"{whole}\n{json.dumps({'prompt': 1, 'ids': [1] * 99})}\n{whole}\n")
    assert [*answer_file._read(file, 4).values()] == [[1, 2]]
    with file.open("r+b") as sparse:
        sparse.truncate(1 << 20)
    assert [*answer_file._read(file, 4).values()] == [[1, 2]]


def test_answers_that_other_tokens_ended_are_asked_for_anew(tmp_path):
    whole, asked = target(), prompts(4)
    kept = kept_answers(tmp_path, whole, asked, 8)
    whole.generation_config.eos_token_id = [kept[0].ids[18]]
    anew = kept_answers(tmp_path, whole, asked, 8)
    assert anew == answer_prompts(whole, asked, 8)
    assert anew != kept
