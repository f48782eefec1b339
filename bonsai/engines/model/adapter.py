"""LoRA adapters: checked against the model's layers, then added to the model."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel, get_peft_model_state_dict
from safetensors import SafetensorError, safe_open
from transformers import AutoModelForCausalLM

from bonsai.engines.model.model_files import ADAPTER_WEIGHTS, adapter_config
from bonsai.errors import EngineError

_PREFIX = "base_model.model."
_OLD_PHI = {"Wqkv", "out_proj"}


def check_adapter(adapter_id: str, folder: Path, model_id: str, config: Any) -> int:
    """Return how many tokens the adapter in `folder` wants the model to have: 0 for as many as it has.

    Raises EngineError, naming what does not fit, unless it fits a model of `config` with so many tokens.
    """
    adapter = adapter_config(adapter_id, folder)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    layers = dict(model.named_modules())
    _check_targets(adapter, layers, f"The adapter {adapter_id} does not fit {model_id}")
    shapes = _shapes(adapter_id, folder)
    for key, shape in shapes.items():
        name, _, part = key.removeprefix(_PREFIX).partition(".lora_")
        if part in ("A.weight", "B.weight"):
            problem = _misfit(name, part[0], shape, layers)
            if problem:
                raise EngineError(f"The adapter {adapter_id} does not fit {model_id}: {problem}.")
    return _tokens_wanted(adapter_id, folder, model_id, model, shapes)


def add_adapter(
    model: Any, adapter_id: str, folder: Path, *, tokens: int = 0, merge: bool, trainable: bool = False
) -> Any:
    """Return `model` with the adapter, merged into its weights if `merge`; every weight of the adapter is used.

    `tokens` is what `check_adapter` returned; a `trainable` adapter is one whose training can go on.
    """
    try:
        if tokens:
            model.resize_token_embeddings(tokens, mean_resizing=False)
        shapes = _shapes(adapter_id, folder)
        _untie(model, shapes)
        device = str(model.device)
        adapted: Any = PeftModel.from_pretrained(model, str(folder), is_trainable=trainable, torch_device=device)
        if left := _left_over(adapted, shapes):
            raise EngineError(f"The adapter {adapter_id} is not used whole: {left[0]} has no counterpart in the model.")
        return (adapted.merge_and_unload(safe_merge=True) if merge else adapted).eval()
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, ImportError) as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise EngineError(f"The adapter {adapter_id} cannot be loaded from {folder}: {reason}") from error


def brings_tokenizer(folder: Path) -> bool:
    """Say whether an adapter has a tokenizer of its own: it may know tokens that its base does not."""
    return (folder / "tokenizer_config.json").is_file() and any(
        (folder / name).is_file() for name in ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")
    )


def is_lora_alone(folder: Path) -> bool:
    """Say whether an adapter has nothing but LoRA of layers: no whole layers, embeddings or heads."""
    return all(re.search(r"\.lora_[AB]\.weight$", key) for key in _shapes(str(folder), folder))


def _untie(model: Any, shapes: Mapping[str, object]) -> None:
    """Give the model's head weights of its own, if it shares those of the embedding and the adapter has some for them.

    Otherwise what is meant for the one would change the other too.
    """
    into, out = model.get_input_embeddings(), model.get_output_embeddings()
    if out is None or out.weight is not into.weight:
        return
    ends = _ends(model)
    if any(key.removeprefix(_PREFIX).startswith(ends) for key in shapes):
        out.weight = torch.nn.Parameter(out.weight.detach().clone(), requires_grad=False)
        model.config.get_text_config().tie_word_embeddings = False
        model.config.tie_word_embeddings = False


def _tokens_wanted(adapter_id: str, folder: Path, model_id: str, model: Any, shapes: Mapping[str, list[int]]) -> int:
    """Return the rows of the embeddings that an adapter brings, 0 if they are as many as the model's."""
    ends, rows = _ends(model), int(model.get_input_embeddings().num_embeddings)
    for key, shape in shapes.items():
        name = key.removeprefix(_PREFIX)
        whole = f"{name.removesuffix('.weight').removesuffix('.base_layer')}." in ends
        wanted = shape[0] if whole else shape[1] if name.endswith(".lora_embedding_A") else rows
        if wanted == rows:
            continue
        if wanted > rows and brings_tokenizer(folder):
            return wanted
        many = f"{abs(wanted - rows):,} {'more' if wanted > rows else 'fewer'} tokens"
        hint = " Put the tokenizer that it was trained with beside its weights." if wanted > rows else ""
        raise EngineError(
            f"The adapter {adapter_id} was trained with {many} than {model_id} has: {wanted:,}, not {rows:,}.{hint}"
        )
    return 0


def _check_targets(config: Mapping[str, Any], layers: Mapping[str, torch.nn.Module], complaint: str) -> None:
    targets = config.get("target_modules")
    if not isinstance(targets, list):  # a pattern; the weights themselves are checked next
        return
    missing = sorted(t for t in targets if not any(name == t or name.endswith(f".{t}") for name in layers))
    if _OLD_PHI & set(missing):
        raise EngineError(
            f"{complaint}: it was trained on Phi's first code, whose layers were {' and '.join(sorted(_OLD_PHI))}; "
            "today they are q_proj, k_proj, v_proj and dense. Train it again on today's layers."
        )
    if missing:
        raise EngineError(f"{complaint}: the model has no layers called {', '.join(missing)}.")


def _shapes(adapter_id: str, folder: Path) -> dict[str, list[int]]:
    try:
        with safe_open(str(folder / ADAPTER_WEIGHTS), framework="pt") as weights:
            return {key: list(weights.get_slice(key).get_shape()) for key in weights.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise EngineError(f"The adapter {adapter_id} has weights that cannot be read: {error}") from error


def _misfit(name: str, part: str, shape: list[int], layers: Mapping[str, torch.nn.Module]) -> str:
    layer = layers.get(name)
    if layer is None:
        return f"the model has no layer {name}"
    side, given = ("in_features", shape[-1]) if part == "A" else ("out_features", shape[0])
    wanted = getattr(layer, side, given)
    return "" if given == wanted else f"{name} has {side.replace('_', ' ')} {wanted:,}, the adapter's {given:,}"


def _left_over(adapted: Any, shapes: Mapping[str, object]) -> list[str]:
    """Return the adapter's weights that PEFT passed over and those that it lacks."""
    unused = set(get_peft_model_state_dict(adapted, save_embedding_layers=False)) ^ set(shapes)
    # An embedding or a head that PEFT saves whole beside its own weights is given to the model.
    ends = _ends(adapted.get_base_model())
    return sorted(key for key in unused if ".lora_" in key or not key.removeprefix(_PREFIX).startswith(ends))


def _ends(model: Any) -> tuple[str, ...]:
    """Return what the weights of a model's embedding and head begin with, as `lm_head.`."""
    ends = (model.get_input_embeddings(), model.get_output_embeddings())
    return tuple(f"{name}." for name, one in model.named_modules() if one in ends)
