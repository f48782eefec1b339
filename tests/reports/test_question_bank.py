"""The question bank: what a run proposed and did not ask."""

from dataclasses import replace
from pathlib import Path

from bonsai.chains.chain import Chain, new_chain
from bonsai.chains.guard import Candidate
from bonsai.chains.outcomes import StopReason, Verdict
from bonsai.chains.prompts import load_variants
from bonsai.engines.base import SamplingParams
from bonsai.reports.exports import export
from bonsai.reports.formats import Format
from bonsai.reports.question_bank import QuestionBank
from bonsai.runs.question_lists import read_questions
from bonsai.runs.run import Run
from bonsai.settings import ROOT

VARIANT = load_variants(ROOT / "prompts")["assistant"]


def candidate(question: str, closeness: float, verdict: Verdict = Verdict.ACCEPTED, move: str = "") -> Candidate:
    return Candidate(question, verdict, 1, closeness=closeness, move=move)


def chain_with(*candidates: Candidate, asked: str = "", number: int = 1) -> Chain:
    chain = new_chain("Why does rain smell?", "qtq", VARIANT, number=number)
    told = {"answer": "Soil gives off oils.", "candidates": candidates, "next_question": asked}
    step = replace(chain.steps[0], writing="", **told)
    return replace(chain, steps=(step,), stop_reason=StopReason.DONE)


def bank(*chains: Chain) -> list[str]:
    found = QuestionBank()
    for chain in chains:
        found.add(chain)
    return [entry.question for entry in found.entries()]


def test_good_candidates_that_were_not_asked_come_best_first() -> None:
    chain = chain_with(
        candidate("Which plants make the oils?", 0.4),
        candidate("How far does the smell travel?", 0.6),
        candidate("Who first described petrichor?", 0.9),
        candidate("Is it nice?", 0.9, Verdict.OFF_TOPIC),
        asked="Who first described petrichor?",
    )
    assert bank(chain) == ["How far does the smell travel?", "Which plants make the oils?"]


def test_a_question_stands_once_and_none_that_was_asked() -> None:
    first = chain_with(candidate("Which plants make the oils?", 0.4), candidate("Why does rain smell?", 0.8))
    second = chain_with(candidate("Which plants make the oils?", 0.5), number=2)
    assert bank(first, second) == ["Which plants make the oils?"]


def test_an_entry_names_what_a_branch_begins_with() -> None:
    found = QuestionBank()
    found.add(chain_with(candidate("", 0, Verdict.EMPTY), candidate("How far does the smell travel?", 0.6), number=3))
    (entry,) = found.entries()
    assert (entry.chain, entry.step, entry.candidate) == (3, 1, 2)


def test_the_list_can_be_asked_and_stands_in_the_report(tmp_path: Path) -> None:
    run = Run((chain_with(candidate("How far does\nthe smell travel?", 0.6)),), SamplingParams(), "echo", "", "echo")
    file = tmp_path / "left.questions.txt"
    file.write_text("".join(export(run, Format.QUESTIONS)))
    assert [*read_questions(file, most=10).questions] == ["How far does the smell travel?"]
    assert "## Questions not asked yet" in "".join(export(run, Format.MARKDOWN))
