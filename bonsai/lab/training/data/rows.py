"""What a record teaches: for each role the prompt that an engine would send, and what the model is to write then."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from bonsai.chains.formats import ChatFormat, PromptFormat, Turn
from bonsai.chains.outcomes import Role
from bonsai.chains.prompts import PromptVariant, join
from bonsai.engines.base import Prompt
from bonsai.engines.model.loaded_model import LoadedModel
from bonsai.lab.records import Record


@dataclass(frozen=True)
class Row:
    """A prompt and its completion in tokens; only the completion is trained, its end mark included."""

    role: Role
    prompt: tuple[int, ...]
    completion: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.completion)


def rows(record: Record, variant: PromptVariant, form: PromptFormat, loaded: LoadedModel) -> list[Row]:
    """Return a row for each role of a record, and for each of its next questions."""
    end = end_token(form, loaded)
    found = []
    for role, prompt, text in _prompts(record, variant, form):
        ids, written = encode(loaded, prompt, text)
        found.append(Row(role, tuple(ids), (*written, end)))
    return found


def encode(loaded: LoadedModel, prompt: Prompt, text: str) -> tuple[list[int], list[int]]:
    """Return the tokens of a prompt as an engine reads them, and those of the text that a model writes after it."""
    ids = loaded.encode(prompt)
    completion = join(prompt.text, text)[len(prompt.text) :]
    parts = prompt.parts if len(prompt.parts) % 2 else (*prompt.parts, "")
    whole = loaded.encode(Prompt((*parts, completion)))
    if whole[: len(ids)] == ids:
        return ids, whole[len(ids) :]
    # The end of the prompt and the beginning of the text would be one token: a model that writes cannot do that.
    alone = loaded.tokenizer(completion, add_special_tokens=False, split_special_tokens=True, verbose=False)
    return ids, alone["input_ids"]


def end_token(form: PromptFormat, loaded: LoadedModel) -> int:
    """Return the token with which the model ends what it writes: in a chat that of a turn, else that of a text."""
    if isinstance(form, ChatFormat):
        turns = [Turn(Role.SINGLE, "", "", "text"), Turn(Role.SINGLE, "", "")]
        parts = form.render("", turns).parts
        after = parts[parts.index("text") + 1]
        for token in loaded.encode(Prompt((after,))):
            if token in loaded.eos_token_ids:
                return token
    return int(loaded.tokenizer.eos_token_id)


def _prompts(record: Record, variant: PromptVariant, form: PromptFormat) -> Iterator[tuple[Role, Prompt, str]]:
    if record.persona:
        variant = replace(variant, persona=record.persona)
    given: dict[str, Any] = {"question": record.question, "earlier": [(asked, "") for asked in record.earlier]}
    yield Role.SINGLE, variant.render(Role.SINGLE, form, **given), record.answer
    if not record.reasoning.strip():
        return
    yield Role.REASONING, variant.render(Role.REASONING, form, **given), record.reasoning
    given["reasoning"] = record.reasoning
    yield Role.ANSWER, variant.render(Role.ANSWER, form, **given), record.answer
    given["answer"] = record.answer
    for following in record.next_questions:
        prompt = variant.render(Role.NEXT_QUESTION, form, **given, move=following.move)
        yield Role.NEXT_QUESTION, prompt, following.question


class TokenTree:
    """Rows as one tree of tokens: what rows begin with alike is there, and is computed, once.

    A token sees its ancestors alone, at the positions that it has in its own row. So the rows of a record cost less
    than half of what they would one by one, and give the same loss.
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        self.tokens: list[int] = []
        self.parents: list[int] = []
        """The place of the token before each; -1 at the beginning."""
        self.positions: list[int] = []
        self.targets: list[int] = []
        """The places of the tokens that are to be written, each predicted at its parent."""
        self._children: dict[tuple[int, int], int] = {}
        trained: set[int] = set()
        for row in rows:
            place = -1
            for position, token in enumerate((*row.prompt, *row.completion)):
                place = self._child(place, token, position)
                if position >= max(1, len(row.prompt)):
                    trained.add(place)
        self.targets = sorted(trained)

    def __len__(self) -> int:
        return len(self.tokens)

    def _child(self, parent: int, token: int, position: int) -> int:
        place = self._children.setdefault((parent, token), len(self.tokens))
        if place == len(self.tokens):
            self.tokens.append(token)
            self.parents.append(parent)
            self.positions.append(position)
        return place
