"""What is given to be trained: files of records, and saved runs, whose steps that people marked good become records."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from bonsai.chains.chain import Chain
from bonsai.chains.moves import Move
from bonsai.chains.outcomes import Flag, Judgement
from bonsai.chains.step import Step
from bonsai.errors import UsageError
from bonsai.lab.records import NextQuestion, Record, read_lines
from bonsai.runs.journal import read_saved
from bonsai.runs.run import Run

_WITHOUT_REASONING = frozenset((Flag.NO_REASONING, Flag.COPIED_REASONING))
_CUT = frozenset((Flag.TRUNCATED, Flag.STOPPED, Flag.ERROR))


def read_data(file: Path, say: Callable[[str], None] = lambda text: None) -> Iterator[Record | UsageError]:
    """Yield each record of a file or what is wrong with its line; of a saved run, a record for each good step.

    `say` is told how many steps of a run these are. Raises UsageError if there are none, and BonsaiError if the file
    cannot be read.
    """
    if not _is_run(file):
        yield from read_lines(file)
        return
    found = Counter[str]()
    for chain, step, judgement in _steps(read_saved(file)):
        taken = judgement == Judgement.GOOD and bool(step.answer.strip()) and not _CUT & set(step.flags)
        found["cut" if judgement == Judgement.GOOD and not taken else judgement] += 1
        if taken:
            yield _record(chain, step, f"{file}, chain {chain.number}, step {step.number}")
    if not found[Judgement.GOOD]:
        raise UsageError(
            "{file} is a run without a whole step that is marked good; mark some on the page or with judge.", file=file
        )
    say(_told(file, found))


def _is_run(file: Path) -> bool:
    """Say whether a file is a saved run or a journal: its first value in JSON names its format."""
    try:
        first, _ = json.JSONDecoder().raw_decode(file.read_text(encoding="utf-8-sig").lstrip())
    except (OSError, ValueError, RecursionError):
        # What is wrong with it is told by who reads it as records.
        return False
    return isinstance(first, dict) and "format" in first


def _steps(run: Run) -> Iterator[tuple[Chain, Step, str]]:
    """Yield each finished step of a run with what was said of it alone; "" for nothing."""
    for chain in run.chains:
        for step in chain.own_steps:
            if step.finished:
                alone = [one.judgement for one in run.verdicts_of(chain, step) if not one.beside]
                yield chain, step, alone[0] if alone else ""


def _record(chain: Chain, step: Step, where: str) -> Record:
    following = step.next_question and Flag.NOT_A_QUESTION not in step.flags
    move = step.move if step.move in set(Move) else ""
    return Record(
        question=step.question,
        answer=step.answer,
        reasoning="" if _WITHOUT_REASONING & set(step.flags) else step.reasoning,
        next_questions=(NextQuestion(step.next_question, move),) if following else (),
        earlier=tuple(one.question for one in chain.steps[: step.number - 1]),
        persona=chain.prompt.persona,
        where=where,
    )


def _told(file: Path, found: Counter[str]) -> str:
    left = [
        f"{found[key]:,} {words}"
        for key, words in (
            (Judgement.BAD, "marked bad"),
            ("", "not marked"),
            ("cut", "marked good but cut or without an answer"),
        )
        if found[key]
    ]
    out = f"; left out: {', '.join(left)}" if left else ""
    return f"{file}: {found[Judgement.GOOD]:,} of {found.total():,} steps are marked good and become records{out}."
