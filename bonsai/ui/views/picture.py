"""The picture of a run: its questions as a Mermaid diagram, and its measures as lines over the steps."""

import json
from collections.abc import Iterable, Iterator, Mapping

import pandas as pd

from bonsai.chains.chain import Chain
from bonsai.chains.step import Step
from bonsai.runs.run import Run

LABEL_LENGTH = 60
MAX_REJECTED = 3
# What Mermaid draws at most.
MAX_TEXT, MAX_ARROWS = 50_000, 500
# At its natural size, since a picture shrunk to the width of a phone could not be read; and with the font of the page
# around it, which Mermaid must be told twice: for measuring and for drawing.
_LAYOUT = {
    "fontFamily": "inherit",
    "flowchart": {"useMaxWidth": False, "nodeSpacing": 20, "rankSpacing": 34, "padding": 9, "wrappingWidth": 190},
    "themeVariables": {"fontSize": "14px", "fontFamily": "inherit"},
}
MEASURES = {"new content": "new_content", "similarity": "similarity"}
LINES = ("step", "chain", "measure", "value")


def diagram(run: Run) -> str:
    """Return the finished steps as a Mermaid flowchart, from the top down; "" if there is none.

    A node is a question, an arrow leads to the next one, and a branch leaves the step that it follows. A dotted arrow
    leads from a question, asked or rejected, to the one that it repeats. No text of a question is markup to Mermaid.
    Of a run too large for Mermaid the rejected questions are left out first, and then all but a sentence.
    """
    chains = {chain.number: chain for chain in run.chains}
    asked = [part for chain in run.chains for part in _asked(chains, chain)]
    rejected = [part for chain in run.chains for part in _rejected(chains, chain)]
    for parts in ([*asked, *rejected], asked):
        if len("\n".join(parts)) < MAX_TEXT - 500 and len(parts) < MAX_ARROWS:
            return _flowchart(parts) if parts else ""
    return _flowchart(['s["This run has too many steps for one picture."]'])


def lines(run: Run) -> pd.DataFrame:
    """Return `new_content` and `similarity` of the finished steps, a row for each value that there is.

    The columns are LINES. The lines of a branch are whole: they begin with the steps that it shares.
    """
    rows = [
        (step.number, chain.number, measure, value)
        for chain in run.chains
        for measure, column in MEASURES.items()
        for step in filter(_finished, chain.steps)
        if (value := getattr(step, column)) is not None
    ]
    return pd.DataFrame(rows, columns=list(LINES))


def _flowchart(parts: Iterable[str]) -> str:
    return "\n".join((f"%%{{init: {json.dumps(_LAYOUT)}}}%%", "flowchart TD", *parts))


def _asked(chains: Mapping[int, Chain], chain: Chain) -> Iterator[str]:
    """Yield the nodes of a chain's own steps, each with the arrow that leads to it and what it repeats."""
    for step in filter(_finished, chain.own_steps):
        node = _node(chains, chain, step.number)
        place = f"{step.number}." if chain.number == 1 else f"{chain.number}.{step.number}"
        mark = ":::flagged" if step.flags else ""
        yield f'{node}["{_inert(f"{place} {step.question}")}"]{mark}'
        if step.number > 1:
            yield f"{_node(chains, chain, step.number - 1)} --> {node}"
        if step.repeats is not None:
            yield f"{node} -. repeats .-> {_node(chains, chain, step.repeats)}"


def _rejected(chains: Mapping[int, Chain], chain: Chain) -> Iterator[str]:
    """Yield a small node for each step's candidates that repeat a question: one for all, so that it stays narrow."""
    for step in filter(_finished, chain.own_steps):
        repeats = {one.question: one.repeats for one in step.candidates if one.repeats is not None}
        if not repeats:
            continue
        node, more = _node(chains, chain, step.number), len(repeats) - MAX_REJECTED
        texts = [_inert(f"✗ {question}") for question in list(repeats)[:MAX_REJECTED]] + [f"+{more} more"] * (more > 0)
        yield f'{node}r["{"<br/>".join(texts)}"]:::rejected'
        yield f"{node} --- {node}r"
        for repeated in sorted(set(repeats.values())):
            yield f"{node}r -. repeats .-> {_node(chains, chain, repeated)}"


def _finished(step: Step) -> bool:
    return step.finished


def _node(chains: Mapping[int, Chain], chain: Chain, number: int) -> str:
    """Return the name of the node of a chain's step; a shared step has its node in the chain that wrote it."""
    while number <= chain.shared:
        chain = chains[chain.parent]
    return f"s{chain.number}x{number}"


def _inert(text: str) -> str:
    """Return a text as the inside of a Mermaid label: short, on one line, and all but letters and digits as codes."""
    plain = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    short = plain if len(plain) <= LABEL_LENGTH else plain[: LABEL_LENGTH - 1].rstrip() + "…"
    return "".join(char if char.isalnum() or char == " " else f"#{ord(char)};" for char in short)
