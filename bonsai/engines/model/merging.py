"""A model and its adapter as one checkpoint, for servers and for whoever does not want to merge at each start."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import torch
from safetensors import SafetensorError

from bonsai.engines.model.loading import ModelFiles, load_model, model_files, quiet
from bonsai.errors import EngineError, SettingError, UsageError, first_line
from bonsai.settings import NO_ADAPTER, Settings

# What the weights are stored in, and what they are merged in: the numbers of a Phi overflow in float16.
_KEPT = {"float16": "bfloat16", "bfloat16": "bfloat16", "float32": "float32"}


def merge(settings: Settings, out: Path) -> None:
    """Write the model of `settings` with its adapter merged into the folder `out`, with tokenizer and configurations.

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
    if settings.dtype == "auto":
        settings = replace(settings, dtype=_stored_format(model_files(model, settings.revision)))
    loaded = load_model(replace(settings, zero_gpu=False))
    # A folder that is there is whole: what is interrupted leaves another one.
    unfinished = out.with_name(f"{out.name}.unfinished")
    try:
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        with quiet():
            loaded.model.save_pretrained(unfinished)
            loaded.tokenizer.save_pretrained(unfinished)
        if out.exists():
            out.rmdir()
        unfinished.rename(out)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise EngineError(f"The merged model cannot be written to {out}: {first_line(error)}") from error


def _check_free(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file; --out takes the name of a folder.")
    if out.is_dir() and any(out.iterdir()):
        raise UsageError(f"The folder {out} is not empty; choose another place for --out, or empty it.")
    if not out.absolute().parent.is_dir():
        raise UsageError(f"The folder {out.parent} does not exist; make it, or choose another place for --out.")


def _stored_format(files: ModelFiles) -> str:
    if files.gguf:
        return "bfloat16"
    try:
        config = json.loads((files.folder / "config.json").read_text(encoding="utf-8"))
        return _KEPT.get(config.get("dtype") or config.get("torch_dtype"), "float32")
    except (OSError, ValueError, AttributeError, TypeError):
        return "float32"  # loading says what is wrong with it
