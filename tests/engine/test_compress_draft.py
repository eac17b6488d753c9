"""`hola draft` on the embedded target, each run in a process of its own; then its drafts in the real vLLM.

Runs in the compress environment. vLLM needs another one: its Python is taken from HOLA_SERVE_PYTHON, or from
`.venv/serve`; without it those tests are skipped.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("llmcompressor")

from compress_once import TARGET
from prompts import free_text, maths
from typer.testing import CliRunner

from hola_plugins.cli import app
from hola_plugins.lobi.config import LoBiError, load_config
from hola_plugins.lobi.draft.acceptance import measure_acceptance
from hola_plugins.lobi.draft.answers import answer_prompts, batch_answers
from hola_plugins.lobi.staged_folder import staged_folder

ROOT = Path(__file__).parents[2]
SERVE = Path(os.environ.get("HOLA_SERVE_PYTHON", ROOT / ".venv" / "serve" / "bin" / "python"))
QUICK = ["--answer-tokens", "48", "--rows", "8"]


def start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "hola_plugins.cli", "draft", "--model", str(TARGET), *arguments],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "200"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def hola(*arguments: str) -> tuple[str, str]:
    process = start(*arguments)
    output, messages = process.communicate(timeout=600)
    assert process.returncode == 0, messages[-3000:]
    return output, messages


def wait_for_step(process: subprocess.Popen[str], step: int) -> None:
    """Reads the progress bar until training has come so far."""
    assert process.stderr is not None
    seen = ""
    while not any(int(one) >= step for one in re.findall(r"the draft learns.*?(\d+)/\d+", seen)):
        new = os.read(process.stderr.fileno(), 1 << 16).decode(errors="replace")
        assert new, seen[-3000:]
        seen += new


def test_a_folder_whose_draft_is_quantised_stays_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hola_plugins.llmcompressor import draft_bits

    def compress(
        source: Any, config: Any, dtype: str, target: Path, *, replace: bool = False
    ) -> dict[str, Any]:
        groups = {"w8a8": {"targets": ["model.layers.0.mlp.up_proj"]}}
        with staged_folder(target, replace=replace) as folder:
            content = {"quantization_config": {"ignore": ["lm_head"], "config_groups": groups}}
            (folder / "config.json").write_text(json.dumps(content))
        return {}

    monkeypatch.setattr(draft_bits, "compress_checkpoint", compress)
    with staged_folder(tmp_path / "draft") as folder:
        for name in ("config.json", "model-00001-of-00002.safetensors"):
            (folder / name).write_text("{}")
        draft_bits.quantise_draft(folder, "draft", None, [[0] * 256] * 8, load_config({"target_bits": 9.0}))
        with pytest.raises(LoBiError, match="another run is filling"), staged_folder(tmp_path / "draft"):
            pass
        assert [path.name for path in folder.iterdir()] == ["config.json"]
    config = json.loads((tmp_path / "draft" / "config.json").read_text())
    assert config["quantization_config"]["ignore"] == ["re:.*lm_head$"]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def prompts(work: Path) -> tuple[Path, Path]:
    """Files of prompts to learn from and of others to measure on."""
    learned, measured = work / "prompts.jsonl", work / "held_out.jsonl"
    texts = [*free_text(64), *maths(64)]
    learned.write_text("".join(json.dumps({"prompt": text}) + "\n" for text in texts))
    others = [
        text.replace("market", "harbour").replace("apples", "boats") for text in [*free_text(8), *maths(8)]
    ]
    measured.write_text("".join(json.dumps({"prompt": text}) + "\n" for text in others))
    return learned, measured


@pytest.fixture(scope="module")
def common(work: Path, prompts: tuple[Path, Path]) -> list[str]:
    learned, measured = map(str, prompts)
    return ["--prompts", learned, "--held-out", measured, "--cache", str(work / "answers"), *QUICK]


@pytest.fixture(scope="module")
def draft(work: Path, common: list[str]) -> tuple[Path, str, str]:
    """A draft of a third of the target; the folder, the output and the messages."""
    out = work / "out" / "draft"
    return (
        out,
        *hola("--out", str(out), "--size", "34%", "--steps", "120", "--learning-rate", "4e-3", *common),
    )


def held_out_ids(prompts: tuple[Path, Path]) -> list[list[int]]:
    tokenizer = transformers.AutoTokenizer.from_pretrained(TARGET)
    return [
        tokenizer(json.loads(line)["prompt"])["input_ids"] for line in prompts[1].read_text().splitlines()
    ]


def load(folder: Path) -> Any:
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def test_the_report_says_what_the_saved_draft_does(
    draft: tuple[Path, str, str], prompts: tuple[Path, Path]
) -> None:
    out, output, messages = draft
    report = json.loads((out / "draft.json").read_text())
    model, target = load(out), load(TARGET)
    answers = answer_prompts(target, held_out_ids(prompts), 48)
    found = measure_acceptance(model, batch_answers(answers, 4, 4096))
    assert report["acceptance"]["tokens"] == found.tokens
    assert report["acceptance"]["rate"] == pytest.approx(found.rate)
    assert report["acceptance"]["lengths"] == pytest.approx({str(k): v for k, v in found.lengths.items()})
    assert found.rate > report["untrained"]["rate"] + 0.1
    assert found.rate > 0.4
    assert report["draft"]["parameters"] == sum(one.numel() for one in model.parameters())
    assert report["draft"]["layers"] == model.config.num_hidden_layers == len(report["kept_layers"]) == 2
    assert report["draft"]["decoder_parameters"] <= 0.34 * report["target"]["decoder_parameters"]
    assert report["draft"]["bytes"] == (out / "model.safetensors").stat().st_size
    assert report["prompts"] | {"source": 0, "held_out_source": 0} == {
        "source": 0, "held_out_source": 0, "fitting": 116, "checks": 12, "held_out": 16,
    }  # fmt: skip
    assert report["payoff"]["verdict"] in " ".join(output.split())
    assert f"{found.rate:.1%}" in output
    assert "116 to learn from, 12 to check training, 16 held out" in messages
    assert sorted(path.name for path in out.parent.iterdir()) == ["draft"]


def test_the_draft_has_the_targets_tokenizer_and_dtype(draft: tuple[Path, str, str]) -> None:
    both = [transformers.AutoTokenizer.from_pretrained(folder) for folder in (draft[0], TARGET)]
    assert both[0].get_vocab() == both[1].get_vocab()
    config = transformers.AutoConfig.from_pretrained(draft[0])
    assert config.dtype == transformers.AutoConfig.from_pretrained(TARGET).dtype
    assert not hasattr(config, "quantization_config")


def test_a_draft_is_trained_on_from_where_it_was(
    work: Path, draft: tuple[Path, str, str], common: list[str]
) -> None:
    out = work / "further"
    hola("--out", str(out), "--start", str(draft[0]), "--steps", "0", *common)
    first, second = (json.loads((one / "draft.json").read_text()) for one in (draft[0], out))
    assert second["start"] == str(draft[0])
    assert second["untrained"] == second["acceptance"] == first["acceptance"]
    assert len(list((work / "answers").iterdir())) == 1


def test_ctrl_c_in_training_keeps_the_best_so_far(work: Path, common: list[str]) -> None:
    out = work / "stopped"
    process = start("--out", str(out), "--layers", "1", "--rows", "96", *common, FORCE_COLOR="1")
    wait_for_step(process, 160)
    process.send_signal(signal.SIGINT)
    _, messages = process.communicate(timeout=300)
    assert process.returncode == 0, messages[-3000:]
    training = json.loads((out / "draft.json").read_text())["training"]
    assert training["ended"] == "stopped"
    assert training["after"] == max(rate for _, rate in training["curve"]) > training["before"]


def test_what_will_not_do_is_refused_before_the_work(work: Path, prompts: tuple[Path, Path]) -> None:
    bare = work / "bare"
    shutil.copytree(TARGET, bare, ignore=shutil.ignore_patterns("tokenizer*"))
    mamba = work / "mamba"
    shape = {"vocab_size": 2048, "hidden_size": 64, "state_size": 8, "num_hidden_layers": 2}
    transformers.MambaForCausalLM(transformers.MambaConfig(**shape)).save_pretrained(mamba)
    transformers.AutoTokenizer.from_pretrained(TARGET).save_pretrained(mamba)
    broken = work / "broken.jsonl"
    broken.write_text('{"prompt": "a"}\n{"promt": "b"}\n')
    taken = work / "taken"
    taken.mkdir()
    (taken / "notes.txt").write_text("mine")
    cases: list[tuple[Path, list[str], str]] = [
        (bare, [], "has no tokenizer"),
        (mamba, [], "Lo-Bi compresses dense decoders"),
        (TARGET, ["--prompts", str(broken)], "line 2 must hold a 'prompt'"),
        (TARGET, ["--prompts", str(work / "missing.jsonl")], "missing.jsonl"),
        (TARGET, ["--size", "1%"], "is under the smallest draft of this target"),
        (TARGET, ["--size", "120%"], "must be from 0% to 100%"),
        (TARGET, ["--layers", "6"], "must be under the target's 6 layers"),
        (TARGET, ["--start", str(TARGET), "--size", "20%"], "leave out --size and --layers"),
        (TARGET, ["--device", "cuda"], "give --bits too"),
        (TARGET, ["--loss", "mse"], "'loss' = 'mse'"),
        (TARGET, ["--bits", "2", "--device", "cpu_avx2"], "the smallest that is feasible is target_bits"),
        (TARGET, ["--out", str(taken)], "holds something else than a checkpoint"),
        (work / "nowhere", [], "nowhere is neither a folder with a model nor one that the hub gives"),
    ]
    out = work / "refused"
    for model, extra, words in cases:
        place = [] if "--out" in extra else ["--out", str(out)]
        text = [] if "--prompts" in extra else ["--prompts", str(prompts[0])]
        answer = CliRunner().invoke(
            app, ["draft", "--model", str(model), "--cache", str(work / "none"), *place, *text, *extra]
        )
        assert answer.exit_code == 2, answer.output
        assert words in " ".join(answer.output.split())
        assert not out.exists()


def served(work: Path, folder: Path, prompts: tuple[Path, Path], plain: bool) -> dict[str, Any]:
    """What the environment of vLLM makes of a draft."""
    if not SERVE.is_file():
        pytest.skip(f"no vLLM environment at {SERVE}: make serve-env, or set HOLA_SERVE_PYTHON")
    job = work / f"{folder.name}.json"
    settings = {"target": str(TARGET), "draft": str(folder), "tokens": 48, "length": 4, "plain": plain}
    dtype = "float32" if plain else "bfloat16"
    job.write_text(json.dumps(settings | {"dtype": dtype, "prompts": held_out_ids(prompts)}))
    preload = subprocess.run(
        [SERVE, "-m", "hola_plugins.cli", "preload"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    done = subprocess.run(
        [SERVE, str(Path(__file__).parent / "serve_draft.py"), str(job)],
        capture_output=True,
        text=True,
        check=False,
        cwd=work,
        env=os.environ | {"LD_PRELOAD": preload.stdout.strip()},
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_vllm_accepts_what_the_report_expects(
    work: Path, draft: tuple[Path, str, str], prompts: tuple[Path, Path]
) -> None:
    found = served(work, draft[0], prompts, plain=True)
    ids = held_out_ids(prompts)
    with torch.no_grad():
        here = load(draft[0])(input_ids=torch.tensor([ids[0]])).logits[0].argmax(-1).tolist()
    assert found["likeliest"] == here
    answers = answer_prompts(load(TARGET), ids, 48)
    assert found["answers"] == [answer.ids[answer.prompt :] for answer in answers]
    expected = json.loads((draft[0] / "draft.json").read_text())["acceptance"]["lengths"]["4"]
    assert 1 + found["accepted"] / found["drafts"] == pytest.approx(expected, rel=0.1)


def test_a_draft_of_low_bits_runs_in_vllm(
    work: Path, draft: tuple[Path, str, str], prompts: tuple[Path, Path], common: list[str]
) -> None:
    out = work / "low"
    settings = ["--start", str(draft[0]), "--steps", "0", "--bits", "9", "--device", "cpu_avx2"]
    output, _ = hola("--out", str(out), *settings, *common)
    low, plain = (json.loads((one / "draft.json").read_text()) for one in (out, draft[0]))
    assert transformers.AutoConfig.from_pretrained(out).quantization_config is not None
    report = json.loads((out / "lobi_report.json").read_text())
    assert report["name"] == report["run"]["model"] == str(out)
    assert not [one for one in out.iterdir() if one.is_file() and b".unfinished" in one.read_bytes()]
    assert low["cost"]["timed"] == "in transformers, in float32, the draft before it was quantised"
    assert f"ms: {low['cost']['timed']}" in " ".join(output.split())
    assert low["draft"]["bytes"] < 0.85 * plain["draft"]["bytes"]
    assert low["acceptance"]["rate"] == pytest.approx(plain["acceptance"]["rate"], abs=0.05)
    found = served(work, out, prompts, plain=False)
    assert 1 + found["accepted"] / found["drafts"] == pytest.approx(
        low["acceptance"]["lengths"]["4"], rel=0.15
    )
