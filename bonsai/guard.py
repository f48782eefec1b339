"""The guard against tautology: which of the candidates becomes the next question."""

from collections.abc import Sequence
from dataclasses import dataclass

from bonsai.measures import content_words, most_similar, repeated_step
from bonsai.questions import first_question, is_question

ACCEPTED = "accepted"


@dataclass(frozen=True)
class Candidate:
    """A proposed next question and the guard's verdict: accepted, empty, not a question, or the step it repeats.

    `similarity` (0 to 1) is to the most similar question asked so far; `closeness` (0 to 1) is the share of the
    candidate's content words that the step it follows has in its question or answer.
    """

    question: str
    verdict: str
    seed: int
    similarity: float = 0.0
    closeness: float = 0.0


def judge(text: str, seed: int, asked: Sequence[str], answer: str = "") -> Candidate:
    """Return the candidate in a completion's `text`, judged against the questions `asked` so far, oldest first.

    `answer` is that to the last question, from which the candidate should follow.
    """
    question = first_question(text)
    if not question:
        return Candidate("", "empty", seed)
    if not is_question(question):
        return Candidate(question, "not a question", seed)
    nearest = most_similar(question, asked)
    score = nearest[0] if nearest else 0.0
    words = content_words(question)
    shared = words & content_words(" ".join([*asked[-1:], answer]))
    repeated = repeated_step(question, asked)
    verdict = ACCEPTED if repeated is None else f"repeats step {repeated}"
    return Candidate(question, verdict, seed, round(score, 3), round(len(shared) / max(1, len(words)), 3))


def choose(candidates: Sequence[Candidate]) -> Candidate | None:
    """Return the accepted candidate that is best by closeness times novelty (the first of equals), or None.

    Novelty is what similarity leaves to 1. Neither alone would do: the newest question is one about something else.
    """
    accepted = [candidate for candidate in candidates if candidate.verdict == ACCEPTED]
    return max(accepted, key=lambda one: (one.closeness * (1 - one.similarity), -one.similarity), default=None)
