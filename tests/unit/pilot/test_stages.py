"""The plan of the stages: what adds up, what is left out and why."""

from __future__ import annotations

import json
import sys

import pytest

from hola_plugins.corpus.settings import FILE
from hola_plugins.pilot.config import PilotConfig
from hola_plugins.pilot.stages import Made, plan_stages, stage_settings

SMALL = Made("small")
CALIBRATION = {
    "format": 1,
    "promise": "coverage",
    "target": 0.9,
    "labels": 30,
    "reach": 1.0,
    "k_min": 2,
    "k_max": 9,
    "threshold": 0.0,
    "floor": None,
    "bias": 0.0,
    "signals": [{"name": "score", "mean": 0.0, "scale": 1.0, "weight": 1.0}],
}


def planned(config, compressed=SMALL):
    return plan_stages(config, compressed, Made(config.intermediate and str(config.intermediate)))


@pytest.fixture
def config(tmp_path):
    """Gives a function that makes a configuration with documents."""
    for name in ("model", "draft", "documents"):
        (tmp_path / name).mkdir()
    (tmp_path / "lines.jsonl").write_text('{"prompt": "one", "question": "two"}\n')

    def make(**settings):
        documents = {"path": "documents", "queries": "lines.jsonl"}
        values = {"model": "model", "prompts": "lines.jsonl", "documents": documents, "intermediate": "draft"}
        return PilotConfig.model_validate(values | settings, context={"folder": tmp_path})

    return make


def test_every_stage_adds_to_the_ones_before(config, tmp_path):
    plans = planned(config())
    assert [one.name for one in plans] == ["baseline", "hsd", "adacomp", "lobi", "all"]
    assert [one.depth for one in plans] == ["fixed", "fixed", "adaptive", "adaptive", "adaptive"]
    servers = [one.server for one in plans]
    assert [one.draft_tokens for one in servers] == [None, 8, 8, 8, 8]
    assert [one.model for one in servers] == [str(tmp_path / "model")] * 3 + ["small"] * 2
    assert servers[1].key() == servers[2].key(), "AdaComp changes what is sent, not the server"
    assert len({one.name for one in servers}) == 5, "a shared store would replay the stage before"
    assert servers[4].hsd == {"intermediate": {"model": str(tmp_path / "draft")}}


def test_what_is_left_out_adds_nothing_to_later_stages(config, tmp_path):
    plans = planned(config(documents=None, stages=["baseline", "adacomp", "lobi", "all"]), Made())
    assert [one.left_out for one in plans] == [
        None,
        "no documents are given",
        "no compress_python and no lobi.checkpoint are given",
        None,
    ]
    assert plans[3].depth == "fixed"
    assert plans[3].server.model == str(tmp_path / "model")
    assert not any(one.failed for one in plans)


def test_a_failed_compression_is_a_failure_and_takes_the_stage_behind_it_along(config):
    lobi, everything = planned(config(), Made(error="hola compress ended with status 2:\nlast line"))[3:]
    assert (lobi.server, lobi.failed, everything.server, everything.failed) == (None, True, None, False)
    assert "last line" in lobi.left_out
    assert (
        everything.left_out == "it adds to the stage before, which failed: hola compress ended with status 2:"
    )


def test_settings_are_ready_to_be_copied(config):
    given = config(adacomp={"token_budget": 99}, hsd={"draft_tokens": 7, "settings": {"tau": 1.0}})
    baseline, hsd, adacomp, *_ = (stage_settings(one, given) for one in planned(given))
    assert (baseline["langchain"], adacomp["langchain"]) == ({"k": 4}, {"token_budget": 99})
    assert "speculative-config" not in baseline["vllm"]
    assert hsd["vllm"]["speculative-config"]["num_speculative_tokens"] == 7
    assert hsd["vllm"]["additional-config"] == {"hola": {"hsd": {"tau": 1.0}}}
    assert "enable-prefix-caching" not in baseline["vllm"], "measuring alone switches the cache off"


def test_the_command_that_compresses_is_shown_as_it_is_typed(config, tmp_path):
    given = config(lobi={"sequence_length": 64, "choices": ["W4A16", "W8A16"], "device": "cuda"})
    shown = stage_settings(planned(given)[3], given)["hola compress"]
    assert shown.startswith(f"hola compress {tmp_path / 'model'} --out small --budget 45% ")
    assert "--sequence-length 64" in shown
    assert "--choices W4A16,W8A16" in shown


@pytest.mark.parametrize("own", [False, True])
def test_a_calibration_and_its_depths_stand_beside_the_retrievers_arguments(config, tmp_path, own):
    file = tmp_path / ("documents/calibration.json" if own else "mine.json")
    (tmp_path / "documents" / FILE).touch()
    file.write_text(json.dumps(CALIBRATION))
    given = config(adacomp={} if own else {"calibration": "mine.json"})
    settings = stage_settings(planned(given)[2], given)
    assert settings["langchain"] == {"k_min": 2, "k_max": 9, "token_budget": 400}
    assert settings["calibration"] == {"load_calibration": str(file)}
    assert "calibration" not in stage_settings(planned(given)[0], given)
    file.write_text("{}")
    assert stage_settings(planned(given)[2], given)["langchain"] == {"token_budget": 400}


def test_labels_stand_beside_the_target_that_they_are_calibrated_to(config, tmp_path):
    given = config(adacomp={"labels": "lines.jsonl", "target_recall": 0.8})
    settings = stage_settings(planned(given)[2], given)
    assert settings["langchain"] == {"token_budget": 400, "target_recall": 0.8}
    assert settings["calibration"] == {"calibrate": str(tmp_path / "lines.jsonl")}


def test_settings_of_the_intermediate_level_wait_for_its_stage(config, tmp_path):
    given = config(hsd={"settings": {"tau": 1.0, "intermediate": {"window": 256}}})
    servers = [one.server for one in planned(given)]
    assert servers[1].hsd == {"tau": 1.0}
    assert servers[4].hsd == {"tau": 1.0, "intermediate": {"window": 256, "model": str(tmp_path / "draft")}}


def test_an_intermediate_level_without_hsd_before_it_brings_hsd_along_and_says_so(config):
    def last(*stages):
        return planned(config(stages=["baseline", *stages, "all"]))[-1]

    alone = last("lobi")
    assert alone.title == "+ HSD with an intermediate level"
    assert alone.adds == (
        "Hierarchical speculative decoding drafts up to 8 tokens a step, which a small model verifies and extends "
        "before the target does."
    )
    behind = last("hsd")
    assert (behind.title, behind.server.draft_tokens) == ("+ intermediate level", alone.server.draft_tokens)
    assert behind.adds == "A small model verifies and extends HSD's drafts before the target does."


def test_a_stage_says_what_it_adds_in_this_pilot(config, tmp_path):
    baseline, *_, lobi, _ = planned(config())
    assert baseline.adds == "vLLM as it comes, with 4 passages a query."
    assert lobi.adds == "The model compressed under a budget of 45%."
    ready = config(documents=None, stages=["baseline", "lobi"], lobi={"checkpoint": "draft"})
    baseline, lobi = planned(ready)
    assert baseline.adds == "vLLM as it comes."
    assert lobi.adds == f"A compressed model that was ready, {tmp_path / 'draft'}."


def test_without_hsd_equal_servers_are_shared(config):
    baseline, adacomp = planned(config(stages=["baseline", "adacomp"]), Made())
    assert baseline.server == adacomp.server
    assert (baseline.depth, adacomp.depth) == ("fixed", "adaptive")


def test_a_draft_that_was_made_is_the_intermediate_level(config):
    given = config(intermediate=None, draft={"minutes": 1}, compress_python=sys.executable)
    assert given.draft_to_make == given.draft
    assert config(draft={}, intermediate=None, compress_python=None).draft_to_make is None
    assert plan_stages(given, SMALL, Made("made"))[4].server.hsd == {"intermediate": {"model": "made"}}
    failed = plan_stages(given, SMALL, Made(error="hola draft ended with status 2"))[4]
    assert (failed.server, failed.failed, failed.left_out) == (None, True, "hola draft ended with status 2")
    with pytest.raises(ValueError, match=r"intermediate .* or draft .* got both"):
        config(draft={})
