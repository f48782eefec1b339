"""The models that a server lists, in the forms that servers have for it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_LENGTHS = ("max_model_len", "context_length", "max_context_length", "context_window", "n_ctx")
_NO_TEXTS = ("embed", "rerank", "whisper", "tts", "moderation", "bge-", "dall-e")


@dataclass(frozen=True)
class ListedModel:
    """A model in a server's list."""

    name: str
    context_length: int = 0
    """Tokens that it reads at most; 0 if that is not said."""
    is_doubtful: bool = False
    """Whether its name or what is said of it makes it a bad choice where no model is named."""
    owner: str = ""
    """Who makes it; some servers name themselves, as llama.cpp does."""


def listed_models(answer: object) -> Sequence[ListedModel]:
    """Return the models in what a server answers to GET /models, in its order; entries without a name are left out."""
    if isinstance(answer, Mapping):
        answer = answer.get("data") or answer.get("models")
    return tuple(_models(answer)) if isinstance(answer, list) else ()


def usual_model(models: Sequence[ListedModel]) -> str:
    """Return the name of the model to ask where none is named: the first that seems to write texts; "" if none is."""
    return next((one.name for one in sorted(models, key=lambda one: one.is_doubtful)), "")


def _models(items: Sequence[object]) -> Iterator[ListedModel]:
    for item in items:
        entry: Mapping[str, Any] = item if isinstance(item, Mapping) else {"id": item}
        name = next((entry[key] for key in ("id", "name", "model") if isinstance(entry.get(key), str)), "")
        if not name:
            continue
        # llama.cpp tells of it one level deeper.
        meta: Mapping[str, Any] = entry["meta"] if isinstance(entry.get("meta"), Mapping) else {}
        told = [place[key] for place in (entry, meta) for key in _LENGTHS if place.get(key) is not None]
        lengths = [int(float(length)) for length in told if re.fullmatch(r"[1-9]\d{0,8}(\.0)?", str(length))]
        doubtful = len(lengths) < len(told) or any(part in name.lower() for part in _NO_TEXTS)
        yield ListedModel(name, min(lengths, default=0), doubtful, str(entry.get("owned_by") or ""))
