"""The table: one drawing of a run's rows for the page, the command line and the files."""

import re
from collections.abc import Callable, Iterable

import pandas as pd

from bonsai.chain import Chain
from bonsai.guard import ACCEPTED
from bonsai.reasoning import PRESENT
from bonsai.runs import Run, dumps
from bonsai.sheets import inert
from bonsai.step import Step

COLUMNS = (
    "run", "chain", "step", "method", "prompt", "question", "reasoning", "answer", "next_question", "similarity",
    "nearest", "new_content", "flags", "model", "adapter", "seed", "prompt_tokens", "completion_tokens", "seconds",
)  # fmt: skip
STOP_REASONS = {
    "done": "",
    "tautology": "The chain ends here: every proposed next question repeats one that was asked before{}.",
    "off-topic": "The chain ends here: every proposed next question leaves the topic.",
    "no-question": "The chain ends here: the model proposed no next question.",
    "no-progress": "The chain ends here: two steps running added next to nothing to what was said before.",
    "error": "The chain ends here: the model could not go on.",
    "stopped": "The chain was stopped here.",
}
_MARKDOWN = re.compile(r"[\\`*_\[\]|~$#]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def frame(run: Run) -> pd.DataFrame:
    """Return one row per finished step with all COLUMNS; numbers that do not apply are missing values.

    The steps that a branch shares with its parent are rows of the parent alone.
    """
    run_id = run.id
    rows = [_row(run, run_id, chain, step) for chain in run.chains for step in chain.own_steps if step.finished]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.astype({"similarity": "Float64", "nearest": "Int64", "new_content": "Float64", "seconds": "Float64"})


def to_csv(run: Run) -> str:
    """Return the table as RFC 4180 text that begins with a byte order mark, safe to open in a spreadsheet."""
    return "\ufeff" + frame(run).map(inert).to_csv(index=False, lineterminator="\r\n")


def to_markdown(run: Run) -> str:
    """Return the interim report: the table in GitHub's Markdown, then a section for each step."""
    table = frame(run)
    lines = ["# Bonsai run " + run.id, "", f"Measured with {_inline(run.measure)}.", ""]
    lines += [_row_line(COLUMNS), _row_line("---" for _ in COLUMNS)]
    lines += [_row_line(_cell(value) for value in row) for row in table.itertuples(index=False)]
    for chain in run.chains:
        lines += [
            part for step in chain.own_steps if step.finished for part in _section(chain, step, len(run.chains) > 1)
        ]
        if sentence := ending(chain):
            lines += ["", f"*{sentence}*"]
    return "\n".join(lines) + "\n"


def ending(chain: Chain) -> str:
    """Return the sentence that says how a chain ended, "" if it came to its end or goes on."""
    sentence = STOP_REASONS.get(chain.stop_reason, "")
    return sentence.format(_steps_repeated(chain.steps[-1])) if chain.stop_reason == "tautology" else sentence


DRAWINGS: dict[str, Callable[[Run], str]] = {"markdown": to_markdown, "csv": to_csv, "json": dumps}
SUFFIXES = {"markdown": ".md", "csv": ".csv", "json": ".json"}


def _row(run: Run, run_id: str, chain: Chain, step: Step) -> dict[str, object]:
    texts = {
        name: _CONTROL.sub("", getattr(step, name)) for name in ("question", "reasoning", "answer", "next_question")
    }
    return {
        "run": run_id, "chain": chain.number, "step": step.number, "method": chain.method, "prompt": chain.prompt.name,
        **texts, "similarity": step.similarity, "nearest": step.nearest, "new_content": step.new_content,
        "flags": " ".join(step.flags), "model": chain.model or run.model,
        "adapter": chain.adapter if chain.model else run.adapter, "seed": chain.seed,
        "prompt_tokens": step.prompt_tokens, "completion_tokens": step.completion_tokens,
        "seconds": round(step.seconds, 3),
    }  # fmt: skip


def _section(chain: Chain, step: Step, several: bool) -> list[str]:
    parts = {
        "Question": step.question, "Reasoning": step.reasoning, "State of the Reasoning": _reasoning_state(step),
        "Answer": step.answer, "Was the Reasoning used?": _reasoning_test(step), "Next question": step.next_question,
        "Rejected": _rejected(step) if chain.guarded else "", "Flags": " ".join(step.flags), "Error": step.error,
    }  # fmt: skip
    title = f"{_title(chain)}, step {step.number}" if several else f"Step {step.number}"
    return ["", f"## {title}"] + [
        line
        for name, text in parts.items()
        if text
        for line in ("", f"**{name}{'' if name.endswith('?') else ':'}** {_inline(text)}")
    ]


def _title(chain: Chain) -> str:
    step = f", step {chain.shared}" if chain.shared else ""
    origin = f" (from chain {chain.parent}{step})" if chain.parent else ""
    return f"Chain {chain.number}{origin}"


def _reasoning_state(step: Step) -> str:
    if step.reasoning_state in ("", PRESENT):
        return ""
    return step.reasoning_state + (", and was asked for twice" if step.reasoning_tries > 1 else "")


def _reasoning_test(step: Step) -> str:
    test = step.reasoning_test
    if test is None:
        return ""
    without, shuffled = f"{test.change_without:.0%}", f"{test.change_shuffled:.0%}"
    return f"Without it the answer changes by {without}, with its words shuffled by {shuffled}."


def _rejected(step: Step) -> str:
    refused = [candidate for candidate in step.candidates if candidate.verdict != ACCEPTED]
    return "; ".join(dict.fromkeys(f"{one.question} ({one.verdict})".lstrip() for one in refused))


def _steps_repeated(step: Step) -> str:
    numbers = [str(number) for number in sorted({one.repeats for one in step.candidates if one.repeats is not None})]
    if len(numbers) > 1:
        return f" (steps {', '.join(numbers[:-1])} and {numbers[-1]})"
    return f" (step {numbers[0]})" if numbers else ""


def _row_line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(value: object) -> str:
    return "" if pd.isna(value) else _inline(str(value))  # type: ignore[call-overload]


def _inline(text: str) -> str:
    """Return text that Markdown shows letter by letter, on one line."""
    plain = _CONTROL.sub("", text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "<br>".join(_MARKDOWN.sub(r"\\\g<0>", plain).splitlines())
