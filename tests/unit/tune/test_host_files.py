"""The files of the hosts, read back by what reads them."""

from __future__ import annotations

import json

import pytest
import yaml
from hashed_words import HashedWords

from hola_plugins.hsd.config import load_config
from hola_plugins.langchain import AdaCompRetriever, FaissStore
from hola_plugins.lobi.config import load_config as load_lobi
from hola_plugins.pilot.config import PilotConfig
from hola_plugins.pilot.sections import HSD, AdaComp
from hola_plugins.tune import host_files
from hola_plugins.tune.choice import Choice
from hola_plugins.tune.drafts import draft_settings

TEXTS = [f"The {place} is {number} miles away." for number, place in enumerate(("mill", "tower", "harbour"))]


@pytest.fixture
def pilot(tmp_path):
    (tmp_path / "prompts.jsonl").write_text('{"prompt": "one"}\n')
    engine = {"max-model-len": 512, "enforce-eager": False, "limit-mm-per-prompt": {"image": 0}}
    return PilotConfig(model=str(tmp_path), prompts=tmp_path / "prompts.jsonl", engine=engine)


def test_hsd_reads_its_settings_from_the_servers_configuration(tmp_path, pilot):
    settings = {"tau": 1.5, "levels": ["request", "store"]}
    written = host_files.write_serve(tmp_path, Choice(adacomp=None, model="m", hsd=settings), pilot)
    found = yaml.safe_load(written.read_text())
    hsd = load_config(json.loads(found["additional-config"])["hola"]["hsd"])
    assert (hsd.tau, hsd.levels) == (1.5, ("request", "store"))
    assert json.loads(found["speculative-config"])["num_speculative_tokens"] == 8
    assert (found["model"], found["max-model-len"], found["no-enforce-eager"]) == ("m", 512, True)
    assert json.loads(found["limit-mm-per-prompt"]) == {"image": 0}


@pytest.mark.parametrize(
    ("levels", "corpus"),
    [("request", None), ("request, store", "manual.txt"), ("transitions", "manual.txt")],
)
def test_hsd_starts_with_every_choice_of_levels_beside_a_corpus(pilot, levels, corpus):
    with_corpus = HSD(settings={"store": {"corpus": "manual.txt", "tokens": 4096}})
    serving = pilot.model_copy(update={"hsd": with_corpus})
    hsd = load_config(draft_settings(serving, {"tau": "auto", "levels": levels}))
    assert hsd.levels == tuple(levels.split(", "))
    assert (hsd.store.corpus, hsd.store.tokens) == (corpus, 4096)


def test_of_the_environment_the_names_alone_are_written(tmp_path, pilot):
    secretive = pilot.model_copy(update={"environment": {"HF_TOKEN": "hf_secret", "VLLM_USE_V2": "1"}})
    text = host_files.write_serve(tmp_path, Choice(adacomp=None, model="m"), secretive).read_text()
    assert "in the environment, as in the pilot's configuration: HF_TOKEN, VLLM_USE_V2\n" in text
    assert "hf_secret" not in text


def test_the_server_of_a_choice_is_run_as_the_pilots(pilot):
    pilot = pilot.model_copy(update={"environment": {"HF_TOKEN": "hf_secret"}, "dtype": "float16"})
    server = Choice(adacomp=None, model="m", hsd={"tau": 1.0}).server(pilot, "chosen")
    assert (server.name, server.model, server.hsd) == ("chosen", "m", {"tau": 1.0})
    assert (server.dtype, server.draft_tokens) == ("float16", pilot.hsd.draft_tokens)
    assert (server.engine, server.variables) == (pilot.engine, {"HF_TOKEN": "hf_secret"})
    assert Choice(adacomp=None, model="m").server(pilot, "chosen").draft_tokens is None


def test_without_drafts_the_server_is_told_of_none(tmp_path, pilot):
    found = yaml.safe_load(
        host_files.write_serve(tmp_path, Choice(adacomp=None, model="m"), pilot).read_text()
    )
    assert not {"speculative-config", "additional-config"} & set(found)
    assert "no-enable-prefix-caching" not in found, "measuring alone switches the cache off"


def test_the_retriever_takes_its_settings(tmp_path):
    store = FaissStore.from_texts(TEXTS, HashedWords())
    settings = AdaComp(token_budget=120)
    (written,) = host_files.write_adacomp(tmp_path, settings, AdaCompRetriever.from_vectorstore(store))
    again = AdaCompRetriever.from_vectorstore(store, **json.loads(written.read_text()))
    assert (again.token_budget, again.target_recall) == (120, None)


def test_the_calibration_keeps_its_promise_with_the_settings_beside_it(tmp_path):
    store = FaissStore.from_texts(TEXTS, HashedWords(), ids=["0", "1", "2"])
    made = AdaCompRetriever.from_vectorstore(store, k_max=2)
    made.calibrate(TEXTS * 20, [{"0"}, {"1"}, {"2"}] * 20, target=0.8, false_skips=0.05)
    settings, calibration = host_files.write_adacomp(tmp_path, AdaComp(), made)
    again = AdaCompRetriever.from_vectorstore(store, **json.loads(settings.read_text()))
    again.load_calibration(calibration)
    assert (again.k_max, again.explain(TEXTS[0]).warnings) == (2, ())


def test_the_recipe_of_a_checkpoint_is_read_by_lobi(tmp_path):
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    modifier = {"target_ratio": 0.7, "target_device": "cpu_avx2", "plan": {"W8A8": ["a", "b"]}}
    recipe = {"lobi_stage": {"lobi_modifiers": {"LoBiModifier": modifier}}}
    (checkpoint / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    found = yaml.safe_load(host_files.write_recipe(tmp_path, checkpoint).read_text())
    assert load_lobi(found["lobi_stage"]["lobi_modifiers"]["LoBiModifier"]).plan == modifier["plan"]


def test_the_files_of_an_earlier_choice_go(tmp_path, pilot):
    host_files.write_serve(tmp_path, Choice(adacomp=None, model="m"), pilot)
    (tmp_path / "tuned.json").touch()
    host_files.clear(tmp_path)
    assert not [*tmp_path.glob("serve.yaml"), *tmp_path.glob("tuned.json")]
