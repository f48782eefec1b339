"""The endpoint that keeps what a person says of a step."""

import json
from dataclasses import dataclass
from typing import Annotated, Any

from bonsai.runs.run import loads
from bonsai.runs.run.verdicts import StepVerdict
from bonsai.ui.api.answers import Json, json_of
from bonsai.ui.api.parameters import ChainOfRow, StepOfRow


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
    return json_of(loads(json.dumps(asked.run), "What was given as run").with_verdicts([said]))
