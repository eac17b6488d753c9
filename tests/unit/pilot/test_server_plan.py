"""A server's command line, and what its answers follow from."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from hola_plugins.pilot.server_plan import ServerPlan


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


def test_the_key_does_not_follow_what_vllm_itself_writes(tmp_path):
    plan = ServerPlan("baseline", "owner/model", "auto", engine={"download-dir": str(tmp_path)})
    before = plan.key()
    (tmp_path / "shard").write_text("weights")
    assert plan.key() == before


def test_a_template_in_place_of_its_file_is_no_path():
    plan = ServerPlan("baseline", "owner/model", "auto", engine={"chat-template": "{{ messages }}" * 999})
    assert plan.key()
