"""Prompt formats: how the turns of a conversation become the text that a model reads, and what it writes as thoughts.

A prompt variant says in words what is asked; the format belongs to the model. Every format is append-only: the prompt
of a role begins with the prompt of the role before it and its completion, so that engines read only what is new.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from bonsai.engines.base import EngineInfo, Message, Prompt
from bonsai.errors import PromptError
from bonsai.settings import PHI_2


@dataclass(frozen=True)
class Turn:
    """One exchange: what is asked in a role, and what the model wrote."""

    role: str
    """The role of the completion: single, reasoning, answer, next_question or conclusion."""
    question: str
    """The question of the step, alone."""
    request: str
    """What is asked in words, the question included where the variant repeats it."""
    completion: str | None = None
    """What the model wrote; None in the last turn, which it is to write now."""


class PromptFormat(ABC):
    """A way to write a conversation down for a model."""

    name: str
    stop: tuple[str, ...] = ()
    """Texts at which a completion is cut, since the model would go on as someone else."""

    @abstractmethod
    def render(self, persona: str, turns: Sequence[Turn]) -> Prompt:
        """Return the prompt for the last turn; `persona` may be empty."""


class TaggedFormat(PromptFormat):
    """The tags of ArtificialThinker-Phi2: each role has a tag, so that reasoning and answer need no words."""

    name = "tagged"
    stop = ("<|system|>", "<|prompt|>", "<|reasoning|>", "<|response|>", "<|endoftext|>")

    def render(self, persona: str, turns: Sequence[Turn]) -> Prompt:
        """Return the prompt for the last turn."""
        parts = ["<|system|>", persona]
        for turn in turns:
            if turn.role in ("single", "reasoning"):
                parts += ["\n<|prompt|>", turn.question]
            elif turn.role != "answer":
                parts += ["\n<|prompt|>", turn.request]
            parts.append("\n<|reasoning|>" if turn.role == "reasoning" else "\n<|response|>")
            if turn.completion is not None:
                parts.append(turn.completion)
        return Prompt(tuple(parts), _messages(persona, turns))


class InstructFormat(PromptFormat):
    """The form of plain phi-2's training data: `Instruct: ... Output: ...`."""

    name = "instruct"
    stop = ("Instruct:", "\nOutput:", "\nInput:", "\nQuestion:", "\nExercise", "<|endoftext|>")

    def render(self, persona: str, turns: Sequence[Turn]) -> Prompt:
        """Return the prompt for the last turn."""
        parts = ["Instruct: ", f"{persona}\n{turns[0].request}".lstrip("\n"), "\nOutput:"]
        for turn, following in zip(turns, turns[1:], strict=False):
            parts += [f" {turn.completion}", "\nInstruct: ", following.request, "\nOutput:"]
        return Prompt(tuple(parts), _messages(persona, turns))


class ChatFormat(PromptFormat):
    """A model's own chat template (Jinja, as transformers and GGUF files carry it).

    Raises PromptError if the template cannot write a conversation of system, user and assistant.
    """

    name = "chat"

    def __init__(self, template: str, eos_token: str = "") -> None:
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        environment.globals["raise_exception"] = _refuse
        self._eos_token = eos_token
        try:
            self._template = environment.from_string(template)
        except TemplateError as error:
            raise _unusable(error) from error

    def render(self, persona: str, turns: Sequence[Turn]) -> Prompt:
        """Return the prompt for the last turn."""
        messages = _messages(persona, turns)
        try:
            written = self._write(messages)
        except TemplateError as error:
            if not persona:
                raise _unusable(error) from error
            # Some templates have no place for a system message.
            messages = _messages("", [_with_persona(persona, turns[0]), *turns[1:]])
            written = self._write(messages)
        pieces = re.split("\ue000(\\d+)\ue001", written)
        texts = [messages[int(piece)].content if number % 2 else piece for number, piece in enumerate(pieces)]
        return Prompt(tuple(texts), messages)

    def _write(self, messages: Sequence[Message]) -> str:
        # Each content is a mark that no template changes: so what people wrote is told from what the template did.
        marked = [{"role": one.role, "content": f"\ue000{number}\ue001"} for number, one in enumerate(messages)]
        # The tokenizer adds the token that begins a text.
        return self._template.render(
            messages=marked, add_generation_prompt=True, bos_token="", eos_token=self._eos_token
        )


def format_of(info: EngineInfo) -> PromptFormat:
    """Return the format in which an engine's model is prompted: the one it names, or the one its model was made for.

    A chat template comes first, then the tags that adapters are trained on; plain phi-2 knows the form `instruct`.
    """
    name = format_name(info)
    if name == ChatFormat.name:
        return _chat(info.chat_template, info.eos_token)
    return InstructFormat() if name == InstructFormat.name else TaggedFormat()


def format_name(info: EngineInfo) -> str:
    """Return the name of the format that `format_of` gives."""
    name = info.prompt_format
    if not name:
        plain_phi = info.model_id == PHI_2 and not info.adapter_id
        name = "chat" if info.chat_template else "instruct" if plain_phi else "tagged"
    # A model without a chat template of its own.
    return "instruct" if name == "chat" and not info.chat_template else name


@lru_cache(maxsize=64)
def _chat(template: str, eos_token: str) -> ChatFormat:
    return ChatFormat(template, eos_token)


def _messages(persona: str, turns: Sequence[Turn]) -> tuple[Message, ...]:
    messages = [Message("system", persona)] if persona else []
    for turn in turns:
        messages.append(Message("user", turn.request))
        if turn.completion is not None:
            messages.append(Message("assistant", turn.completion))
    return tuple(messages)


def _with_persona(persona: str, turn: Turn) -> Turn:
    return Turn(turn.role, turn.question, f"{persona}\n\n{turn.request}", turn.completion)


def _refuse(message: str) -> None:
    raise TemplateError(message)


def _unusable(error: TemplateError) -> PromptError:
    return PromptError(
        "The chat template of the model cannot be used ({reason}). Set BONSAI_FORMAT to instruct or tagged.",
        reason=str(error),
    )


_THINK = r"(?:seed:)?think(?:ing)?|thoughts?|reflection|scratchpad"
# <think> of DeepSeek and Qwen, [THINK] of Mistral, ◁think▷ of Kimi, the channels of gpt-oss.
_OPENING = rf"(?:<(?:{_THINK})>|\[think\]|◁think▷|<\|channel\|>analysis<\|message\|>)"
_FINAL = r"(?:<\|end\|>(?:<\|start\|>assistant)?)?<\|channel\|>final<\|message\|>"
_CLOSING = rf"(?:</(?:{_THINK})>|\[/think\]|◁/think▷|{_FINAL})"
_FLAGS = re.DOTALL | re.IGNORECASE | re.MULTILINE
_BLOCK = re.compile(rf"^[ \t]*{_OPENING}(.*?){_CLOSING}", _FLAGS)
# Where the prompt itself wrote the opening, the text begins within the thought; a mark in quotes is only spoken of.
_UNOPENED = re.compile(rf"(.*)(?<![`'\"]){_CLOSING}(?![`'\"])", _FLAGS)
_UNCLOSED = re.compile(rf"\s*{_OPENING}(.*)", _FLAGS)


def split_thought(text: str) -> tuple[str, str]:
    """Return what a reasoning model wrote to itself, "" for nothing, and the rest, both without surrounding space.

    A thought that was cut off before its end leaves no rest.
    """
    thoughts: list[str] = _BLOCK.findall(text)
    rest = _BLOCK.sub("", text)
    if found := _UNOPENED.match(rest):
        thoughts.append(found[1])
        rest = rest[found.end() :]
    if found := _UNCLOSED.fullmatch(rest):
        thoughts.append(found[1])
        rest = ""
    return "\n\n".join(thought.strip() for thought in thoughts if thought.strip()), rest.strip()
