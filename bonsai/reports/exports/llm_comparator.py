"""Runs for LLM Comparator, a page that shows the texts of two models side by side.

The format is that of https://github.com/PAIR-code/llm-comparator (Kahng et al. 2024, https://arxiv.org/abs/2402.10524).
"""

import json
from collections.abc import Iterator
from typing import Any

from bonsai.reports.comparison import Cell, Line
from bonsai.reports.report import Report

_FIELDS = {
    "step": "number",
    "reasoning": "per_model_text",
    "next_question": "per_model_text",
    "similarity": "per_model_number",
    "new_content": "per_model_number",
    "completion_tokens": "per_model_number",
    "flags": "per_model_category",
}


def comparator_json(report: Report) -> str:
    """Return a run as the JSON that LLM Comparator reads: an example for each step that the first two columns share.

    Nobody has judged the answers, so every score is null. The report must hold the steps side by side, in two columns
    at least.
    """
    run, comparison = report.run, report.comparison
    assert comparison is not None
    pair = comparison.columns[0], comparison.columns[1]
    data = {
        "metadata": {
            "source_path": f"Bonsai run {run.id}, {run.model}",
            "custom_fields_schema": [{"name": name, "type": kind} for name, kind in _FIELDS.items()],
        },
        "models": [{"name": column} for column in pair],
        "examples": [example for line in comparison.lines for example in _examples(line, pair)],
    }
    return json.dumps(data, ensure_ascii=False, indent=2) + "\n"


def _examples(line: Line, pair: tuple[str, str]) -> Iterator[dict[str, Any]]:
    """Yield an example for each seed of a line that both columns have."""
    ours, theirs = (_by_seed(line.cells[column]) for column in pair)
    for seed, one in ours.items():
        if seed not in theirs:
            continue
        other = theirs[seed]
        yield {
            "input_text": one.question if line.step == 1 else f"{one.question} / {other.question}",
            "tags": [text for name, text in line.labels.items() if name != "question"],
            "output_text_a": one.answer,
            "output_text_b": other.answer,
            "score": None,
            "individual_rater_scores": [],
            "custom_fields": {
                "step": line.step,
                **{name: [getattr(one, name), getattr(other, name)] for name in list(_FIELDS)[1:-1]},
                "flags": [" ".join(one.flags), " ".join(other.flags)],
            },
        }


def _by_seed(cell: Cell) -> dict[int, Any]:
    return {entry.chain.seed: entry.step for entry in cell.entries}
