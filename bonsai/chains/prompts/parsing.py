"""Prompt variants read from YAML, and what is wrong with one, told by role and variable."""

import string
from collections.abc import Mapping
from typing import Any

import yaml

from bonsai.chains.moves import Move
from bonsai.chains.prompts.variant import CONCLUSION, ROLES, PromptVariant
from bonsai.errors import PromptError

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
