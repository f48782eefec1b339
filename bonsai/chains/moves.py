"""Moves: the directions in which a question can lead to a deeper one."""

from collections.abc import Collection, Sequence
from enum import StrEnum

from bonsai.errors import UsageError

AUTO = "auto"
"""Each candidate of a step gets a move of its own, those first that the chain has not taken."""
OFF = "off"
"""Candidates are asked for without a direction."""


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


def parse_moves(text: str) -> str:
    """Return what `Chain.moves` holds for a choice of a person: AUTO, the name of one move, or "" for none (OFF).

    Raises UsageError, naming what there is.
    """
    name = " ".join(text.strip().lower().replace("-", " ").replace("_", " ").split())
    if name in ("", OFF):
        return ""
    if name != AUTO and name not in set(Move):
        raise UsageError(
            "There is no move {name!r}; choose {auto}, {off}, or one of {moves}.",
            name=text,
            auto=AUTO,
            off=OFF,
            moves=", ".join(Move),
        )
    return name


def next_moves(moves: str, taken: Collection[str], tried: Sequence[str], count: int, start: int) -> tuple[str, ...]:
    """Return the moves of the next `count` candidates, by the `moves` of their chain; "" is no direction.

    `taken` are those of the chain's steps, `tried` those of this step's earlier candidates. The order begins at
    another move for each `start`, so that chains of several seeds do not all begin alike.
    """
    if moves != AUTO:
        return (moves,) * count
    every = list(Move)
    turned = every[start % len(every) :] + every[: start % len(every)]
    order = sorted(turned, key=lambda move: (tried.count(move), move in taken))
    return tuple(order[k % len(order)] for k in range(count))
