"""The table: one drawing of a run's rows for the page, the command line and the files."""

import re
from collections.abc import Callable, Iterable

import pandas as pd

from bonsai.chain import Chain, Step
from bonsai.runs import Run, dumps

COLUMNS = (
    "run", "chain", "step", "method", "prompt", "question", "reasoning", "answer", "next_question", "similarity",
    "nearest", "new_content", "flags", "model", "adapter", "seed", "prompt_tokens", "completion_tokens", "seconds",
)  # fmt: skip
STOP_REASONS = {
    "done": "",
    "tautology": "The chain ends here: every proposed next question repeats one that was asked before.",
    "no-question": "The chain ends here: the model proposed no next question.",
    "error": "The chain ends here: the model could not go on.",
    "stopped": "The chain was stopped here.",
}
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_MARKDOWN = re.compile(r"[\\`*_\[\]|~$#]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def frame(run: Run) -> pd.DataFrame:
    """Return one row per finished step with all COLUMNS; numbers that do not apply are missing values."""
    run_id = run.id
    rows = [_row(run, run_id, chain, step) for chain in run.chains for step in chain.steps if step.finished]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.astype({"similarity": "Float64", "nearest": "Int64", "new_content": "Float64", "seconds": "Float64"})


def to_csv(run: Run) -> str:
    """Return the table as RFC 4180 text that begins with a byte order mark, safe to open in a spreadsheet."""
    return "\ufeff" + frame(run).map(_inert).to_csv(index=False, lineterminator="\r\n")


def to_markdown(run: Run) -> str:
    """Return the interim report: the table in GitHub's Markdown, then a section for each step."""
    table = frame(run)
    lines = ["# Bonsai run " + run.id, "", _row_line(COLUMNS), _row_line("---" for _ in COLUMNS)]
    lines += [_row_line(_cell(value) for value in row) for row in table.itertuples(index=False)]
    for chain in run.chains:
        lines += [part for step in chain.steps if step.finished for part in _section(chain, step, len(run.chains) > 1)]
        if ending := STOP_REASONS.get(chain.stop_reason, ""):
            lines += ["", f"*{ending}*"]
    return "\n".join(lines) + "\n"


DRAWINGS: dict[str, Callable[[Run], str]] = {"markdown": to_markdown, "csv": to_csv, "json": dumps}
SUFFIXES = {"markdown": ".md", "csv": ".csv", "json": ".json"}


def _row(run: Run, run_id: str, chain: Chain, step: Step) -> dict[str, object]:
    texts = {
        name: _CONTROL.sub("", getattr(step, name)) for name in ("question", "reasoning", "answer", "next_question")
    }
    return {
        "run": run_id, "chain": chain.number, "step": step.number, "method": chain.method, "prompt": chain.prompt.name,
        **texts, "similarity": step.similarity, "nearest": step.nearest, "new_content": step.new_content,
        "flags": " ".join(step.flags), "model": run.model, "adapter": run.adapter, "seed": chain.seed,
        "prompt_tokens": step.prompt_tokens, "completion_tokens": step.completion_tokens,
        "seconds": round(step.seconds, 3),
    }  # fmt: skip


def _inert(value: object) -> object:
    """Return a cell that no spreadsheet runs as a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_STARTS) else value


def _section(chain: Chain, step: Step, several: bool) -> list[str]:
    title = f"Chain {chain.number}, step {step.number}" if several else f"Step {step.number}"
    parts = {
        "Question": step.question, "Reasoning": step.reasoning, "Answer": step.answer,
        "Next question": step.next_question, "Flags": " ".join(step.flags), "Error": step.error,
    }  # fmt: skip
    return ["", f"## {title}"] + [
        line for name, text in parts.items() if text for line in ("", f"**{name}:** {_inline(text)}")
    ]


def _row_line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(value: object) -> str:
    return "" if pd.isna(value) else _inline(str(value))  # type: ignore[call-overload]


def _inline(text: str) -> str:
    """Return text that Markdown shows letter by letter, on one line."""
    plain = _CONTROL.sub("", text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "<br>".join(_MARKDOWN.sub(r"\\\g<0>", plain).splitlines())
