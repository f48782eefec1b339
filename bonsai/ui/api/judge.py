"""The endpoint that keeps what a person says of a step."""

import json
from typing import Any

from bonsai.runs.run import loads
from bonsai.runs.run.verdicts import StepVerdict
from bonsai.ui.api.answers import RunEndpoint, json_of, sentences


def judge() -> RunEndpoint:
    """Return the endpoint that judges."""

    async def judge(
        run: dict[str, Any], verdict: str, chain: int = 1, step: int = 1, reason: str = "", beside: int = 0
    ) -> dict[str, Any]:
        """Keep what a person says of a row of a saved run: alone, or beside the same step of another chain.

        Returns the whole run with the verdict in verdicts; of the same row the last one counts.

        Args:
            run: The run as a JSON object: what the page's Download JSON, a command with --format json, or the
                endpoint branch gave. It may be of any model.
            verdict: good or bad; with beside: better, worse or tie; none takes back what was said.
            chain: The chain of the row.
            step: The step of the row; a step that a branch shares is a row of the chain that it came from.
            reason: Why, in the person's words; at most 10,000 characters.
            beside: The chain whose step of the same number it is compared with; 0 for none.
        """
        with sentences():
            said = StepVerdict.of(chain, step, verdict, reason, beside)
            return json_of(loads(json.dumps(run), "What was given as run").with_verdicts([said]))

    return judge
