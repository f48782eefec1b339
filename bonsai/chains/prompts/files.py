"""Prompt variants as YAML files: a folder of them is read, one is chosen by name, and a variant is written."""

import re
from collections.abc import Mapping
from pathlib import Path

import yaml

from bonsai.chains.prompts.parsing import parse_variant
from bonsai.chains.prompts.variant import PromptVariant
from bonsai.errors import PromptError


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


def check_name(name: str) -> str:
    """Return the name of a variant without surrounding space; raise PromptError if it could not name a file."""
    name = name.strip()
    if not re.fullmatch(r"[\w-]{1,40}", name):
        raise PromptError("The name of a variant has 1 to 40 letters, digits, hyphens and underscores.")
    return name


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
