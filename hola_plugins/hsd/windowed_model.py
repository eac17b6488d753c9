"""A small causal language model over a window of each request: the runtime of a neural level.

Positions count from the start of the window, so cost and memory do not grow with the context (the bounded
cache of TriForce's draft, arXiv 2404.11912).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hola_plugins.hsd.config import ConfigError, IntermediateConfig
from hola_plugins.hsd.level import Float32, Int32, Int64


class WindowedModel:
    """A causal language model from `transformers` that continues several requests in one forward pass.

    Args:
        settings: Which model, where it runs, its window and its lanes.
        vocabulary: Size of the target's vocabulary.
        tokenizer: Path or hub id of the target's tokenizer; None where the engine runs without one.

    Raises:
        ConfigError: The model cannot be loaded, cannot run over a window, or reads other tokens than the target.
        ImportError: torch or transformers is missing.
    """

    def __init__(self, settings: IntermediateConfig, vocabulary: int, tokenizer: str | None) -> None:
        try:
            import torch

            from hola_plugins.hsd.window_attention import use_grouped_attention
            from hola_plugins.hsd.window_cache import WindowCache, visibility
        except ImportError as error:
            raise ImportError(
                f"{error.name!r} is not installed. Install it with: pip install 'hola-plugins[vllm]'"
            ) from error
        name = str(settings.model)
        device = settings.device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self._model = _load(name, device, settings.dtype)
        self._vocabulary = vocabulary
        config = self._model.config.get_text_config()
        self._known = config.vocab_size
        _check_vocabulary(name, self._known, vocabulary, tokenizer)
        _check_reach(name, config, settings.window)
        use_grouped_attention(self._model)
        self._device = torch.device(device)
        self._cache = WindowCache(settings.requests, settings.window, self._model.dtype, self._device)
        self._visible = visibility(settings.window, self._model.dtype, self._device)
        self._try(name)

    def forward(
        self, lanes: Int64, starts: Int32, tokens: Int32, *, last_only: bool = False
    ) -> tuple[Int32, Float32]:
        """Runs a few tokens of several requests.

        Args:
            lanes: Lane of each row, int64[rows].
            starts: Position in its window of each row's first token, int32[rows].
            tokens: Token ids, int32[rows, most]; -1 behind a row's last one. One that the model does not know is read
                as its last.
            last_only: Predict behind the last column only, where no other prediction is wanted.

        Returns:
            Behind every token the most likely next token and its probability, [rows, most] or [rows, 1].
        """
        import torch

        columns = np.arange(tokens.shape[1])
        padded = tokens < 0
        positions = np.where(padded, self._cache.window, starts[:, None] + columns)
        used = int((starts + (~padded).sum(axis=1)).max())
        with torch.inference_mode():
            where = torch.from_numpy(positions).to(self._device)
            self._cache.aim(lanes, where, used)
            logits = self._model(
                input_ids=torch.from_numpy(np.clip(tokens, 0, self._known - 1).astype(np.int64)).to(
                    self._device
                ),
                attention_mask=self._visible[where, :used].unsqueeze(1),
                position_ids=where.clamp(max=self._cache.window - 1),
                past_key_values=self._cache,
                use_cache=True,
                logits_to_keep=1 if last_only else 0,
            ).logits[..., : self._vocabulary]
            chance, token = logits.softmax(dim=-1, dtype=torch.float32).max(dim=-1)
            return token.int().cpu().numpy(), chance.cpu().numpy()

    def _try(self, name: str) -> None:
        """Runs two tokens, so that a model of another kind is refused at start."""
        first = np.zeros(1, dtype=np.int32)
        try:
            self.forward(first.astype(np.int64), first, np.zeros((1, 2), dtype=np.int32))
        except Exception as error:
            raise ConfigError(
                f"HSD setting 'intermediate.model': {name!r} does not run over a window of keys and values "
                f"({type(error).__name__}: {error}); give a decoder whose layers all are attention, for example what "
                "`hola draft` wrote"
            ) from error

    def weight_bytes(self) -> int:
        """Gives the bytes of the weights."""
        return int(self._model.get_memory_footprint())


def _load(name: str, device: str, dtype: str) -> Any:
    """Loads the model for inference."""
    import torch
    from transformers import AutoModelForCausalLM

    if dtype == "auto" and device == "cpu":
        dtype = "float32"
    try:
        model = AutoModelForCausalLM.from_pretrained(
            name, dtype=dtype if dtype == "auto" else getattr(torch, dtype), attn_implementation="sdpa"
        )
    except Exception as error:
        raise ConfigError(
            f"HSD setting 'intermediate.model': cannot load {name!r} ({type(error).__name__}: {error}); give the "
            "folder or hub id of a causal language model, for example what `hola draft` wrote"
        ) from error
    return model.to(device).eval()


def _check_reach(name: str, config: Any, window: int) -> None:
    """Refuses a window that is longer than what the model, or a layer of it, can read."""
    limits = [getattr(config, "max_position_embeddings", None)]
    if getattr(config, "use_sliding_window", True):
        limits.append(getattr(config, "sliding_window", None))
    most = min((limit for limit in limits if limit is not None), default=window)
    if window > most:
        raise ConfigError(
            f"HSD setting 'intermediate.window' = {window}: {name!r} reads {most} tokens at most; set it to that or less"
        )


def _check_vocabulary(name: str, size: int, target_size: int, tokenizer: str | None) -> None:
    """Refuses a model whose token ids mean something else than the target's."""
    remedy = "it must share the target's tokenizer; `hola draft --model TARGET --out DIR` makes one that does"
    if tokenizer is None:
        if size != target_size:
            raise ConfigError(
                f"HSD setting 'intermediate.model': {name!r} has {size} tokens, the target {target_size}: {remedy}"
            )
        return
    from transformers import AutoTokenizer

    own, target = (AutoTokenizer.from_pretrained(one).get_vocab() for one in (name, tokenizer))
    if own != target or size < max(target.values(), default=0) + 1:
        different = len(set(own.items()) ^ set(target.items()))
        raise ConfigError(
            f"HSD setting 'intermediate.model': the tokenizer of {name!r} differs from the target's in {different} "
            f"entries (vocabulary {size}, target {target_size}): {remedy}"
        )
