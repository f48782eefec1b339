"""Prompt variants: families of templates, one per role, kept as YAML files."""

import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bonsai.errors import PromptError
from bonsai.settings import PHI_2

ROLES = ("single", "reasoning", "answer", "next_question")

_REQUIRED = {
    "single": {"question"},
    "reasoning": {"question"},
    "answer": {"question", "reasoning"},
    "next_question": {"question", "answer"},
}
_OPTIONAL = {
    "single": {"persona"},
    "reasoning": {"persona", "transcript"},
    "answer": {"persona", "transcript"},
    "next_question": {"persona", "transcript", "reasoning"},
}
_KEYS = {"description", "persona", "templates", "turn", "stop"}
_TURN_VARIABLES = {"question", "answer"}


@dataclass(frozen=True)
class PromptVariant:
    """A named family of templates (`string.Template` syntax) with the strings at which a completion is cut.

    `turn` is how one earlier step is written; all earlier steps, oldest first, make up `$transcript`.
    """

    name: str
    description: str
    persona: str
    templates: Mapping[str, str]
    turn: str
    stop: tuple[str, ...]

    def render(
        self,
        role: str,
        *,
        question: str,
        reasoning: str = "",
        answer: str = "",
        earlier: Sequence[tuple[str, str]] = (),
    ) -> str:
        """Return the prompt for `role`; `earlier` holds (question, answer) of the steps before, oldest first."""
        turn = string.Template(self.turn)
        transcript = "".join(turn.substitute(question=asked, answer=answered) for asked, answered in earlier)
        return string.Template(self.templates[role]).substitute(
            persona=self.persona, question=question, reasoning=reasoning, answer=answer, transcript=transcript
        )

    def uses_transcript(self, role: str) -> bool:
        """Say whether the template of `role` shows earlier steps."""
        return "transcript" in string.Template(self.templates[role]).get_identifiers()


def parse_variant(name: str, text: str, source: str = "") -> PromptVariant:
    """Return the variant in YAML `text`; raise PromptError naming `source`, role and variable if it is wrong."""
    source = source or name
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise PromptError(f"{source}: this is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(data, dict):
        raise PromptError(f"{source}: a prompt variant needs the keys description, templates and stop.")
    unknown = sorted(str(key) for key in data if key not in _KEYS)
    if unknown:
        raise PromptError(f"{source}: unknown key {unknown[0]!r}; allowed are {', '.join(sorted(_KEYS))}.")
    description = _text(data, "description", source)
    if not description.strip():
        raise PromptError(f"{source}: the description is missing; one line says what the variant is for.")
    turn = _text(data, "turn", source)
    _check_variables(turn, set(), _TURN_VARIABLES, f"{source}: turn")
    return PromptVariant(
        name=name,
        description=description.strip(),
        persona=_text(data, "persona", source).strip(),
        templates=_templates(data.get("templates"), source),
        turn=turn,
        stop=_stop(data.get("stop"), source),
    )


def to_yaml(variant: PromptVariant) -> str:
    """Return the YAML text of a variant, ready to be a file in a folder of them; `parse_variant` reads it back."""
    data = {
        "description": variant.description,
        "persona": variant.persona,
        "templates": {role: f"{template}\n" for role, template in variant.templates.items()},
        "turn": variant.turn,
        "stop": list(variant.stop),
    }
    return str(yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110))


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
        raise PromptError(f"{folder} has no prompt variants (*.yaml); set BONSAI_PROMPTS to a folder that has some.")
    return {file.stem: parse_variant(file.stem, _read(file), str(file)) for file in files}


def choose_variant(variants: Mapping[str, PromptVariant], name: str) -> PromptVariant:
    """Return the variant called `name`; raise PromptError with the names that exist if there is none."""
    if name not in variants:
        raise PromptError(f"There is no prompt variant {name!r}; choose one of {', '.join(variants)}.")
    return variants[name]


def default_variant(model: str, adapter: str) -> str:
    """Return the name of the variant that suits a model: plain phi-2 knows only the layout of `instruct`."""
    return "instruct" if model == PHI_2 and not adapter else "assistant"


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
        raise PromptError(f"{file}: cannot be read as UTF-8 text ({error}).") from error


def _text(data: Mapping[str, Any], key: str, source: str) -> str:
    value = data.get(key, "")
    if not isinstance(value, str):
        raise PromptError(f"{source}: {key} must be text, not {type(value).__name__}.")
    return value


def _templates(value: object, source: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise PromptError(f"{source}: templates must hold one template for each of {', '.join(ROLES)}.")
    for role in value:
        if role not in ROLES:
            raise PromptError(f"{source}: unknown role {role!r}; the roles are {', '.join(ROLES)}.")
    for role in ROLES:
        if role not in value:
            raise PromptError(f"{source}: the role {role} is missing; the roles are {', '.join(ROLES)}.")
        if not isinstance(value[role], str):
            raise PromptError(f"{source}: the template of {role} must be text.")
        _check_variables(value[role], _REQUIRED[role], _REQUIRED[role] | _OPTIONAL[role], f"{source}: role {role}")
    # A block text in YAML ends with a newline that no model should see after its cue.
    return {role: value[role].rstrip("\n") for role in ROLES}


def _check_variables(template: str, required: set[str], allowed: set[str], where: str) -> None:
    parsed = string.Template(template)
    if not parsed.is_valid():
        raise PromptError(f"{where}: a '$' stands alone; write $name for a variable and $$ for a dollar sign.")
    found = set(parsed.get_identifiers())
    for name in sorted(found - allowed):
        raise PromptError(f"{where}: unknown variable ${name}; allowed are {_names(allowed)}.")
    for name in sorted(required - found):
        raise PromptError(f"{where}: the variable ${name} is missing.")


def _names(variables: set[str]) -> str:
    return ", ".join(f"${name}" for name in sorted(variables))


def _stop(value: object, source: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise PromptError(f"{source}: stop must be a list of texts at which an answer ends.")
    return tuple(value)
