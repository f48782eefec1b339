"""What stands in a frame of a server's answer: pieces of texts, why they end, counts, and errors."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from bonsai.engines.base import FinishReason
from bonsai.engines.remote.wire.frames import Frame
from bonsai.engines.remote.wire.server_errors import ServerError, Trouble, message_text, refusal

_ERROR_KEYS = ("error", "errors", "detail", "message", "msg", "error_message", "error_msg")


@dataclass(frozen=True)
class Piece:
    """What a frame has for one of the completions that were asked for together."""

    index: int | None
    """The number of the completion; None if it is not told."""
    text: str
    thought: str
    """What the model thinks before its text, where the server keeps that apart."""
    reason: str
    """Why the completion ends here, in the server's word; "" if it goes on."""


class Usage(NamedTuple):
    """The tokens that the server counted; 0 for a count that cannot be right."""

    prompt_tokens: int
    completion_tokens: int


def pieces_in(payload: Mapping[str, Any]) -> Iterator[Piece]:
    """Yield the pieces of a frame, of plain completions and of chats, streamed or whole."""
    choices = payload.get("choices")
    for choice in choices if isinstance(choices, list) else []:
        if not isinstance(choice, Mapping):
            continue
        part = next((choice[name] for name in ("delta", "message") if isinstance(choice.get(name), Mapping)), choice)
        text = _text(choice.get("text")) or _text(part.get("content")) or _text(part.get("text"))
        thought = _text(part.get("reasoning_content")) or _text(part.get("reasoning"))
        yield Piece(_number(choice.get("index")), text, thought, _word(choice.get("finish_reason")))


def usage_in(payload: Mapping[str, Any]) -> Usage | None:
    """Return the counts in a frame, None if it has none."""
    usage = payload.get("usage")
    if not isinstance(usage, Mapping):
        return None
    prompt, completion = (_number(usage.get(name)) or 0 for name in ("prompt_tokens", "completion_tokens"))
    return Usage(max(0, prompt), max(0, completion)) if prompt > 0 or completion > 0 else None


def error_in(frame: Frame, key: str) -> ServerError | None:
    """Return the error that a frame tells of, in whatever form; None if it tells of none."""
    payload = frame.payload
    choices = payload.get("choices") or ()
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, Mapping) and choice.get("error"):
            return refusal(Trouble.SAID, choice, key)
    tells = frame.is_error or payload.get("error") or "error" in (payload.get("object"), payload.get("type"))
    if not choices and not payload.get("usage"):
        tells = tells or any(message_text(payload.get(name)) for name in _ERROR_KEYS)
    return refusal(Trouble.SAID, payload, key) if tells else None


def finish_reason(word: str) -> FinishReason:
    """Return why a completion ended by a server's word for it.

    Raises ServerError if it did not end but was ended.
    """
    word = word.lower()
    if word in ("abort", "aborted", "error", "cancelled", "canceled"):
        raise ServerError(Trouble.LOST)
    if "filter" in word or word in ("safety", "recitation", "blocked"):
        raise ServerError(Trouble.SAID, message=f"it withholds this text ({word})")
    return "length" if "length" in word or "max_tokens" in word or word == "limit" else "stop"


def _text(value: object) -> str:
    if isinstance(value, list):
        return "".join(_text(part.get("text")) for part in value if isinstance(part, Mapping))
    return value if isinstance(value, str) else ""


def _word(value: object) -> str:
    if isinstance(value, Mapping):
        value = value.get("type") or value.get("reason")
    if isinstance(value, str):
        return "" if value.strip().lower() in ("null", "none") else value.strip()
    return "stop" if value else ""


def _number(value: object) -> int | None:
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value) < 12:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
