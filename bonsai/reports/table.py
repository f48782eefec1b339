"""The table: one drawing of a run's rows for the page, the command line and the files."""

from collections.abc import Iterable, Iterator
from itertools import islice

import pandas as pd

from bonsai.chains.chain import Chain
from bonsai.chains.step import Step
from bonsai.reports.markdown import printable
from bonsai.runs.run import Run
from bonsai.runs.text_files import escape_formula

COLUMNS = (
    "run",
    "chain",
    "step",
    "method",
    "prompt",
    "question",
    "reasoning",
    "answer",
    "next_question",
    "similarity",
    "nearest",
    "new_content",
    "flags",
    "model",
    "adapter",
    "seed",
    "prompt_tokens",
    "completion_tokens",
    "seconds",
    "move",
)
_NUMBERS = {"similarity": "Float64", "nearest": "Int64", "new_content": "Float64", "seconds": "Float64"}
_ROWS_AT_ONCE = 100


def rows(run: Run) -> Iterator[dict[str, object]]:
    """Yield one row per finished step with all COLUMNS; None stands for a number that does not apply.

    The steps that a branch shares with its parent are rows of the parent alone.
    """
    run_id = run.id
    return (_row(run, run_id, chain, step) for chain in run.chains for step in chain.own_steps if step.finished)


def frame(run: Run) -> pd.DataFrame:
    """Return the rows as a data frame; numbers that do not apply are missing values."""
    return _frame(rows(run))


def csv_parts(run: Run) -> Iterator[str]:
    """Yield the table as RFC 4180 text that begins with a byte order mark, safe to open in a spreadsheet."""
    yield "\ufeff" + _frame(()).to_csv(index=False, lineterminator="\r\n")
    found = rows(run)
    while some := tuple(islice(found, _ROWS_AT_ONCE)):
        yield _frame(some).map(escape_formula).to_csv(index=False, header=False, lineterminator="\r\n")


def _frame(some: Iterable[dict[str, object]]) -> pd.DataFrame:
    return pd.DataFrame(some, columns=list(COLUMNS)).astype(_NUMBERS)


def _row(run: Run, run_id: str, chain: Chain, step: Step) -> dict[str, object]:
    texts = {name: printable(getattr(step, name)) for name in ("question", "reasoning", "answer", "next_question")}
    model, adapter = run.answered_by(chain)
    return {
        "run": run_id,
        "chain": chain.number,
        "step": step.number,
        "method": str(chain.method),
        "prompt": chain.prompt.name,
        **texts,
        "similarity": step.similarity,
        "nearest": step.nearest,
        "new_content": step.new_content,
        "flags": " ".join(step.flags),
        "model": model,
        "adapter": adapter,
        "seed": chain.seed,
        "prompt_tokens": step.prompt_tokens,
        "completion_tokens": step.completion_tokens,
        "seconds": round(step.seconds, 3),
        "move": step.move,
    }
