"""The table and its files: nothing is lost, nothing runs, nothing breaks the table."""

import csv
import io
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bonsai.chain import Chain, Step
from bonsai.engines.base import SamplingParams
from bonsai.errors import RunFileError
from bonsai.prompts import PromptVariant
from bonsai.runs import Run, dumps, loads, write_whole
from bonsai.table import COLUMNS, frame, to_csv, to_markdown

VARIANT = PromptVariant("plain", "A variant.", "", {"single": "$question"}, "", ("<|",))
NASTY = 'He said "no", then\r\n| left | <script>alert(1)</script> ![x](http://x/y) *bold* `code` \\ ﾊﾛｰ 日本語 🌱'
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=60)


def run_of(*steps: Step) -> Run:
    chain = Chain(1, "qtq", VARIANT, steps, length=len(steps), stop_reason="done")
    return Run((chain,), SamplingParams(stop=("x",)), "model", "adapter", "echo")


def step(number: int = 1, **texts: str) -> Step:
    return Step(number, **{"question": "Why?", "writing": "", "answer": "So.", **texts})  # type: ignore[arg-type]


def read_csv(text: str) -> list[dict[str, str]]:
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


def markdown_rows(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_columns_are_the_contract() -> None:
    expected = (
        "run chain step method prompt question reasoning answer next_question similarity nearest new_content flags "
        "model adapter seed prompt_tokens completion_tokens seconds"
    )
    assert " ".join(COLUMNS) == expected
    assert list(frame(run_of(step())).columns) == list(COLUMNS)
    assert list(read_csv(to_csv(run_of(step())))[0]) == list(COLUMNS)


def test_only_finished_steps_are_rows() -> None:
    assert len(frame(run_of(step(1), Step(2, "Next?", "answer")))) == 1


@pytest.mark.parametrize("start", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "＝1"])
def test_a_cell_never_runs_as_a_formula(start: str) -> None:
    (row,) = read_csv(to_csv(run_of(step(question=start))))
    assert row["question"] == "'" + start


def test_csv_keeps_nasty_text() -> None:
    (row,) = read_csv(to_csv(run_of(step(answer=NASTY))))
    assert row["answer"] == NASTY


@given(TEXT, TEXT)
def test_csv_round_trip(question: str, answer: str) -> None:
    rows = read_csv(to_csv(run_of(step(question=question, answer=answer))))
    drawn = frame(run_of(step(question=question, answer=answer))).iloc[0]
    assert len(rows) == 1
    assert rows[0]["question"].removeprefix("'") == drawn["question"].removeprefix("'")
    assert rows[0]["answer"].removeprefix("'") == drawn["answer"].removeprefix("'")


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


@given(TEXT, TEXT, st.floats(0, 1), st.lists(st.sampled_from(["truncated", "stopped"]), unique=True))
def test_json_is_lossless(question: str, answer: str, share: float, flags: list[str]) -> None:
    run = run_of(Step(1, question, "", answer=answer, new_content=share, flags=tuple(flags)))
    assert loads(dumps(run)) == run


def test_the_run_id_depends_on_what_was_asked_only() -> None:
    assert run_of(step(answer="One.")).id == run_of(step(answer="Two.")).id
    assert run_of(step()).id != run_of(step(question="Who?")).id
    assert re.fullmatch("[0-9a-f]{8}", run_of(step()).id)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[]", "'format' is missing"),
        ('{"format": 2}', "reads format 1"),
        ('{"format": 1}', "'chains' is missing"),
        (dumps(run_of(step())).replace('"qtq"', '"magic"'), "unknown method"),
        (dumps(run_of(step())).replace('"length"', '"longth"'), "longth"),
    ],
)
def test_what_is_not_a_run_is_refused(text: str, message: str) -> None:
    with pytest.raises(RunFileError, match=message):
        loads(text, "x.json")


def test_writing_never_leaves_half_a_file(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    write_whole(file, b"old")
    with pytest.raises(RunFileError, match="cannot be written"):
        write_whole(tmp_path / "missing" / "table.csv", b"new")
    write_whole(file, b"new")
    assert file.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [file]
