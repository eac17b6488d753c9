"""What HSD reads of vLLM's configuration, and what it refuses there at start."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion

from hola_plugins.hsd.config import ConfigError, HSDConfig, load_config

if TYPE_CHECKING:
    from vllm.config import VllmConfig

_WRONG_WITH_STATE = SpecifierSet(">=0.22,<0.32", prereleases=True)
"""The vLLM that leaves a model's recurrent state behind in a step without drafts (vllm-project/vllm#52942)."""


def read_settings(vllm_config: VllmConfig, version: str) -> HSDConfig:
    """Reads the settings out of ``additional_config``.

    Args:
        vllm_config: The engine's configuration.
        version: vLLM's version.

    Raises:
        ConfigError: A setting that HSD does not accept, or a configuration under which vLLM would fail with it.
    """
    _refuse_schedule(vllm_config.speculative_config)
    _refuse_pipeline(vllm_config.parallel_config.pipeline_parallel_size)
    model = vllm_config.model_config
    if model.is_hybrid or model.is_attention_free:
        _refuse_recurrent(version, vllm_config.device_config.device_type)
    additional = vllm_config.additional_config
    given = additional if isinstance(additional, dict) else {}
    for key in map(str, given.keys() - {"hola"}):
        if _meant_for_hsd(key.lower()):
            raise ConfigError(
                f'additional_config has {key!r}, which nobody reads; HSD is set by {{"hola": {{"hsd": {{...}}}}}}'
            )
    hola = given.get("hola", {})
    if not isinstance(hola, dict) or set(hola) - {"hsd"}:
        raise ConfigError(f'additional_config["hola"] takes one key, "hsd"; got {hola!r}')
    config = load_config(hola.get("hsd"))
    if config.store.isolated and getattr(model, "enable_prompt_embeds", False):
        raise ConfigError(
            "HSD setting 'store.isolated' = True: cannot be kept with enable_prompt_embeds, for which vLLM leaves "
            "another request's tokens where the prompt's would be; switch one of them off"
        )
    return config


def _refuse_schedule(speculative: Any) -> None:
    """Refuses draft lengths by batch size, of which vLLM tells a custom proposer nothing."""
    schedule = getattr(speculative, "num_speculative_tokens_per_batch_size", None)
    if schedule is not None:
        raise ConfigError(
            f"num_speculative_tokens_per_batch_size = {schedule}: vLLM does not hand it on to a custom proposer. Leave it "
            "out: HSD shortens drafts as the load asks; its settings 'max_draft' and 'control.max_batch' limit them by hand"
        )


def _refuse_pipeline(stages: int) -> None:
    """Refuses pipeline parallelism: vLLM's first stages look for a drafter that the last one alone has."""
    if stages > 1:
        raise ConfigError(
            f"pipeline_parallel_size = {stages}: vLLM 0.22 to 0.33 cannot draft with a custom proposer over pipeline "
            "stages; use tensor_parallel_size, or leave speculative_config out"
        )


def _refuse_recurrent(version: str, device: str) -> None:
    """Refuses models with recurrent layers (Mamba, GDN) where vLLM computes them wrong beside drafts."""
    if device == "cpu":
        wrong, remedy = "on a CPU vLLM does not take rejected drafts out of the state", ""
    elif _loses_state(version):
        wrong = f"vLLM {version} loses accepted drafts from the state in a step without any (vllm-project/vllm#52942)"
        remedy = "take vLLM 0.32 or newer, or "
    else:
        return
    raise ConfigError(
        f"this model has recurrent layers, whose output any drafter would change here: {wrong}; {remedy}leave "
        "speculative_config out"
    )


def _loses_state(version: str) -> bool:
    """Tells whether this vLLM leaves recurrent state behind; a build without a version counts as a new one."""
    try:
        return _WRONG_WITH_STATE.contains(version)
    except InvalidVersion:
        return False


def has_full_graphs(compilation: Any, max_draft: int | None, longest: int) -> bool:
    """Tells whether vLLM has full CUDA graphs for decode steps in which every request brings a longest draft, and for no others.

    It may leave them out later, where the attention has none; measured times tell then.
    """
    mode = getattr(compilation, "cudagraph_mode", None)
    if mode is None or (max_draft or longest) < longest:
        return False
    return bool(mode.separate_routine() and mode.decode_mode().name == "FULL")


def _meant_for_hsd(key: str) -> bool:
    """Tells whether a key beside "hola" is one of HSD's, or a misspelt or longer name of it."""
    named = key.startswith(("hola", "hsd")) or bool(difflib.get_close_matches(key, ["hola"]))
    return named or key in {*HSDConfig.model_fields, "config_file"}


def with_own_file(config: HSDConfig, replica: int) -> HSDConfig:
    """Gives a replica of data parallelism a telemetry file of its own: hsd.jsonl, hsd.1.jsonl, hsd.2.jsonl."""
    if not replica or config.telemetry.jsonl is None:
        return config
    file = Path(config.telemetry.jsonl)
    own = str(file.with_name(f"{file.stem}.{replica}{file.suffix}"))
    return config.model_copy(update={"telemetry": config.telemetry.model_copy(update={"jsonl": own})})
