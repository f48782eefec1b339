"""What a model is to continue."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal


@dataclass(frozen=True)
class Message:
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class Prompt:
    """What a model is to continue: markup of a prompt format around texts of people and models."""

    parts: tuple[str, ...]
    """Markup and text in turn, beginning with markup. In markup `<|im_end|>` is a special token, in text it is text."""
    messages: tuple[Message, ...] = ()
    """The same as a conversation, for servers that take nothing else; empty if it is none."""

    @cached_property
    def text(self) -> str:
        """All parts joined."""
        return "".join(self.parts)

    @classmethod
    def of(cls, prompt: "Prompt | str") -> "Prompt":
        """Return a prompt as it is, or a text as a prompt of markup alone."""
        return cls((prompt,)) if isinstance(prompt, str) else prompt
