"""Prompt variants: what is asked of the model in each role, kept as YAML files."""

from bonsai.chains.prompts.files import check_name, choose_variant, load_variants, to_yaml
from bonsai.chains.prompts.parsing import parse_variant
from bonsai.chains.prompts.variant import CONCLUSION, ROLES, PromptVariant, join

__all__ = [
    "CONCLUSION",
    "ROLES",
    "PromptVariant",
    "check_name",
    "choose_variant",
    "join",
    "load_variants",
    "parse_variant",
    "to_yaml",
]
