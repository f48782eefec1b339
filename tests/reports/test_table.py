"""The table and its files: nothing is lost, nothing runs, nothing breaks the table."""

import csv
import io
import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bonsai.chains.chain import Chain, branch
from bonsai.chains.conclusion import Conclusion
from bonsai.chains.guard import Candidate
from bonsai.chains.outcomes import Flag, Method, Role, StopReason, Verdict
from bonsai.chains.prompts import PromptVariant
from bonsai.chains.step import Step
from bonsai.engines.base import SamplingParams
from bonsai.engines.echo import EchoEngine
from bonsai.errors import RunFileError
from bonsai.measures.reasoning.controls import Control
from bonsai.measures.reasoning.effect import ReasoningTest, reasoning_effect
from bonsai.measures.similarity import WORDS
from bonsai.reports.table import COLUMNS, rows
from bonsai.runs.branch_request import BranchRequest
from bonsai.runs.run import Run, dumps, loads
from bonsai.runs.tables.formulas import cell_text
from bonsai.runs.tables.output_files import write_whole
from tests.exported import to_csv, to_markdown

VARIANT = PromptVariant("plain", "A variant.", "", dict.fromkeys(Role, "$question"), "", ("<|",))
NASTY = 'He said "no", then\r\n| left | <script>alert(1)</script> ![x](http://x/y) *bold* `code` \\ ﾊﾛｰ 日本語 🌱'
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=60)


def run_of(*steps: Step) -> Run:
    chain = Chain(1, Method.QTQ, VARIANT, steps, length=len(steps), stop_reason=StopReason.DONE)
    return Run((chain,), SamplingParams(stop=("x",)), "model", "adapter", "echo")


def step(number: int = 1, **texts: Any) -> Step:
    return Step(number, **{"question": "Why?", "writing": "", "answer": "So.", **texts})  # type: ignore[arg-type]


def read_csv(text: str) -> list[dict[str, str]]:
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


def markdown_rows(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_a_conclusion_that_failed_is_flagged_in_its_row() -> None:
    run = run_of(step(1), step(2, flags=(Flag.NO_PROGRESS,)))
    failed = replace(run.chains[0], conclusion=Conclusion(writing=False, error="The server is gone."))
    found = list(rows(run.with_chains((failed,))))
    assert [(row["flags"], row["conclusion"]) for row in found] == [("", ""), ("no-progress error", "")]


def test_columns_are_the_contract() -> None:
    expected = (
        "run chain step method prompt question reasoning answer next_question similarity nearest new_content flags "
        "model adapter seed prompt_tokens completion_tokens seconds move conclusion verdict"
    )
    assert " ".join(COLUMNS) == expected
    assert [list(row) for row in rows(run_of(step()))] == [list(COLUMNS)]
    assert list(read_csv(to_csv(run_of(step())))[0]) == list(COLUMNS)


def test_only_finished_steps_are_rows() -> None:
    assert len(list(rows(run_of(step(1), Step(2, "Next?", "answer"))))) == 1


@pytest.mark.parametrize("start", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "＝1"])
def test_a_cell_never_runs_as_a_formula(start: str) -> None:
    (row,) = read_csv(to_csv(run_of(step(question=start))))
    assert row["question"] == "'" + start


def test_csv_keeps_nasty_text() -> None:
    (row,) = read_csv(to_csv(run_of(step(answer=NASTY))))
    assert row["answer"] == NASTY


@given(TEXT, TEXT)
def test_csv_round_trip(question: str, answer: str) -> None:
    run = run_of(step(question=question, answer=answer))
    (read,), (row,) = read_csv(to_csv(run)), rows(run)
    assert (cell_text(read["question"]), cell_text(read["answer"])) == (row["question"], row["answer"])


@given(TEXT, TEXT)
def test_markdown_table_has_one_line_a_row_and_all_columns(question: str, answer: str) -> None:
    header, rule, *rows = markdown_rows(to_markdown(run_of(step(question=question, answer=answer), step(2))))
    assert header == list(COLUMNS)
    assert len(rows) == 2
    assert {len(row) for row in (rule, *rows)} == {len(COLUMNS)}


def test_markdown_shows_text_letter_by_letter() -> None:
    report = to_markdown(run_of(step(answer=NASTY)))
    assert "<script>" not in report
    assert "\\| left \\|" in report
    assert "!\\[x\\](http" in report
    assert "\\*bold\\*" in report


def test_markdown_has_a_section_for_each_step() -> None:
    report = to_markdown(run_of(step(1, reasoning="Weigh it."), step(2, question="How so?")))
    assert re.findall(r"^## (.+)$", report, re.MULTILINE) == ["Step 1", "Step 2"]
    assert "**Reasoning:** Weigh it." in report
    assert "**Question:** How so?" in report


def test_the_report_says_what_measured() -> None:
    assert "\nMeasured with words.\n" in to_markdown(run_of(step()))
    assert "\nMeasured with some/embedder.\n" in to_markdown(replace(run_of(step()), measure="some/embedder"))


def test_a_section_says_what_is_wrong_with_a_reasoning_and_whether_it_was_used() -> None:
    good = to_markdown(run_of(replace(step(reasoning="Weigh it."), reasoning_state="present")))
    assert "State of the Reasoning" not in good
    bad = replace(step(reasoning="Why?"), reasoning_state="copied from the question", reasoning_tries=2)
    report = to_markdown(run_of(replace(bad, reasoning_test=ReasoningTest("So.", "No.", "So, so.", 0.62, 0.35))))
    assert "**State of the Reasoning:** copied from the question, and was asked for twice\n" in report
    assert "**Was the Reasoning used?** Without it the answer changes by 62%, with its words shuffled by 35%." in report
    test = reasoning_effect(["So."] * 5, {Control.HALF: "It is"}, {Control.HALF: ["No."] * 3})
    report = to_markdown(run_of(replace(bad, reasoning_test=test)))
    assert "With other seeds alone it changes by 0%. first half: yes (100%, p = 0.02)." in report


def test_a_section_lists_each_rejected_candidate_once() -> None:
    repeating = [Candidate("Why?", Verdict.REPEATS, seed, repeats=1) for seed in (1, 2)]
    candidates = (*repeating, Candidate("", Verdict.EMPTY, 1), Candidate("Who|?", Verdict.ACCEPTED, 1))
    report = to_markdown(run_of(replace(step(), candidates=candidates)))
    assert "**Rejected:** Why? (repeats step 1); (empty)\n" in report


@pytest.mark.parametrize(
    ("repeated", "steps"),
    [
        ([2, 2], "(step 2)"),
        ([10, None, 2], "(steps 2 and 10)"),
        ([3, 1, 2], "(steps 1, 2 and 3)"),
    ],
)
def test_the_end_by_tautology_names_the_steps(repeated: list[int | None], steps: str) -> None:
    candidates = tuple(
        Candidate("Why?", Verdict.REPEATS if number else Verdict.OFF_TOPIC, 1, repeats=number) for number in repeated
    )
    run = run_of(replace(step(), candidates=candidates))
    ended = run.with_chains((replace(run.chains[0], stop_reason=StopReason.TAUTOLOGY),))
    assert f"every proposed next question repeats one that was asked before {steps}." in to_markdown(ended)


def tree() -> Run:
    """Return a run of two steps, with a branch after the second and a branch of that from its first step on."""
    found = {"Who loses?": Verdict.ACCEPTED, "": Verdict.EMPTY, "When?": Verdict.ACCEPTED}
    proposed = tuple(Candidate(text, verdict, seed) for seed, (text, verdict) in enumerate(found.items(), start=1))
    run = run_of(step(1), replace(step(2, question="How so?"), candidates=proposed))
    run = grown(branched(run, chain=1, step=2, candidate=3))
    return grown(branched(run, chain=2, step=1, question="Where?"))


def branched(run: Run, **asked: Any) -> Run:
    engine = EchoEngine()
    engine.info = replace(engine.info, model_id=run.model, adapter_id=run.adapter)
    return BranchRequest(**asked).resolve(run, engine, WORDS, {})


def grown(run: Run) -> Run:
    *others, last = run.chains
    written = replace(last.steps[-1], answer="Then.", writing="")
    return run.with_chains((*others, replace(last, steps=(*last.steps[:-1], written), stop_reason="done")))


def test_a_branch_asks_a_candidate_after_its_step_or_begins_the_step_again() -> None:
    first, second, third = tree().chains
    assert (second.parent, second.shared, second.questions) == (1, 2, ("Why?", "How so?", "When?"))
    assert (third.parent, third.shared, third.questions) == (2, 0, ("Where?",))
    assert second.steps[:2] == first.steps


def test_steps_that_a_branch_shares_are_rows_of_their_own_chain_alone() -> None:
    table = rows(tree())
    assert [(row["chain"], row["step"], row["question"]) for row in table] == [
        (1, 1, "Why?"),
        (1, 2, "How so?"),
        (2, 3, "When?"),
        (3, 1, "Where?"),
    ]


def test_a_section_says_where_its_chain_branched() -> None:
    assert re.findall(r"^## (.+)$", to_markdown(tree()), re.MULTILINE) == [
        "Questions not asked yet",
        "Table",
        "Chain 1, step 1",
        "Chain 1, step 2",
        "Chain 2 (from chain 1, step 2), step 3",
        "Chain 3 (from chain 2), step 1",
    ]


def test_a_branch_changes_neither_the_id_nor_the_old_chains() -> None:
    old, run = run_of(step(1), step(2, question="How so?")), tree()
    assert run.id == old.id
    assert run.chains[0].questions == old.chains[0].questions
    assert loads(dumps(run)) == run


def test_a_branch_by_another_model_says_so_in_its_rows() -> None:
    *others, last = tree().chains
    table = rows(tree().with_chains((*others, replace(last, model="other", adapter=""))))
    assert [(row["model"], row["adapter"]) for row in table] == [("model", "adapter")] * 3 + [("other", "")]
    assert branch(replace(last, model="other"), number=9, keep=0, question="Whose?").model == ""


@given(TEXT, TEXT, st.floats(0, 1), st.lists(st.sampled_from(["truncated", "stopped"]), unique=True))
def test_json_is_lossless(question: str, answer: str, share: float, flags: list[str]) -> None:
    effects = {Control.WITHOUT: "", Control.SHUFFLED: question}
    test = reasoning_effect([answer, question], effects, {Control.WITHOUT: [answer], Control.SHUFFLED: [question]})
    repeating = Candidate(question, Verdict.REPEATS, 3, repeats=1)
    candidates = (Candidate(question, Verdict.ACCEPTED, 1, share, share, 1), repeating)
    written = Step(1, question, "", answer=answer, new_content=share, flags=tuple(flags), candidates=candidates)
    run = run_of(replace(written, reasoning_state="present", reasoning_tries=2, reasoning_test=test))
    assert loads(dumps(run)) == run


def test_a_run_saved_before_branches_and_tests_is_read() -> None:
    candidates = (Candidate("Who?", Verdict.ACCEPTED, 1),)
    run = run_of(replace(step(), candidates=candidates))
    data = json.loads(dumps(run))
    for item, keys in (
        (data, ("measure",)),
        (data["chains"][0], ("parent", "shared", "stop_without_progress", "guarded", "model", "adapter")),
        (data["chains"][0]["steps"][0], ("reasoning_state", "reasoning_tries", "reasoning_test")),
        (data["chains"][0]["steps"][0]["candidates"][0], ("nearest",)),
    ):
        for key in keys:
            del item[key]
    assert loads(json.dumps(data)) == run


def test_the_run_id_depends_on_what_was_asked_only() -> None:
    assert run_of(step(answer="One.")).id == run_of(step(answer="Two.")).id
    assert run_of(step()).id != run_of(step(question="Who?")).id
    assert re.fullmatch("[0-9a-f]{8}", run_of(step()).id)


SAVED = json.loads(dumps(run_of(step())))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[]", "'format' is missing"),
        ('{"format": 2}', "reads format 1"),
        ('{"format": 1}', "'chains' is missing"),
        (dumps(run_of(step())).replace('"qtq"', '"magic"'), r"chains\[0\].method is 'magic'; it must be 'single'"),
        (dumps(run_of(step())).replace('"length"', '"longth"'), r"key 'longth' is unknown in chains\[0\]"),
        (
            dumps(run_of(step())).replace('"reasoning": ""', '"reasoning": 3'),
            r"\.reasoning is 3; it must be text",
        ),
        (
            dumps(run_of(step())).replace('"seconds": ', '"seconds": "x", "y": '),
            r"steps\[0\].seconds is 'x'; it must be a number",
        ),
        (dumps(run_of(step())).replace('"number"', '"no"'), r"key 'number' is missing in chains\[0\]"),
        (dumps(run_of(step())).replace('"reasoning_state": ""', '"reasoning_state": 1'), "reasoning_state is 1; "),
        (json.dumps({**SAVED, "chains": [{**SAVED["chains"][0], "steps": []}]}), "a chain without steps"),
    ],
)
def test_what_is_not_a_run_is_refused(text: str, message: str) -> None:
    with pytest.raises(RunFileError, match=message):
        loads(text, "x.json")


def test_writing_never_leaves_half_a_file(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    write_whole(file, ["old"])
    with pytest.raises(RunFileError, match="cannot be written"):
        write_whole(tmp_path / "missing" / "table.csv", ["new"])
    write_whole(file, ["n", "ew"])
    assert file.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_is_on_the_disk_before_it_takes_the_place_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    for name in ("fsync", "replace"):
        really = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *given, name=name, really=really: (done.append(name), really(*given)))
    write_whole(tmp_path / "run.json", ["{}"])
    assert done == ["fsync", "replace"] and (tmp_path / "run.json").read_text() == "{}"
