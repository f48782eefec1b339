"""Prompt variants: what is asked of the model in each role, kept as YAML files."""

import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bonsai.chains.formats import PromptFormat, Turn
from bonsai.chains.moves import SENTENCES, Move
from bonsai.engines.base import Prompt
from bonsai.errors import PromptError

ROLES = ("single", "reasoning", "answer", "next_question")
CONCLUSION = "conclusion"
# How a step is written for a conclusion, which needs answers; a turn may show the question alone.
_FINDING = "Question: $question\nAnswer: $answer\n"

# What is asked before a role in the same conversation.
_BEFORE = {"answer": ("reasoning",), "next_question": ("reasoning", "answer")}
_REQUIRED = {
    "single": {"question"},
    "reasoning": {"question"},
    "answer": {"question", "reasoning"},
    "next_question": {"question", "answer"},
    CONCLUSION: set[str](),
}
_OPTIONAL = {
    "single": {"persona"},
    "reasoning": {"persona", "transcript"},
    "answer": {"persona", "transcript"},
    "next_question": {"persona", "transcript", "reasoning", "move"},
    CONCLUSION: {"question", "persona", "transcript"},
}
_KEYS = {"description", "persona", "roles", "templates", "turn", "stop", "moves"}
_TURN_VARIABLES = {"question", "answer"}
_CONCLUSION_REQUEST = (
    "$transcript\nThe first question was: $question\n"
    "In two to four sentences, answer the first question by what was found above. "
    "Then name one question that stays open."
)


@dataclass(frozen=True)
class PromptVariant:
    """What is asked of the model in each role, in words (`roles`) or character by character (`templates`).

    Both hold a text for each role in the syntax of `string.Template`.
    """

    name: str
    """The name of its file, without the ending."""
    description: str
    """One line that the page shows."""
    persona: str
    """Who answers; the system message of a chat."""
    templates: Mapping[str, str]
    """Whole prompts, for authors who want every character; empty if `roles` says what is asked."""
    turn: str
    """How an earlier step is written; all earlier steps, oldest first, make up `$transcript`."""
    stop: tuple[str, ...]
    """Texts at which a completion is cut, beside those of the prompt format."""
    roles: Mapping[str, str] = field(default_factory=dict)
    """What is asked in words; a prompt format makes a prompt of them."""
    moves: Mapping[str, str] = field(default_factory=dict)
    """Sentences for `$move` by the name of the move, where they are not the usual ones."""

    def render(
        self,
        role: str,
        format: PromptFormat,
        *,
        question: str,
        reasoning: str = "",
        answer: str = "",
        earlier: Sequence[tuple[str, str]] = (),
        move: str = "",
    ) -> Prompt:
        """Return the prompt for `role`; `earlier` holds (question, answer) of the steps before, oldest first.

        `move` names the direction of the next question; without one nothing stands for `$move`.
        """
        turn = string.Template(_FINDING if role == CONCLUSION else self.turn)
        values = {
            "persona": self.persona,
            "question": question,
            "reasoning": reasoning,
            "answer": answer,
            "transcript": "".join(turn.substitute(question=asked, answer=answered) for asked, answered in earlier),
            "move": self.moves.get(move) or (SENTENCES[Move(move)] if move else ""),
        }
        if self.templates:
            return self._filled(role, values)
        completions = {"reasoning": reasoning, "answer": answer}
        turns = [
            Turn(one, question, self._request(one, values), None if one == role else completions[one])
            for one in (*_BEFORE.get(role, ()), role)
        ]
        return format.render(self.persona, turns)

    def uses(self, variable: str, role: str) -> bool:
        """Say whether what is asked in `role` depends on a variable, as "transcript" or "move"."""
        return variable in string.Template(self._asked(role)).get_identifiers()

    def stops(self, format: PromptFormat) -> tuple[str, ...]:
        """Return the texts at which a completion is cut, in a format; whole templates bring all of their own."""
        return self.stop if self.templates else (*self.stop, *format.stop)

    def _asked(self, role: str) -> str:
        return (self.templates or self.roles).get(role, _CONCLUSION_REQUEST if role == CONCLUSION else "")

    def _request(self, role: str, values: Mapping[str, str]) -> str:
        return string.Template(self._asked(role)).substitute(values).strip()

    def _filled(self, role: str, values: Mapping[str, str]) -> Prompt:
        """Return a whole template with its variables filled in: only they are text, all else is markup."""
        if role == CONCLUSION and role not in self.templates:
            # A file that says nothing of a conclusion asks for it as for any single question.
            return self._filled("single", {**values, "question": self._request(role, values)})
        parts = [""]
        last = 0
        template = self.templates[role]
        for match in string.Template.pattern.finditer(template):
            name = match["named"] or match["braced"]
            parts[-1] += template[last : match.start()] + ("" if name else "$")
            last = match.end()
            if name == "persona":
                parts[-1] += values[name]
            elif name:
                parts += [values[name], ""]
        parts[-1] += template[last:]
        return Prompt(tuple(parts))


def parse_variant(name: str, text: str, source: str = "") -> PromptVariant:
    """Return the variant in YAML `text`; raise PromptError naming `source`, role and variable if it is wrong."""
    source = source or name
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise PromptError(
            "{source}: this is not valid YAML: {reason}", source=source, reason=" ".join(str(error).split())
        ) from error
    if not isinstance(data, dict):
        raise PromptError("{source}: a prompt variant needs the keys description and roles.", source=source)
    unknown = sorted(str(key) for key in data if key not in _KEYS)
    if unknown:
        raise PromptError(
            "{source}: unknown key {key!r}; allowed are {keys}.",
            source=source,
            key=unknown[0],
            keys=", ".join(sorted(_KEYS)),
        )
    description = _text(data, "description", source)
    if not description.strip():
        raise PromptError("{source}: the description is missing; one line says what the variant is for.", source=source)
    turn = _text(data, "turn", source)
    _check_variables(turn, set(), _TURN_VARIABLES, f"{source}: turn")
    if ("roles" in data) == ("templates" in data):
        raise PromptError(
            "{source}: a prompt variant needs either roles (what is asked, in words) or templates (whole prompts).",
            source=source,
        )
    return PromptVariant(
        name=name,
        description=description.strip(),
        persona=_text(data, "persona", source).strip(),
        templates=_by_role(data, "templates", source, _REQUIRED),
        turn=turn,
        stop=_stop(data.get("stop"), source),
        roles=_by_role(data, "roles", source, {"single": {"question"}, "reasoning": {"question"}}),
        moves=_moves(data.get("moves"), source),
    )


def to_yaml(variant: PromptVariant) -> str:
    """Return the YAML text of a variant, ready to be a file in a folder of them; `parse_variant` reads it back."""
    key = "templates" if variant.templates else "roles"
    data = {
        "description": variant.description,
        "persona": variant.persona,
        key: {role: f"{text}\n" for role, text in (variant.templates or variant.roles).items()},
        "moves": dict(variant.moves),
        "turn": variant.turn,
        "stop": list(variant.stop),
    }
    kept = {name: value for name, value in data.items() if value or name in ("persona", "stop")}
    return str(yaml.dump(kept, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110))


def check_name(name: str) -> str:
    """Return the name of a variant without surrounding space; raise PromptError if it could not name a file."""
    name = name.strip()
    if not re.fullmatch(r"[\w-]{1,40}", name):
        raise PromptError("The name of a variant has 1 to 40 letters, digits, hyphens and underscores.")
    return name


def load_variants(folder: Path) -> dict[str, PromptVariant]:
    """Return every variant in `folder` by name, in alphabetical order; raise PromptError if one is wrong."""
    files = sorted(folder.glob("*.yaml")) if folder.is_dir() else []
    if not files:
        raise PromptError(
            "{folder} has no prompt variants (*.yaml); set BONSAI_PROMPTS to a folder that has some.", folder=folder
        )
    return {file.stem: parse_variant(file.stem, _read(file), str(file)) for file in files}


def choose_variant(variants: Mapping[str, PromptVariant], name: str) -> PromptVariant:
    """Return the variant called `name`; raise PromptError with the names that exist if there is none."""
    if name not in variants:
        raise PromptError(
            "There is no prompt variant {name!r}; choose one of {names}.", name=name, names=", ".join(variants)
        )
    return variants[name]


def join(prompt: str, completion: str) -> str:
    """Return prompt and completion as one text: a space between, where the prompt ends with a role mark and a colon."""
    return prompt + (" " if prompt.endswith(":") else "") + completion


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as they are read, line by line."""


def _text_node(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text_node)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise PromptError("{file}: cannot be read as UTF-8 text ({reason}).", file=file, reason=str(error)) from error


def _text(data: Mapping[str, Any], key: str, source: str) -> str:
    value = data.get(key, "")
    if not isinstance(value, str):
        raise PromptError(
            "{source}: {key} must be text, not {type}.", source=source, key=key, type=type(value).__name__
        )
    return value


def _by_role(data: Mapping[str, Any], key: str, source: str, required: Mapping[str, set[str]]) -> dict[str, str]:
    """Return the texts of all roles under `key`, {} if there is no such key; a conclusion may be left out."""
    if key not in data:
        return {}
    value = data[key]
    if not isinstance(value, dict):
        raise PromptError(
            "{source}: {key} must hold one text for each of {roles}.", source=source, key=key, roles=", ".join(ROLES)
        )
    for role in value:
        if role not in (*ROLES, CONCLUSION):
            raise PromptError(
                "{source}: unknown role {role!r}; the roles are {roles}.",
                source=source,
                role=role,
                roles=", ".join((*ROLES, CONCLUSION)),
            )
    for role in ROLES:
        if role not in value:
            raise PromptError(
                "{source}: the role {role} is missing; the roles are {roles}.",
                source=source,
                role=role,
                roles=", ".join(ROLES),
            )
    for role, text in value.items():
        if not isinstance(text, str):
            raise PromptError("{source}: the text of the role {role} must be text.", source=source, role=role)
        allowed = _REQUIRED[role] | _OPTIONAL[role]
        _check_variables(text, required.get(role, set()), allowed, f"{source}: role {role}")
    # A block text in YAML ends with a newline, which is no part of the prompt; a second one is.
    return {role: text.removesuffix("\n") for role, text in value.items()}


def _moves(value: object, source: str) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise PromptError(
            "{source}: moves must hold one sentence for each move that is not asked for as usual.", source=source
        )
    for name in value:
        if name not in set(Move):
            raise PromptError(
                "{source}: unknown move {name!r}; the moves are {moves}.",
                source=source,
                name=name,
                moves=", ".join(Move),
            )
    return {name: text.strip() for name, text in value.items()}


def _check_variables(template: str, required: set[str], allowed: set[str], where: str) -> None:
    parsed = string.Template(template)
    if not parsed.is_valid():
        raise PromptError(
            "{where}: a '$' stands alone; write $name for a variable and $$ for a dollar sign.", where=where
        )
    found = set(parsed.get_identifiers())
    for name in sorted(found - allowed):
        raise PromptError(
            "{where}: unknown variable ${name}; allowed are {allowed}.", where=where, name=name, allowed=_names(allowed)
        )
    for name in sorted(required - found):
        raise PromptError("{where}: the variable ${name} is missing.", where=where, name=name)


def _names(variables: set[str]) -> str:
    return ", ".join(f"${name}" for name in sorted(variables))


def _stop(value: object, source: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise PromptError("{source}: stop must be a list of texts at which an answer ends.", source=source)
    return tuple(value)
