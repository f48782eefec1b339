"""The guard against tautology: which of the candidates becomes the next question."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from bonsai.chains.questions import first_question, is_question
from bonsai.measures.segments import is_word, match_keys, segments
from bonsai.measures.similarity import WORDS, Measure

ACCEPTED = "accepted"
EMPTY = "empty"
NOT_A_QUESTION = "not a question"
OFF_TOPIC = "off topic"
_REPEATS = "repeats step "


@dataclass(frozen=True)
class Candidate:
    """A proposed next question and the guard's verdict: accepted, empty, not a question, off topic, or what it repeats.

    `similarity` (0 to 1) is to the most similar question asked so far, that of step `nearest`; `closeness` (0 to 1) is
    how near the candidate is to the question and answer that it follows.
    """

    question: str
    verdict: str
    seed: int
    similarity: float = 0.0
    closeness: float = 0.0
    nearest: int | None = None

    @property
    def repeats(self) -> int | None:
        """The number of the step that the candidate repeats, or None."""
        return int(self.verdict.removeprefix(_REPEATS)) if self.verdict.startswith(_REPEATS) else None


def judge(text: str, seed: int, asked: Sequence[str], answer: str = "", measure: Measure = WORDS) -> Candidate:
    """Return the candidate in a completion's `text`, judged against the questions `asked` so far, oldest first.

    `answer` is that to the last question, from which the candidate should follow.
    """
    question = first_question(text)
    if not question:
        return Candidate("", EMPTY, seed)
    if not is_question(question):
        return Candidate(question, NOT_A_QUESTION, seed)
    look = measure.compare_with_earlier(question, asked)
    closeness = measure.closeness(question, asked[-1] if asked else "", answer)
    verdict = ACCEPTED
    if look.rejected is not None:
        verdict = f"{_REPEATS}{look.rejected}"
    elif measure.off_topic(question, asked, [answer]):
        verdict = OFF_TOPIC
    return Candidate(question, verdict, seed, round(look.similarity or 0.0, 3), round(closeness, 3), look.nearest)


def choose(candidates: Sequence[Candidate]) -> Candidate | None:
    """Return the accepted candidate that is best by closeness times novelty (the first of equals), or None.

    Novelty is what similarity leaves to 1. Neither alone would do: the newest question is one about something else.
    """
    accepted = [candidate for candidate in candidates if candidate.verdict == ACCEPTED]
    return max(accepted, key=lambda one: (one.closeness * (1 - one.similarity), -one.similarity), default=None)


def first_asked(candidates: Sequence[Candidate]) -> Candidate | None:
    """Return the first candidate that is a question, as if nothing guarded the chain, or None."""
    return next((one for one in candidates if one.verdict not in (EMPTY, NOT_A_QUESTION)), None)


def aligned(question: str, other: str) -> tuple[list[tuple[str, bool]], list[tuple[str, bool]]]:
    """Return both texts as runs of (text, whether the other has its words too); joined, they give the texts back.

    Words are compared by their stems and wherever they stand; what is between two shared words is of their run.
    """
    return _runs(question, other), _runs(other, question)


def _runs(text: str, other: str) -> list[tuple[str, bool]]:
    parts = segments(text)
    known = frozenset[str]().union(*match_keys(segments(other)))
    shared = [bool(found & known) for found in match_keys(parts)]
    for place in range(1, len(parts) - 1):
        if not is_word(parts[place]):
            shared[place] = shared[place - 1] and shared[place + 1]
    pairs = zip(parts, shared, strict=True)
    return [
        ("".join(part for part, _ in run), is_shared) for is_shared, run in groupby(pairs, key=lambda pair: pair[1])
    ]
