"""How many tokens a text takes for a model that is elsewhere, by its tokenizer where that is at hand."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import try_to_load_from_cache
from tokenizers import Tokenizer

from bonsai.settings import SEEDLING, SEEDLING_FOLDER

Count = Callable[[str], int]


@dataclass(frozen=True)
class KnownModel:
    """What is known here of a model that is elsewhere: its tokenizer, and the context in its configuration, or 0."""

    count: Count
    context_length: int


def known_model(model: str, revision: str) -> KnownModel | None:
    """Return what a folder or the hub's cache knows of `model`; None if its tokenizer is in neither."""
    tokenizer = _file(model, revision, "tokenizer.json")
    if tokenizer is None:
        return None
    try:
        loaded = Tokenizer.from_file(str(tokenizer))
    except Exception:  # the library raises no narrower one
        return None
    config = _file(model, revision, "config.json")
    try:
        settings = json.loads(config.read_text(encoding="utf-8")) if config else {}
    except (OSError, ValueError):
        settings = {}
    return KnownModel(lambda text: len(loaded.encode(text).ids), int(settings.get("max_position_embeddings") or 0))


def estimate(text: str) -> int:
    """Return more tokens than nearly any tokenizer makes of `text`.

    One for two letters of a word, to which the space before it belongs, and one for each other byte.
    """
    words = re.findall(r"[A-Za-z]+", text)
    others = re.sub(r" ?[A-Za-z]+", "", text)
    return sum(-(-len(word) // 2) for word in words) + len(others.encode("utf-8", "replace"))


def _file(model: str, revision: str, name: str) -> Path | None:
    folder = SEEDLING_FOLDER / "base" if model == SEEDLING else Path(model).expanduser()
    if folder.is_dir():
        return folder / name if (folder / name).is_file() else None
    try:
        found = try_to_load_from_cache(model, name, revision=revision or None)
    except ValueError:  # the name cannot be one of the hub's
        return None
    return Path(found) if isinstance(found, str) else None
