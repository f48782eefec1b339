"""LoRA adapters of PEFT as GGUF files, for the layers that a GGUF model has.

The rules are those of the ggml project's `convert_lora_to_gguf.py`: names by gguf's tensor map, the rows of B in the
order in which the model's own rows are kept.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from bonsai.engines.gguf.header import GgufFile
from bonsai.engines.model.model_files import ADAPTER_CONFIG, ADAPTER_WEIGHTS, adapter_config
from bonsai.errors import EngineError, first_line

Array = np.ndarray[Any, np.dtype[np.float32]]

ARCHITECTURES = ("llama", "phi2")
# What PEFT takes where none is named.
_USUAL_ALPHA = 8
_PREFIX = "base_model.model."
_PARTS = ("attn_q", "attn_k", "attn_v")
_DTYPES = {"F32": np.float32, "F16": np.float16, "BF16": np.uint16}
# What PEFT can do to a layer beside LoRA, and llama.cpp cannot.
_BEYOND_LORA = {"use_dora": False, "bias": "none", "modules_to_save": None, "layer_replication": None}


@dataclass(frozen=True)
class LoraPair:
    """What is added to the weights of one layer: B (out, rank) times A (rank, in) times the scale."""

    a: Array
    b: Array
    scale: float


def convert(folder: Path, base: GgufFile, out: Path) -> None:
    """Write the adapter in `folder` as a GGUF file that llama.cpp adds to `base`.

    Raises EngineError, saying what does not fit, if that cannot be done.
    """
    if base.architecture not in ARCHITECTURES:
        raise EngineError(
            f"An adapter of PEFT can be used with a GGUF model of {' or '.join(ARCHITECTURES)}, and this one is of "
            f"{base.architecture}. Convert it with llama.cpp's convert_lora_to_gguf.py, and give the GGUF file."
        )
    config = _config(folder)
    pairs = _for_model(_pairs(folder, config), base, folder)
    # The scales are in B. Without an alpha llama.cpp would not divide by the rank.
    alpha = _alpha(config, "", folder) or 1.0
    writer = gguf.GGUFWriter(out, base.architecture)
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, alpha)
    for name, pair in pairs.items():
        # llama.cpp multiplies by alpha and divides by the rank.
        writer.add_tensor(f"{name}.lora_a", _stored(pair.a))
        writer.add_tensor(f"{name}.lora_b", _stored(pair.b * (pair.scale * len(pair.a) / alpha)))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _stored(values: Array) -> np.ndarray[Any, np.dtype[np.floating[Any]]]:
    """Return values as they are kept: in 16 bits, as llama.cpp's own converter has them, unless they are too large."""
    wide = np.abs(values).max(initial=0) > np.finfo(np.float16).max
    return np.ascontiguousarray(values, np.float32 if wide else np.float16)


def _config(folder: Path) -> Mapping[str, Any]:
    config = adapter_config(str(folder), folder)
    beyond = [name for name, usual in _BEYOND_LORA.items() if (config.get(name) or usual) != usual]
    if beyond:
        raise EngineError(
            f"The adapter in {folder} does more than llama.cpp can ({', '.join(beyond)}). Merge it (bonsai merge), and "
            "convert the merged model."
        )
    return config


def _pairs(folder: Path, config: Mapping[str, Any]) -> dict[str, LoraPair]:
    """Return the pairs of the adapter by the name of their layer in transformers."""
    tensors = _tensors(folder / ADAPTER_WEIGHTS)
    pairs = {}
    for key, a in tensors.items():
        layer, _, part = key.removeprefix(_PREFIX).partition(".lora_")
        if part == "B.weight" and key.replace("lora_B", "lora_A") in tensors:
            continue
        b = tensors.get(key.replace("lora_A", "lora_B"))
        if part != "A.weight" or b is None or not (a.ndim == b.ndim == 2 and 0 < len(a) == b.shape[1]):
            raise EngineError(f"The adapter in {folder} has weights that are no LoRA of a linear layer: {key}.")
        alpha = _alpha(config, layer, folder)
        scale = alpha / (math.sqrt(len(a)) if config.get("use_rslora") else len(a))
        pairs[layer] = LoraPair(a, b, scale)
    if not pairs:
        raise EngineError(f"The adapter in {folder} has no weights.")
    return pairs


def _alpha(config: Mapping[str, Any], layer: str, folder: Path) -> float:
    """Return the alpha of a layer, as PEFT finds it; raise EngineError if there is something else in its place."""
    pattern = config.get("alpha_pattern")
    try:
        # PEFT takes the keys for regular expressions, which the end of a layer's name is to match.
        keys = [key for key in pattern or () if re.match(rf"(.*\.)?({key})$", layer)]
        return float(pattern[keys[0]] if pattern and keys else config.get("lora_alpha", _USUAL_ALPHA))
    except (re.error, TypeError, ValueError) as error:
        raise EngineError(
            f"The {ADAPTER_CONFIG} in {folder} has a lora_alpha or an alpha_pattern that cannot be used "
            f"({first_line(error)})."
        ) from error


def _for_model(pairs: Mapping[str, LoraPair], base: GgufFile, folder: Path) -> dict[str, LoraPair]:
    """Return the pairs by the names of the tensors of `base`, their rows in its order."""
    kind = next(key for key, name in gguf.MODEL_ARCH_NAMES.items() if name == base.architecture)
    names = gguf.get_tensor_name_map(kind, base.number("block_count"))
    found: dict[str, LoraPair] = {}
    for layer, pair in pairs.items():
        name = names.get_name(f"{layer}.weight", try_suffixes=(".weight",)) or layer
        found[name] = LoraPair(pair.a, _ordered(pair.b, name, base), pair.scale)
    for block in range(base.number("block_count")):
        _fuse(found, f"blk.{block}.", base)
    for name, pair in found.items():
        check_fits(name, (pair.b.shape[0], pair.a.shape[1]), base, str(folder))
    return found


def check_fits(name: str, shape: tuple[int, ...], base: GgufFile, adapter: str) -> None:
    """Raise EngineError unless `base` has a tensor of that name and shape, (out, in)."""
    wanted = base.shapes.get(name)
    if wanted != shape:
        has = f"it is {wanted[1]:,} to {wanted[0]:,} there" if wanted else "there is none"
        raise EngineError(
            f"The adapter {adapter} was made for another model than {base.path.name}: it changes {name}, from "
            f"{shape[1]:,} to {shape[0]:,} numbers, and {has}."
        )


def _ordered(b: Array, name: str, base: GgufFile) -> Array:
    """Return the rows of B as the model has its own: llama's q and k keep the halves of each rotation apart."""
    heads = {"attn_q": "attention.head_count", "attn_k": "attention.head_count_kv"}
    key = heads.get(name.split(".")[-2]) if base.architecture == "llama" else None
    count = base.number(key, base.number("attention.head_count")) if key else 0
    if not count or len(b) % (2 * count):
        return b
    return b.reshape(count, 2, len(b) // count // 2, -1).swapaxes(1, 2).reshape(b.shape)


def _fuse(found: dict[str, LoraPair], block: str, base: GgufFile) -> None:
    """Make one pair of those for q, k and v where the model has them in one tensor, as phi-2 had before 2024."""
    rows = base.shapes.get(f"{block}attn_qkv.weight", (0,))[0] // len(_PARTS)
    parts = {place: pair for place, name in enumerate(_PARTS) if (pair := found.get(f"{block}{name}.weight"))}
    if not rows or not parts or any(len(pair.b) != rows for pair in parts.values()):
        return
    ranks = sum(len(pair.a) for pair in parts.values())
    b = np.zeros((rows * len(_PARTS), ranks), np.float32)
    column = 0
    for place, pair in parts.items():
        width = len(pair.a)
        b[place * rows : (place + 1) * rows, column : column + width] = pair.b * pair.scale
        column += width
        del found[f"{block}{_PARTS[place]}.weight"]
    found[f"{block}attn_qkv.weight"] = LoraPair(np.concatenate([pair.a for pair in parts.values()]), b, 1.0)


def _tensors(file: Path) -> dict[str, Array]:
    """Return the tensors of a safetensors file in float32; numpy itself knows no bfloat16."""
    try:
        return {name: _array(tensor) for name, tensor in gguf.SafetensorsLocal(file).tensors.items()}
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise EngineError(f"The adapter has weights that cannot be read: {file} ({first_line(error)}).") from error


def _array(tensor: gguf.LocalTensor) -> Array:
    values = tensor.mmap_bytes().view(_DTYPES[tensor.dtype])
    if tensor.dtype == "BF16":
        values = (values.astype(np.uint32) << 16).view(np.float32)
    return np.array(values, np.float32).reshape(tensor.shape)
