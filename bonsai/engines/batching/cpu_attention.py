"""Passes on a CPU that requests share: how they attend, and on how many threads."""

from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

# Continuous batching makes a mask over the keys of all requests together, unless an attention with this word in its
# name finds each request's keys by itself. With the mask 32 requests take nearly twice the time.
_NAME = "bonsai_flash_on_cpu"
# Passes of so few tokens are for one thread: others would wait for work most of the time, and while they do, they keep
# the threads that read the tokens from their core.
_FEW = 5
# Models whose layers attend to all that came before, with nothing added to what they find.
_PLAIN = ("phi", "llama")


def use_cpu_passes(model: Any) -> None:
    """Let a Phi or a Llama on a CPU attend by this module, and any model there be sparing of threads."""
    if model.device.type != "cpu":
        return
    threads = torch.get_num_threads()
    model.register_forward_pre_hook(
        lambda _model, _args, kwargs: torch.set_num_threads(1 if kwargs["input_ids"].numel() <= _FEW else threads),
        with_kwargs=True,
    )
    model.register_forward_hook(lambda _model, _args, _output: torch.set_num_threads(threads))
    if model.config.model_type in _PLAIN:
        AttentionInterface.register(_NAME, _attend)
        model.config._attn_implementation = _NAME


def _attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: None,
    *,
    scaling: float,
    cu_seq_lens_q: torch.Tensor,
    cu_seq_lens_k: torch.Tensor,
    **_others: object,
) -> tuple[torch.Tensor, None]:
    """Return what the queries (1, heads, tokens, size) of each request find among its own keys and values.

    `cu_seq_lens` say where requests end.
    """
    grouped = query.shape[1] != key.shape[1]
    new, known = cu_seq_lens_q.diff().tolist(), cu_seq_lens_k.diff().tolist()
    queries, keys = query.split_with_sizes(new, 2), key.split_with_sizes(known, 2)
    found = []
    for q, k, v in zip(queries, keys, value.split_with_sizes(known, 2), strict=True):
        tokens, earlier = q.shape[2], k.shape[2] - q.shape[2]
        mask = torch.ones(tokens, k.shape[2], dtype=torch.bool).tril(earlier) if tokens > 1 and earlier else None
        causal = tokens > 1 and not earlier
        found.append(
            scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal, scale=scaling, enable_gqa=grouped)
        )
    return torch.cat(found, dim=2).transpose(1, 2).contiguous(), None
