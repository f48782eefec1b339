"""Files of any content are read or refused with a sentence, and what is written by us or others comes back as it was.

`pytest --hypothesis-profile fuzz tests/runs/test_files_fuzz.py` tries 10,000 of each.
"""

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bonsai.chains.advance import advance_each
from bonsai.chains.formats import split_thought
from bonsai.chains.prompts import load_variants
from bonsai.chains.questions import first_question
from bonsai.engines.base import SamplingParams
from bonsai.engines.echo import EchoEngine
from bonsai.errors import BonsaiError, QuestionError, UsageError
from bonsai.reports.exports import export
from bonsai.reports.formats import Format
from bonsai.runs.journal import begin_journal, read_saved
from bonsai.runs.journal.progress import record
from bonsai.runs.plan import Grid, Plan
from bonsai.runs.question_lists import FORMS, pasted, read_questions
from bonsai.runs.run import dumps
from bonsai.runs.scoring import read_turns
from bonsai.runs.tables.encodings import DamagedTextError, decode
from bonsai.runs.tables.excel_files import Workbook, read_excel
from bonsai.runs.tables.formulas import cell_text, escape_formula
from bonsai.settings import ROOT

# A file is written anew for each example, in one folder.
same_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

# What files are made of, more often than chance has it.
PIECES = st.sampled_from(
    ["question", "id", "質問", "Why?", "なぜですか", ",", ";", "\t", "|", '"', '""', "'", "\r\n", "\n", "\r", "sep=;"]
    + ["#", " ", "{", "}", "[", "]", ":", '{"question": "Why?"}', "\ufeff", "\x1a", "\x00", "\u2028", "=1", "-", "--"]
    + ["\\", "null", "1"]
)
PIECED = st.lists(PIECES | st.text(max_size=3), max_size=25).map("".join)
ENCODINGS = st.sampled_from(
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp932", "euc_jp", "gb18030"]
)
ANY_FILE = st.binary(max_size=200) | st.builds(lambda text, name: text.encode(name, "replace"), PIECED, ENCODINGS)

LETTERS = st.sampled_from("abcxyz éß,;|\"'()-=+@#.:/雨なぜ🐦\u2028\x85")
WORDS = st.lists(st.text(LETTERS, min_size=1, max_size=12), min_size=1, max_size=4)
QUESTIONS = WORDS.map(lambda words: "Why " + " ".join(" ".join(words).split()) + "?")
LISTS = st.lists(QUESTIONS, min_size=1, max_size=6, unique_by=lambda text: " ".join(text.casefold().split()))
JAPANESE = st.text(
    "なぜのはがをにでとるたかい雨水空海山川人日本国学生何時間年方地語力。、？ABC 12\n", min_size=10, max_size=60
)
CELLS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=20)


@same_folder
@given(data=ANY_FILE, form=st.sampled_from([*FORMS, "tsv", "xlsm", "ndjson"]))
def test_any_file_is_a_list_or_a_sentence(tmp_path: Path, data: bytes, form: str) -> None:
    file = tmp_path / f"list.{form}"
    file.write_bytes(data)
    try:
        found = read_questions(file, 1000)
    except UsageError as error:
        assert str(file) in str(error)
    else:
        assert found.questions and all(question.strip() == question != "" for question in found.questions)
    try:
        assert read_turns(file).rows
    except UsageError as error:
        assert str(file) in str(error)


@given(PIECED)
def test_any_text_that_is_pasted_is_a_list_or_a_sentence(text: str) -> None:
    try:
        assert pasted(text, 1000).questions
    except UsageError as error:
        assert "The list" in str(error)


@given(JAPANESE, ENCODINGS)
def test_japanese_is_read_as_it_was_written_or_not_at_all(text: str, encoding: str) -> None:
    text = "なぜ雨は降るのですか。" + text
    try:
        found = decode(text.encode(encoding))
    except DamagedTextError:
        return
    assert found is None or found.text == text or encoding == "gb18030"


@same_folder
@given(
    questions=LISTS,
    separator=st.sampled_from(",;\t|"),
    end=st.sampled_from(["\r\n", "\n", "\r"]),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    head=st.sampled_from(["", "My list{end}", "sep={separator}{end}", "# mine{end}"]),
    more=st.integers(0, 2),
)
def test_questions_come_back_from_any_csv(
    tmp_path: Path, questions: list[str], separator: str, end: str, quoting: int, encoding: str, head: str, more: int
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=separator, lineterminator=end, quoting=quoting)  # type: ignore[arg-type]
    writer.writerows([["id", "Question", *["note"] * more], *([1, one, *["x, y; z"] * more] for one in questions)])
    file = tmp_path / "list.csv"
    file.write_bytes((head.format(separator=separator, end=end) + text.getvalue()).encode(encoding))
    assert read_questions(file, 100).questions == tuple(questions)


@same_folder
@given(questions=LISTS, ascii=st.booleans(), indent=st.sampled_from([None, 1]), form=st.sampled_from(["jsonl", "json"]))
def test_questions_come_back_from_any_json(
    tmp_path: Path, questions: list[str], ascii: bool, indent: int | None, form: str
) -> None:
    items = [{"Question": one, "id": 1} for one in questions]
    file = tmp_path / f"list.{form}"
    lines = "\n".join(json.dumps(one, ensure_ascii=ascii, indent=indent) for one in items)
    for text in (lines, json.dumps(items, ensure_ascii=ascii, indent=indent), json.dumps({"questions": questions})):
        file.write_text(text, encoding="utf-8")
        assert read_questions(file, 100).questions == tuple(questions)


@same_folder
@given(rows=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=4))
def test_texts_come_back_from_a_workbook(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    book = Workbook()
    book.add_sheet("rows", ("question", "note"))
    for row in rows:
        book.add_row(row)
    file = tmp_path / "list.xlsx"
    file.write_bytes(b"".join(book.parts()))
    unseen = dict.fromkeys([*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF])
    written = [tuple(cell.translate(unseen) for cell in row) for row in rows]
    assert list(read_excel(file, ["question"]).rows) == [row for row in written if any(cell.strip() for cell in row)]


@given(st.text())
def test_a_text_comes_back_from_a_cell_that_no_spreadsheet_runs(text: str) -> None:
    cell = str(escape_formula(text))
    assert cell_text(cell) == text
    assert not cell.startswith(("=", "+", "-", "@"))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes, bytes]:
    """A folder, and in it a journal of a run and the run as it is saved."""
    folder = tmp_path_factory.mktemp("saved")
    grid = Grid(("=Why?", "なぜですか"), (load_variants(ROOT / "prompts")["assistant"],), ("two-step",))
    journal = begin_journal(
        folder / "j.jsonl", Plan(grid, SamplingParams(max_new_tokens=9), "echo", "", "echo", "words")
    )
    for _ in record(journal, advance_each(EchoEngine(), journal.unfinished(), journal.plan.sampling)):
        pass
    return folder, (folder / "j.jsonl").read_bytes(), dumps(journal.run).encode()


@given(
    whole=st.sampled_from([1, 2]),
    cuts=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 9), st.binary(max_size=4)), max_size=4),
    encoding=st.sampled_from(["", "utf-16", "utf-16-le", "utf-8-sig"]),
)
def test_any_saved_run_is_read_or_refused(
    saved: tuple[Path, bytes, bytes], whole: int, cuts: list[tuple[float, int, bytes]], encoding: str
) -> None:
    data = bytearray(saved[whole])
    for place, length, new in cuts:
        at = int(place * len(data))
        data[at : at + length] = new
    file = saved[0] / "cut"
    file.write_bytes(data.decode("utf-8", "replace").encode(encoding) if encoding else data)
    try:
        run = read_saved(file)
        for form in Format:
            if form not in (Format.STATISTICS, Format.LLM_COMPARATOR, Format.XLSX):
                list(export(run, form))
    except BonsaiError as error:
        assert str(error)


def test_the_csv_of_a_run_is_a_list_of_its_questions(saved: tuple[Path, bytes, bytes]) -> None:
    file = saved[0] / "again.csv"
    file.write_text(
        "".join(map(str, export(read_saved(saved[0] / "j.jsonl"), Format.CSV))), encoding="utf-8", newline=""
    )
    assert read_questions(file, 10).questions == ("=Why?", "なぜですか")


AROUND = st.lists(
    st.sampled_from(
        [
            "**Question:** {}",
            "1. {}",
            "**{}**",
            '"{}"',
            "Sure! Here is a deeper question: {}",
            "- {}",
            "> {}",
            "Question 2: {}",
        ]
        + ["You could ask: {}", "# {}", "Certainly! {}", "“{}”"]
    ),
    max_size=2,
    unique=True,
)
ASKED = st.text("abc xyz", min_size=4, max_size=30).map(lambda text: " ".join(f"Why do {text} grow?".split()))


@given(ASKED, AROUND, st.sampled_from(["", "Should I ask? Or not?"]))
def test_a_question_is_found_whatever_is_around_it(question: str, around: list[str], thought: str) -> None:
    text = question
    for one in around:
        text = one.format(text)
    written = f"<think>\n{thought}\n</think>\n\n{text}" if thought else text
    assert split_thought(written) == (thought, text)
    assert first_question(text) == question


MARKS = ["<think>", "</think>", "*", "_", "?", "？", "Question:", "(", ")", "「", "」", "https://a/?b"]


@given(st.lists(PIECES | st.sampled_from(MARKS) | st.text(max_size=4), max_size=30).map("".join))
def test_any_text_of_a_model_is_parted_and_has_one_line_as_its_question(text: str) -> None:
    thought, rest = split_thought(text)
    assert thought == thought.strip() and rest == rest.strip()
    question = first_question(rest)
    assert len(question.splitlines()) <= 1
    assert question or not any(letter.isalnum() for letter in rest) or "?" not in rest


def test_a_blank_list_is_refused() -> None:
    with pytest.raises(QuestionError):
        pasted(" \n", 10)
