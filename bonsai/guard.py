"""The guard against tautology: which of the candidates becomes the next question."""

from collections.abc import Sequence
from dataclasses import dataclass

from bonsai.measures import most_similar, repeated_step
from bonsai.questions import first_question, is_question

ACCEPTED = "accepted"


@dataclass(frozen=True)
class Candidate:
    """A proposed next question and the guard's verdict: accepted, empty, not a question, or the step it repeats."""

    question: str
    verdict: str
    seed: int
    similarity: float = 0.0


def judge(text: str, seed: int, asked: Sequence[str]) -> Candidate:
    """Return the candidate in a completion's `text`, judged against the questions `asked` so far, oldest first."""
    question = first_question(text)
    if not question:
        return Candidate("", "empty", seed)
    if not is_question(question):
        return Candidate(question, "not a question", seed)
    nearest = most_similar(question, asked)
    score = nearest[0] if nearest else 0.0
    repeated = repeated_step(question, asked)
    return Candidate(question, ACCEPTED if repeated is None else f"repeats step {repeated}", seed, score)


def choose(candidates: Sequence[Candidate]) -> Candidate | None:
    """Return the accepted candidate that is least similar to what was asked (the first of equals), or None."""
    accepted = [candidate for candidate in candidates if candidate.verdict == ACCEPTED]
    return min(accepted, key=lambda candidate: candidate.similarity, default=None)
