"""The named endpoints for the API and MCP: a question in, rows out; a saved run in, the run and more out; scores."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import replace
from typing import Any

import gradio as gr
from gradio.events import api as gr_api

from bonsai.chain import Chain
from bonsai.errors import BonsaiError, UsageError
from bonsai.runs import Run, dumps, loads
from bonsai.scoring import score as scored
from bonsai.scoring import scores, turns_of
from bonsai.step import Step
from bonsai.table import frame
from bonsai.ui.growing import reasoning_test, snapshots
from bonsai.ui.offer import DEFAULT_CANDIDATES, DEFAULT_SAMPLING, DEFAULT_STEPS, MOST_CANDIDATES, Offer
from bonsai.ui.steps import find
from bonsai.ui.wiring import RUNS

MOST_ROWS = 10_000
SEED_OF_CHAIN = -1

Json = dict[str, Any]
Endpoint = Callable[..., Awaitable[list[Json]]]
RunEndpoint = Callable[..., Awaitable[Json]]

_log = logging.getLogger("bonsai")


def publish(offer: Offer) -> None:
    """Add the endpoints to the page that is being built: those that ask, those that take a run, and `score`."""
    for endpoint in (_ask(offer), _two_step(offer), _qtq(offer), _branch(offer), _test_reasoning(offer)):
        gr_api(endpoint, api_name=endpoint.__name__, concurrency_id=RUNS)
    # Its own place in the queue: it needs no engine.
    gr_api(_score(offer), api_name="score", concurrency_id="score")


def _ask(offer: Offer) -> Endpoint:
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
            offer, "single", question=question, prompt=prompt, max_new_tokens=max_new_tokens, temperature=temperature,
            top_p=top_p, top_k=top_k, repetition_penalty=repetition_penalty, seed=seed,
        )  # fmt: skip

    return ask


def _two_step(offer: Offer) -> Endpoint:
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
            offer, "two-step", question=question, prompt=prompt, max_new_tokens=max_new_tokens, temperature=temperature,
            top_p=top_p, top_k=top_k, repetition_penalty=repetition_penalty, seed=seed,
        )  # fmt: skip

    return two_step


def _qtq(offer: Offer) -> Endpoint:
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
        """
        return await _rows(
            offer, "qtq", question=question, steps=steps, candidates=candidates, prompt=prompt,
            max_new_tokens=max_new_tokens, temperature=temperature, top_p=top_p, top_k=top_k,
            repetition_penalty=repetition_penalty, seed=seed, stop_without_progress=stop_without_progress,
        )  # fmt: skip

    return qtq


def _branch(offer: Offer) -> RunEndpoint:
    async def branch(
        run: dict[str, Any],
        chain: int = 1,
        step: int = 1,
        question: str = "",
        candidate: int = 0,
        prompt: str = "",
        seed: int = SEED_OF_CHAIN,
        steps: int = 1,
    ) -> dict[str, Any]:
        """Go on from a row of a saved run another way, in a new chain that shares the steps before it.

        With a candidate, the row's step is kept and the candidate is asked after it; else the step is begun again, with
        another question, prompt variant or seed. Returns the whole run with the new chain as its last; the old ones
        stay as they were. An empty run begins one, whose first chain grows from the question.

        Args:
            run: The run as a JSON object: what the page's Download JSON, the command ask --format json, or this
                endpoint gave; or an empty object. It must be of the model, adapter and measure that are used here.
            chain: The chain of the row.
            step: The step of the row; a step that a branch shares is a row of the chain that it came from.
            question: The question to ask in the place of the step's own; empty to ask that again.
            candidate: Which of the step's candidates to ask next, from 1; 0 for none.
            prompt: Name of the prompt variant; empty for that of the chain.
            seed: Another seed gives other texts; -1 for that of the chain.
            steps: How many questions the branch asks.
        """

        def begun() -> Run:
            if run == {}:
                first = DEFAULT_SAMPLING.seed if seed == SEED_OF_CHAIN else seed
                return offer.begin("qtq", question, prompt, steps, DEFAULT_CANDIDATES, seed=first)
            saved = _saved(offer, run)
            parent, row = _row(saved, chain, step)
            keep, asked = row.number - 1, question or row.question
            if candidate:
                keep, asked = row.number, _candidate(row, candidate, question)
            chosen = parent.seed if seed == SEED_OF_CHAIN else seed
            return offer.branch(saved, parent, keep, asked, prompt or parent.prompt.name, steps, chosen)

        with _sentences():
            # On a thread: fitting a long chain into the model's context may take a while.
            grown = await asyncio.to_thread(begun)
            *others, new = grown.chains
            async with aclosing(snapshots((new,), grown.sampling)) as growing:
                async for (now,) in growing:
                    new = now
            return _json(grown.with_chains((*others, _answered(new))))

    return branch


def _test_reasoning(offer: Offer) -> RunEndpoint:
    async def test_reasoning(run: dict[str, Any], chain: int = 1, step: int = 1) -> dict[str, Any]:
        """Test whether the Reasoning of a row of a saved run was used.

        Its question is answered again, always with the likeliest words: with the Reasoning, without it, and with its
        words shuffled. Returns the whole run; reasoning_test of that step holds the three answers and, 0 to 1, how much
        the other two differ from the first (change_without, change_shuffled).

        Args:
            run: The run as a JSON object: what the page's Download JSON, the command ask --format json, or the
                endpoint branch gave. It must be of the model, adapter and measure that are used here.
            chain: The chain of the row.
            step: The step of the row; a step that a branch shares is a row of the chain that it came from.
        """
        with _sentences():
            saved = _saved(offer, run)
            tested, row = _row(saved, chain, step)
            if tested.model:
                offer.check_same(replace(saved, model=tested.model, adapter=tested.adapter))
            async with aclosing(reasoning_test(tested, row.number, saved.sampling)) as testing:
                async for now in testing:
                    tested = now
            chains = tuple(tested if one.number == tested.number else one for one in saved.chains)
            return _json(saved.with_chains(chains))

    return test_reasoning


def _score(offer: Offer) -> Callable[..., list[dict[str, Any]]]:
    def score(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Measure and flag the steps of question chains made elsewhere, without a model that answers.

        Returns the rows as they were given, in their order, each with step (its number in its chain), similarity (0 to
        1, to the most similar earlier question of its chain), nearest (that question's step), new_content (0 to 1) and
        flags (for example tautology, circular, no-progress, off-topic, not-a-question; joined by a space).

        Args:
            rows: The rows, at most 10,000, oldest first: each has chain (any name), question, and perhaps answer.
        """
        with _sentences():
            if not isinstance(rows, list):
                raise UsageError("Give a list of rows, each an object with chain and question.")
            if len(rows) > MOST_ROWS:
                raise UsageError(f"There are {len(rows):,} rows; give at most {MOST_ROWS:,} at a time.")
            steps = scored(turns_of(rows), offer.measure)
            return [{**row, **scores(step)} for row, step in zip(rows, steps, strict=True)]

    return score


async def _rows(offer: Offer, method: str, **asked: Any) -> list[dict[str, Any]]:
    """Return the rows of a run; raise gr.Error, with a sentence for the caller, if there are none."""
    with _sentences():
        run = offer.begin(method, **asked)
        async with aclosing(snapshots(tuple(run.chains), run.sampling)) as growing:
            async for chains in growing:
                run = run.with_chains(chains)
        _answered(run.chains[0])
        rows: list[dict[str, Any]] = json.loads(frame(run).to_json(orient="records"))
        return rows


@contextmanager
def _sentences() -> Iterator[None]:
    """Turn what goes wrong into a gr.Error with a sentence for the caller."""
    try:
        yield
    except BonsaiError as error:
        raise gr.Error(str(error), print_exception=False) from error
    except gr.Error:
        raise
    except Exception as error:
        _log.exception("An endpoint ended with an error that was not expected.")
        raise gr.Error("Something unexpected went wrong. Try again.", print_exception=False) from error


def _answered(chain: Chain) -> Chain:
    """Return a chain that wrote something of its own; raise gr.Error, with the reason, for one that did not."""
    if error := chain.own_steps[0].error:
        raise gr.Error(error, print_exception=False)
    return chain


def _saved(offer: Offer, given: Json) -> Run:
    """Return the run that a caller gave; raise BonsaiError if it is none, or asks for more than the page offers."""
    run = loads(json.dumps(given), "What was given as run")
    offer.check_same(run)
    for name, value, most in (
        ("max_new_tokens", run.sampling.max_new_tokens, offer.settings.max_new_tokens),
        ("candidates", max((chain.candidates for chain in run.chains), default=1), MOST_CANDIDATES),
    ):
        if value > most:
            raise UsageError(f"{name} of the run is {value}; it must be at most {most} here.")
    return run


def _row(run: Run, chain: int, step: int) -> tuple[Chain, Step]:
    found = find(run, f"{chain}.{step}")
    if found is None:
        rows = [f"{one.number}.{row.number}" for one in run.chains for row in one.own_steps if row.finished]
        raise UsageError(
            f"The run has no step {step} in its chain {chain}; its rows (chain.step) are {', '.join(rows) or 'none'}."
        )
    return found


def _candidate(step: Step, number: int, question: str) -> str:
    if question:
        raise UsageError("A branch asks either a question of yours or a candidate of the step; leave one out.")
    proposed = step.proposed
    if number not in proposed:
        there_is = ", ".join(map(str, proposed)) or "none"
        raise UsageError(f"Step {step.number} has no candidate {number}; there is {there_is}.")
    return proposed[number]


def _json(run: Run) -> Json:
    data: Json = json.loads(dumps(run))
    return data
