"""The door to vLLM: `HSDProposer`, selected by ``method: custom_class``.

    speculative_config={"method": "custom_class", "model": "hola_plugins.vllm.HSDProposer",
                        "num_speculative_tokens": 8}

Settings travel in ``additional_config={"hola": {"hsd": {...}}}``. The contract, read in vLLM 0.22.1 to
0.33: ``propose`` is called once a step with the sampled ids (``[]`` for a row that is still in its
prompt), the token counts and the live token buffer; it returns one list of ids a row. An exception, a row
longer than ``num_speculative_tokens`` or an id outside the vocabulary would stop the engine.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hola_plugins.files.array_file import ArrayFileError, read_array
from hola_plugins.files.input_file import WHOLE_BYTES, InputFileError, read_text
from hola_plugins.hsd.config import ConfigError
from hola_plugins.hsd.drafter import HierarchicalDrafter, tracked_requests
from hola_plugins.hsd.intermediate import IntermediateLevel
from hola_plugins.hsd.level import Int32, Level
from hola_plugins.hsd.sanitiser import DraftLimits
from hola_plugins.hsd.warm_up import compile_kernels
from hola_plugins.hsd.windowed_model import WindowedModel
from hola_plugins.vllm.settings import has_full_graphs, read_settings, with_own_file
from hola_plugins.vllm.weight_log import log_weights

if TYPE_CHECKING:
    from vllm.config import VllmConfig

logger = logging.getLogger(__name__)


class HSDProposer:
    """Hierarchical speculative decoding as vLLM's custom proposer.

    Only the first tensor-parallel rank drafts, because vLLM uses no other's drafts; the others have no drafter. With
    the external launcher every rank drafts, without clocks, so that all draft the same.

    Args:
        vllm_config: The engine's configuration.

    Raises:
        ConfigError: A setting in ``additional_config["hola"]["hsd"]`` that HSD does not accept.
    """

    def __init__(self, vllm_config: VllmConfig) -> None:
        import vllm

        config = read_settings(vllm_config, vllm.__version__)
        parallel = vllm_config.parallel_config
        launched_alike = parallel.distributed_executor_backend == "external_launcher"
        if launched_alike:
            config = config.model_copy(update={"deterministic": True})
        self._config = with_own_file(config, parallel.data_parallel_index)
        longest = vllm_config.speculative_config.num_speculative_tokens
        model = vllm_config.model_config
        self._tokenizer = model.tokenizer
        self._limits = DraftLimits(
            max_draft=min(config.max_draft or longest, longest),
            vocabulary=model.get_vocab_size(),
            max_length=model.max_model_len,
            full_graphs=has_full_graphs(vllm_config.compilation_config, config.max_draft, longest),
        )
        self._max_rows = vllm_config.scheduler_config.max_num_seqs
        self._model: WindowedModel | None = None
        self.drafter: HierarchicalDrafter | None = None
        if launched_alike or parallel.rank % parallel.tensor_parallel_size == 0:
            self._model = self._intermediate_model()
            self.drafter = HierarchicalDrafter(
                self._config, self._limits, self._max_rows, self.further_levels(), self._judge()
            )

    def further_levels(self) -> tuple[Level, ...]:
        """Gives levels behind the ones without a model; a subclass may add its own."""
        return ()

    def _intermediate_model(self) -> WindowedModel | None:
        """Loads the intermediate level's model where the settings name one."""
        settings = self._config.intermediate
        if settings.model is None:
            return None
        if settings.window < 2 * self._limits.max_draft:
            raise ConfigError(
                f"HSD setting 'intermediate.window' = {settings.window}: must be at least twice the longest draft, "
                f"which is {self._limits.max_draft}; raise it, or lower 'max_draft' or num_speculative_tokens"
            )
        model = WindowedModel(settings, self._limits.vocabulary, self._tokenizer)
        log_weights(model.weight_bytes(), "Draft weights")
        return model

    def _judge(self) -> IntermediateLevel | None:
        """Gives the intermediate level."""
        if self._model is None:
            return None
        slots, isolated = tracked_requests(self._config, self._max_rows), self._config.store.isolated
        return IntermediateLevel(self._config.intermediate, self._model, slots, isolated=isolated)

    def load_model(self, *args: Any, **kwargs: Any) -> None:
        """Compiles the kernels, allocates memory and loads the static corpus; called once before serving."""
        if self.drafter is None:
            return
        _warn_of_sampling()
        compile_kernels(self._config, self._limits, self._model)
        corpus = self._config.store.corpus
        if corpus is not None:
            self._add_corpus(self.drafter, _corpus_tokens(corpus, self._tokenizer))

    def _add_corpus(self, drafter: HierarchicalDrafter, tokens: Int32) -> None:
        """Loads the static corpus."""
        if tokens.size and int(tokens.max()) >= self._limits.vocabulary:
            raise ConfigError(
                f"HSD setting 'store.corpus': holds token {int(tokens.max())}, and the target has "
                f"{self._limits.vocabulary}; make it with the target's tokenizer"
            )
        try:
            drafter.add_corpus(tokens)
        except ValueError as error:
            raise ConfigError(f"HSD setting 'store.corpus': {error}; set 'store.tokens'") from None

    def propose(
        self,
        sampled_token_ids: list[list[int]],
        num_tokens_no_spec: Int32,
        token_ids_cpu: Int32,
        slot_mappings: Any = None,
        *args: Any,
        **kwargs: Any,
    ) -> list[list[int]]:
        """Drafts for every row of the batch; never raises.

        Args:
            sampled_token_ids: Ids that each row emitted in this step.
            num_tokens_no_spec: Tokens of each row, int32[max_num_seqs].
            token_ids_cpu: Token ids, int32[max_num_seqs, max_model_len].
            slot_mappings: By layer, one entry for each token that the target ran, filled up to a size of its graphs.

        Returns:
            One list of at most ``num_speculative_tokens`` token ids a row.
        """
        if self.drafter is None:
            return [[] for _ in sampled_token_ids]
        return self.drafter.propose(
            sampled_token_ids, num_tokens_no_spec, token_ids_cpu, _step_tokens(slot_mappings)
        )


class HSDWorkerExtension:
    """RPC methods for ``worker_extension_cls="hola_plugins.vllm.HSDWorkerExtension"``."""

    def hola_hsd_stats(self) -> dict[str, Any] | None:
        """Gives the snapshot of this worker's drafter; None where there is none, or another proposer runs."""
        proposer = getattr(getattr(self, "model_runner", None), "drafter", None)
        drafter = proposer.drafter if isinstance(proposer, HSDProposer) else None
        return None if drafter is None else drafter.snapshot()


def verifies_at_the_temperature() -> bool:
    """Tells whether vLLM's rejection sampler repeats a request's temperature for each drafted token.

    The CPU build without Triton leaves uninitialised memory in its place (vllm-project/vllm#55005). To be
    called once the platform's kernels are registered, as they are in a running engine.
    """
    import torch
    from vllm.platforms import current_platform
    from vllm.v1.sample.rejection_sampler import expand_batch_to_tokens

    device = current_platform.device_type
    ends = torch.tensor([2, 5], dtype=torch.int32, device=device)
    given = torch.tensor([0.7, 1.3], device=device)
    return bool(torch.equal(expand_batch_to_tokens(given, ends, 5), given[[0, 0, 1, 1, 1]]))


def _warn_of_sampling() -> None:
    """Logs a warning where this vLLM samples drafted tokens wrongly; never raises."""
    try:
        wrong = not verifies_at_the_temperature()
    except Exception:
        logger.debug("vLLM's rejection sampler could not be tried", exc_info=True)
        return
    if wrong:
        logger.warning(
            "this vLLM verifies drafts at a wrong temperature, whatever drafts them, once a request of the batch "
            "samples (vllm-project/vllm#55005): send greedy requests only (temperature 0)"
        )


def _step_tokens(slot_mappings: Any) -> int | None:
    """Gives how many tokens the target ran, read from the length of a slot mapping."""
    if not isinstance(slot_mappings, dict) or not slot_mappings:
        return None
    return int(next(iter(slot_mappings.values())).shape[0])


def _corpus_tokens(path: str, tokenizer: str) -> Int32:
    """Loads a corpus as token ids, int32[length]: a .npy file as it is, text by the target's tokenizer."""
    if not Path(path).is_file():
        raise ConfigError(f"HSD setting 'store.corpus': no file at {path!r}")
    if path.endswith(".npy"):
        return _token_array(path)
    from transformers import AutoTokenizer

    try:
        text = read_text(Path(path), WHOLE_BYTES)
    except InputFileError as error:
        raise ConfigError(f"HSD setting 'store.corpus': {error}") from None
    return np.asarray(AutoTokenizer.from_pretrained(tokenizer).encode(text), dtype=np.int32)


def _token_array(path: str) -> Int32:
    """Reads token ids, int32[length]; a file of anything else is refused, pickled objects above all."""
    try:
        with Path(path).open("rb") as file:
            ids = read_array(file, path)
    except (ArrayFileError, OSError) as error:
        raise ConfigError(f"HSD setting 'store.corpus': {error}") from None
    if ids.dtype.kind not in "iu" or (ids.size and (ids.min() < 0 or ids.max() >= 1 << 31)):
        raise ConfigError(f"HSD setting 'store.corpus': {path!r} must hold token ids, got {ids.dtype}")
    return ids.astype(np.int32).ravel()
