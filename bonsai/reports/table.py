"""The table: one drawing of a run's rows for the page, the command line and the files."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping

from bonsai.chains.chain import Chain
from bonsai.chains.outcomes import Flag
from bonsai.chains.step import Step
from bonsai.reports.markdown import printable
from bonsai.runs.run import Run
from bonsai.runs.tables.formulas import escape_formula

_NAMES = (
    "run chain step method prompt question reasoning answer next_question similarity nearest new_content flags model "
    "adapter seed prompt_tokens completion_tokens seconds move conclusion verdict"
)
COLUMNS = tuple(_NAMES.split())
Row = Mapping[str, str | int | float | None]


def chain_rows(run: Run, chain: Chain) -> list[Row]:
    """Return a row for each finished step of a chain, with all COLUMNS; None stands for a number that does not apply.

    The steps that a branch shares with its parent are rows of the parent alone.
    """
    return [_row(run, chain, step) for step in chain.own_steps if step.finished]


def rows(run: Run) -> Iterator[Row]:
    """Yield the rows of all chains of a run."""
    return (row for chain in run.chains for row in chain_rows(run, chain))


def csv_header(columns: Iterable[str] = COLUMNS) -> str:
    """Return the first line of a CSV file; it begins with a byte order mark."""
    return "\ufeff" + csv_text([columns])


def csv_text(lines: Iterable[Iterable[object]]) -> str:
    """Return lines of cells as RFC 4180 text, safe to open in a spreadsheet."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(map(escape_formula, line) for line in lines)
    return text.getvalue()


def _row(run: Run, chain: Chain, step: Step) -> Row:
    texts = {name: printable(getattr(step, name)) for name in ("question", "reasoning", "answer", "next_question")}
    model, adapter = run.answered_by(chain)
    return {
        "run": run.id,
        "chain": chain.number,
        "step": step.number,
        "method": str(chain.method),
        "prompt": chain.prompt.name,
        **texts,
        "similarity": step.similarity,
        "nearest": step.nearest,
        "new_content": step.new_content,
        "flags": " ".join(_flags(chain, step)),
        "model": model,
        "adapter": adapter,
        "seed": chain.seed,
        "prompt_tokens": step.prompt_tokens,
        "completion_tokens": step.completion_tokens,
        "seconds": round(step.seconds, 3),
        "move": step.move,
        "conclusion": _conclusion(chain, step),
        "verdict": verdict_of(run, chain, step),
    }


def verdict_of(run: Run, chain: Chain, step: Step) -> str:
    """Return what people say of a step of a run: "good: clear; better than 2.1", "" if nobody judged it."""
    return printable("; ".join(one.told_of(chain.number) for one in run.verdicts_of(chain, step)))


def _flags(chain: Chain, step: Step) -> tuple[Flag, ...]:
    """Return the flags of a step, ERROR among them if the conclusion that belongs in its row could not be written."""
    failed = chain.conclusion is not None and chain.conclusion.error and step is chain.steps[-1]
    return step.flagged(Flag.ERROR).flags if failed else step.flags


def _conclusion(chain: Chain, step: Step) -> str:
    """Return the conclusion of a chain, in the row of its last step."""
    if chain.conclusion is None or step is not chain.steps[-1]:
        return ""
    return printable(chain.conclusion.sentence)
