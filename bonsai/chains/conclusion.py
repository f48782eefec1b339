"""Conclusions: what a chain found, in a few sentences, and the question that it leaves open."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bonsai.chains.outcomes import Flag, StopReason
from bonsai.chains.questions import first_question, is_question
from bonsai.measures.segments import sentences
from bonsai.measures.similarity import new_content

CONCLUDED = frozenset(
    {StopReason.DONE, StopReason.TAUTOLOGY, StopReason.OFF_TOPIC, StopReason.NO_QUESTION, StopReason.NO_PROGRESS}
)
"""The ends after which a conclusion is written: a chain that failed or was stopped has none."""
# Chosen by hand: no data says yet how far a conclusion may go from the steps.
COPIED, UNSUPPORTED = 0.1, 0.5


@dataclass(frozen=True)
class Conclusion:
    """The answer of a whole chain to its first question."""

    text: str = ""
    """Two to four sentences that answer the first question by what the steps said."""
    open_question: str = ""
    """The question that stays open: one that the model named, or else what it would have asked next; "" if neither."""
    writing: bool = True
    """Whether it is still to be written."""
    flags: tuple[Flag, ...] = ()
    error: str = ""
    """Why it could not be written."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    thought: str = ""
    """What the model thought before it; it is not measured."""

    @property
    def sentence(self) -> str:
        """Text and open question together."""
        return " ".join(part for part in (self.text, self.open_question) if part)


def conclusion_text(conclusion: Conclusion) -> str:
    """Return a conclusion as one text, with its flags at the end."""
    flags = f" ({' '.join(conclusion.flags)})" if conclusion.flags else ""
    return f"{conclusion.sentence}{flags}"


def parse_conclusion(text: str) -> tuple[str, str]:
    """Return the text and the open question in what a model wrote; the last of its questions is the open one."""
    asked = next((said for said in reversed(sentences(text)) if is_question(said)), None)
    if asked is None:
        return text.strip(), ""
    before, _, after = text.rpartition(asked)
    gap = before[len(before.rstrip()) :] if after.strip() else ""
    return f"{before.rstrip()}{gap}{after.lstrip()}".strip(), first_question(asked)


def conclusion_flags(text: str, said: Sequence[tuple[str, str]]) -> tuple[Flag, ...]:
    """Return what is wrong with a conclusion's text; `said` holds question and answer of each step."""
    if not text:
        return ()
    copied = len(said) > 1 and min(new_content(text, [answer]) for _, answer in said) < COPIED
    unsupported = new_content(text, [f"{question} {answer}" for question, answer in said]) > UNSUPPORTED
    found = {Flag.COPIED_CONCLUSION: copied, Flag.UNSUPPORTED: unsupported}
    return tuple(flag for flag, holds in found.items() if holds)


def shortened(said: Sequence[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    """Yield what the steps said, ever shorter: first whole, then with the oldest answers cut, at last left out."""
    kept = list(said)
    yield list(kept)
    for place, (question, answer) in enumerate(said):
        kept[place] = question, "".join(sentences(answer)[:1])
        yield list(kept)
    for place, (question, _) in enumerate(said):
        kept[place] = question, ""
        yield list(kept)
    while len(kept) > 1:
        del kept[0]
        yield list(kept)
