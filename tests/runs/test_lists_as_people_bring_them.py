"""Lists in the forms that programs and people really save: each is read as it is meant, or refused with a sentence."""

import io
import zipfile
from pathlib import Path

import openpyxl
import pytest

from bonsai.errors import UsageError
from bonsai.runs.question_lists import QuestionList, columns, pasted, read_questions
from bonsai.runs.tables import excel_files

BELLS, TIDES, 雨 = "Why do bells ring?", "Why, then, do tides turn?", "なぜ雨は降りますか。"
UTF8_BOM = "\ufeff".encode()


def read(folder: Path, name: str, data: bytes | str, column: str = "") -> QuestionList:
    file = folder / name
    file.write_bytes(data.encode() if isinstance(data, str) else data)
    return read_questions(file, 100, column)


@pytest.mark.parametrize(
    ("name", "data", "questions"),
    [
        # line ends: these are letters of a text, not the ends of lines
        ("l.jsonl", '{"question": "A\u2028b?"}\n{"question": "C\x85d?"}\n', ("A\u2028b?", "C\x85d?")),
        (
            "l.txt",
            "A\x0bb?\nC\x0cd?\nE\x1cf?\nG\u2029h?\rI?\r\nJ?",
            ("A\x0bb?", "C\x0cd?", "E\x1cf?", "G\u2029h?", "I?", "J?"),
        ),
        ("l.csv", "question\rA\u2028b?\rC?\r", ("A\u2028b?", "C?")),
        # separators
        ("l.tsv", f"question\n{TIDES}\n", (TIDES,)),
        ("l.csv", f"question\n{TIDES}\nHow; and when?\n", (TIDES, "How; and when?")),
        ("l.csv", f'question\n"{TIDES}",\n{BELLS},,\n', (TIDES, BELLS)),
        ("l.tsv", f'id,question\n1,"{TIDES}"\n', (TIDES,)),
        ("l.csv", f"id\tquestion\n1\t{TIDES}\n", (TIDES,)),
        ("l.csv", f"id|question\n1|{TIDES}\n", (TIDES,)),
        ("l.csv", f"| id | question |\n|---|---|\n| 1 | {BELLS} |\n", (BELLS,)),
        ("l.csv", "id,question\r1,Why?\r2,How; and; when?\r", ("Why?", "How; and; when?")),
        ("l.csv", f"sep=;\r\nid;question\r\n1;{TIDES}\r\n", (TIDES,)),
        ("l.csv", f"\ufeffsep=|\nid|question\n1|{TIDES}\n", (TIDES,)),
        ("l.csv", f"{TIDES}\n{BELLS}\n", (TIDES, BELLS)),
        ("l.csv", f"1;{TIDES}\n2;{BELLS}\n", (TIDES, BELLS)),
        # quotes
        ("l.csv", f'id, question\n1, "{TIDES}"\n', (TIDES,)),
        ("l.csv", 'question\n "Why?"\n', ("Why?",)),
        ("l.tsv", 'id\tquestion\n1\t"Why" is it called that?\n', ('"Why" is it called that?',)),
        ("l.csv", 'id,question\n1,What is a 5" pipe?\n', ('What is a 5" pipe?',)),
        ("l.csv", 'id,question\n1,"Is ""so, so"" good?"\n', ('Is "so, so" good?',)),
        ("l.csv", 'id,question\n1,"Is \\"so, so\\" good?"\n', ('Is "so, so" good?',)),
        ("l.csv", 'question,note\n"Why\nthis?",x\n', ("Why\nthis?",)),
        # first lines
        ("l.csv", f"My list\nid,question\n1,{BELLS}\n", (BELLS,)),
        ("l.csv", f"My list,,\n,,\nid,question,note\n1,{BELLS},\n", (BELLS,)),
        ("l.csv", f"My list\nquestion\n{BELLS}\n", (BELLS,)),
        ("l.csv", f"# note, of mine\nid,question\n1,{BELLS}\n", (BELLS,)),
        ("l.txt", f"# Bells\n\n{BELLS}\n", (BELLS,)),
        # surplus cells
        ("l.csv", f"question,note\n{BELLS},,,\n", (BELLS,)),
        ("l.csv", f"question,note,,\n{BELLS},x,,\n", (BELLS,)),
        # marks
        ("l.csv", UTF8_BOM * 2 + b"question,note\nWhy?,x\n", ("Why?",)),
        ("l.csv", "question,note\nWhy?,x\n\ufeffHow?,y\n", ("Why?", "How?")),
        ("l.csv", '\ufeff"question","note"\n"Why?","x"\n\ufeff"How?","y"\n', ("Why?", "How?")),
        ("l.txt", "\ufeff\ufeffWhy?\n\ufeffHow?\n", ("Why?", "How?")),
        ("l.jsonl", '\ufeff\ufeff{"question": "Why?"}\n\ufeff{"question": "How?"}\n', ("Why?", "How?")),
        ("l.csv", "question\r\nWhy?\r\n\x1a", ("Why?",)),
        ("l.txt", "Why?\r\n\x1a\r\n", ("Why?",)),
        ("l.txt", "Why?\x1a", ("Why?",)),
        ("l.txt", "Why?\n\u200b\n\x01\x02\n", ("Why?",)),
        ("l.csv", "\u200bquestion\u200b,note\nWhy?,x\n", ("Why?",)),
        ("l.csv", "ＱＵＥＳＴＩＯＮ ,note\nWhy?,x\n", ("Why?",)),
        # a table in a TXT, or in what is pasted
        ("l.txt", f"1\t{BELLS}\n2\t{TIDES}\n", (BELLS, TIDES)),
        ("l.txt", f"id\tquestion\tnote\n1\t{BELLS}\tx\n2\t{TIDES}\n", (BELLS, TIDES)),
        ("l.txt", f'id;question\n1;"{BELLS}"\n', (BELLS,)),
        ("l.txt", f"{TIDES}\nWhy, oh why?\n", (TIDES, "Why, oh why?")),
        # a large cell
        ("l.csv", "question,note\nWhy?," + "x" * 200_000 + "\n", ("Why?",)),
        # JSON
        ("l.jsonl", '[{"question": "Why?"}, {"question": "How?"}]', ("Why?", "How?")),
        ("l.json", '[\n  {"question": "Why?"},\n  "How?"\n]\n', ("Why?", "How?")),
        ("l.jsonl", '{\n "question": "Why?"\n}\n{\n "question": "How?"\n}\n', ("Why?", "How?")),
        ("l.json", '{"name": "mine", "questions": ["Why?", "How?"]}', ("Why?", "How?")),
        ("l.json", '{"data": [{"question": "Why?"}]}', ("Why?",)),
        ("l.json", '{"id": {"0": 1, "1": 2}, "question": {"0": "Why?", "1": "How?"}}', ("Why?", "How?")),
        ("l.jsonl", '{"question": "Why?"},\n{"question": "How?"},\n', ("Why?", "How?")),
        ("l.jsonl", '{"Question": "Why?"}\n{"question ": "How?"}\n', ("Why?", "How?")),
        ("l.jsonl", '["Why?"]\n["How?"]\n', ("Why?", "How?")),
        # one of two columns of a name
        ("l.csv", "id,question,question\n1,,Why?\n", ("Why?",)),
        ("l.csv", "Question,id,question\n,1,Why?\nHow?,2,How?\nWhen?,3,\n", ("Why?", "How?", "When?")),
        # our own CSV
        ("l.csv", "question,note\n'=1+1 is what?,x\n", ("=1+1 is what?",)),
    ],
)
def test_a_list_is_read_as_it_is_meant(
    tmp_path: Path, name: str, data: bytes | str, questions: tuple[str, ...]
) -> None:
    assert read(tmp_path, name, data).questions == questions


def test_the_column_may_be_named_in_any_way_it_is_written(tmp_path: Path) -> None:
    assert read(tmp_path, "l.csv", '"id";"q, as, asked"\n"1";"Why?"\n', "q, as, asked").questions == ("Why?",)
    assert read(tmp_path, "l.jsonl", '{"Frage": "Why?"}\n', "frage").questions == ("Why?",)
    assert read(tmp_path, "l.txt", "id\tFrage\n1\tWhy?\n", " frage").questions == ("Why?",)
    (tmp_path / "l.csv").write_text("sep=;\nid;q\n1;Why?\n")
    assert columns(tmp_path / "l.csv") == ("id", "q")


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        ("質問\n人口減少対策\n", "cp932"),
        (f"{雨}\n", "cp932"),
        ("ﾅｾﾞ雨は降る?\n", "cp932"),
        (f"id,質問\n1,{雨}\n", "euc_jp"),
        (f"質問\n{雨}\n", "iso2022_jp"),
        ("question\r\nWhy?\r\n", "utf-16-le"),
        (f"質問\r\n{雨}\r\n", "utf-16-be"),
        (f"{雨}\n", "utf-16-le"),
        (f"{雨}\n", "utf-32"),
        ("问题\n为什么天空是蓝色的？\n", "gb18030"),
        ("問題\n為什麼天空是藍色的？\n", "big5"),
        ("question\n하늘은 왜 파랗습니까?\n", "cp949"),
    ],
)
def test_every_encoding_that_can_be_told_is_read(tmp_path: Path, data: str, encoding: str) -> None:
    found = read(tmp_path, "l.csv", data.encode(encoding))
    assert found.questions == (data.split()[-1].rpartition(",")[2],) or found.questions == (data.splitlines()[-1],)
    guessed = not encoding.startswith("utf")
    assert any("It is not in UTF-8; read as" in str(note) for note in found.notes) == guessed


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (f"質問\n{雨}".encode()[:-1], "is UTF-8 in which bytes are damaged or missing, first in line 2"),
        (f"質問\n{雨}\n".encode().replace("雨".encode(), b"\xe9\x9b"), "damaged or missing, first in line 2"),
        (
            "Où?\nÀ qui?\n".encode().replace(b"\x80", b"\xff") + "é à ü ".encode() * 3,
            "damaged or missing, first in line 2",
        ),
        (UTF8_BOM + b"Why\xff?", "damaged or missing, first in line 1"),
        (b"\xff\xfe" + "Why?".encode("utf-16-le")[:-1], "is UTF-16 in which bytes are damaged"),
        ("Où est l'été ?\n".encode("latin-1"), "is not text in UTF-8, UTF-16 or Shift-JIS, nor in another encoding"),
    ],
)
def test_damaged_text_is_refused_and_not_read_as_another(tmp_path: Path, data: bytes, sentence: str) -> None:
    for name in ("l.csv", "l.txt", "l.jsonl"):
        with pytest.raises(UsageError, match=sentence):
            read(tmp_path, name, data)


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("l.csv", "id,question\n1,Why, oh why?\n", "line 2, has 3 cells, and the header has 2; put double quotes"),
        ("l.csv", 'id,question\n1,"Why?\n2,"How?"\n', "line 2, is not well-formed CSV: a double quote is opened"),
        ("l.csv", "question,question\nWhy?,How?\n", "2 columns question, and in line 2 they differ"),
        ("l.csv", "My list, of questions\nid,topic\n1,rain\n", "no column question; found: My list,  of questions"),
        ("l.txt", "a\tb\nc\td\n", "no column question; found: a, b. Choose the one"),
        ("l.jsonl", '{"question": "A?", "Question": "B?"}\n', "in line 1 several keys question, and they differ"),
        ("l.jsonl", '{"question": "A?", "question": "B?"}\n', "in line 1 several keys question"),
        ("l.jsonl", "Why?\nHow?\n", "has no line that is JSON; write an object a line"),
        ("l.json", '[{"question": 1}, 2]', "no questions.* Lines without a question, passed over: 1, 1"),
    ],
)
def test_what_stays_ambiguous_is_refused(tmp_path: Path, name: str, data: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        read(tmp_path, name, data)


@pytest.mark.parametrize(
    ("name", "data", "notes"),
    [
        ("l.csv", f"My list\n\nid,question\n1,{BELLS}\n", ["Lines before the header, passed over: 1."]),
        ("l.csv", f"# Why?\nquestion\n{BELLS}\n", ["Lines before the header, passed over: 1."]),
        ("l.csv", f"sep=;\ntopic\n{BELLS}\n", ["Line 2 is taken for a header: topic."]),
        ("l.csv", f"1;{BELLS}\n", ["There is no header; column 2 has the questions."]),
        (
            "l.csv",
            "question,id,question\n,1,Why?\n",
            ["The columns 1, 3 have the same name, question; in each line the one that is filled is read."],
        ),
        ("l.txt", f"# Bells\n{BELLS}\n", ["Lines that begin with #, passed over: 1."]),
        ("l.txt", "Why\tthis?\nHow?\n", ["Lines with tabs in them, taken whole: 1."]),
        ("l.json", '[\n{"question": "Why?"},\n{"question": "How?"}', ["Lines without a question, passed over: 3."]),
    ],
)
def test_what_was_guessed_or_passed_over_is_told(tmp_path: Path, name: str, data: str, notes: list[str]) -> None:
    assert [str(note) for note in read(tmp_path, name, data).notes] == notes


def workbook(*sheets: list[list[object]]) -> bytes:
    """Return an Excel workbook with these sheets."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for rows in sheets:
        sheet = book.create_sheet()
        for row in rows:
            sheet.append(row)
    data = io.BytesIO()
    book.save(data)
    return data.getvalue()


def test_workbooks_are_read_as_csv_is(tmp_path: Path) -> None:
    rows: list[list[object]] = [["My list"], [], ["id", "Question", None], [1, 雨], [2.0, None], [3, " Why_x000D_\n? "]]
    found = read(tmp_path, "l.xlsx", workbook([["nothing here"]], rows))
    assert found.questions == (雨, "Why\r\n?")
    assert [str(note) for note in found.notes] == [
        "The sheet Sheet1 is read; passed over: Sheet.",
        "Lines before the header, passed over: 1.",
        "Blank lines, passed over: 5.",
    ]
    assert columns(tmp_path / "l.xlsx") == ("id", "Question")
    assert read(tmp_path, "m.xlsx", workbook([["Why?"], ["How?"]])).questions == ("Why?", "How?")
    assert read(tmp_path, "n.xlsx", workbook([["id", "Frage"], [1, "Why?"]]), "frage").questions == ("Why?",)


def test_a_cell_far_away_costs_nothing_and_a_hostile_workbook_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = openpyxl.Workbook()
    book.active["A1"], book.active["A2"], book.active["XFD1048576"] = "question", "Why?", " "
    book.save(tmp_path / "far.xlsx")
    assert read_questions(tmp_path / "far.xlsx", 10).questions == ("Why?",)
    monkeypatch.setattr(excel_files, "_MAX_UNPACKED", 2**20)
    with zipfile.ZipFile(tmp_path / "bomb.xlsx", "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("x", bytes(2**20 + 1))
    for name, data in (("bomb.xlsx", None), ("l.xlsx", b"question\nWhy?\n"), ("m.xlsx", b"PK\x03\x04")):
        if data is not None:
            (tmp_path / name).write_bytes(data)
        with pytest.raises(UsageError, match="cannot be read as an Excel workbook"):
            read_questions(tmp_path / name, 10)
    with pytest.raises(UsageError, match="has no rows"):
        read(tmp_path, "empty.xlsx", workbook([]))


def test_what_is_pasted_from_a_spreadsheet_is_a_table() -> None:
    assert pasted(f"id\tquestion\n1\t{BELLS}\n", 10).questions == (BELLS,)
    assert pasted(f"1\t{BELLS}\r2\t{TIDES}", 10).questions == (BELLS, TIDES)
