"""A language model of a few hundred kilobytes that llama.cpp loads and that answers nonsense."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from gguf import GGUFWriter, TokenType

_EMBED, _FORWARD, _HEADS = 64, 128, 2
_LETTERS = ["▁", *"abcdefghijklmnopqrstuvwxyz"]
_TOKENS = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *_LETTERS]
_TYPES = [
    TokenType.UNKNOWN,
    *[TokenType.CONTROL] * 2,
    *[TokenType.BYTE] * 256,
    *[TokenType.NORMAL] * len(_LETTERS),
]


def write_tiny_gguf(path: Path) -> None:
    """Write a LLaMA of one layer with random weights, the same each time."""
    writer = GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_context_length(512)
    writer.add_embedding_length(_EMBED)
    writer.add_feed_forward_length(_FORWARD)
    writer.add_block_count(1)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(_EMBED // _HEADS)
    writer.add_vocab_size(len(_TOKENS))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(_TOKENS)
    writer.add_token_scores([0.0] * len(_TOKENS))
    writer.add_token_types(_TYPES)
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template("{% for message in messages %}{{ message['content'] }}\n{% endfor %}")
    _add_weights(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_weights(writer: GGUFWriter) -> None:
    random = np.random.default_rng(0)
    matrices = {
        "token_embd": (len(_TOKENS), _EMBED),
        "output": (len(_TOKENS), _EMBED),
        **{f"blk.0.attn_{name}": (_EMBED, _EMBED) for name in ("q", "k", "v", "output")},
        "blk.0.ffn_gate": (_FORWARD, _EMBED),
        "blk.0.ffn_up": (_FORWARD, _EMBED),
        "blk.0.ffn_down": (_EMBED, _FORWARD),
    }
    for name, shape in matrices.items():
        writer.add_tensor(f"{name}.weight", (random.standard_normal(shape) * 0.1).astype(np.float32))
    for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        writer.add_tensor(f"{name}.weight", np.ones(_EMBED, np.float32))
