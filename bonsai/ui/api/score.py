"""The endpoint that scores chains made elsewhere."""

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any

from bonsai.errors import UsageError
from bonsai.runs.scoring import score as scored
from bonsai.runs.scoring import scores, turns_of
from bonsai.ui.api.answers import Json
from bonsai.ui.context import PageContext

MAX_ROWS = 10_000


@dataclass(frozen=True)
class Score:
    """What `score` takes."""

    rows: Annotated[
        list[dict[str, Any]],
        "The rows, at most 10,000, oldest first: each has chain (any name), question, and perhaps answer.",
    ]


async def score(context: PageContext, asked: Score) -> list[Json]:
    """Measure and flag the steps of question chains made elsewhere, without a model that answers.

    Returns the rows as they were given, in their order, each with step (its number in its chain), similarity (0 to
    1, to the most similar earlier question of its chain), nearest (that question's step), new_content (0 to 1) and
    flags (for example tautology, circular, no-progress, off-topic, not-a-question; joined by a space).
    """
    rows = asked.rows
    if not isinstance(rows, list):
        raise UsageError("Give a list of rows, each an object with chain and question.")
    if len(rows) > MAX_ROWS:
        raise UsageError("There are {rows:,} rows; give at most {limit:,} at a time.", rows=len(rows), limit=MAX_ROWS)
    steps = await asyncio.to_thread(lambda: list(scored(turns_of(rows), context.measure)))
    return [{**row, **scores(step)} for row, step in zip(rows, steps, strict=True)]
