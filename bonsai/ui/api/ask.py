"""The endpoints that ask one question."""

from contextlib import aclosing
from typing import Any

from bonsai.chains.moves import AUTO
from bonsai.runs.limits import DEFAULT_CANDIDATES, DEFAULT_SAMPLING, DEFAULT_STEPS
from bonsai.ui.api.answers import Endpoint, answered, rows_of, sentences
from bonsai.ui.context import PageContext
from bonsai.ui.work.streaming import snapshots


def ask(context: PageContext) -> Endpoint:
    """Return the endpoint for a single question."""

    async def ask(
        question: str,
        prompt: str = "",
        max_new_tokens: int = DEFAULT_SAMPLING.max_new_tokens,
        temperature: float = DEFAULT_SAMPLING.temperature,
        top_p: float = DEFAULT_SAMPLING.top_p,
        top_k: int = DEFAULT_SAMPLING.top_k,
        repetition_penalty: float = DEFAULT_SAMPLING.repetition_penalty,
        seed: int = DEFAULT_SAMPLING.seed,
    ) -> list[dict[str, Any]]:
        """Answer a question directly, without Reasoning, and return the table: one row.

        Args:
            question: The question to answer.
            prompt: Name of the prompt variant, for example assistant, creator, logician or translator; empty for the
                usual one.
            max_new_tokens: The most tokens that the answer may have.
            temperature: How freely words are drawn; 0 takes the likeliest word each time.
            top_p: Draw from the likeliest words that have this share of the chances; 1 keeps every word.
            top_k: Draw from this many of the likeliest words; 0 keeps every word.
            repetition_penalty: Above 1, words that were used before become less likely.
            seed: The same seed and settings give the same table.
        """
        return await _rows(
            context,
            "single",
            question=question,
            prompt=prompt,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            top_p=top_p,
            top_k=top_k,
            repetition_penalty=repetition_penalty,
            seed=seed,
        )

    return ask


def two_step(context: PageContext) -> Endpoint:
    """Return the endpoint for two-step reasoning."""

    async def two_step(
        question: str,
        prompt: str = "",
        max_new_tokens: int = DEFAULT_SAMPLING.max_new_tokens,
        temperature: float = DEFAULT_SAMPLING.temperature,
        top_p: float = DEFAULT_SAMPLING.top_p,
        top_k: int = DEFAULT_SAMPLING.top_k,
        repetition_penalty: float = DEFAULT_SAMPLING.repetition_penalty,
        seed: int = DEFAULT_SAMPLING.seed,
    ) -> list[dict[str, Any]]:
        """Write Reasoning about a question and then an answer that follows from it, and return the table: one row.

        Args:
            question: The question to answer.
            prompt: Name of the prompt variant, for example assistant, creator, logician or translator; empty for the
                usual one.
            max_new_tokens: The most tokens that the Reasoning, and then the answer, may have.
            temperature: How freely words are drawn; 0 takes the likeliest word each time.
            top_p: Draw from the likeliest words that have this share of the chances; 1 keeps every word.
            top_k: Draw from this many of the likeliest words; 0 keeps every word.
            repetition_penalty: Above 1, words that were used before become less likely.
            seed: The same seed and settings give the same table.
        """
        return await _rows(
            context,
            "two-step",
            question=question,
            prompt=prompt,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            top_p=top_p,
            top_k=top_k,
            repetition_penalty=repetition_penalty,
            seed=seed,
        )

    return two_step


def qtq(context: PageContext) -> Endpoint:
    """Return the endpoint for a QtQ chain."""

    async def qtq(
        question: str,
        steps: int = DEFAULT_STEPS,
        candidates: int = DEFAULT_CANDIDATES,
        prompt: str = "",
        max_new_tokens: int = DEFAULT_SAMPLING.max_new_tokens,
        temperature: float = DEFAULT_SAMPLING.temperature,
        top_p: float = DEFAULT_SAMPLING.top_p,
        top_k: int = DEFAULT_SAMPLING.top_k,
        repetition_penalty: float = DEFAULT_SAMPLING.repetition_penalty,
        seed: int = DEFAULT_SAMPLING.seed,
        stop_without_progress: bool = True,
        moves: str = AUTO,
        conclude: bool = False,
    ) -> list[dict[str, Any]]:
        """Go from question to question: Reasoning, answer and a deeper next question. Returns the table: a row a step.

        Args:
            question: The question that the chain begins with.
            steps: How many questions the chain asks, the first one included.
            candidates: How many next questions to choose from; those that repeat an earlier one are dropped.
            prompt: Name of the prompt variant, for example assistant, creator, logician or translator; empty for the
                usual one.
            max_new_tokens: The most tokens that each text may have.
            temperature: How freely words are drawn; 0 takes the likeliest word each time.
            top_p: Draw from the likeliest words that have this share of the chances; 1 keeps every word.
            top_k: Draw from this many of the likeliest words; 0 keeps every word.
            repetition_penalty: Above 1, words that were used before become less likely.
            seed: The same seed and settings give the same table.
            stop_without_progress: End the chain when two steps running add next to nothing.
            moves: The direction of next questions: auto, off, cause, mechanism, evidence, assumption, other view,
                consequence, example or measure.
            conclude: End with a conclusion: an answer to the first question by what the chain found, in the column
                conclusion of its last row.
        """
        return await _rows(
            context,
            "qtq",
            question=question,
            steps=steps,
            candidates=candidates,
            prompt=prompt,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            top_p=top_p,
            top_k=top_k,
            repetition_penalty=repetition_penalty,
            seed=seed,
            stop_without_progress=stop_without_progress,
            moves=moves,
            concludes=conclude,
        )

    return qtq


async def _rows(context: PageContext, method: str, **asked: Any) -> list[dict[str, Any]]:
    """Return the rows of a run; raise gr.Error, with a sentence for the caller, if there are none."""
    with sentences():
        run = context.begin(method, **asked)
        async with aclosing(snapshots(context.runner, tuple(run.chains), run.sampling)) as growing:
            async for chains in growing:
                run = run.with_chains(chains)
        answered(run.chains[0])
        return rows_of(run)
