"""A model to start a draft from gets the target's vocabulary, and says what it said before."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from small_models import FAMILIES, TARGET, make, target, target_rows

from hola_plugins.lobi.config import LoBiError
from hola_plugins.lobi.draft import making, report
from hola_plugins.lobi.draft.config import load_draft_config
from hola_plugins.lobi.draft.cost import measure_costs
from hola_plugins.lobi.draft.making import make_draft
from hola_plugins.lobi.draft.report import report_draft
from hola_plugins.lobi.draft.shape import Extent
from hola_plugins.lobi.draft.source import DraftSource
from hola_plugins.lobi.draft.start import load_start, resize_vocabulary
from hola_plugins.lobi.model_source import load_model

KNOWN = 100
"""Tokens that the tokenizer of the small vocabulary of 128 would know."""


def logits(model):
    torch.manual_seed(2)
    with torch.no_grad():
        return model(input_ids=torch.randint(0, KNOWN, (4, 24))).logits


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("family", sorted(FAMILIES))
@pytest.mark.parametrize("size", [KNOWN, 160])
def test_another_vocabulary_changes_no_token_that_is_known(family, size, tied, tmp_path):
    model = make(family, tie_word_embeddings=tied)
    before = logits(model)
    resize_vocabulary(model, size)
    model.save_pretrained(tmp_path)
    loaded = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval()
    after = logits(loaded)
    assert loaded.config.vocab_size == after.shape[-1] == size
    assert torch.allclose(after[..., :KNOWN], before[..., :KNOWN], atol=1e-5)
    assert int(after.argmax(-1).max()) < 128


@pytest.fixture(scope="module")
def tokenizer():
    return transformers.AutoTokenizer.from_pretrained(TARGET)


def lesson_of(model, tokenizer):
    prompts = [row["input_ids"].tolist() for row in target_rows(12, 16)]
    return DraftSource(str(model), tokenizer, prompts[:4], prompts[4:8], prompts[8:], {})


def sampling(folder, generation):
    shutil.copytree(TARGET, folder)
    (folder / "generation_config.json").write_text(json.dumps(generation))
    return folder


@pytest.mark.parametrize("started", [True, False])
@pytest.mark.parametrize(
    "generation",
    [
        {"temperature": 0.6, "top_p": 0.9},
        {"temperature": 0.0, "do_sample": False},
        {"temperature": 0.0},
        {"temperature": 0.6, "do_sample": True},
    ],
)
def test_a_draft_has_the_generation_config_that_it_was_made_with(tmp_path, tokenizer, generation, started):
    model = sampling(tmp_path / "sampling", generation)
    source = lesson_of(TARGET if started else model, tokenizer)
    config = load_draft_config({"steps": 0, "answer_tokens": 8, "layers": None if started else 1})
    make_draft(source, config, tmp_path / "draft", start=str(model) if started else None)
    kept, made = (folder / "generation_config.json" for folder in (model, tmp_path / "draft"))
    assert made.read_bytes() == kept.read_bytes()


def test_without_a_generation_config_of_its_own_a_draft_is_greedy(tmp_path, tokenizer):
    model = sampling(tmp_path / "sampling", {})
    (model / "generation_config.json").unlink()
    config = json.loads((model / "config.json").read_text()) | {"temperature": 0.6}
    (model / "config.json").write_text(json.dumps(config))
    settings = load_draft_config({"steps": 0, "answer_tokens": 8, "layers": 1})
    make_draft(lesson_of(model, tokenizer), settings, tmp_path / "draft")
    saved = json.loads((tmp_path / "draft" / "generation_config.json").read_text())
    assert not {"temperature", "do_sample"} & set(saved)


def test_a_generation_config_that_cannot_be_saved_is_refused_before_the_work(
    tmp_path, tokenizer, monkeypatch
):
    monkeypatch.setattr(making, "hear_target", None)
    source = lesson_of(sampling(tmp_path / "broken", {"early_stopping": True}), tokenizer)
    with pytest.raises(LoBiError, match=r"mend generation_config\.json"):
        make_draft(source, load_draft_config({"layers": 1}), tmp_path / "draft")


def test_the_target_is_loaded_twice_and_beside_no_gradients(tmp_path, tokenizer, monkeypatch):
    loaded = []

    def load(model):
        loaded.append(model)
        return load_model(model)

    def measure(models):
        assert not [one for model in models for one in model.parameters() if one.grad is not None]
        return measure_costs(models)

    for module in (making, report):
        monkeypatch.setattr(module, "load_model", load)
    monkeypatch.setattr(making, "measure_costs", measure)
    source = lesson_of(TARGET, tokenizer)
    config = load_draft_config({"steps": 2, "answer_tokens": 8, "layers": 1})
    made = make_draft(source, config, tmp_path / "draft")
    found = report_draft(source, config, made, tmp_path / "draft")
    assert loaded == [str(TARGET), str(TARGET), str(tmp_path / "draft")]
    whole = target()
    assert found["target"] == {**asdict(Extent.of(whole)), "bytes": 2 * whole.num_parameters()}
    assert (found["provenance"]["device"], found["provenance"]["dtype"]) == ("cpu", "float32")


@pytest.mark.parametrize("started", [True, False])
def test_draft_and_target_are_timed_in_one_dtype(tmp_path, tokenizer, monkeypatch, started):
    timed = []

    def measure(models):
        timed.extend((model.dtype, model.config.num_hidden_layers) for model in models)
        return measure_costs(models)

    monkeypatch.setattr(making, "measure_costs", measure)
    source = lesson_of(TARGET, tokenizer)
    config = load_draft_config({"steps": 0, "answer_tokens": 8, "layers": None if started else 1})
    made = make_draft(source, config, tmp_path / "draft", start=str(TARGET) if started else None)
    assert timed == [(torch.float32, 6 if started else 1), (torch.float32, 6)]
    found = report_draft(source, config, made, tmp_path / "draft")
    assert found["cost"]["timed"] == "in transformers, in float32"
    assert [found["cost"][name]["one"] for name in ("draft", "target")] == [one.one for one in made.costs]
    config = json.loads((tmp_path / "draft" / "config.json").read_text())
    assert config["dtype"] == "bfloat16"


def test_a_draft_of_a_sibling_that_pads_its_vocabulary_otherwise_has_the_targets_size(tmp_path, tokenizer):
    sibling = target()
    resize_vocabulary(sibling, 2112)
    sibling.save_pretrained(tmp_path / "sibling")
    tokenizer.save_pretrained(tmp_path / "sibling")
    source = lesson_of(TARGET, tokenizer)
    config = load_draft_config({"steps": 0, "answer_tokens": 8})
    made = make_draft(source, config, tmp_path / "draft", start=str(tmp_path / "sibling"))
    draft = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "draft")
    assert draft.config.vocab_size == 2048
    assert torch.equal(draft.get_input_embeddings().weight.float(), target().get_input_embeddings().weight)
    assert made.before.rate == 1.0


def test_a_start_with_another_tokenizer_is_refused(tmp_path):
    other = transformers.AutoTokenizer.from_pretrained(TARGET)
    other.add_tokens(["<of its own>"])
    other.save_pretrained(tmp_path)
    target().save_pretrained(tmp_path)
    with pytest.raises(LoBiError, match="another vocabulary than the target"):
        load_start(str(tmp_path), transformers.AutoTokenizer.from_pretrained(TARGET), 2048)
