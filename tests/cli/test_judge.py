"""The command `judge`: verdicts are kept in the file of the run, whichever it is, and pairs are shown without names."""

import io
import json
from pathlib import Path

import pytest

from bonsai.cli.main import main
from bonsai.runs.journal import read_saved
from bonsai.runs.run import Run, dumps
from tests.runs.journals import finished_journal


@pytest.fixture(params=["json", "journal"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A saved run of three questions, each asked with two variants."""
    journal = finished_journal(tmp_path / "run.jsonl", 3)
    if request.param == "journal":
        return journal.file
    saved = tmp_path / "run.json"
    saved.write_text(dumps(journal.run.with_chains(tuple(journal))))
    return saved


def judged(file: Path) -> list[tuple[int, int, str, str, int]]:
    return [(one.chain, one.step, str(one.judgement), one.reason, one.beside) for one in read_saved(file).verdicts]


def test_a_step_is_marked_with_a_reason(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mark = ["judge", str(file), "--chain", "2", "--step", "1", "--verdict"]
    assert main([*mark, "good", "--reason", " =cmd|' 明快 🌱 "]) == 0
    assert judged(file) == [(2, 1, "good", "=cmd|' 明快 🌱", 0)]
    assert main(["show", str(file), "--format", "csv"]) == 0
    assert capsys.readouterr().out.splitlines()[2].endswith(",good: =cmd|' 明快 🌱")
    assert main([*mark, "none"]) == 0
    assert judged(file) == []


def test_pairs_are_judged_without_names(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("1\nwell\n0\n"))
    assert main(["judge", str(file)]) == 0
    out, err = capsys.readouterr()
    assert "assistant" not in err and "logician" not in err and "3 of 3: Why" in err
    assert len(judged(file)) == 2
    assert "| assistant : logician | 2 |" in out
    monkeypatch.setattr("sys.stdin", io.StringIO("2\n"))
    assert main(["judge", str(file)]) == 0
    assert len(judged(file)) == 3
    assert main(["judge", str(file)]) == 0
    assert "No pair with two different answers is left to judge." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--step", "1"], "say what you think of it with --verdict"),
        (["--verdict", "good"], "are of one step; name it with --step"),
        (["--chain", "1"], "are of one step; name it with --step"),
        (["--step", "1", "--verdict", "good", "--columns", "prompt"], "leave it out, or --step"),
        (["--step", "4", "--verdict", "good"], "Chain 1 has no step 4; there is 1."),
        (["--chain", "9", "--step", "1", "--verdict", "bad"], "hain 9"),
        (["--chain", "0", "--step", "1", "--verdict", "bad"], "hain 0"),
        (["--step", "1", "--verdict", "better"], "name the other chain"),
        (["--step", "1", "--verdict", "bad", "--reason", "x" * 10_001], "has 10,001 characters"),
    ],
)
def test_what_cannot_be_kept_is_told_and_changes_nothing(
    file: Path, options: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = file.read_bytes()
    assert main(["judge", str(file), *options]) == 2
    assert sentence in capsys.readouterr().err
    assert file.read_bytes() == before


def test_a_run_of_one_column_has_no_pairs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = finished_journal(tmp_path / "run.jsonl", 1)
    file = tmp_path / "one.json"
    file.write_text(dumps(Run(tuple(journal)[:1], journal.plan.sampling, "m", "", "echo")))
    assert main(["judge", str(file)]) == 2
    assert "has but one column" in capsys.readouterr().err


def test_a_run_of_an_older_version_is_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = finished_journal(tmp_path / "run.jsonl", 1)
    data = json.loads(dumps(journal.run.with_chains(tuple(journal))))
    assert "verdicts" not in data
    del data["plan"]
    file = tmp_path / "old.json"
    file.write_text(json.dumps(data))
    monkeypatch.setattr("sys.stdin", io.StringIO("1"))
    assert main(["judge", str(file)]) == 0
    assert len(judged(file)) == 1
