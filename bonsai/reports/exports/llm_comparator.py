"""Runs for LLM Comparator, a page that shows the texts of two models side by side.

The format is that of https://github.com/PAIR-code/llm-comparator (Kahng et al. 2024, https://arxiv.org/abs/2402.10524).
"""

import json
from typing import Any

from bonsai.chains.outcomes import Judgement
from bonsai.reports.comparison import Entry, Line
from bonsai.reports.report import Report
from bonsai.runs.run import Run

_FIELDS = {
    "step": "number",
    "reasoning": "per_model_text",
    "next_question": "per_model_text",
    "similarity": "per_model_number",
    "new_content": "per_model_number",
    "completion_tokens": "per_model_number",
    "flags": "per_model_category",
}

_SCORES = {Judgement.BETTER: 1.0, Judgement.WORSE: -1.0, Judgement.TIE: 0.0}


def comparator_json(report: Report) -> str:
    """Return a run as the JSON that LLM Comparator reads: an example for each step that the first two columns share.

    The score of those that people judged is 1 where the first is better, -1 where the second is, and 0 for a tie; of
    others it is null. The report must hold the steps side by side, in two columns at least.
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
        "examples": [
            _example(run, line, *entries) for line in comparison.lines for entries in comparison.pairs(line, *pair)
        ],
    }
    return json.dumps(data, ensure_ascii=False, indent=2) + "\n"


def _example(run: Run, line: Line, ours: Entry, theirs: Entry) -> dict[str, Any]:
    one, other = ours.step, theirs.step
    verdict = next((said for said in run.verdicts_of(ours.chain, one) if said.is_beside(theirs.chain.number)), None)
    score = verdict and _SCORES[verdict.judgement_of(ours.chain.number)]
    return {
        "input_text": one.question if line.step == 1 else f"{one.question} / {other.question}",
        "tags": [text for name, text in line.labels.items() if name != "question"],
        "output_text_a": one.answer,
        "output_text_b": other.answer,
        "score": score,
        "individual_rater_scores": [{"is_flipped": False, "score": score, "rationale": verdict.reason}]
        if verdict
        else [],
        "custom_fields": {
            "step": line.step,
            **{name: [getattr(one, name), getattr(other, name)] for name in list(_FIELDS)[1:-1]},
            "flags": [" ".join(one.flags), " ".join(other.flags)],
        },
    }
