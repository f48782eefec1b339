"""The endpoints that take a saved run."""

import asyncio
import json
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any

from bonsai.chains.moves import AUTO
from bonsai.chains.outcomes import Method
from bonsai.errors import UsageError
from bonsai.reports.question_bank import question_bank as bank_of
from bonsai.runs.branch_request import BranchRequest
from bonsai.runs.limits import DEFAULT_CANDIDATES, DEFAULT_SAMPLING, number
from bonsai.runs.run import Run, loads
from bonsai.runs.run.answering import Answering
from bonsai.runs.run.verdicts import StepVerdict
from bonsai.ui.api.answers import Json, answered, concluded, json_of
from bonsai.ui.api.parameters import ChainOfRow, SavedRun, StepOfRow
from bonsai.ui.context import PageContext
from bonsai.ui.work.streaming import last_of, reasoning_test, snapshots

SEED_OF_CHAIN = -1
EVERY_CHAIN = 0


@dataclass(frozen=True)
class Branch:
    """What `branch` takes."""

    run: Annotated[
        dict[str, Any],
        "The run as a JSON object: what the page's Download JSON, the command ask --format json, or this endpoint "
        "gave; or an empty object. It must be of the model, adapter and measure that are used here.",
    ]
    chain: ChainOfRow = 1
    step: StepOfRow = 1
    question: Annotated[str, "The question to ask in the place of the step's own; empty to ask that again."] = ""
    candidate: Annotated[int, "Which of the step's candidates to ask next, from 1; 0 for none."] = 0
    prompt: Annotated[str, "Name of the prompt variant; empty for that of the chain."] = ""
    seed: Annotated[int, "Another seed gives other texts; -1 for that of the chain."] = SEED_OF_CHAIN
    steps: Annotated[int, "How many questions the branch asks."] = 1
    moves: Annotated[
        str,
        "The direction of next questions from here on: auto, off, cause, mechanism, evidence, assumption, other view, "
        "consequence, example or measure; empty for that of the chain. Without question and candidate, the step is "
        "kept and its next question is asked for anew.",
    ] = ""


async def branch(context: PageContext, asked: Branch) -> Json:
    """Go on from a row of a saved run another way, in a new chain that shares the steps before it.

    With a candidate, the row's step is kept and the candidate is asked after it; else the step is begun again, with
    another question, prompt variant or seed. Returns the whole run with the new chain as its last; the old ones
    stay as they were. An empty run begins one, whose first chain grows from the question.
    """
    # On a thread: fitting a long chain into the model's context may take a while.
    grown = await asyncio.to_thread(_branched if asked.run else _first, context, asked)
    *others, new = grown.chains
    (new,) = await last_of(snapshots(context.runner, (new,), grown.sampling), (new,))
    return json_of(grown.with_chains((*others, answered(new))).answered(Answering.of(context.engine)))


def _first(context: PageContext, asked: Branch) -> Run:
    """Return a run that begins with a question."""
    if (asked.chain, asked.step, asked.candidate) != (Branch.chain, Branch.step, Branch.candidate):
        raise UsageError("An empty run has no chain, step or candidate to go on from; leave them out.")
    seed = DEFAULT_SAMPLING.seed if asked.seed == SEED_OF_CHAIN else asked.seed
    options = {"steps": asked.steps, "candidates": DEFAULT_CANDIDATES, "seed": seed, "moves": asked.moves or AUTO}
    return context.begin(Method.QTQ, asked.question, asked.prompt, **options)


def _branched(context: PageContext, asked: Branch) -> Run:
    """Return the run that a caller gave with a branch as its last chain."""
    request = BranchRequest(
        **_place(asked),
        question=asked.question,
        candidate=number("candidate", asked.candidate, 0) or None,
        prompt=asked.prompt,
        seed=None if asked.seed == SEED_OF_CHAIN else number("seed", asked.seed, 1),
        moves=asked.moves,
    )
    return context.branch(_saved(context, asked.run), request, asked.steps)


@dataclass(frozen=True)
class TestReasoning:
    """What `test_reasoning` takes."""

    run: SavedRun
    chain: ChainOfRow = 1
    step: StepOfRow = 1


async def test_reasoning(context: PageContext, asked: TestReasoning) -> Json:
    """Test whether the Reasoning of a row of a saved run was used.

    Its question is answered again, with the Reasoning and with other texts in its place: that of another question,
    its first half, one sentence negated, none, its words shuffled. Returns the whole run; reasoning_test of that
    step holds controls, each with its change (0 to 1), p_value, and more_than_chance (yes, no or cannot tell), and
    chance: how much the answer changes with other seeds alone.
    """
    saved = _saved(context, asked.run)
    tested, row = saved.step_at(**_place(asked))
    if tested.model:
        context.check_same(replace(saved, model=tested.model, adapter=tested.adapter))
    tested = await last_of(reasoning_test(context.runner, tested, row.number, saved.sampling), tested)
    return json_of(saved.updated([tested]))


@dataclass(frozen=True)
class Conclude:
    """What `conclude` takes."""

    run: SavedRun
    chain: Annotated[
        int, "The chain to conclude, of the method qtq; 0 for every chain that ended without a conclusion."
    ] = 1


async def conclude(context: PageContext, asked: Conclude) -> Json:
    """Answer the first question of a chain of a saved run by what its steps found, and name what stays open.

    Returns the whole run; the conclusion of each such chain holds text and open_question, or error if it failed.
    """
    chain = number("chain", asked.chain, 1)
    run = _read(asked.run).concluding(None if chain == EVERY_CHAIN else chain)
    # Only now: what is asked for is known.
    context.check_same(run)
    concluding = tuple(chain for chain in run.chains if chain.concluding)
    concluding = await last_of(snapshots(context.runner, concluding, run.sampling), concluding)
    return json_of(run.updated(concluded(concluding)).answered(Answering.of(context.engine)))


@dataclass(frozen=True)
class QuestionBank:
    """What `question_bank` takes."""

    run: Annotated[dict[str, Any], "The run as a JSON object, of whatever model."]


async def question_bank(asked: QuestionBank) -> list[Json]:
    """List the good questions that a saved run proposed and did not ask, best first, each kind of question once.

    Returns question, move and score of each, and chain, step and candidate: what the endpoint branch takes to ask it
    next.
    """
    return [asdict(entry) for entry in bank_of(_read(asked.run))]


@dataclass(frozen=True)
class Judge:
    """What `judge` takes."""

    run: Annotated[
        dict[str, Any],
        "The run as a JSON object: what the page's Download JSON, a command with --format json, or the endpoint branch "
        "gave. It may be of any model.",
    ]
    verdict: Annotated[str, "good or bad; with beside: better, worse or tie; none takes back what was said."]
    chain: ChainOfRow = 1
    step: StepOfRow = 1
    reason: Annotated[str, "Why, in the person's words; at most 10,000 characters."] = ""
    beside: Annotated[int, "The chain whose step of the same number it is compared with; 0 for none."] = 0


async def judge(asked: Judge) -> Json:
    """Keep what a person says of a row of a saved run: alone, or beside the same step of another chain.

    Returns the whole run with the verdict in verdicts; of the same row the last one counts.
    """
    said = StepVerdict.of(asked.chain, asked.step, asked.verdict, asked.reason, asked.beside)
    return json_of(_read(asked.run).with_verdicts([said]))


def _place(asked: Branch | TestReasoning) -> dict[str, Any]:
    """Return the chain and the step that a caller named; raise UsageError if one is no number."""
    return {name: number(name, getattr(asked, name), 1) for name in ("chain", "step")}


def _saved(context: PageContext, given: Json) -> Run:
    """Return the run that a caller gave; raise BonsaiError if it is none, or cannot go on here."""
    run = _read(given)
    context.check_same(run)
    return run


def _read(given: Json) -> Run:
    return loads(json.dumps(given), "What was given as run")
