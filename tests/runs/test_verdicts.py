"""What people say of steps: it is kept with the run, in JSON and journal, and belongs to the texts that were read."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bonsai.chains.chain import Chain, branch
from bonsai.chains.outcomes import Judgement, Method
from bonsai.engines.base import SamplingParams
from bonsai.errors import RunFileError, UsageError
from bonsai.runs.journal import Journal, begin_journal, open_journal, read_saved
from bonsai.runs.plan import Grid, Plan
from bonsai.runs.run import Run, dumps, loads
from bonsai.runs.run.verdicts import MAX_REASON, StepVerdict
from tests.exported import to_csv, to_markdown
from tests.runs.journals import PAIR, counted_passes, finished_journal

GOOD, BAD, BETTER, TIE = Judgement.GOOD, Judgement.BAD, Judgement.BETTER, Judgement.TIE
REASONS = ('=cmd|"/c calc"!A1', "明快で、例もよい。", "🌱👍", "two\nlines", "字" * MAX_REASON)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """A journal of two questions, each asked with two variants."""
    yield finished_journal(tmp_path / "j.jsonl", 2)


def saved(journal: Journal) -> Run:
    return journal.run.with_chains(tuple(journal))


def reopened(journal: Journal) -> Journal:
    found = open_journal(journal.file)
    assert found
    return found


@pytest.mark.parametrize("reason", REASONS, ids=range(len(REASONS)))
def test_a_verdict_comes_back_with_every_letter_of_its_reason(journal: Journal, reason: str) -> None:
    verdict = StepVerdict(2, 1, GOOD, reason)
    journal.judge([verdict])
    assert reopened(journal).run.verdicts == journal.run.verdicts == (verdict,)
    assert loads(dumps(saved(journal))).verdicts == (verdict,)


def test_a_verdict_changes_neither_the_id_nor_the_files_of_a_run_without_one(journal: Journal) -> None:
    before = saved(journal)
    after = before.with_verdicts([StepVerdict(1, 1, GOOD)])
    assert after.id == before.id
    assert "verdicts" not in json.loads(dumps(before))
    assert after.with_verdicts([StepVerdict(1, 1, Judgement.NONE)]) == before


def test_the_last_verdict_on_a_step_counts(journal: Journal) -> None:
    journal.judge([StepVerdict(1, 1, GOOD), StepVerdict(1, 1, TIE, beside=2)])
    journal.judge([StepVerdict(1, 1, BAD, "no"), StepVerdict(2, 1, BETTER, beside=1)])
    kept = (StepVerdict(1, 1, BAD, "no"), StepVerdict(1, 1, Judgement.WORSE, beside=2))
    assert reopened(journal).run.verdicts == kept


def test_what_is_said_twice_is_kept_once(journal: Journal) -> None:
    journal.judge([StepVerdict(2, 1, BETTER, beside=1)])
    length = journal.file.stat().st_size
    journal.judge([StepVerdict(2, 1, BETTER, beside=1)])
    assert journal.file.stat().st_size == length


@pytest.mark.parametrize(
    ("verdict", "sentence"),
    [
        (("1", 2, GOOD), "Chain 1 has no step 2; there is 1."),
        (("9", 1, GOOD), "no"),
        (("1", 1, BETTER, "", 9), "no"),
    ],
)
def test_a_step_that_is_not_there_cannot_be_judged(journal: Journal, verdict: tuple[str], sentence: str) -> None:
    chain, *rest = verdict
    one = StepVerdict(int(chain), *rest)  # type: ignore[arg-type]
    for judge in (journal.judge, saved(journal).with_verdicts):
        with pytest.raises(UsageError, match=sentence):
            judge([one])
    assert reopened(journal).run.verdicts == ()


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"judgement": BETTER}, "name the other chain"),
        ({"judgement": GOOD, "beside": 2}, "good or bad alone"),
        ({"judgement": TIE, "beside": 1}, "another chain, not of its own"),
        ({"judgement": GOOD, "reason": "x" * (MAX_REASON + 1)}, "has 10,001 characters; at most 10,000"),
    ],
)
def test_a_verdict_that_says_nothing_is_refused(fields: dict[str, object], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        StepVerdict(1, 1, **fields)  # type: ignore[arg-type]


def test_a_verdict_goes_with_the_texts_that_it_was_said_of(journal: Journal) -> None:
    journal.judge([StepVerdict(1, 1, GOOD), StepVerdict(3, 1, TIE, beside=4), StepVerdict(4, 1, BAD)])
    journal.restart_with_seed(3, 99)
    for one in (journal, reopened(journal)):
        assert one.run.verdicts == (StepVerdict(1, 1, GOOD), StepVerdict(4, 1, BAD))


def test_a_step_that_a_branch_shares_is_judged_once(journal: Journal) -> None:
    first = saved(journal).chains[0]
    chain = replace(first, method=Method.QTQ, length=3)
    grown = branch(chain, number=5, keep=1, question="And then?")
    run = replace(saved(journal), chains=(chain, grown), plan=None).with_verdicts([StepVerdict(5, 1, GOOD)])
    assert run.verdicts == (StepVerdict(1, 1, GOOD),)


def test_a_verdict_of_a_chain_that_is_not_in_the_file_is_told(journal: Journal) -> None:
    data = json.loads(dumps(saved(journal).with_verdicts([StepVerdict(1, 1, GOOD)])))
    data["verdicts"][0]["chain"] = 7
    with pytest.raises(RunFileError, match="The run has no chain 7; there is 1, 2, 3, 4."):
        loads(json.dumps(data))
    data["verdicts"][0] |= {"chain": 1, "judgement": "fine"}
    with pytest.raises(RunFileError, match="verdicts\\[0\\].judgement is 'fine'"):
        loads(json.dumps(data))


def test_files_tell_of_verdicts_and_run_no_formula(journal: Journal) -> None:
    journal.judge([StepVerdict(1, 1, GOOD, "=cmd|x"), StepVerdict(1, 1, BETTER, beside=2)])
    run = read_saved(journal.file)
    lines = to_csv(run).splitlines()
    assert lines[0].endswith(",verdict")
    assert lines[1].endswith(",good: =cmd|x; better than 2.1") and lines[2].endswith(",worse than 1.1")
    report = to_markdown(run)
    assert "**Verdict:** good: =cmd\\|x; better than 2.1" in report
    assert "- **Verdicts:** good 1, bad 0, pairs 1" in report


def test_a_journal_that_another_one_writes_keeps_its_verdicts(journal: Journal) -> None:
    with journal.writing(), pytest.raises(UsageError, match="is being written by another command"):
        reopened(journal).judge([StepVerdict(1, 1, GOOD)])
    reopened(journal).judge([StepVerdict(1, 1, GOOD)])
    with journal.writing():
        assert journal.run.verdicts == (StepVerdict(1, 1, GOOD),)


def test_a_step_that_is_asked_anew_after_a_failure_is_judged_anew(tmp_path: Path) -> None:
    journal = begin_journal(
        tmp_path / "f.jsonl", Plan(Grid(("Why?",), PAIR, (Method.SINGLE,)), SamplingParams(), "m", "", "echo", "words")
    )

    def ended(chain: Chain, **what: str) -> Chain:
        return replace(chain, steps=(replace(chain.steps[0], writing="", **what),), stop_reason="error")  # type: ignore[arg-type]

    journal.append(ended(journal[0], error="out of memory"))
    journal.judge([StepVerdict(1, 1, BAD)])
    journal.reopen([1])
    journal.append(ended(journal[0], answer="So."))
    for one in (journal, reopened(journal)):
        assert one.run.verdicts == ()


def test_the_chains_are_read_once_for_all_verdicts(tmp_path: Path) -> None:
    journal = finished_journal(tmp_path / "long.jsonl", 4)
    with counted_passes() as passes:
        run = journal.run.with_verdicts([StepVerdict.of(number, 1, "good") for number in range(1, 9)])
    assert len(run.verdicts) == 8 and len(passes) == 1
