"""Is a Reasoning used? Each answer is held against a control: an answer drawn alike from another question's Reasoning.

A text about the topic has words of any Reasoning about that topic by chance, so it is not enough that an answer has
words of its Reasoning. The control is asked for by the same prompt with the same seed, in which nothing is different
but the Reasoning: that of the next question of the list. Counted are the content words that only the own Reasoning
brings: they stand neither in the question nor in the other Reasoning. It is used if the answer has more of them than
the control has. A Reasoning that copies the question or the answer is not used, whatever its answer says; nor is one
that the answer only says again.

`bonsai.chains.reasoning_test` tells of one step by many answers; here one answer for each of many steps has to do.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bonsai.chains.chain import Chain
from bonsai.chains.formats import split_thought
from bonsai.chains.reasoning_test import answer_request
from bonsai.chains.step import Step
from bonsai.engines.base import Engine, RequestQueue, SamplingParams
from bonsai.errors import RunFileError
from bonsai.measures.reasoning import ReasoningState, copies
from bonsai.measures.terms import content_words

_OWN = (ReasoningState.PRESENT, ReasoningState.TRUNCATED)


@dataclass(frozen=True)
class Control:
    """What a step's question is answered with another question's Reasoning."""

    chain: int
    step: int
    reasoning: str
    """That of the other question."""
    answer: str = ""


Controls = Mapping[tuple[int, int], Control]
"""The controls of many steps, by the numbers of chain and step."""


def has_own_reasoning(step: Step) -> bool:
    """Say whether a step has a Reasoning that is no copy of its question or answer."""
    return step.reasoning_state in _OWN


def uptake(step: Step, control: Control) -> tuple[float, float]:
    """Return the shares (0 to 1) of the words that only a step's Reasoning brings in its answer and in the control."""
    words = content_words(step.reasoning) - content_words(step.question) - content_words(control.reasoning)
    if not words:
        return 0.0, 0.0
    answer, other = (len(words & content_words(text)) / len(words) for text in (step.answer, control.answer))
    return answer, other


def is_used(step: Step, control: Control | None) -> bool:
    """Say whether a step's answer makes use of its Reasoning, and does not only say it again."""
    if control is None or not has_own_reasoning(step) or copies(step.answer, step.reasoning):
        return False
    answer, other = uptake(step, control)
    return answer > other


def wanted_controls(chains: Sequence[Chain]) -> Iterator[tuple[Chain, Step, Control]]:
    """Yield the control, not answered yet, of each step that has a Reasoning of its own and an answer.

    The other Reasoning is that of the same step in the next chain that has one, the first after the last; of its last
    step that has one, if it is shorter.
    """
    written = [[step for step in chain.steps if step.finished and step.reasoning] for chain in chains]
    for place, chain in enumerate(chains):
        others = next(filter(None, written[place + 1 :] + written[:place]), [])
        for step in chain.steps:
            if others and step.finished and step.answer and has_own_reasoning(step):
                other = others[min(step.number, len(others)) - 1]
                yield chain, step, Control(chain.number, step.number, other.reasoning)


def answered_controls(
    engine: Engine, chains: Sequence[Chain], sampling: SamplingParams, file: Path
) -> Iterator[tuple[int, int]]:
    """Answer the wanted controls that `file` does not hold yet, and yield (how many it holds, of how many).

    Each is in the file when it is told. A control that fails is left out. Raises RunFileError if the file cannot be
    written.
    """
    held = {place: control.reasoning for place, control in read_controls(file).items()}
    wanted = list(wanted_controls(chains))
    missing = [item for item in wanted if held.get((item[2].chain, item[2].step)) != item[2].reasoning]
    requests = (answer_request(engine, chain, step, control.reasoning, sampling) for chain, step, control in missing)
    done = len(wanted) - len(missing)
    try:
        with file.open("a", encoding="utf-8") as log, closing(engine.stream(RequestQueue(requests))) as snapshots:
            for number, completion in snapshots:
                if completion.finished and not completion.error:
                    done += 1
                    answered = replace(missing[number][2], answer=split_thought(completion.text)[1])
                    log.write(f"\n{json.dumps(asdict(answered), ensure_ascii=False)}\n")
                    log.flush()
                yield done, len(wanted)
    except OSError as error:
        raise RunFileError("{file} cannot be written: {reason}.", file=file, reason=error.strerror) from error


def read_controls(file: Path) -> dict[tuple[int, int], Control]:
    """Return the controls that a file holds, none if there is no file; a line that was torn is passed over."""
    found = {}
    for line in file.read_text(encoding="utf-8", errors="replace").split("\n") if file.exists() else ():
        try:
            control = Control(**json.loads(line))
        except (ValueError, TypeError):
            continue
        found[control.chain, control.step] = control
    return found
