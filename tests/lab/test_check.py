"""The check of training records: what is told, and by which line; the shipped records pass it."""

import json
from pathlib import Path

import pytest

from bonsai.chains.prompts import load_variants
from bonsai.cli.main import main
from bonsai.errors import UsageError
from bonsai.lab.records import shipped_files
from bonsai.lab.training.check import check
from bonsai.settings import ROOT

VARIANT = load_variants(ROOT / "prompts")["assistant"]
GOOD = {
    "question": "Why do cities need forests?",
    "reasoning": "Streets store heat and shed rain. So look for a living thing that works against both.",
    "answer": "Trees cool the air, soak up rain and give people a quiet place to rest.",
    "next_questions": [{"move": "mechanism", "question": "How do trees cool a hot street?"}],
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mood": "x"}, "unknown key 'mood'"),
        ({"question": ""}, "question is missing"),
        ({"reasoning": ""}, "there is no Reasoning"),
        ({"reasoning": "Why do cities need forests?"}, "the Reasoning is copied from the question"),
        ({"reasoning": GOOD["answer"]}, "the Reasoning is copied from the answer"),
        ({"answer": "Trees cool the air, soak up"}, "the answer does not end with a whole sentence"),
        ({"reasoning": "Streets store heat and"}, "the Reasoning does not end with a whole sentence"),
        ({"question": "Cities need forests."}, "the question is no question"),
        ({"next_questions": ["Trees are nice."]}, "is no question"),
        ({"next_questions": ["Why does a city need forests?"]}, "is a tautology"),
        ({"next_questions": ["How do trees cool a street?", "How does a tree cool a street?"]}, "repeats another one"),
        ({"earlier": ["Why does a city need forests?"]}, "the question repeats an earlier one"),
        ({"answer": "Trees. " * 600}, "at most 1,024 are trained"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(changes: dict[str, object], message: str, tmp_path: Path) -> None:
    file = tmp_path / "records.jsonl"
    other = {**GOOD, "question": "What makes a good teacher?", "next_questions": ["Can patience be learnt?"]}
    file.write_text("".join(json.dumps(one) + "\n" for one in (other, {**GOOD, **changes})))
    (problem,) = check([file], VARIANT, 1024).problems
    assert problem.startswith(f"{file}, line 2: ")
    assert message in problem


def test_a_question_that_repeats_that_of_another_record_is_told(tmp_path: Path) -> None:
    files = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    for file in files:
        file.write_text(json.dumps(GOOD))
    files[1].write_text(json.dumps({**GOOD, "question": "Why does a city need forests?"}))
    assert check(files, VARIANT, 1024).problems == [
        f"{files[1]}, line 1: the question repeats that of {files[0]}, line 1."
    ]
    files[1].write_text(json.dumps({**GOOD, "earlier": ["What is a park for?"]}))
    assert not check(files, VARIANT, 1024).problems


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        check([tmp_path / "none.jsonl"], VARIANT, 1024)


def test_the_shipped_records_pass() -> None:
    found = check(shipped_files(), VARIANT, 1024)
    assert not found.problems
    assert len(found.records) >= 1000
    assert min(count for move, count in found.moves.items()) > 0.08 * found.moves.total()


def test_the_command_says_the_share_of_moves_and_fails_if_something_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "records.jsonl"
    file.write_text(json.dumps(GOOD))
    assert main(["train", "--check", str(file)]) == 0
    assert "moves: mechanism 100%" in capsys.readouterr().err
    file.write_text(json.dumps({**GOOD, "reasoning": ""}))
    assert main(["train", "--check", str(file)]) == 1
    assert capsys.readouterr().out == f"{file}, line 1: there is no Reasoning.\n"


def test_training_needs_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(tmp_path / "records.jsonl")]) == 2
    assert "--out is missing" in capsys.readouterr().err
