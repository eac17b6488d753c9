"""The two models as Hugging Face folders: their shapes, their tokenizer, saving and loading."""

from collections.abc import Iterable
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

END_OF_TEXT = "<|endoftext|>"
END_ID = 0
VOCABULARY = 2_048
CONTEXT = 2_048
WORD_PATTERN = r"'(?:s|t|re|ve|m|ll|d)\b| ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
"""How text falls into words before merging: every digit stands alone, indentation stays in one piece."""

SHAPES: dict[str, dict[str, int]] = {
    "target": {
        "hidden_size": 128,
        "intermediate_size": 384,
        "num_hidden_layers": 6,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
    },
    "draft": {
        "hidden_size": 128,
        "intermediate_size": 256,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
    },
}


def train_tokenizer(texts: Iterable[str]) -> Tokenizer:
    """Learn a byte-level BPE vocabulary of `VOCABULARY` entries, the end-of-text mark at id 0."""
    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(WORD_PATTERN), behavior="isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def new_model(name: str) -> LlamaForCausalLM:
    """Return an untrained model.

    Args:
        name: `target` or `draft`.
    """
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=END_ID,
        eos_token_id=END_ID,
        pad_token_id=END_ID,
        **SHAPES[name],
    )
    return LlamaForCausalLM(config)


def save(model: LlamaForCausalLM, tokenizer: Tokenizer, folder: Path) -> None:
    """Write a complete folder in bfloat16, each file in one move: a reader never sees half a file."""
    folder.mkdir(parents=True, exist_ok=True)
    staged = folder.parent / f".{folder.name}.new"
    copy = LlamaForCausalLM(model.config).to(torch.bfloat16)
    copy.load_state_dict(model.state_dict())
    copy.generation_config = GenerationConfig(bos_token_id=END_ID, eos_token_id=END_ID, pad_token_id=END_ID)
    copy.save_pretrained(staged)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=END_OF_TEXT,
        eos_token=END_OF_TEXT,
        pad_token=END_OF_TEXT,
        model_max_length=CONTEXT,
    )
    wrapped.save_pretrained(staged)
    for file in sorted(staged.iterdir()):
        file.chmod(0o644)
        file.replace(folder / file.name)
    staged.rmdir()


def load(folder: Path, device: torch.device) -> LlamaForCausalLM:
    """Return a saved model in float32 and evaluation mode.

    Raises:
        FileNotFoundError: The folder holds no checkpoint.
    """
    if not (folder / "model.safetensors").is_file():
        raise FileNotFoundError(
            f"no checkpoint in {folder}: train it first with 'python train.py --only {folder.name}'"
        )
    model: LlamaForCausalLM = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)
    model.to(device)
    return model.eval()


def load_tokenizer(folder: Path) -> Tokenizer:
    """Return the tokenizer saved beside a model."""
    return Tokenizer.from_file(str(folder / "tokenizer.json"))
