"""What endpoints give back: rows and runs as JSON, or the sentence for a chain that failed."""

import json
from collections.abc import Sequence
from typing import Any

import gradio as gr

from bonsai.chains.chain import Chain
from bonsai.reports.table import rows
from bonsai.runs.run import Run, dumps

Json = dict[str, Any]


def answered(chain: Chain) -> Chain:
    """Return a chain that wrote something of its own; raise gr.Error, with the reason, for one that did not."""
    if error := chain.own_steps[0].error:
        raise gr.Error(error, print_exception=False)
    return chain


def concluded(chains: Sequence[Chain]) -> Sequence[Chain]:
    """Return chains with at least one conclusion among them; raise gr.Error, with the reason, if all of them failed."""
    failures = [chain.conclusion.error for chain in chains if chain.conclusion]
    if all(failures):
        raise gr.Error(failures[0], print_exception=False)
    return chains


def rows_of(run: Run) -> list[Json]:
    """Return the rows of the table of a run."""
    return [dict(row) for row in rows(run)]


def json_of(run: Run) -> Json:
    """Return a run as a JSON object."""
    data: Json = json.loads(dumps(run))
    return data
