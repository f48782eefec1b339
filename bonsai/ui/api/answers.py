"""What endpoints give back: rows and runs as JSON, and a sentence for what goes wrong."""

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import gradio as gr

from bonsai.chains.chain import Chain
from bonsai.errors import BonsaiError
from bonsai.reports.table import rows
from bonsai.runs.run import Run, dumps

Json = dict[str, Any]

_log = logging.getLogger("bonsai")


@contextmanager
def sentences() -> Iterator[None]:
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
