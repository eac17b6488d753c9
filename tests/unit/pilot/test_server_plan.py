"""A server's command line, and what its answers follow from."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from hola_plugins.pilot.server_plan import ServerPlan, added_options


def test_the_command_line_is_what_vllm_reads():
    engine = {
        "enforce-eager": True,
        "max-model-len": 512,
        "hf-overrides": {"a": 1},
        "enable-prefix-caching": True,
    }
    plan = ServerPlan("hsd", "model", "float32", draft_tokens=8, hsd={"tau": 1.0}, engine=engine)
    command = plan.command(Path("/venv/bin/python"), 8123)
    assert command[:3] == ["/venv/bin/python", "-m", "vllm.entrypoints.openai.api_server"]
    options = dict(pairwise(command))
    assert options["--max-model-len"] == "512"
    assert json.loads(options["--hf-overrides"]) == {"a": 1}
    assert json.loads(options["--speculative-config"])["model"] == "hola_plugins.vllm.HSDProposer"
    assert json.loads(options["--additional-config"]) == {"hola": {"hsd": {"tau": 1.0}}}
    assert {"--enforce-eager", "--enable-prefix-caching"} <= set(command)


def test_repeats_are_not_served_from_the_prefix_cache_unless_asked_for():
    command = ServerPlan("baseline", "model", "auto").command(Path("python"), 1)
    assert "--no-enable-prefix-caching" in command
    assert added_options({"max-model-len": 512}) == ("--no-enable-prefix-caching",)
    assert added_options({"enable-prefix-caching": True}) == ()
    assert "--speculative-config" not in command


def test_the_key_follows_settings_and_the_files_they_name(tmp_path):
    draft = tmp_path / "draft"
    draft.mkdir()
    plan = ServerPlan(
        "all", "owner/model", "auto", draft_tokens=8, hsd={"intermediate": {"model": str(draft)}}
    )
    before = plan.key()
    assert before == plan.key()
    (draft / "model.safetensors").write_text("weights")
    assert plan.key() != before


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("chat-template", "{folder}/file"),
        ("middleware", [["{folder}/file"]]),
        ("lora-modules", {"name": "one", "path": "{folder}"}),
        ("lora-modules", "one={folder}"),
        ("lora-modules", '{"name": "one", "path": "{folder}"}'),
        ("default-mm-loras", {"image": "{folder}"}),
        ("hf-overrides", '{"nested": ["{folder}/file"]}'),
        ("tokenizer", "{folder}"),
    ],
)
def test_the_key_follows_the_files_that_the_engines_arguments_name(tmp_path, name, value):
    file = tmp_path / "file"
    file.write_text("one")
    engine = {name: json.loads(json.dumps(value).replace("{folder}", str(tmp_path)))}
    plan = ServerPlan("baseline", "owner/model", "auto", engine=engine)
    before = plan.key()
    file.write_text("another")
    assert plan.key() != before


@pytest.mark.parametrize(
    ("name", "value", "follows"),
    [
        ("generation-config", "vllm", False),
        ("load-format", "word", False),
        ("tokenizer", "word", True),
        ("lora-modules", "one=word", True),
        ("chat-template", "file", True),
    ],
)
def test_a_word_is_a_path_only_where_the_argument_takes_one(tmp_path, monkeypatch, name, value, follows):
    monkeypatch.chdir(tmp_path)
    files = [tmp_path / "word" / "one", tmp_path / "vllm" / "one", tmp_path / "file"]
    plan = ServerPlan("baseline", "owner/model", "auto", engine={name: value})
    for one in files:
        one.parent.mkdir(exist_ok=True)
        one.write_text("one")
    before = plan.key()
    for one in files:
        one.write_text("another")
    assert (plan.key() != before) is follows


def test_the_key_follows_what_hsd_reads_and_not_what_it_writes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    corpus, telemetry, behind = (tmp_path / name for name in ("corpus.txt", "hsd.jsonl", "hsd.json"))
    behind.write_text(json.dumps({"store": {"corpus": str(corpus)}, "telemetry": {"jsonl": str(telemetry)}}))
    given = {"levels": ["store"], "config_file": str(behind), "telemetry": {"jsonl": str(telemetry)}}
    plan = ServerPlan("hsd", "owner/model", "auto", draft_tokens=8, hsd=given)
    keys = []
    for file in (corpus, telemetry, tmp_path / "store", behind):
        file.write_text("{}")
        keys.append(plan.key())
    assert keys[0] == keys[1] == keys[2] != keys[3]
    corpus.write_text("another")
    behind.unlink()
    assert plan.key() not in keys


def test_the_key_does_not_follow_what_vllm_itself_writes(tmp_path):
    plan = ServerPlan("baseline", "owner/model", "auto", engine={"download-dir": str(tmp_path)})
    before = plan.key()
    (tmp_path / "shard").write_text("weights")
    assert plan.key() == before


def test_a_template_in_place_of_its_file_is_no_path():
    plan = ServerPlan("baseline", "owner/model", "auto", engine={"chat-template": "{{ messages }}" * 999})
    assert plan.key()
