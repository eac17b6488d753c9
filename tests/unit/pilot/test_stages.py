"""The plan of the stages: what adds up, what is left out and why."""

from __future__ import annotations

import sys

import pytest

from hola_plugins.pilot.config import PilotConfig
from hola_plugins.pilot.stages import Made, plan_stages, stage_settings

SMALL = Made("small")


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
    baseline, hsd, adacomp, lobi, _ = (stage_settings(one, given) for one in planned(given))
    assert (baseline["langchain"], adacomp["langchain"]) == ({"k": 4}, {"token_budget": 99})
    assert "speculative-config" not in baseline["vllm"]
    assert hsd["vllm"]["speculative-config"]["num_speculative_tokens"] == 7
    assert hsd["vllm"]["additional-config"] == {"hola": {"hsd": {"tau": 1.0}}}
    assert lobi["hola compress"] == {"budget": "45%"}
    assert "enable-prefix-caching" not in baseline["vllm"], "measuring alone switches the cache off"


def test_settings_of_the_intermediate_level_wait_for_its_stage(config, tmp_path):
    given = config(hsd={"settings": {"tau": 1.0, "intermediate": {"window": 256}}})
    servers = [one.server for one in planned(given)]
    assert servers[1].hsd == {"tau": 1.0}
    assert servers[4].hsd == {"tau": 1.0, "intermediate": {"window": 256, "model": str(tmp_path / "draft")}}


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
