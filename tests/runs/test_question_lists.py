"""Lists of questions: what is found in the files that people have, and what is said of those that cannot be used."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bonsai.chains.questions import load_starters
from bonsai.errors import UsageError
from bonsai.runs.question_lists import QuestionList, asked, columns, pasted, read_questions
from bonsai.runs.tables.lines import numbered_lines
from bonsai.runs.tables.text_files import MAX_BYTES
from bonsai.settings import ROOT

BIRDS, REEFS = "Why do birds migrate?", "How do reefs grow?"
盆栽 = "なぜ盆栽は小さいのですか。"
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)


def read(folder: Path, name: str, data: bytes | str, column: str = "", most: int = 100) -> QuestionList:
    file = folder / name
    file.write_bytes(data.encode() if isinstance(data, str) else data)
    return read_questions(file, most, column)


def test_the_starters_are_a_list() -> None:
    file = ROOT / "examples" / "questions.csv"
    assert read_questions(file, 100).questions == tuple(starter.question for starter in load_starters(file))
    assert columns(file) == ("id", "question", "field")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp932", "utf-16-be-bom"])
@pytest.mark.parametrize("name", ["list.csv", "list.txt", "list.jsonl"])
def test_each_form_in_each_encoding(tmp_path: Path, encoding: str, name: str) -> None:
    text = {
        "list.csv": f'id,質問\r\n1,"{盆栽}"\r\n2,{REEFS}\r\n',
        "list.txt": f"{盆栽}\r\n{REEFS}",
        "list.jsonl": "".join(json.dumps({"question": one}, ensure_ascii=False) + "\n" for one in (盆栽, REEFS)),
    }[name]
    data = b"\xfe\xff" + text.encode("utf-16-be") if encoding == "utf-16-be-bom" else text.encode(encoding)
    assert read(tmp_path, name, data).questions == (盆栽, REEFS)


@pytest.mark.parametrize(
    ("data", "column"),
    [
        ("Question\nA?\nB?\n", ""),
        ("n;QUESTION ;x\n1;A?;0\n2;B?;0\n", ""),
        ("n\tprompt\n1\tA?\n2\tB?\n", ""),
        ("topic\nA?\nB?\n", ""),
        ("A?\nB?\n", ""),
        ("question,asked\nx,A?\ny,B?\n", "Asked"),
    ],
)
def test_the_question_column_is_found_or_chosen(tmp_path: Path, data: str, column: str) -> None:
    assert read(tmp_path, "list.csv", data, column).questions == ("A?", "B?")


def test_objects_may_be_plain_texts_and_have_another_key(tmp_path: Path) -> None:
    assert read(tmp_path, "list.jsonl", '"A?"\n{"prompt": "B?"}\n').questions == ("A?", "B?")
    assert read(tmp_path, "list.jsonl", '{"q": "A?", "question": "C?"}\n', "q").questions == ("A?",)


def test_what_is_passed_over_is_told_by_line(tmp_path: Path) -> None:
    text = f"{BIRDS}\n\n {REEFS} \n  why do  birds migrate?\n"
    assert read(tmp_path, "list.txt", text) == pasted(text, 100)
    assert pasted(text, 100) == QuestionList(
        (BIRDS, REEFS),
        ("Blank lines, passed over: 2.", "Lines that repeat a question, passed over: 4 (as 1)."),
    )
    sheet = f'question,note\n"{BIRDS}","two\nlines"\n{BIRDS},\n,x\n'
    assert read(tmp_path, "list.csv", sheet).notes == (
        "Blank lines, passed over: 5.",
        "Lines that repeat a question, passed over: 4 (as 2).",
    )
    objects = f'{{"question": "{BIRDS}"}}\n{{"question": 7}}\nnot JSON\n[1]\n'
    assert read(tmp_path, "list.jsonl", objects).notes == ("Lines without a question, passed over: 2, 3, 4.",)
    many = pasted(BIRDS + "\n\n" * 30, 100).notes
    assert many == ("Blank lines, passed over: 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 49 more.",)


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("list.csv", b"", "has no rows"),
        ("list.csv", "id,topic\n1,rain\n", r"no column question; found: id, topic\. Choose the one"),
        ("list.csv", "id,question\n1,rain\n", "has no column q; found: id, question"),
        ("list.csv", "question\n\n \n", "has no questions"),
        ("list.csv", 'question\n"A?\n', "is not well-formed CSV"),
        ("list.csv", "id,question\n1,A?, really?\n", "line 2, has 3 cells, and the header has 2"),
        ("list.csv", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "is not text in UTF-8, UTF-16 or Shift-JIS"),
        ("list.csv", b"PK\x03\x04" + b"\x00" * 60, "is not text"),
        ("list.txt", "Warum überhaupt? Où?\n".encode("latin-1"), "is not text in UTF-8.*save it as TXT in UTF-8"),
        ("list.txt", "\n \n", "has no questions"),
        ("list.jsonl", '{"id": 1, "topic": "rain"}\n', "has no key question; found: id, topic"),
        ("list.jsonl", "[1]\n", "has no questions"),
        ("list.json", ",\n", "has no questions"),
        ("list.xlsx", b"PK", "cannot be read as an Excel workbook"),
        ("list.pdf", b"PK", r"is none of \.csv, \.tsv, \.xlsx, \.jsonl, \.json and \.txt"),
        ("list", "A?", "is none of"),
        ("list.txt", "\n".join(f"Why {n}?" for n in range(101)), "has 101 questions; at most 100 can be run"),
    ],
)
def test_a_file_that_cannot_be_used_is_a_sentence(tmp_path: Path, name: str, data: bytes | str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence) as caught:
        read(tmp_path, name, data, "q" if " q;" in sentence else "")
    assert str(tmp_path / name) in str(caught.value)


def test_a_file_that_is_missing_or_too_large_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.csv cannot be read: No such file"):
        read_questions(tmp_path / "none.csv", 100)
    huge = tmp_path / "huge.csv"
    with huge.open("wb") as file:
        file.truncate(100 * 2**20)
    with pytest.raises(UsageError, match=rf"has 100 MB; at most {MAX_BYTES // 2**20} MB are read"):
        read_questions(huge, 100)


WORDS = st.lists(st.sampled_from(["text", "prompt", "query", "audio", "one of two"]), min_size=2, max_size=4)


@settings(deadline=None)
@given(st.lists(st.tuples(WORDS, st.sampled_from(",;|"), st.sampled_from("?？؟")), min_size=1, max_size=4))
def test_a_question_with_separators_in_it_is_no_table(parts: list[tuple[list[str], str, str]]) -> None:
    texts = [f"Which, {f'{between} '.join(words)}{mark}" for words, between, mark in parts]
    assert pasted("\n".join(texts), 10).questions == tuple(dict.fromkeys(texts))


@pytest.mark.parametrize("data", ["text, sound\nWhy, then?\n", "id|text|right?\n1|Why, then?|yes\n"])
def test_a_table_in_a_text_tells_its_header(data: str) -> None:
    (note,) = pasted(data, 10).notes
    assert str(note).startswith("Line 1 is taken for a header: ")


def test_questions_that_are_given_one_by_one_are_asked_as_they_are() -> None:
    given = ["# of people in Rome?", "Which, prompt or text?", " ", "--", "# of people in  rome?"]
    assert asked(given, 3) == ("# of people in Rome?", "Which, prompt or text?", "--")
    with pytest.raises(UsageError, match="The list has 3 questions; at most 2"):
        asked(given, 2)


@pytest.mark.parametrize("header", ["Name", "List:", " show", "Compare"])
def test_a_word_alone_is_a_header_and_not_asked(tmp_path: Path, header: str) -> None:
    found = read(tmp_path, "list.csv", f"{header}\n{BIRDS}\n{REEFS}\n")
    assert found.questions == (BIRDS, REEFS)
    assert found.notes == (f"Line 1 is taken for a header: {header.strip()}.",)


@settings(max_examples=100, deadline=None)
@given(st.lists(TEXT, max_size=8))
def test_any_lines_are_questions_once_each_or_are_told(lines: list[str]) -> None:
    text = "\n".join(lines)
    try:
        found = pasted(text, 100)
    except UsageError as error:
        assert "has no questions" in str(error) or ("\t" in text and "has no column question" in str(error))
        return
    count = len(list(numbered_lines(text)))
    assert len(set(found.questions)) == len(found.questions) <= count
    assert all(question == question.strip() != "" for question in found.questions)
    # How a table was read is told too.
    passed_over = [note for note in found.notes if "tabs" not in str(note) and "There is no header" not in str(note)]
    assert bool(passed_over) == (len(found.questions) < count)


@pytest.mark.parametrize("error", ["#N/A", "#REF!", "#NAME?", " #DIV/0! "])
def test_an_error_of_excel_is_not_asked(tmp_path: Path, error: str) -> None:
    found = read(tmp_path, "list.csv", f"id,question\n1,{BIRDS}\n2,{error}\n")
    assert found == QuestionList((BIRDS,), ("Lines without a question, passed over: 3.",))
    assert asked([error, BIRDS], 9) == (error.strip(), BIRDS)
