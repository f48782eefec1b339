"""Blind judging: which pairs a person sees, and what becomes of the verdicts in figures and files."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bonsai.chains.outcomes import Judgement
from bonsai.reports.comparison import side_by_side
from bonsai.reports.comparison.blind import BlindPair, blind_pairs
from bonsai.reports.exports import export
from bonsai.reports.formats import Format
from bonsai.reports.report import Report, ReportOptions
from bonsai.reports.statistics import WINS, tables
from bonsai.runs.run import Run, loads
from bonsai.runs.run.verdicts import StepVerdict
from tests.runs.journals import finished_journal

NUMBER = 20


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of 20 questions, each asked with two variants."""
    journal = finished_journal(tmp_path_factory.mktemp("blind") / "j.jsonl", NUMBER)
    return journal.run.with_chains(tuple(journal))


def pairs(run: Run, axis: str = "prompt") -> list[BlindPair]:
    return blind_pairs(run, side_by_side(run, axis))


def for_assistant(pair: BlindPair, mark: str) -> StepVerdict:
    """Return the verdict that the assistant's answer is better ("1"), worse ("2") or neither."""
    turned = {"1": "2", "2": "1", "0": "0"}
    return pair.verdict(mark if pair.first.chain.prompt.name == "assistant" else turned[mark])


def test_each_row_is_a_pair_whose_sides_tell_nothing(run: Run) -> None:
    found = pairs(run)
    assert len(found) == NUMBER and pairs(run) == found
    assert all(one.first.chain.questions == one.second.chain.questions for one in found)
    left = [one.first.chain.prompt.name for one in found]
    assert 4 <= left.count("assistant") <= 16
    assert [one.first.chain.number for one in found] != sorted(one.first.chain.number for one in found)


def test_what_is_judged_or_the_same_is_not_asked_for(run: Run) -> None:
    judged = run.with_verdicts([pairs(run)[0].verdict("0")])
    assert pairs(judged) == pairs(run)[1:]
    same = [replace(one, steps=(replace(one.steps[0], answer="So."),)) for one in run.chains]
    assert pairs(run.with_chains(same)) == []


def test_wins_are_counted_with_their_interval_and_test(run: Run) -> None:
    found = pairs(run)
    marks = ["1"] * 14 + ["2"] * 4 + ["0"] * 2
    judged = run.with_verdicts(for_assistant(pair, mark) for pair, mark in zip(found, marks, strict=True))
    statistics = Report.of(judged).statistics
    assert statistics
    (wins,) = [one for one in statistics.figures if one.quantity == WINS]
    # scipy.stats.binomtest(14, 18)
    assert (wins.column, wins.other, wins.items, wins.note) == ("assistant", "logician", 18, "2 ties")
    assert (wins.value, wins.low, wins.high, wins.p) == (0.7778, 0.5236, 0.9359, 0.0309)
    table = tables(statistics)[0]
    assert table.rows == (("assistant : logician", "20", "14", "4", "2", "78%", "52% to 94%", "0.0309"),)
    assert Report.of(judged, ReportOptions(axis="question")).statistics


def test_nobody_judged_is_told_by_nothing(run: Run) -> None:
    statistics = Report.of(run).statistics
    assert statistics and not statistics.wins and tables(statistics)[0].title == "Means over questions"


def test_only_ties_decide_nothing(run: Run) -> None:
    statistics = Report.of(run.with_verdicts(one.verdict("0") for one in pairs(run)[:3])).statistics
    assert statistics
    (wins,) = [one for one in statistics.figures if one.quantity == WINS]
    assert (wins.items, wins.value, wins.note) == (0, None, "3 ties")


def test_llm_comparator_is_given_the_scores(run: Run) -> None:
    by_chain = {min(one.first.chain.number, one.second.chain.number): one for one in pairs(run)}
    said = [for_assistant(by_chain[number], mark) for number, mark in ((1, "1"), (3, "2"), (5, "0"))]
    judged = run.with_verdicts([replace(said[0], reason="clear"), *said[1:]])
    data = json.loads("".join(map(str, export(judged, Format.LLM_COMPARATOR))))
    assert [one["score"] for one in data["examples"][:4]] == [1.0, -1.0, 0.0, None]
    assert data["examples"][0]["individual_rater_scores"] == [{"is_flipped": False, "score": 1.0, "rationale": "clear"}]
    assert data["examples"][3]["individual_rater_scores"] == []


def test_the_json_keeps_verdicts_and_figures(run: Run, tmp_path: Path) -> None:
    judged = run.with_verdicts([pairs(run)[0].verdict("1")])
    text = "".join(map(str, export(judged, Format.JSON)))
    assert loads(text).verdicts == judged.verdicts
    assert WINS in [one["quantity"] for one in json.loads(text)["statistics"]]
    assert judged.verdicts[0].judgement in (Judgement.BETTER, Judgement.WORSE)
