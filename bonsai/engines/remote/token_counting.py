"""How many tokens a text takes for a model that is elsewhere, by its tokenizer where that is at hand."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import try_to_load_from_cache
from tokenizers import Tokenizer

from bonsai.engines.hub import object_in
from bonsai.settings import as_path


@dataclass(frozen=True)
class KnownModel:
    """What is known here of a model that is elsewhere: nothing, if its tokenizer is not here."""

    count: Callable[[str], int] | None = None
    """Gives the tokens of a text."""
    context_length: int = 0
    """The context in its configuration, in tokens; 0 if it names none."""
    chat_template: str = ""
    eos_token: str = ""


def known_model(model: str, revision: str) -> KnownModel:
    """Return what a folder or the hub's cache knows of `model`."""
    tokenizer = _file(model, revision, "tokenizer.json")
    if tokenizer is None:
        return KnownModel()
    try:
        loaded = Tokenizer.from_file(str(tokenizer))
    except Exception:  # the library raises no narrower one
        return KnownModel()
    settings, texts = _json(model, revision, "config.json"), _json(model, revision, "tokenizer_config.json")
    length, template, eos = settings.get("max_position_embeddings"), texts.get("chat_template"), texts.get("eos_token")
    return KnownModel(
        lambda text: len(loaded.encode(text).ids),
        length if isinstance(length, int) else 0,
        template if isinstance(template, str) else "",
        str(eos.get("content", "") if isinstance(eos, dict) else eos or ""),
    )


def estimate(text: str) -> int:
    """Return more tokens than nearly any tokenizer makes of `text`.

    One for two letters of a word, to which the space before it belongs, and one for each other byte.
    """
    words = re.findall(r"[A-Za-z]+", text)
    others = re.sub(r" ?[A-Za-z]+", "", text)
    return sum(-(-len(word) // 2) for word in words) + len(others.encode("utf-8", "replace"))


def _json(model: str, revision: str, name: str) -> Mapping[str, Any]:
    file = _file(model, revision, name)
    return object_in(file) if file else {}


def _file(model: str, revision: str, name: str) -> Path | None:
    folder = as_path(model)
    if folder.is_dir():
        return folder / name if (folder / name).is_file() else None
    try:
        found = try_to_load_from_cache(model, name, revision=revision or None)
    except ValueError:  # the name cannot be one of the hub's
        return None
    return Path(found) if isinstance(found, str) else None
