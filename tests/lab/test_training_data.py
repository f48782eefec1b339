"""Saved runs as training data: the steps that a person marked good become records, and the others are told."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bonsai.chains.advance import advance
from bonsai.chains.chain import new_chain
from bonsai.chains.outcomes import Flag, Judgement
from bonsai.chains.prompts import load_variants
from bonsai.cli.main import main
from bonsai.engines.base import SamplingParams
from bonsai.engines.echo import EchoEngine
from bonsai.errors import UsageError
from bonsai.lab.records import NextQuestion, Record
from bonsai.lab.records.training_data import read_data
from bonsai.runs.run import Run, dumps
from bonsai.runs.run.verdicts import StepVerdict
from bonsai.settings import ROOT
from tests.runs.journals import finished_journal

VARIANT = load_variants(ROOT / "prompts")["logician"]


@pytest.fixture(scope="module")
def run() -> Run:
    """A run of four steps."""
    engine, params = EchoEngine(), SamplingParams(seed=1)
    chain = new_chain("Why do cities need forests?", "qtq", VARIANT, length=4, candidates=2, seed=1, moves="auto")
    *_, chains = advance(engine, [chain], params)
    assert len(chains[0].steps) == 4
    return Run(chains, params, "echo", "", "echo")


def saved(tmp_path: Path, run: Run, *verdicts: StepVerdict) -> Path:
    file = tmp_path / "run.json"
    file.write_text(dumps(run.with_verdicts(verdicts)), encoding="utf-8")
    return file


def records(file: Path, said: list[str]) -> Sequence[Record]:
    return [one for one in read_data(file, said.append) if isinstance(one, Record)]


def test_good_steps_become_records_and_others_are_told(run: Run, tmp_path: Path) -> None:
    marked = (StepVerdict(1, 2, Judgement.GOOD, "明快"), StepVerdict(1, 3, Judgement.BAD))
    file, said = saved(tmp_path, run, *marked), list[str]()
    first, second = run.chains[0].steps[:2]
    assert records(file, said) == [
        Record(
            second.question,
            second.answer,
            second.reasoning,
            (NextQuestion(second.next_question, second.move),),
            (first.question,),
            VARIANT.persona,
        )
    ]
    assert said == [f"{file}: 1 of 4 steps are marked good and become records; left out: 1 marked bad, 2 not marked."]


def test_a_good_step_that_was_cut_teaches_nothing(run: Run, tmp_path: Path) -> None:
    cut = replace(run.chains[0].steps[0], flags=(Flag.TRUNCATED,))
    chain = replace(run.chains[0], steps=(cut, *run.chains[0].steps[1:]))
    marked = [StepVerdict(1, number, Judgement.GOOD) for number in (1, 2)]
    said: list[str] = []
    assert len(records(saved(tmp_path, run.with_chains((chain,)), *marked), said)) == 1
    assert said[0].endswith("left out: 2 not marked, 1 marked good but cut or without an answer.")


def test_a_run_that_nobody_marked_is_refused(run: Run, tmp_path: Path) -> None:
    file = saved(tmp_path, run, StepVerdict(1, 1, Judgement.BAD))
    with pytest.raises(UsageError, match="without a whole step that is marked good"):
        records(file, [])


def test_a_pair_that_was_judged_is_no_good_step(tmp_path: Path) -> None:
    journal = finished_journal(tmp_path / "j.jsonl", 1)
    journal.judge([StepVerdict(1, 1, Judgement.BETTER, beside=2), StepVerdict(2, 1, Judgement.GOOD)])
    (record,) = records(journal.file, [])
    assert (record.answer, record.reasoning) == ("Because of 2.", "It is so.")


def test_check_takes_runs_beside_records(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = saved(tmp_path, run, StepVerdict(1, 1, Judgement.GOOD))
    lines = tmp_path / "records.jsonl"
    lines.write_text('{"question": "What is a park for?", "reasoning": "Think of rest.", "answer": "For rest."}')
    main(["train", "--check", str(file), str(lines)])
    told = capsys.readouterr().err
    assert "1 of 4 steps are marked good" in told and "2 records with 1 next questions" in told
