"""The guard against tautology: which of the candidates becomes the next question."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from bonsai.chains.outcomes import Verdict
from bonsai.chains.questions import first_question, is_question
from bonsai.measures.segments import is_word, match_keys, segments
from bonsai.measures.similarity import WORDS, Measure

MOVE_BONUS = 0.1


@dataclass(frozen=True)
class Candidate:
    """A proposed next question, and what the guard found in it."""

    question: str
    """The question, "" if the model proposed none."""
    verdict: Verdict
    seed: int
    """The seed of its completion."""
    similarity: float = 0.0
    """To the most similar question asked so far, 0 to 1."""
    closeness: float = 0.0
    """To the step that it follows and to the first question of its chain, the mean of both; 0 to 1."""
    nearest: int | None = None
    """The step with the most similar question."""
    repeats: int | None = None
    """The step that it repeats, if the verdict is REPEATS."""
    move: str = ""
    """The direction in which it was asked for; "" for none."""
    same_as: int | None = None
    """The candidate of its step that asks the same, from 1, if the verdict is DUPLICATE."""

    @property
    def finding(self) -> str:
        """The verdict in words: "off topic", "repeats step 2", "duplicate of candidate 1"."""
        if self.same_as is not None:
            return f"{self.verdict} of candidate {self.same_as}"
        return str(self.verdict) if self.repeats is None else f"{self.verdict} step {self.repeats}"


def judge(
    text: str, seed: int, asked: Sequence[str], answer: str = "", measure: Measure = WORDS, move: str = ""
) -> Candidate:
    """Return the candidate in a completion's `text`, judged against the questions `asked` so far, oldest first.

    `answer` is that to the last question, from which the candidate should follow.
    """
    question = first_question(text)
    if not question:
        return Candidate("", Verdict.EMPTY, seed, move=move)
    if not is_question(question):
        return Candidate(question, Verdict.NOT_A_QUESTION, seed, move=move)
    look = measure.compare_with_earlier(question, asked)
    closeness = _closeness(question, asked, answer, measure)
    verdict = Verdict.ACCEPTED
    if look.rejected is not None:
        verdict = Verdict.REPEATS
    elif measure.off_topic(question, asked, [answer]):
        verdict = Verdict.OFF_TOPIC
    similarity = round(look.similarity or 0.0, 3)
    return Candidate(question, verdict, seed, similarity, round(closeness, 3), look.nearest, look.rejected, move)


def _closeness(question: str, asked: Sequence[str], answer: str, measure: Measure) -> float:
    """Return the mean of how near a question is to the step that it follows and to the first question asked.

    A chain that keeps to its last step alone wanders off from what was asked, each time by a little.
    """
    first, last = (asked[0], asked[-1]) if asked else ("", "")
    return (measure.closeness(question, last, answer) + measure.closeness(question, first, "")) / 2


def without_duplicates(
    candidates: Sequence[Candidate], before: Sequence[Candidate] = (), measure: Measure = WORDS
) -> tuple[Candidate, ...]:
    """Return the candidates, the accepted ones that ask what an accepted one before them asks as DUPLICATE.

    `before` are the candidates of the same step that were judged already; numbers count from the first of them.
    """
    found = list(before)
    for candidate in candidates:
        others = {number: one for number, one in enumerate(found, start=1) if one.verdict == Verdict.ACCEPTED}
        if candidate.verdict == Verdict.ACCEPTED and others:
            look = measure.compare_with_earlier(candidate.question, [one.question for one in others.values()])
            if look.rejected is not None:
                same_as = list(others)[look.rejected - 1]
                candidate = replace(candidate, verdict=Verdict.DUPLICATE, same_as=same_as)
        found.append(candidate)
    return tuple(found[len(before) :])


def choose(candidates: Sequence[Candidate], taken: Collection[str] = ()) -> Candidate | None:
    """Return the best of the accepted candidates (the first of equals), or None; `taken` are the chain's moves."""
    accepted = [candidate for candidate in candidates if candidate.verdict == Verdict.ACCEPTED]
    return max(accepted, key=lambda one: (score(one, taken), -one.similarity), default=None)


def score(candidate: Candidate, taken: Collection[str] = ()) -> float:
    """Return how good a candidate is: closeness times novelty, and MOVE_BONUS for a move that is not `taken` yet.

    Novelty is what similarity leaves to 1. Neither alone would do: the newest question is one about something else.
    """
    bonus = MOVE_BONUS if candidate.move and candidate.move not in taken else 0
    return candidate.closeness * (1 - candidate.similarity) + bonus


def first_asked(candidates: Sequence[Candidate]) -> Candidate | None:
    """Return the first candidate that is a question, as if nothing guarded the chain, or None."""
    return next((one for one in candidates if one.verdict not in (Verdict.EMPTY, Verdict.NOT_A_QUESTION)), None)


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
