"""The endpoints that ask many chains at once."""

import asyncio
import shutil
from contextlib import aclosing
from typing import Any

from bonsai.chains.moves import AUTO
from bonsai.runs.journal import begin_journal
from bonsai.runs.limits import DEFAULT_CANDIDATES, DEFAULT_SAMPLING, DEFAULT_STEPS
from bonsai.runs.question_lists import pasted
from bonsai.ui.api.answers import Endpoint, Json, rows_of, sentences
from bonsai.ui.context import PageContext
from bonsai.ui.work import visitor_files
from bonsai.ui.work.streaming import progress


def compare(context: PageContext) -> Endpoint:
    """Return the endpoint that compares."""

    async def compare(
        question: str,
        prompts: list[str],
        method: str = "two-step",
        repeats: int = 1,
        with_and_without_adapter: bool = False,
        steps: int = DEFAULT_STEPS,
        candidates: int = DEFAULT_CANDIDATES,
        max_new_tokens: int = DEFAULT_SAMPLING.max_new_tokens,
        temperature: float = DEFAULT_SAMPLING.temperature,
        seed: int = DEFAULT_SAMPLING.seed,
        moves: str = AUTO,
        conclude: bool = False,
    ) -> list[dict[str, Any]]:
        """Ask the same questions with several prompt variants, with the same seeds, and return the table of all steps.

        Args:
            question: The question; or several, one a line.
            prompts: Names of the prompt variants, for example ["assistant", "logician"].
            method: single, two-step or qtq.
            repeats: How many seeds each is asked with, one after the other.
            with_and_without_adapter: Ask the model without its adapter too.
            steps: How many questions a qtq chain asks.
            candidates: How many next questions a qtq chain chooses from.
            max_new_tokens: The most tokens that each text may have.
            temperature: How freely words are drawn; 0 takes the likeliest word each time.
            seed: The first seed; the same seeds and settings give the same table.
            moves: The direction of next questions: auto, off, cause, mechanism, evidence, assumption, other view,
                consequence, example or measure.
            conclude: End a qtq chain with a conclusion: an answer to its first question by what the chain found.
        """
        with sentences():
            questions = pasted(question, context.settings.max_questions).questions
            return await _grid_rows(
                context,
                questions=questions,
                prompts=prompts,
                methods=[method],
                repeats=repeats,
                with_adapter=(True, False) if with_and_without_adapter else (True,),
                steps=steps,
                candidates=candidates,
                max_new_tokens=max_new_tokens,
                temperature=temperature,
                seed=seed,
                moves=moves,
                concludes=conclude,
            )

    return compare


def batch(context: PageContext) -> Endpoint:
    """Return the endpoint for whole lists."""

    async def batch(
        questions: list[str],
        prompts: list[str] | None = None,
        method: str = "two-step",
        steps: int = DEFAULT_STEPS,
        candidates: int = DEFAULT_CANDIDATES,
        max_new_tokens: int = DEFAULT_SAMPLING.max_new_tokens,
        temperature: float = DEFAULT_SAMPLING.temperature,
        seed: int = DEFAULT_SAMPLING.seed,
        moves: str = AUTO,
        conclude: bool = False,
    ) -> list[dict[str, Any]]:
        """Ask a whole list of questions and return the table of all steps; a question that fails spares the others.

        Args:
            questions: The questions; blank ones and those that repeat another are passed over.
            prompts: Names of prompt variants, each of which all questions are asked with; empty for the usual one.
            method: single, two-step or qtq.
            steps: How many questions a qtq chain asks.
            candidates: How many next questions a qtq chain chooses from.
            max_new_tokens: The most tokens that each text may have.
            temperature: How freely words are drawn; 0 takes the likeliest word each time.
            seed: The same seed and settings give the same table.
            moves: The direction of next questions: auto, off, cause, mechanism, evidence, assumption, other view,
                consequence, example or measure.
            conclude: End a qtq chain with a conclusion: an answer to its first question by what the chain found.
        """
        with sentences():
            text = "\n".join(" ".join(question.split()) for question in questions)
            found = pasted(text, context.settings.max_questions).questions
            return await _grid_rows(
                context,
                questions=found,
                prompts=prompts or [context.prompt],
                methods=[method],
                steps=steps,
                candidates=candidates,
                max_new_tokens=max_new_tokens,
                temperature=temperature,
                seed=seed,
                moves=moves,
                concludes=conclude,
            )

    return batch


async def _grid_rows(context: PageContext, **asked: Any) -> list[Json]:
    """Return the rows of a run over a grid; raise BonsaiError if it cannot be."""
    plan = context.plan(**asked)
    journal = begin_journal(visitor_files.new_folder() / visitor_files.JOURNAL, plan)
    try:
        async with aclosing(progress(context.runner, journal)) as growing:
            async for _ in growing:
                pass
        return await asyncio.to_thread(rows_of, journal.run)
    finally:
        shutil.rmtree(journal.file.parent)
