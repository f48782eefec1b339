"""Files of models and adapters: in a folder here, or fetched from the hub."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download

from bonsai.errors import EngineError, Note, first_line
from bonsai.settings import FORMATS, PHI_2, ROOT, SMOLLM2_ADAPTER, as_path, is_path

OTHER_BASE = (
    "The adapter {adapter} was trained on {base}, and is used with {model}: its texts may be worse than those of the "
    "model alone."
)
# What PEFT calls the base in the configuration of an adapter.
_BASE = "base_model_name_or_path"
# As in phi-2-bnb-4bit, phi-2-GGUF and phi-2.Q4_K_M.gguf.
_STORED = r"[-_. ]*(?:gguf|bnb|[48]bit|awq|gptq|int[48]|i?q\d(?:_[0-9a-z]+)*|[bf]?f?p?(?:16|32)|hf)$"
# What `train` notes of an adapter beside its weights.
_NOTES = "bonsai.json"
_TOKENIZER = ("tokenizer*", "special_tokens_map.json", "added_tokens.json", "vocab.*", "merges.txt", "chat_template*")
_WANTED = {
    "model": ["*.json", "*.safetensors", "*.txt", "*.model"],
    "adapter": ["adapter_config.json", "adapter_model.safetensors", _NOTES, *_TOKENIZER],
}
_UNWANTED = {"model": ["*/*", "adapter_*", "consolidated*"], "adapter": ["*/*"]}


def find_folder(source: str, kind: str, revision: str) -> Path:
    """Return the folder of a model or adapter, fetched from the hub if `source` is not a folder here."""
    in_the_box = kind == "adapter" and source == SMOLLM2_ADAPTER
    folder = ROOT / "adapters" / source if in_the_box else as_path(source)
    if folder.is_dir():
        return folder
    if folder.exists():
        raise EngineError(f"The {kind} {source} is not a folder but a file; give the folder that it is in.")
    if is_path(source):
        example = f"a hub id like {PHI_2}" if kind == "model" else "its id on the hub (owner/name), or none"
        raise EngineError(f"The {kind} {source} is not a folder: nothing is at {folder.absolute()}. Give {example}.")
    wanted: dict[str, Any] = {"allow_patterns": _WANTED[kind], "ignore_patterns": _UNWANTED[kind]}
    try:
        return Path(snapshot_download(source, revision=revision or None, **wanted))
    except Exception as error:
        # Behind a proxy that refuses, the hub's client does not look for what was fetched before.
        if found := fetched_before(source, revision, **wanted):
            return found
        raise not_fetched(kind, source, error) from error


def fetched_before(source: str, revision: str, **wanted: Any) -> Path | None:
    """Return the folder of what was fetched of a repository of the hub, None if nothing was or not all of it.

    `wanted` are patterns of files, as for the hub's client; without any, whatever is there will do.
    """
    try:
        found = snapshot_download(
            source, revision=revision or None, local_files_only=True, **(wanted or {"allow_patterns": []})
        )
    except Exception:
        return None
    return Path(found)


def tokenizer_files(folder: Path) -> list[Path]:
    """Return the files of a folder that belong to a tokenizer."""
    return sorted({file for pattern in _TOKENIZER for file in folder.glob(pattern) if file.is_file()})


def trained_format(adapter: str) -> str:
    """Return the name of the prompt format that an adapter was trained on; "" if it is not noted beside it."""
    try:
        form = object_in(find_folder(adapter, "adapter", "") / _NOTES).get("prompt_format")
    except EngineError:
        return ""
    return form if form in FORMATS else ""


def other_base(adapter: str, folder: Path, *names: str) -> tuple[Note, ...]:
    """Return a note if the adapter in `folder` names another base than the model in use, whose names are `names`.

    What fits by its shapes may still be meant for other weights.
    """
    named = object_in(folder / "adapter_config.json").get(_BASE) or object_in(folder / _NOTES).get("base")
    return base_note(adapter, str(named or ""), *names)


def base_note(adapter: str, base: str, *names: str) -> tuple[Note, ...]:
    """Return the note of `other_base` for an adapter that names `base`; nothing if it names none."""
    if not base or _bare(base) in map(_bare, names):
        return ()
    return (Note(OTHER_BASE, adapter=adapter, base=base, model=names[0]),)


def _bare(name: str) -> str:
    """Return the name of a model without its owner or folder, and without what says how its weights are stored."""
    cached = re.search(r"models--[^/\\]+?--([^/\\]+)", name)
    last = (cached[1] if cached else re.split(r"[/\\]", name.rstrip("/\\"))[-1]).lower().partition(":")[0]
    while (shorter := re.sub(_STORED, "", last)) != last:
        last = shorter
    return re.sub(r"[^a-z0-9]", "", last)


def object_in(file: Path) -> Mapping[str, Any]:
    """Return the JSON object in a file; an empty one if there is none."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def not_fetched(kind: str, source: str, error: Exception) -> EngineError:
    """Return the error for what the hub does not give."""
    return EngineError(
        f"The {kind} {source} could not be fetched from the hub. Check its name and the network; "
        f"for a private or gated one set HF_TOKEN. ({first_line(error)})"
    )
