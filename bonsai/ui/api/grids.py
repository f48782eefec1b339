"""The endpoints that ask many chains at once."""

import asyncio
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from bonsai.chains.moves import AUTO
from bonsai.runs.journal import begin_journal
from bonsai.runs.limits import DEFAULT_CANDIDATES, DEFAULT_SAMPLING, DEFAULT_STEPS
from bonsai.runs.question_lists import asked as questions_of
from bonsai.runs.tables.lines import numbered_lines
from bonsai.ui.api.answers import Json, rows_of
from bonsai.ui.api.parameters import (
    CandidatesOfQtq,
    ConcludesQtq,
    MaxNewTokens,
    MethodName,
    Moves,
    Seed,
    StepsOfQtq,
    Temperature,
)
from bonsai.ui.context import PageContext
from bonsai.ui.work import visitor_files
from bonsai.ui.work.streaming import last_of, progress


@dataclass(frozen=True)
class Compare:
    """What `compare` takes."""

    question: Annotated[str, "The question; or several, one a line."]
    prompts: Annotated[list[str], 'Names of the prompt variants, for example ["assistant", "logician"].']
    method: MethodName = "two-step"
    repeats: Annotated[int, "How many seeds each is asked with, one after the other."] = 1
    with_and_without_adapter: Annotated[bool, "Ask the model without its adapter too."] = False
    steps: StepsOfQtq = DEFAULT_STEPS
    candidates: CandidatesOfQtq = DEFAULT_CANDIDATES
    max_new_tokens: MaxNewTokens = DEFAULT_SAMPLING.max_new_tokens
    temperature: Temperature = DEFAULT_SAMPLING.temperature
    seed: Annotated[int, "The first seed; the same seeds and settings give the same table."] = DEFAULT_SAMPLING.seed
    moves: Moves = AUTO
    conclude: ConcludesQtq = False


async def compare(context: PageContext, asked: Compare) -> list[Json]:
    """Ask the same questions with several prompt variants, with the same seeds, and return the table of all steps."""
    options = asdict(asked)
    both = options.pop("with_and_without_adapter")
    lines = (line for _, line in numbered_lines(options.pop("question")))
    questions = questions_of(lines, context.settings.max_questions)
    return await _rows(context, questions, with_adapter=(True, False) if both else (True,), **options)


@dataclass(frozen=True)
class Batch:
    """What `batch` takes."""

    questions: Annotated[list[str], "The questions; blank ones and those that repeat another are passed over."]
    prompts: Annotated[
        list[str] | None,
        "Names of prompt variants, each of which all questions are asked with; empty for the usual one.",
    ] = None
    method: MethodName = "two-step"
    steps: StepsOfQtq = DEFAULT_STEPS
    candidates: CandidatesOfQtq = DEFAULT_CANDIDATES
    max_new_tokens: MaxNewTokens = DEFAULT_SAMPLING.max_new_tokens
    temperature: Temperature = DEFAULT_SAMPLING.temperature
    seed: Seed = DEFAULT_SAMPLING.seed
    moves: Moves = AUTO
    conclude: ConcludesQtq = False


async def batch(context: PageContext, asked: Batch) -> list[Json]:
    """Ask a whole list of questions and return the table of all steps; a question that fails spares the others."""
    options = asdict(asked)
    questions = questions_of(options.pop("questions"), context.settings.max_questions)
    prompts = options.pop("prompts") or [context.prompt]
    return await _rows(context, questions, prompts=prompts, **options)


async def _rows(
    context: PageContext, questions: Sequence[str], method: str, conclude: bool, **asked: Any
) -> list[Json]:
    """Return the rows of a run over a grid; raise BonsaiError if it cannot be."""
    plan = context.plan(questions=questions, methods=[method], concludes=conclude, **asked)
    journal = begin_journal(visitor_files.new_folder() / visitor_files.JOURNAL, plan)
    try:
        await last_of(progress(context.runner, journal, tuple(journal.unfinished())), None)
        return await asyncio.to_thread(rows_of, journal.run)
    finally:
        shutil.rmtree(journal.file.parent)
