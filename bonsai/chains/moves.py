"""Moves: the directions in which a question can lead to a deeper one."""

from enum import StrEnum


class Move(StrEnum):
    """The direction of a next question."""

    CAUSE = "cause"
    MECHANISM = "mechanism"
    EVIDENCE = "evidence"
    ASSUMPTION = "assumption"
    OTHER_VIEW = "other view"
    CONSEQUENCE = "consequence"
    EXAMPLE = "example"
    MEASURE = "measure"


# What `$move` stands for in a prompt; a prompt variant may have sentences of its own, in any language.
SENTENCES = {
    Move.CAUSE: "Ask why something in the answer is so.",
    Move.MECHANISM: "Ask how something in the answer works, step by step.",
    Move.EVIDENCE: "Ask how we know that the answer is true.",
    Move.ASSUMPTION: "Ask whether something that the answer takes for granted is true.",
    Move.OTHER_VIEW: "Ask how someone else would see it.",
    Move.CONSEQUENCE: "Ask what follows from the answer.",
    Move.EXAMPLE: "Ask for a real case.",
    Move.MEASURE: "Ask how much, or how one can tell.",
}
