"""GGUF files of tiny models, as llama.cpp's own converter would write them. Imported by fixtures only."""

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from transformers import LlamaForCausalLM, PhiForCausalLM, PreTrainedTokenizerFast

Arrays = dict[str, "np.ndarray[Any, Any]"]

_LAYER = {
    "input_layernorm": "attn_norm",
    "self_attn.dense": "attn_output",
    "mlp.fc1": "ffn_up",
    "mlp.fc2": "ffn_down",
}
_LLAMA = {"model.embed_tokens": "token_embd", "lm_head": "output", "model.norm": "output_norm"}
_LLAMA_LAYER = {
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_APART = {f"self_attn.{part}_proj": f"attn_{part}" for part in "qkv"}


def write_phi(model: PhiForCausalLM, tokenizer: PreTrainedTokenizerFast, path: Path, *, fused: bool = False) -> None:
    """Write a Phi in float32; with `fused` its q, k and v are one tensor, as in files from before 2024."""
    config = model.config
    writer = gguf.GGUFWriter(path, "phi2")
    writer.add_layer_norm_eps(config.layer_norm_eps)
    head = config.hidden_size // config.num_attention_heads
    writer.add_rope_dimension_count(int(head * config.rope_parameters["partial_rotary_factor"]))
    _write(writer, config, tokenizer, _phi_tensors(model, len(tokenizer), fused))


def write_llama(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, path: Path) -> None:
    """Write a Llama in float32, the rows of its q and k in the order that llama.cpp wants."""
    config = model.config
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    weights = {name: value.detach().float().numpy() for name, value in model.state_dict().items()}
    found = {f"{there}.weight": weights[f"{name}.weight"] for name, there in _LLAMA.items()}
    for name in ("token_embd.weight", "output.weight"):
        found[name] = found[name][: len(tokenizer)]
    for layer in range(config.num_hidden_layers):
        for name, there in _LLAMA_LAYER.items():
            values = weights[f"model.layers.{layer}.{name}.weight"]
            heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}.get(there)
            if heads:
                values = values.reshape(heads, 2, -1, values.shape[1]).swapaxes(1, 2).reshape(values.shape)
            found[f"blk.{layer}.{there}.weight"] = values
    _write(writer, config, tokenizer, found)


def _write(writer: gguf.GGUFWriter, config: Any, tokenizer: PreTrainedTokenizerFast, tensors: Arrays) -> None:
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    _add_tokenizer(writer, tokenizer)
    for name, values in tensors.items():
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


def _phi_tensors(model: PhiForCausalLM, vocabulary: int, fused: bool) -> Arrays:
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
