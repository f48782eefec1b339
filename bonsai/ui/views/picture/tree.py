"""The questions of a run as a tree: a node for each finished step, and which leads to which."""

from collections.abc import Mapping
from dataclasses import dataclass

from bonsai.chains.chain import Chain
from bonsai.chains.step import Step
from bonsai.runs.run import Run, step_key

MAX_REJECTED = 3
MAX_NODES = 300


@dataclass(frozen=True)
class Node:
    """A question that was asked."""

    key: str
    """The chain that wrote the step, and its number in it, as "2.3"."""
    column: int
    """The chain's place in the run, from 0."""
    row: int
    """The step's number, from 1."""
    text: str
    """The question after its number."""
    flagged: bool
    before: str
    """The key of the step that led to it; "" for the first one."""
    move: str
    """The direction in which it was asked for, for the arrow that leads to it; "" for none."""
    repeats: str
    """The key of the step whose question it repeats; "" if it is new."""
    rejected: tuple[str, ...]
    """Candidates for the next question that were not asked since they repeat one: the first of them, each once."""
    more_rejected: int
    """How many more were rejected."""
    rejected_repeat: tuple[str, ...]
    """The keys of the steps that the rejected candidates repeat."""


def tree(run: Run) -> list[Node]:
    """Return a node for each finished step, those of the first chain first; a shared step has one node.

    Of a run of more than MAX_NODES steps there is none.
    """
    chains = {chain.number: chain for chain in run.chains}
    nodes: list[Node] = []
    for column, chain in enumerate(run.chains):
        nodes += [_node(chains, chain, step, column) for step in chain.own_steps if step.finished]
        if len(nodes) > MAX_NODES:
            return []
    return nodes


def lines(chain: Chain, measure: str) -> list[tuple[int, float]]:
    """Return the number and the value of each finished step of a chain that has this measure, shared steps included."""
    values = ((step.number, getattr(step, measure)) for step in chain.steps if step.finished)
    return [(number, value) for number, value in values if value is not None]


def _node(chains: Mapping[int, Chain], chain: Chain, step: Step, column: int) -> Node:
    rejected = {one.question: one.repeats for one in step.candidates if one.repeats is not None}
    place = f"{step.number}." if chain.number == 1 else step_key(chain, step)
    return Node(
        key=_key(chains, chain, step.number),
        column=column,
        row=step.number,
        text=f"{place} {step.question}",
        flagged=bool(step.flags),
        before=_key(chains, chain, step.number - 1) if step.number > 1 else "",
        move=chain.steps[step.number - 2].move if step.number > 1 else "",
        repeats="" if step.repeats is None else _key(chains, chain, step.repeats),
        rejected=tuple(rejected)[:MAX_REJECTED],
        more_rejected=max(0, len(rejected) - MAX_REJECTED),
        rejected_repeat=tuple(_key(chains, chain, number) for number in sorted({*rejected.values()})),
    )


def _key(chains: Mapping[int, Chain], chain: Chain, number: int) -> str:
    """Return the key of a chain's step in the chain that wrote it, which is another one if it is shared."""
    while number <= chain.shared:
        chain = chains[chain.parent]
    return f"{chain.number}.{number}"
