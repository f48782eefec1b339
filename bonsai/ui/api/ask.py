"""The endpoints that ask one question."""

from dataclasses import asdict, dataclass
from typing import Annotated, Any

from bonsai.chains.moves import AUTO
from bonsai.chains.outcomes import Method
from bonsai.runs.limits import DEFAULT_CANDIDATES, DEFAULT_SAMPLING, DEFAULT_STEPS
from bonsai.ui.api.answers import Json, answered, rows_of
from bonsai.ui.api.parameters import (
    MaxNewTokens,
    Moves,
    PromptName,
    Question,
    RepetitionPenalty,
    Seed,
    Temperature,
    TopK,
    TopP,
)
from bonsai.ui.context import PageContext
from bonsai.ui.work.streaming import last_of, snapshots


@dataclass(frozen=True)
class Ask:
    """What `ask` takes."""

    question: Question
    prompt: PromptName = ""
    max_new_tokens: Annotated[int, "The most tokens that the answer may have."] = DEFAULT_SAMPLING.max_new_tokens
    temperature: Temperature = DEFAULT_SAMPLING.temperature
    top_p: TopP = DEFAULT_SAMPLING.top_p
    top_k: TopK = DEFAULT_SAMPLING.top_k
    repetition_penalty: RepetitionPenalty = DEFAULT_SAMPLING.repetition_penalty
    seed: Seed = DEFAULT_SAMPLING.seed


async def ask(context: PageContext, asked: Ask) -> list[Json]:
    """Answer a question directly, without Reasoning, and return the table: one row."""
    return await _rows(context, Method.SINGLE, **asdict(asked))


@dataclass(frozen=True)
class TwoStep(Ask):
    """What `two_step` takes."""

    max_new_tokens: Annotated[int, "The most tokens that the Reasoning, and then the answer, may have."] = (
        DEFAULT_SAMPLING.max_new_tokens
    )


async def two_step(context: PageContext, asked: TwoStep) -> list[Json]:
    """Write Reasoning about a question and then an answer that follows from it, and return the table: one row."""
    return await _rows(context, Method.TWO_STEP, **asdict(asked))


@dataclass(frozen=True)
class Qtq:
    """What `qtq` takes."""

    question: Annotated[str, "The question that the chain begins with."]
    steps: Annotated[int, "How many questions the chain asks, the first one included."] = DEFAULT_STEPS
    candidates: Annotated[
        int, "How many next questions to choose from; those that repeat an earlier one are dropped."
    ] = DEFAULT_CANDIDATES
    prompt: PromptName = ""
    max_new_tokens: MaxNewTokens = DEFAULT_SAMPLING.max_new_tokens
    temperature: Temperature = DEFAULT_SAMPLING.temperature
    top_p: TopP = DEFAULT_SAMPLING.top_p
    top_k: TopK = DEFAULT_SAMPLING.top_k
    repetition_penalty: RepetitionPenalty = DEFAULT_SAMPLING.repetition_penalty
    seed: Seed = DEFAULT_SAMPLING.seed
    stop_without_progress: Annotated[bool, "End the chain when two steps running add next to nothing."] = True
    moves: Moves = AUTO
    conclude: Annotated[
        bool,
        "End with a conclusion: an answer to the first question by what the chain found, in the column conclusion of "
        "its last row; if it fails, error is among that row's flags.",
    ] = False


async def qtq(context: PageContext, asked: Qtq) -> list[Json]:
    """Go from question to question: Reasoning, answer and a deeper next question. Returns the table: a row a step."""
    options = asdict(asked)
    return await _rows(context, Method.QTQ, concludes=options.pop("conclude"), **options)


async def _rows(context: PageContext, method: Method, **asked: Any) -> list[Json]:
    """Return the rows of a run; raise gr.Error, with a sentence for the caller, if there are none."""
    run = context.begin(method, **asked)
    chains = tuple(run.chains)
    chains = await last_of(snapshots(context.runner, chains, run.sampling), chains)
    answered(chains[0])
    return rows_of(run.with_chains(chains))
