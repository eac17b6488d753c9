"""The proposer as vLLM makes it; a running engine is in tests/engine."""

from __future__ import annotations

import re
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from vllm.config import CUDAGraphMode

from hola_plugins.hsd.config import ConfigError
from hola_plugins.vllm import HSDProposer, HSDWorkerExtension
from hola_plugins.vllm.settings import has_full_graphs, read_settings

DRAFT = Path(__file__).parents[2] / "models" / "draft"


def engine(rank: int = 0, drafts: int = 8, replica: int = 0, **hsd: Any) -> Any:
    """Gives as much of an engine's configuration as the proposer reads."""
    return SimpleNamespace(
        additional_config={"hola": {"hsd": hsd}},
        parallel_config=SimpleNamespace(
            distributed_executor_backend="mp",
            rank=rank,
            tensor_parallel_size=2,
            pipeline_parallel_size=1,
            data_parallel_index=replica,
        ),
        speculative_config=SimpleNamespace(num_speculative_tokens=drafts),
        model_config=SimpleNamespace(
            tokenizer=None,
            get_vocab_size=lambda: 2048,
            max_model_len=512,
            is_hybrid=False,
            is_attention_free=False,
        ),
        device_config=SimpleNamespace(device_type="cpu"),
        scheduler_config=SimpleNamespace(max_num_seqs=4),
        compilation_config=SimpleNamespace(cudagraph_mode=CUDAGraphMode.NONE),
    )


def propose_once(**given: Any) -> HSDProposer:
    """Gives a proposer that was called once."""
    buffer = np.tile(np.arange(8, dtype=np.int32), (1, 64))
    proposer = HSDProposer(engine(**given))
    proposer.propose([[int(buffer[0, 99])]], np.array([100], dtype=np.int32), buffer)
    return proposer


def lines_when_written(folder: Path, files: set[str]) -> dict[str, int]:
    """Waits until the files hold something; gives the lines of every file in the folder."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        found = {file.name: len(file.read_text().splitlines()) for file in folder.iterdir()}
        if all(found.get(name) for name in files):
            break
        time.sleep(0.05)
    return found


def counters_of(proposer: HSDProposer) -> dict[str, Any] | None:
    """Gives what a worker with this proposer answers to `hola stats`."""
    worker = HSDWorkerExtension()
    worker.model_runner = SimpleNamespace(drafter=proposer)
    return worker.hola_hsd_stats()


def test_a_rank_that_drafts_nothing_has_no_drafter_and_reports_nothing(tmp_path):
    settings = {"telemetry": {"jsonl": str(tmp_path / "hsd.jsonl"), "jsonl_interval_s": 1e-9}}
    silent = HSDProposer(
        engine(rank=1, intermediate={"model": "nowhere"}, store={"corpus": "none"}, **settings)
    )
    silent.load_model()
    assert silent.drafter is None
    assert silent.propose([[1], [], [2, 3]], np.zeros(4, np.int32), np.zeros((4, 512), np.int32)) == [
        [],
        [],
        [],
    ]
    assert counters_of(silent) is None
    assert list(tmp_path.iterdir()) == []
    drafting = propose_once(rank=0, **settings)
    assert lines_when_written(tmp_path, {"hsd.jsonl"}) == {"hsd.jsonl": 1}
    assert counters_of(drafting)["calls"] == 1


def test_every_rank_of_the_external_launcher_drafts_without_clocks():
    made = engine(rank=1)
    made.parallel_config.distributed_executor_backend = "external_launcher"
    assert counters_of(HSDProposer(made))["control"]["mode"] == "static"


@pytest.mark.parametrize("rank", [0, 1])
def test_a_wrong_setting_is_refused_on_every_rank(rank):
    with pytest.raises(ConfigError, match="'taw'"):
        HSDProposer(engine(rank=rank, taw=1.0))


def test_every_replica_of_data_parallelism_writes_a_file_of_its_own(tmp_path):
    settings = {"telemetry": {"jsonl": str(tmp_path / "hsd.jsonl"), "jsonl_interval_s": 1e-9}}
    kept = [propose_once(replica=replica, **settings) for replica in range(3)]
    names = {"hsd.jsonl", "hsd.1.jsonl", "hsd.2.jsonl"}
    assert lines_when_written(tmp_path, names) == dict.fromkeys(names, 1)
    assert len(kept) == 3


def test_a_window_shorter_than_two_drafts_is_refused():
    with pytest.raises(ConfigError, match=r"'intermediate.window' = 128: must be at least twice .* 200"):
        HSDProposer(engine(drafts=200, intermediate={"model": str(DRAFT), "window": 128}))


def test_a_corpus_that_leaves_no_room_is_refused_with_the_remedy(tmp_path):
    np.save(tmp_path / "corpus.npy", np.ones(4_000, dtype=np.int32))
    settings = {"store": {"tokens": 4_096, "corpus": str(tmp_path / "corpus.npy")}}
    with pytest.raises(ConfigError, match=r"at least 5024, got 4096; set 'store.tokens'"):
        HSDProposer(engine(**settings)).load_model()


def test_a_corpus_of_another_tokenizer_is_refused(tmp_path):
    np.save(tmp_path / "corpus.npy", np.array([5, 70_000, 9], dtype=np.int32))
    with pytest.raises(ConfigError, match=r"holds token 70000, and the target has 2048; make it with"):
        HSDProposer(engine(store={"corpus": str(tmp_path / "corpus.npy")})).load_model()


@pytest.mark.parametrize(
    "additional",
    [
        {"hsd": {"store": {"isolated": True}}},
        {"hloa": {"hsd": {}}},
        {"store": {"isolated": True}},
        {"config_file": "hsd.json"},
        {"HOLA": {}},
        {"hola_plugins": {"hsd": {}}},
    ],
)
def test_settings_in_the_wrong_place_are_refused(additional):
    made = engine()
    made.additional_config = additional
    with pytest.raises(ConfigError, match=r"which nobody reads; HSD is set by"):
        HSDProposer(made)


def test_other_plugins_keep_their_settings():
    made = engine()
    made.additional_config = {"ascend_scheduler_config": {"enabled": True}, "refresh": True, 3: 1}
    HSDProposer(made)


def test_isolation_is_refused_where_vllm_gives_no_tokens_of_a_prompt():
    made = engine(store={"isolated": True})
    made.model_config.enable_prompt_embeds = True
    with pytest.raises(
        ConfigError, match=r"'store.isolated' = True: cannot be kept with enable_prompt_embeds"
    ):
        HSDProposer(made)


def test_draft_lengths_by_batch_size_are_refused():
    made = engine()
    made.speculative_config.num_speculative_tokens_per_batch_size = [(1, 4, 8), (5, 16, 0)]
    with pytest.raises(ConfigError, match=r"per_batch_size = \[\(1, 4, 8\), .*'control.max_batch'"):
        HSDProposer(made)


def test_pipeline_stages_are_refused():
    made = engine()
    made.parallel_config.pipeline_parallel_size = 2
    with pytest.raises(ConfigError, match=r"pipeline_parallel_size = 2: .* use tensor_parallel_size"):
        HSDProposer(made)


@pytest.mark.parametrize(
    ("kind", "version", "device", "wrong"),
    [
        ("is_hybrid", "0.22.1", "cuda", "vLLM 0.22.1 loses accepted drafts"),
        ("is_hybrid", "0.31.0+cu129", "cuda", "take vLLM 0.32 or newer"),
        ("is_hybrid", "0.32.0", "cpu", "on a CPU vLLM does not take rejected drafts out"),
        ("is_attention_free", "0.32.0", "cpu", "on a CPU vLLM does not take rejected drafts out"),
    ],
)
def test_models_with_recurrent_layers_are_refused_where_vllm_computes_them_wrong(
    kind, version, device, wrong
):
    made = engine()
    setattr(made.model_config, kind, True)
    made.device_config.device_type = device
    with pytest.raises(ConfigError, match=f"recurrent layers.*{re.escape(wrong)}.*speculative_config out"):
        read_settings(made, version)


@pytest.mark.parametrize("version", ["0.32.0rc1", "0.32.0", "0.33.0", "dev", "0.1.dev8"])
def test_models_with_recurrent_layers_are_taken_where_vllm_serves_them(version):
    made = engine()
    made.model_config.is_hybrid = True
    made.device_config.device_type = "cuda"
    read_settings(made, version)


@pytest.mark.parametrize(
    ("mode", "max_draft", "full"),
    [
        ("NONE", None, False),
        ("PIECEWISE", None, False),
        ("FULL", None, False),
        ("FULL_AND_PIECEWISE", None, True),
        ("FULL_DECODE_ONLY", 7, True),
        ("FULL_DECODE_ONLY", 6, False),
    ],
)
def test_full_graphs_are_those_of_the_longest_draft(mode, max_draft, full):
    compilation = SimpleNamespace(cudagraph_mode=CUDAGraphMode[mode])
    assert has_full_graphs(compilation, max_draft, 7) is full
