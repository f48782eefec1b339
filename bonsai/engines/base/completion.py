"""The completion of a prompt: its text so far, cut at stop texts, or why it failed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

FinishReason = Literal["stop", "length", "error"]


@dataclass(frozen=True)
class Completion:
    """The text of one completion so far, always a snapshot and never a delta.

    `finish_reason` is None while it is being written; "error" comes with `error`, a sentence for the person.
    `seconds` counts from the call of `stream`; the token counts are the model's own.
    """

    text: str = ""
    finish_reason: FinishReason | None = None
    error: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0

    @property
    def finished(self) -> bool:
        """Say whether this is the last snapshot of its prompt."""
        return self.finish_reason is not None


def cut_at_stop(text: str, stop: Sequence[str]) -> tuple[str, bool]:
    """Return `text` up to the first stop text in it, and whether there was one."""
    found = [place for place in (text.find(item) for item in stop) if place >= 0]
    return (text[: min(found)], True) if found else (text, False)


def hold_back(text: str, stop: Sequence[str]) -> str:
    """Return `text` without an ending that may grow into a stop text, so that no snapshot has to be taken back."""
    end = len(text)
    for item in stop:
        place = text.find(item[0], max(0, len(text) - len(item) + 1))
        while 0 <= place < end:
            if item.startswith(text[place:]):
                end = place
            place = text.find(item[0], place + 1)
    return text[:end]


def too_long(tokens: int, context_length: int) -> Completion:
    """Return the completion of a prompt that leaves no room in the context for one new token."""
    limit = f"the model reads at most {context_length:,}, and one is for its completion"
    return failed(f"The prompt has {tokens:,} tokens; {limit}.", tokens)


def failed(error: str, prompt_tokens: int = 0, seconds: float = 0.0) -> Completion:
    """Return the completion of a prompt that failed for the reason given."""
    return Completion("", "error", error, prompt_tokens, seconds=seconds)
