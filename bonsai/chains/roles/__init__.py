"""Roles: the prompts that a chain wants completed now, and what becomes of the chain by the completions."""

from bonsai.chains.roles.completed import with_completions, with_partial_text
from bonsai.chains.roles.request import (
    CANDIDATE_TEMPERATURE,
    NEXT_QUESTION_TOKENS,
    RoleRequest,
    check_context,
    next_prompt,
    next_request,
    with_stops,
)

__all__ = [
    "CANDIDATE_TEMPERATURE",
    "NEXT_QUESTION_TOKENS",
    "RoleRequest",
    "check_context",
    "next_prompt",
    "next_request",
    "with_completions",
    "with_partial_text",
    "with_stops",
]
