"""What a report of a run says, whatever it is drawn as: the tables of a comparison, and a section for each step."""

from collections.abc import Iterator
from dataclasses import dataclass

from bonsai.chains.chain import Chain
from bonsai.chains.outcomes import ENDINGS, REASONING_TEST, StopReason, Verdict
from bonsai.chains.step import Step
from bonsai.measures.reasoning import ReasoningState
from bonsai.reports.comparison import side_by_side
from bonsai.reports.formats import Language
from bonsai.reports.markdown import TextTable
from bonsai.reports.statistics import statistics, tables
from bonsai.runs.run import Run

# A comparison of more chains is read in the table: side by side it would be the whole run once more.
MAX_SIDE_BY_SIDE = 200


@dataclass(frozen=True)
class ReportOptions:
    """How a run is looked at: the language of its summary, and the axis whose values are the columns; "" finds one."""

    language: Language = Language.EN
    axis: str = ""


@dataclass(frozen=True)
class Section:
    """A step in a report: (name, text) of all that there is to say of it, and how its chain ended if it did here."""

    title: str
    parts: tuple[tuple[str, str], ...]
    ending: str = ""


def comparison_tables(run: Run, axis: str) -> list[TextTable]:
    """Return the tables of a comparison with the values of an axis as columns: answers side by side, and figures."""
    shown = [side_by_side(run, axis).table("answer")] if len(run.chains) <= MAX_SIDE_BY_SIDE else []
    return [*shown, *tables(statistics(run, axis))]


def sections(run: Run) -> Iterator[Section]:
    """Yield a section for each finished step; a branch has no more than those that it does not share."""
    several = len(run.chains) > 1
    for chain in run.chains:
        finished = [step for step in chain.own_steps if step.finished]
        for step in finished:
            title = f"{_title(chain)}, step {step.number}" if several else f"Step {step.number}"
            yield Section(title, tuple(_parts(chain, step)), ending(chain) if step is finished[-1] else "")


def ending(chain: Chain) -> str:
    """Return the sentence that says how a chain ended, "" if it came to its end or goes on."""
    sentence = ENDINGS.get(chain.stop_reason, "") if chain.stop_reason else ""
    if chain.stop_reason == StopReason.TAUTOLOGY:
        return f"{sentence.removesuffix('.')}{_steps_repeated(chain.steps[-1])}."
    return sentence


def _parts(chain: Chain, step: Step) -> Iterator[tuple[str, str]]:
    parts = {
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
    }
    return ((name, text) for name, text in parts.items() if text)


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
    return REASONING_TEST.format(without=f"{test.change_without:.0%}", shuffled=f"{test.change_shuffled:.0%}")


def _rejected(step: Step) -> str:
    refused = [candidate for candidate in step.candidates if candidate.verdict != Verdict.ACCEPTED]
    return "; ".join(dict.fromkeys(f"{one.question} ({one.finding})".lstrip() for one in refused))


def _steps_repeated(step: Step) -> str:
    numbers = [str(number) for number in sorted({one.repeats for one in step.candidates if one.repeats is not None})]
    if len(numbers) > 1:
        return f" (steps {', '.join(numbers[:-1])} and {numbers[-1]})"
    return f" (step {numbers[0]})" if numbers else ""
