"""The endpoints that take a saved run."""

import asyncio
import json
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from bonsai.chains.chain import conclude as conclude_chain
from bonsai.chains.outcomes import Method
from bonsai.runs.branch_request import BranchRequest
from bonsai.runs.limits import DEFAULT_CANDIDATES, DEFAULT_SAMPLING, number
from bonsai.runs.run import Run, loads
from bonsai.ui.api.answers import Json, RunEndpoint, answered, json_of, sentences
from bonsai.ui.context import PageContext
from bonsai.ui.work.streaming import reasoning_test, snapshots

SEED_OF_CHAIN = -1


def branch(context: PageContext) -> RunEndpoint:
    """Return the endpoint that goes on from a row another way."""

    async def branch(
        run: dict[str, Any],
        chain: int = 1,
        step: int = 1,
        question: str = "",
        candidate: int = 0,
        prompt: str = "",
        seed: int = SEED_OF_CHAIN,
        steps: int = 1,
        moves: str = "",
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
            moves: The direction of next questions from here on: auto, off, cause, mechanism, evidence, assumption,
                other view, consequence, example or measure; empty for that of the chain. Without question and
                candidate, the step is kept and its next question is asked for anew.
        """

        asked: dict[str, Any] = {
            "question": question,
            "prompt": prompt,
            "seed": None if seed == SEED_OF_CHAIN else seed,
        }

        def begun() -> Run:
            if run == {}:
                return _first(context, steps, **asked)
            from_row: dict[str, Any] = {"chain": chain, "step": step, "candidate": candidate or None, "moves": moves}
            return _branched(context, run, steps, **asked, **from_row)

        with sentences():
            # On a thread: fitting a long chain into the model's context may take a while.
            grown = await asyncio.to_thread(begun)
            *others, new = grown.chains
            async with aclosing(snapshots(context.runner, (new,), grown.sampling)) as growing:
                async for (now,) in growing:
                    new = now
            return json_of(grown.with_chains((*others, answered(new))))

    return branch


def _first(context: PageContext, steps: int, question: str, prompt: str, seed: int | None) -> Run:
    """Return a run that begins with a question."""
    first = DEFAULT_SAMPLING.seed if seed is None else seed
    return context.begin(Method.QTQ, question, prompt, steps=steps, candidates=DEFAULT_CANDIDATES, seed=first)


def _branched(context: PageContext, run: Json, steps: int, seed: int | None, **asked: Any) -> Run:
    """Return the run that a caller gave with a branch as its last chain."""
    request = BranchRequest(**asked, seed=None if seed is None else number("seed", seed, 1))
    return context.branch(_saved(context, run), request, steps)


def test_reasoning(context: PageContext) -> RunEndpoint:
    """Return the endpoint that tests a Reasoning."""

    async def test_reasoning(run: dict[str, Any], chain: int = 1, step: int = 1) -> dict[str, Any]:
        """Test whether the Reasoning of a row of a saved run was used.

        Its question is answered again, with the Reasoning and with other texts in its place: that of another question,
        its first half, one sentence negated, none, its words shuffled. Returns the whole run; reasoning_test of that
        step holds controls, each with its change (0 to 1), p_value, and more_than_chance (yes, no or cannot tell), and
        chance: how much the answer changes with other seeds alone.

        Args:
            run: The run as a JSON object: what the page's Download JSON, the command ask --format json, or the
                endpoint branch gave. It must be of the model, adapter and measure that are used here.
            chain: The chain of the row.
            step: The step of the row; a step that a branch shares is a row of the chain that it came from.
        """
        with sentences():
            saved = _saved(context, run)
            tested, row = saved.step_at(chain, step)
            if tested.model:
                context.check_same(replace(saved, model=tested.model, adapter=tested.adapter))
            async with aclosing(reasoning_test(context.runner, tested, row.number, saved.sampling)) as testing:
                async for now in testing:
                    tested = now
            chains = tuple(tested if one.number == tested.number else one for one in saved.chains)
            return json_of(saved.with_chains(chains))

    return test_reasoning


def conclude(context: PageContext) -> RunEndpoint:
    """Return the endpoint that concludes a chain."""

    async def conclude(run: dict[str, Any], chain: int = 1) -> dict[str, Any]:
        """Answer the first question of a chain of a saved run by what its steps found, and name what stays open.

        Returns the whole run; the conclusion of that chain holds text and open_question.

        Args:
            run: The run as a JSON object: what the page's Download JSON, the command ask --format json, or the
                endpoint branch gave. It must be of the model, adapter and measure that are used here.
            chain: The chain to conclude, of the method qtq.
        """
        with sentences():
            saved = _saved(context, run)
            now = conclude_chain(saved.step_at(chain, 1)[0])
            async with aclosing(snapshots(context.runner, (now,), saved.sampling)) as growing:
                async for (grown,) in growing:
                    now = grown
            return json_of(saved.with_chains(tuple(now if one.number == chain else one for one in saved.chains)))

    return conclude


def _saved(context: PageContext, given: Json) -> Run:
    """Return the run that a caller gave; raise BonsaiError if it is none, or cannot go on here."""
    run = loads(json.dumps(given), "What was given as run")
    context.check_same(run)
    return run
