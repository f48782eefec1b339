"""A model and its adapter as one checkpoint, for servers and for whoever does not want to merge at each start."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer

from bonsai.engines.base import Prompt
from bonsai.engines.hub import object_in
from bonsai.engines.model.loaded_model import LoadedModel
from bonsai.engines.model.loading import load_model, quiet
from bonsai.engines.model.model_files import ModelFiles, model_files
from bonsai.errors import EngineError, Note, SettingError, UsageError, first_line
from bonsai.settings import NO_ADAPTER, Settings

# Of the highest logit: by so much a model may differ from itself as it was before it was written.
_ROUNDING = 0.02


def merge(settings: Settings, out: Path) -> Sequence[Note]:
    """Write the model of `settings` with its adapter merged into the folder `out`, with tokenizer and configurations.

    Returns what a person should know of the two.

    Its weights are safetensors in the number format of `settings`; if that is auto, in bfloat16, or in float32 if the
    model is stored so. Loaded in that format it answers as the model with its adapter does. Raises UsageError if `out`
    is there and not empty, and else as `load_model` does, saying what to do.
    """
    model, adapter = settings.models(torch.cuda.is_available())
    if adapter == NO_ADAPTER:
        raise UsageError(f"There is no adapter to merge into {model}; name one with --adapter.")
    if settings.quantization != "none":
        raise SettingError(
            f"BONSAI_QUANTIZATION is {settings.quantization!r}; to merge an adapter it must be none, since quantised "
            "weights would lose what the adapter has learnt."
        )
    _check_free(out)
    # So that it has a name, also where it is the folder that one is in.
    out = out.resolve()
    if settings.dtype == "auto":
        settings = replace(settings, dtype=_stored_format(model_files(model, settings.revision)))
    loaded = load_model(replace(settings, zero_gpu=False))
    # A folder that is there is whole.
    unfinished = out.with_name(f"{out.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        unfinished.mkdir()
        with quiet():
            loaded.model.save_pretrained(unfinished)
            loaded.tokenizer.save_pretrained(unfinished)
            _write_for_older(unfinished)
            _read_back(unfinished, loaded)
        _put(unfinished, out)
    except (OSError, SafetensorError, ValueError, RuntimeError) as error:
        raise EngineError(f"The merged model cannot be written to {out}: {first_line(error)}") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return loaded.notes


def _put(unfinished: Path, out: Path) -> None:
    """Give what was written its name; a folder that is there stays the one that others stand in, and is filled."""
    if not out.exists():
        unfinished.rename(out)
        return
    # The configuration comes last: without it a folder is no model.
    for file in sorted(unfinished.iterdir(), key=lambda file: file.name == "config.json"):
        shutil.move(file, out / file.name)


def _write_for_older(folder: Path) -> None:
    """Write the configurations so that transformers 4, and servers that are built on it, read them the same.

    It has no class TokenizersBackend, and looks for what concerns the rotary embedding beside each other.
    """
    for name, change in (("tokenizer_config.json", _older_tokenizer), ("config.json", _older_config)):
        file = folder / name
        if file.is_file():
            config = change(json.loads(file.read_text(encoding="utf-8")))
            file.write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _older_tokenizer(config: dict[str, Any]) -> dict[str, Any]:
    backend = config.get("tokenizer_class") == "TokenizersBackend"
    # What transformers 5 notes of where a tokenizer came from means something else there.
    config = {key: value for key, value in config.items() if key not in ("backend", "is_local", "local_files_only")}
    if isinstance(config.get("extra_special_tokens"), list):
        config["additional_special_tokens"] = config.pop("extra_special_tokens")
    return {**config, "tokenizer_class": "PreTrainedTokenizerFast"} if backend else config


def _older_config(config: dict[str, Any]) -> dict[str, Any]:
    rope = config.get("rope_parameters") or {}
    beside = {key: rope[key] for key in ("rope_theta", "partial_rotary_factor") if key in rope}
    if rope.get("rope_type", "default") != "default":
        beside["rope_scaling"] = {key: value for key, value in rope.items() if key not in beside}
    if "dtype" in config:
        beside["torch_dtype"] = config["dtype"]
    return {**config, **beside}


def _read_back(folder: Path, loaded: LoadedModel) -> None:
    """Raise EngineError unless what was written is read as the model that was merged."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=loaded.model.dtype, use_safetensors=True).eval()
    ids = torch.tensor([loaded.encode(Prompt.of("Why do cities need forests?"))], device=model.device)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        wanted = loaded.model(ids.to(loaded.model.device)).logits.float().cpu()
        apart = (model(ids).logits.float().cpu() - wanted).abs().max()
    if not apart <= _ROUNDING * wanted.abs().max() or tokenizer.get_vocab() != loaded.tokenizer.get_vocab():
        raise EngineError("The merged model is read otherwise than it was written; nothing is kept.")


def _check_free(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file; --out takes the name of a folder.")
    if out.is_dir() and any(out.iterdir()):
        raise UsageError(f"The folder {out} is not empty; choose another place for --out, or empty it.")
    if not out.absolute().parent.is_dir():
        raise UsageError(f"The folder {out.parent} does not exist; make it, or choose another place for --out.")


def _stored_format(files: ModelFiles) -> str:
    """Return what the weights are stored in, and to be merged in: the numbers of a Phi overflow in float16."""
    # Loading says what is wrong with a configuration.
    config = object_in(files.folder / "config.json")
    stored = "bfloat16" if files.gguf else config.get("dtype") or config.get("torch_dtype")
    return "bfloat16" if stored in ("bfloat16", "float16") else "float32"
