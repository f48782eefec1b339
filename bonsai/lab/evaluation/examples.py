"""Chains as they were written, in Markdown: drawn by a seed, and not edited."""

import random
import re
from collections.abc import Iterator

from bonsai.chains.step import Step
from bonsai.lab.evaluation.running import Observed

CHAINS, SEED = 10, 1
_MARKS = re.compile(r"[\\`*_\[\]|~$#<>&]")


def examples(name: str, seen: Observed) -> list[str]:
    """Return the lines of ten chains of a system, or of all if there are fewer."""
    draw = random.Random(SEED)
    chosen = draw.sample(seen.chains, min(CHAINS, len(seen.chains)))
    lines = [f"{len(chosen)} chains of {name} ({seen.way}), drawn by the seed {SEED} and not edited."]
    for observation in chosen:
        chain = observation.chain
        lines += ["", f"### {_plain(chain.questions[0])}", ""]
        for step in chain.steps:
            lines += _step(step)
        lines.append(f"It ended: {chain.stop_reason or 'not at all'}.")
    return lines


def _step(step: Step) -> Iterator[str]:
    yield f"{step.number}. **{_plain(step.question)}**"
    direction = f" ({step.move})" if step.move else ""
    for label, text in (("Reasoning", step.reasoning), ("Answer", step.answer), ("Next", step.next_question)):
        if text:
            yield f"   - {label}{direction if label == 'Next' else ''}: {_plain(text)}"
    if step.flags:
        yield f"   - Flags: {' '.join(step.flags)}"


def _plain(text: str) -> str:
    """Return a text that Markdown shows letter by letter, on one line."""
    return _MARKS.sub(r"\\\g<0>", " ".join(text.split()))
