"""The configuration: what is read, and how a mistake is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from hola_plugins import cpu
from hola_plugins.cli import app
from hola_plugins.pilot import template
from hola_plugins.pilot.config import PilotConfig
from hola_plugins.pilot.config_file import ConfigError, read_config

LEAST = "model: model\nprompts: prompts.jsonl\n"


@pytest.fixture
def write(tmp_path):
    """Gives a function that writes a configuration beside a model and prompts."""
    (tmp_path / "model").mkdir()
    (tmp_path / "prompts.jsonl").write_text('{"prompt": "one"}\n')

    def write(text: str) -> Path:
        path = tmp_path / "pilot.yaml"
        path.write_text(text)
        return path

    return write


def test_relative_paths_start_at_the_configuration(write, tmp_path):
    config = read_config(write(LEAST + "out: results\n"), PilotConfig)
    assert config.model == str(tmp_path / "model")
    assert (config.prompts, config.out) == (tmp_path / "prompts.jsonl", tmp_path / "results")


def test_a_python_stays_the_link_that_its_environment_is_known_by(write, tmp_path):
    (tmp_path / "python").symlink_to("/bin/sh")
    assert (
        read_config(write(LEAST + "serve_python: python\n"), PilotConfig).serve_python == tmp_path / "python"
    )


def test_stages_come_in_the_order_of_adoption_and_arguments_with_hyphens(write):
    config = read_config(
        write(LEAST + "stages: [lobi, baseline, hsd]\nengine: {max_model_len: 512}\n"), PilotConfig
    )
    assert config.stages == ("baseline", "hsd", "lobi")
    assert config.engine == {"max-model-len": 512}


@pytest.mark.parametrize(
    ("flags", "device", "runs"),
    [
        ("avx2", "cpu_avx2", True),
        ("avx2 avx512f amx_tile", "cpu_avx2", False),
        ("avx2 avx512f", "cpu", False),
    ],
)
def test_float32_is_refused_where_vllm_does_not_run_quantised_layers_in_it(
    write, tmp_path, monkeypatch, flags, device, runs
):
    (tmp_path / "cpuinfo").write_text(f"flags\t: sse {flags}\n")
    monkeypatch.setattr(cpu, "_FACTS", tmp_path / "cpuinfo")
    (tmp_path / "python").symlink_to("/bin/sh")
    asked = LEAST + f"dtype: float32\nlobi: {{device: {device}}}\n"
    assert read_config(write(asked), PilotConfig).dtype == "float32"
    asked += "compress_python: python\n"
    if runs:
        assert read_config(write(asked), PilotConfig).dtype == "float32"
    else:
        with pytest.raises(ConfigError, match=f"quantised for {device} on this machine: give auto"):
            read_config(write(asked), PilotConfig)
    without = read_config(write(asked + "stages: [baseline, hsd]\n"), PilotConfig)
    assert without.dtype == "float32"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("repeats: 0\n", 3, "'repeats' = 0: Input should be greater than or equal to 1"),
        (
            "\npromts: x\n",
            4,
            "unknown key 'promts'; did you mean 'prompts'? Allowed here: accuracy, adacomp,",
        ),
        (
            "adacomp:\n  token_budgt: 5\n",
            4,
            "unknown key 'adacomp.token_budgt'; did you mean 'token_budget'?",
        ),
        (
            "lobi: {budget: lots}\n",
            3,
            "'lobi.budget' = 'lots': budget 'lots' is not understood: write a share (45%)",
        ),
        ("lobi: {prune: half}\n", 3, "'lobi.prune' = 'half': share 'half' is no number: write 25% or 0.25"),
        ("lobi: {prune: 100%}\n", 3, "Input should be less than 1"),
        (
            "lobi: {choices: [W9A9]}\n",
            3,
            "'lobi.choices' = ['W9A9']: Lo-Bi settings: unknown scheme",
        ),
        (
            "lobi: {device: cpu_avx2, choices: [W8A16]}\n",
            3,
            "W8A16 does not load in vLLM on cpu_avx2; there load",
        ),
        ("lobi:\n  calibration: none.txt\n", 4, "'lobi.calibration' = 'none.txt': must be a file"),
        ("hsd: {settings: {tua: 1}}\n", 3, "unknown HSD setting 'tua'; did you mean 'tau'?"),
        ("prices: {machine_hour: -1}\n", 3, "'prices.machine_hour' = -1: Input should be greater than"),
        ("prices: {machine_hour: .nan}\n", 3, "'prices.machine_hour' = nan: Input should be a finite"),
        ("repeats: 2\nrepeats: 3\n", 4, "'repeats' stands in line 3 already"),
        ("dtype: [\n", 4, "no YAML"),
        ("engine: {port: 80}\n", 3, "'engine.port': cannot hold 'port': the pilot sets it"),
        ("stages: [hsd]\n", 3, "must name each stage once, and the baseline"),
        ("serve_python: .\n", 3, "must be the Python of an environment"),
        ("accuracy:\n- task: gsm8k\n- task: gsm8k\n  limit: no\n", 6, "'accuracy[1].limit' = False"),
        ("accuracy:\n- task: gsm8k\n  data: prompts.jsonl\n  fewshot: 5\n", 4, "fewshot = 5 needs train"),
        (
            "cross_domain:\n- {name: a, calibration: prompts.jsonl, task: {task: b}}\n",
            3,
            "at least two domains",
        ),
        (
            "cross_domain:\n- {name: a, calibration: prompts.jsonl}\n- {name: b, labels: prompts.jsonl}\n",
            4,
            "takes calibration and task together",
        ),
        ("documents: {path: model}\n", 3, "'documents.queries' is missing"),
    ],
)
def test_a_mistake_is_named_by_key_line_value_and_what_is_allowed(write, text, line, words):
    with pytest.raises(ConfigError) as caught:
        read_config(write(LEAST + text), PilotConfig)
    assert f"pilot.yaml, line {line}: " in str(caught.value)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("argument", "remedy"),
    [
        ("hf-token", "set HF_TOKEN in the shell, or as environment: {HF_TOKEN: ...}"),
        ("hf_token", "set HF_TOKEN in the shell, or as environment: {HF_TOKEN: ...}"),
        ("api-key", "leave it out"),
        ("api_key", "leave it out"),
        ("watermark_config", "leave it out"),
        ("watermark-config.key", "leave it out"),
    ],
)
def test_a_secret_argument_which_the_report_would_show_is_refused_and_not_repeated(write, argument, remedy):
    with pytest.raises(ConfigError) as caught:
        read_config(write(LEAST + f"engine:\n  seed: 1\n  {argument}: 7654321\n"), PilotConfig)
    assert f"pilot.yaml, line 5: 'engine.{argument}': cannot hold " in str(caught.value)
    assert remedy in str(caught.value)
    assert "7654321" not in str(caught.value)


def test_all_mistakes_are_named_at_a_time(write):
    with pytest.raises(ConfigError) as caught:
        read_config(write("model: nowhere\nmax_tokens: 0\nprompts: prompts.jsonl\n"), PilotConfig)
    assert [one.split(":")[0] for one in str(caught.value).splitlines()] == [
        "pilot.yaml, line 1",
        "pilot.yaml, line 2",
    ]


@pytest.mark.parametrize(
    ("text", "count", "repeats"),
    [
        ("", 48, 6),
        ("concurrency: 2\n", 48, 12),
        ("concurrency: 2\n", 400, 12),
        ("concurrency: 64\n", 48, 3),
        ("concurrency: 2\none_at_a_time: true\n", 48, 4),
        ("", 2, 2),
        ("repeats: 1\n", 48, 1),
        ("repeats: 20\none_at_a_time: true\n", 48, 20),
    ],
)
def test_repeats_are_as_many_as_keep_the_server_busy_or_what_is_configured(write, text, count, repeats):
    assert read_config(write(LEAST + text), PilotConfig).repeats_over(count) == repeats


def test_nothing_to_send_is_refused(write):
    with pytest.raises(ConfigError, match="there is nothing to send"):
        read_config(write("model: model\n"), PilotConfig)


def test_the_starting_configuration_loads_with_its_hints_switched_on(tmp_path):
    path = tmp_path / "pilot.yaml"
    path.write_text(template.starting_config(tmp_path))
    config = read_config(path, PilotConfig)
    assert config.stages == ("baseline", "hsd", "adacomp", "lobi", "all")
    assert Path(config.model).is_dir()
    switched = path.read_text().replace("# chat: false ", "chat: true ").replace("  # tune: 0", "  tune: 7")
    path.write_text(switched.replace("# one_at_a_time: false", "one_at_a_time: true"))
    config = read_config(path, PilotConfig)
    assert (config.chat, config.lobi.tune, config.one_at_a_time) == (True, 7, True)


def test_elsewhere_the_starting_configuration_names_what_is_to_be_given(tmp_path, monkeypatch):
    monkeypatch.setattr(template, "_CHECKOUT", tmp_path / "nowhere")
    path = tmp_path / "pilot.yaml"
    path.write_text(template.starting_config(tmp_path))
    with pytest.raises(ConfigError) as caught:
        read_config(path, PilotConfig)
    places = [one.split("'")[1] for one in str(caught.value).splitlines()]
    assert places == ["prompts", "documents.path", "documents.queries", "accuracy[0].questions"]


def test_init_writes_once_and_never_over_a_file(tmp_path):
    path = tmp_path / "new" / "pilot.yaml"
    assert CliRunner().invoke(app, ["pilot", "--init", str(path)]).exit_code == 0
    before = path.read_bytes()
    answer = CliRunner().invoke(app, ["pilot", "--init", str(path)])
    assert (answer.exit_code, path.read_bytes()) == (2, before)
    assert "is there already" in " ".join(answer.output.split())


@pytest.mark.parametrize(
    ("text", "words"), [(None, "no configuration at"), ("model: x\n", "line 1: 'model' = 'x'")]
)
def test_a_configuration_that_will_not_do_ends_with_2(tmp_path, text, words):
    path = tmp_path / "pilot.yaml"
    if text is not None:
        path.write_text(text)
    answer = CliRunner().invoke(app, ["pilot", str(path)])
    assert answer.exit_code == 2
    assert words in " ".join(answer.output.split())
