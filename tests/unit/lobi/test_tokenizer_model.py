"""A model whose tokenizer is sentencepiece's file alone, as those of Llama 2 and Mistral were given out."""

from __future__ import annotations

import io
import json
import textwrap
from pathlib import Path

import pytest

pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

import sentencepiece

from hola_plugins.lobi.model_source import read_tokenizer


def test_a_folder_with_tokenizer_model_alone_has_a_tokenizer(tmp_path: Path) -> None:
    lines, trained = Path(textwrap.__file__).read_text().splitlines(), io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=trained,
        vocab_size=400,
        model_type="bpe",
        byte_fallback=True,
        minloglevel=2,
    )
    (tmp_path / "tokenizer.model").write_bytes(trained.getvalue())
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "LlamaTokenizer"}))
    transformers.LlamaConfig().save_pretrained(tmp_path)
    tokenizer = read_tokenizer(str(tmp_path))
    text = "wrapped lines of paragraph text"
    own = sentencepiece.SentencePieceProcessor(model_proto=trained.getvalue())
    assert len(tokenizer) == 400
    assert tokenizer(text, add_special_tokens=False)["input_ids"] == own.encode(text)
