"""Files of models and adapters: in a folder here, or fetched from the hub."""

import json
from pathlib import Path

from huggingface_hub import snapshot_download

from bonsai.errors import EngineError, first_line
from bonsai.settings import FORMATS, PHI_2, is_path

# What `train` notes of an adapter beside its weights.
_NOTES = "bonsai.json"
_WANTED = {
    "model": ["*.json", "*.safetensors", "*.txt", "*.model"],
    "adapter": [
        "adapter_config.json",
        "adapter_model.safetensors",
        _NOTES,
        *("tokenizer*", "special_tokens_map.json", "added_tokens.json", "vocab.*", "merges.txt", "chat_template*"),
    ],
}
_UNWANTED = {"model": ["*/*", "adapter_*", "consolidated*"], "adapter": ["*/*"]}


def find_folder(source: str, kind: str, revision: str) -> Path:
    """Return the folder of a model or adapter, fetched from the hub if `source` is not a folder here."""
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder
    if folder.exists():
        raise EngineError(f"The {kind} {source} is not a folder but a file; give the folder that it is in.")
    if is_path(source):
        example = f"a hub id like {PHI_2}" if kind == "model" else "its id on the hub (owner/name), or none"
        raise EngineError(f"The {kind} {source} is not a folder: nothing is at {folder.absolute()}. Give {example}.")
    try:
        return Path(
            snapshot_download(
                source, revision=revision or None, allow_patterns=_WANTED[kind], ignore_patterns=_UNWANTED[kind]
            )
        )
    except (OSError, ValueError) as error:
        raise not_fetched(kind, source, error) from error


def trained_format(adapter: str) -> str:
    """Return the name of the prompt format that an adapter was trained on; "" if it is not noted beside it."""
    try:
        notes = json.loads((find_folder(adapter, "adapter", "") / _NOTES).read_text(encoding="utf-8"))
    except (EngineError, OSError, ValueError):
        return ""
    form = notes.get("prompt_format") if isinstance(notes, dict) else None
    return form if form in FORMATS else ""


def not_fetched(kind: str, source: str, error: Exception) -> EngineError:
    """Return the error for what the hub does not give."""
    return EngineError(
        f"The {kind} {source} could not be fetched from the hub. Check its name and the network; "
        f"for a private or gated one set HF_TOKEN. ({first_line(error)})"
    )
