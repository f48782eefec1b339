"""GGUF files of tiny models, as llama.cpp's own converter would write them. Imported by fixtures only."""

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from transformers import PhiForCausalLM, PreTrainedTokenizerFast

Arrays = dict[str, "np.ndarray[Any, Any]"]

_LAYER = {
    "input_layernorm": "attn_norm",
    "self_attn.dense": "attn_output",
    "mlp.fc1": "ffn_up",
    "mlp.fc2": "ffn_down",
}
_APART = {f"self_attn.{part}_proj": f"attn_{part}" for part in "qkv"}


def write_phi(model: PhiForCausalLM, tokenizer: PreTrainedTokenizerFast, path: Path, *, fused: bool = False) -> None:
    """Write a Phi in float32; with `fused` its q, k and v are one tensor, as in files from before 2024."""
    config = model.config
    writer = gguf.GGUFWriter(path, "phi2")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_attention_heads)
    writer.add_layer_norm_eps(config.layer_norm_eps)
    head = config.hidden_size // config.num_attention_heads
    writer.add_rope_dimension_count(int(head * config.rope_parameters["partial_rotary_factor"]))
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    _add_tokenizer(writer, tokenizer)
    for name, values in _tensors(model, len(tokenizer), fused).items():
        writer.add_tensor(name, np.ascontiguousarray(values, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_tokenizer(writer: gguf.GGUFWriter, tokenizer: PreTrainedTokenizerFast) -> None:
    vocabulary = tokenizer.get_vocab()
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)
    special = dict.fromkeys(tokenizer.all_special_tokens, gguf.TokenType.CONTROL)
    merges = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([special.get(token, gguf.TokenType.NORMAL) for token in tokens])
    writer.add_token_merges([" ".join(pair) for pair in merges])
    writer.add_bos_token_id(tokenizer.bos_token_id)
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_add_bos_token(False)


def _tensors(model: PhiForCausalLM, vocabulary: int, fused: bool) -> Arrays:
    weights = {name: value.detach().float().numpy() for name, value in model.state_dict().items()}
    # Rows beyond the tokenizer's are filling.
    found = {"token_embd.weight": weights["model.embed_tokens.weight"][:vocabulary]}
    for part in ("weight", "bias"):
        found[f"output.{part}"] = weights[f"lm_head.{part}"][:vocabulary]
        found[f"output_norm.{part}"] = weights[f"model.final_layernorm.{part}"]
        for layer in range(model.config.num_hidden_layers):
            home = f"model.layers.{layer}"
            for name, there in (_LAYER if fused else _LAYER | _APART).items():
                found[f"blk.{layer}.{there}.{part}"] = weights[f"{home}.{name}.{part}"]
            if fused:
                found[f"blk.{layer}.attn_qkv.{part}"] = np.concatenate(
                    [weights[f"{home}.{name}.{part}"] for name in _APART]
                )
    return found
