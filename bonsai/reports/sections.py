"""The sections of a report: all that there is to say of a step, and of how its chain ended."""

from collections.abc import Mapping
from dataclasses import dataclass

from bonsai.chains.chain import Chain
from bonsai.chains.conclusion import Conclusion
from bonsai.chains.outcomes import CHANGE_BY_CHANCE, ENDINGS, REASONING_TEST, Role, StopReason, Verdict
from bonsai.chains.step import Step
from bonsai.measures.reasoning import ReasoningState
from bonsai.reports.table import verdict_of
from bonsai.runs.run import Run

THOUGHT_NAMES = {
    Role.SINGLE: "Thoughts before the answer",
    Role.REASONING: "Thoughts before the Reasoning",
    Role.ANSWER: "Thoughts before the answer",
    Role.NEXT_QUESTION: "Thoughts before a next question",
    Role.CONCLUSION: "Thoughts before the conclusion",
}
"""What the thoughts before the text of a role are called."""


@dataclass(frozen=True)
class Section:
    """A step in a report."""

    title: str
    parts: tuple[tuple[str, str], ...]
    """(name, text) of all that there is to say of it."""
    ending: str = ""
    """How its chain ended, if it did here."""
    thoughts: tuple[tuple[str, str], ...] = ()
    """(name, text) of what the model thought before its texts, to be opened."""


def chain_sections(run: Run, chain: Chain) -> list[Section]:
    """Return a section for each finished step of a chain; a branch has no more than those that it does not share.

    Where a run has several chains the titles name theirs.
    """
    several = len(run.chains) > 1
    finished = [step for step in chain.own_steps if step.finished]
    found = [
        Section(
            f"{_title(chain)}, step {step.number}" if several else f"Step {step.number}",
            _told(_parts(run, chain, step)),
            ending(chain) if step is finished[-1] else "",
            tuple((THOUGHT_NAMES[one.role], one.text) for one in step.thoughts),
        )
        for step in finished
    ]
    if chain.conclusion and not chain.concluding:
        title = f"{_title(chain)}, conclusion" if several else "Conclusion"
        found.append(_conclusion(title, chain.conclusion))
    return found


def _conclusion(title: str, found: Conclusion) -> Section:
    parts = {
        "Conclusion": found.text,
        "Stays open": found.open_question,
        "Flags": " ".join(found.flags),
        "Error": found.error,
    }
    return Section(title, _told(parts), thoughts=_told({THOUGHT_NAMES[Role.CONCLUSION]: found.thought}))


def _told(parts: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((name, text) for name, text in parts.items() if text)


def ending(chain: Chain) -> str:
    """Return the sentence that says how a chain ended, "" if it came to its end or goes on."""
    sentence = ENDINGS.get(chain.stop_reason, "") if chain.stop_reason else ""
    if chain.stop_reason == StopReason.TAUTOLOGY:
        return f"{sentence.removesuffix('.')}{_steps_repeated(chain.steps[-1])}."
    return sentence


def _parts(run: Run, chain: Chain, step: Step) -> dict[str, str]:
    return {
        "Question": step.question,
        "Reasoning": step.reasoning,
        "State of the Reasoning": _reasoning_state(step),
        "Answer": step.answer,
        "Was the Reasoning used?": _reasoning_test(step),
        "Next question": step.next_question,
        "Direction": step.move,
        "Rejected": _rejected(step) if chain.guarded else "",
        "Flags": " ".join(step.flags),
        "Error": step.error,
        "Verdict": verdict_of(run, chain, step),
    }


def _title(chain: Chain) -> str:
    step = f", step {chain.shared}" if chain.shared else ""
    origin = f" (from chain {chain.parent}{step})" if chain.parent else ""
    return f"Chain {chain.number}{origin}"


def _reasoning_state(step: Step) -> str:
    if step.reasoning_state in ("", ReasoningState.PRESENT):
        return ""
    return step.reasoning_state + (", and was asked for twice" if step.reasoning_tries > 1 else "")


def _reasoning_test(step: Step) -> str:
    test = step.reasoning_test
    if test is None:
        return ""
    if not test.controls:
        return REASONING_TEST.format(without=f"{test.change_without:.0%}", shuffled=f"{test.change_shuffled:.0%}")
    told = "; ".join(
        f"{one.control}: {one.more_than_chance} ({one.change:.0%}, p = {one.p_value:.2f})" for one in test.controls
    )
    return f"{CHANGE_BY_CHANCE.format(chance=f'{test.chance:.0%}')} {told}."


def _rejected(step: Step) -> str:
    refused = [candidate for candidate in step.candidates if candidate.verdict != Verdict.ACCEPTED]
    return "; ".join(dict.fromkeys(f"{one.question} ({one.finding})".lstrip() for one in refused))


def _steps_repeated(step: Step) -> str:
    numbers = [str(number) for number in sorted({one.repeats for one in step.candidates if one.repeats is not None})]
    if len(numbers) > 1:
        return f" (steps {', '.join(numbers[:-1])} and {numbers[-1]})"
    return f" (step {numbers[0]})" if numbers else ""
