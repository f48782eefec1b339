"""LoRA adapters: checked against the model's layers, then added to the model."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel, get_peft_model_state_dict
from safetensors import SafetensorError, safe_open
from transformers import AutoModelForCausalLM

from bonsai.errors import EngineError

_WEIGHTS = "adapter_model.safetensors"
_PREFIX = "base_model.model."
_OLD_PHI = {"Wqkv", "out_proj"}


def check_adapter(adapter_id: str, folder: Path, model_id: str, config: Any) -> None:
    """Raise EngineError, naming what does not fit, unless the adapter in `folder` fits a model of `config`."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    layers = dict(model.named_modules())
    _check_targets(_adapter_config(adapter_id, folder), layers, f"The adapter {adapter_id} does not fit {model_id}")
    for key, shape in _shapes(adapter_id, folder).items():
        name, _, part = key.removeprefix(_PREFIX).partition(".lora_")
        if part in ("A.weight", "B.weight"):
            problem = _misfit(name, part[0], shape, layers)
            if problem:
                raise EngineError(f"The adapter {adapter_id} does not fit {model_id}: {problem}.")


def add_adapter(model: Any, adapter_id: str, folder: Path, *, merge: bool) -> Any:
    """Return `model` with the adapter, merged into its weights if `merge`; every weight of the adapter is used."""
    try:
        adapted: Any = PeftModel.from_pretrained(model, str(folder), torch_device=str(model.device))
        left = _left_over(adapted, _shapes(adapter_id, folder))
        if left:
            raise EngineError(f"The adapter {adapter_id} is not used whole: {left[0]} has no counterpart in the model.")
        return (adapted.merge_and_unload(safe_merge=True) if merge else adapted).eval()
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, ImportError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise EngineError(f"The adapter {adapter_id} cannot be loaded from {folder}: {reason}") from error


def _adapter_config(adapter_id: str, folder: Path) -> dict[str, Any]:
    if not (folder / "adapter_config.json").is_file():
        raise EngineError(f"The adapter {adapter_id} has no adapter_config.json in {folder}; give a LoRA adapter.")
    if not (folder / _WEIGHTS).is_file():
        raise EngineError(
            f"The adapter {adapter_id} has no {_WEIGHTS}; .bin weights are not read, since they can run code. "
            "Convert it: load it with PEFT and save it with save_pretrained(folder, safe_serialization=True)."
        )
    try:
        config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EngineError(f"The adapter_config.json of {adapter_id} cannot be read: {error}") from error
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        raise EngineError(f"The adapter {adapter_id} is not a LoRA adapter; only LoRA adapters can be used.")
    return config


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
        with safe_open(str(folder / _WEIGHTS), framework="pt") as weights:
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
    used = set(get_peft_model_state_dict(adapted, save_embedding_layers=False))
    # PEFT saves a trained embedding whole, beside the adapter's own weights.
    whole = ("embed_tokens.weight", "lm_head.weight", "embed_tokens.base_layer.weight", "lm_head.base_layer.weight")
    return sorted(key for key in used ^ set(shapes) if not key.endswith(whole))
