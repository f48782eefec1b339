"""The question bank: good candidates of a run that were not asked, best first, each kind of question once."""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from bonsai.chains.chain import Chain
from bonsai.chains.guard import score
from bonsai.chains.outcomes import Verdict
from bonsai.measures.similarity import WORDS
from bonsai.reports.markdown import TextTable
from bonsai.runs.run import Run

TITLE = "Questions not asked yet"
SHOWN = 12
"""How many a report shows; a list of questions has up to MOST."""
MOST = 100


@dataclass(frozen=True)
class BankEntry:
    """A candidate that was accepted and not asked."""

    question: str
    chain: int
    step: int
    candidate: int
    """Its number among the candidates of its step, from 1: what a branch begins with."""
    move: str
    score: float
    """How good it is among the candidates of its step; see `guard.score`."""


class QuestionBank:
    """Gathers the candidates of a run while its chains pass by once, the MOST best of them."""

    def __init__(self) -> None:
        self._best: list[tuple[float, int, BankEntry, tuple[str, ...]]] = []
        self._asked: set[str] = set()
        self._seen = 0

    def add(self, chain: Chain) -> None:
        """Take in the candidates of a chain's own steps."""
        self._asked.update(map(str.casefold, chain.questions))
        for step in chain.own_steps:
            taken = [earlier.move for earlier in chain.steps if earlier.move and earlier.number < step.number]
            for number, one in enumerate(step.candidates, start=1):
                if one.verdict == Verdict.ACCEPTED and one.question != step.next_question:
                    worth = score(one, taken)
                    self._keep(BankEntry(one.question, chain.number, step.number, number, one.move, worth), chain)

    def entries(self) -> list[BankEntry]:
        """Return the MOST best entries, without those that repeat a question of their chain or a better entry."""
        return list(islice(self._distinct(), MOST))

    def _keep(self, entry: BankEntry, chain: Chain) -> None:
        self._seen += 1
        # Of equals the first one comes first.
        item = (entry.score, -self._seen, entry, chain.questions)
        if len(self._best) < 2 * MOST:
            heapq.heappush(self._best, item)
        else:
            heapq.heappushpop(self._best, item)

    def _distinct(self) -> Iterator[BankEntry]:
        kept: list[str] = []
        for _, _, entry, questions in sorted(self._best, key=lambda item: item[:2], reverse=True):
            if entry.question.casefold() in self._asked:
                continue
            if WORDS.compare_with_earlier(entry.question, [*questions, *kept]).rejected is None:
                kept.append(entry.question)
                yield entry


def question_bank(run: Run) -> list[BankEntry]:
    """Return the questions of a run that were not asked, best first."""
    bank = QuestionBank()
    for chain in run.chains:
        bank.add(chain)
    return bank.entries()


def bank_table(entries: Sequence[BankEntry]) -> TextTable:
    """Return entries as a table of a report."""
    head = ("question", "move", "chain", "step", "candidate")
    rows = ((one.question, one.move, str(one.chain), str(one.step), str(one.candidate)) for one in entries)
    return TextTable(TITLE, head, tuple(rows))


def question_list(entries: Sequence[BankEntry]) -> str:
    """Return entries as a list for `batch`: a question a line."""
    return "".join(f"{' '.join(entry.question.split())}\n" for entry in entries)
