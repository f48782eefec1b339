"""Scores for chains made elsewhere: measures and flags beside the rows, which stay as they are."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bonsai.cli.main import main
from bonsai.errors import UsageError
from bonsai.measures.embedders.opening import Embedder
from bonsai.measures.similarity import WORDS, Measure
from bonsai.runs.scoring import ADDED, LOOKBACK, Turn, read_turns, score, turns, turns_of, with_scores
from bonsai.runs.tables.sheet import Sheet

BIRDS, REEFS = "Why do birds migrate in autumn?", "How do coral reefs store carbon?"
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)
LONG = "Birds follow warmth, food and daylight along rivers and coasts to southern wetlands."


@pytest.fixture(autouse=True)
def words_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BONSAI_EMBEDDER", "none")


def flags_of(*turns: Turn) -> list[str]:
    return [" ".join(step.flags) for step in score(turns, WORDS)]


def scored(file: Path, capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    """Return what the command prints for a file, as cells."""
    assert main(["score", str(file)]) == 0
    out, err = capsys.readouterr()
    assert "measured with words" in err
    assert out.startswith("\ufeff")
    return list(csv.reader(io.StringIO(out.removeprefix("\ufeff"), newline="")))


def test_rows_and_columns_are_kept_and_scores_are_added(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "chains.csv"
    file.write_bytes(
        b"\xef\xbb\xbfnote,Chain,QUESTION\r\n 007 ,b,%b\r\nNA,a,%b\r\n=1+1,b,%b\r\n"
        % (BIRDS.encode(), *[REEFS.encode()] * 2)
    )
    header, *rows = scored(file, capsys)
    assert header == ["note", "Chain", "QUESTION", *ADDED]
    assert [row[:3] for row in rows] == [[" 007 ", "b", BIRDS], ["NA", "a", REEFS], ["'=1+1", "b", REEFS]]
    assert [row[3:6] for row in rows] == [["1", "", ""], ["1", "", ""], ["2", "0.0", "1"]]


def test_steps_are_numbered_in_their_chain_and_measured_against_it_alone() -> None:
    turns = [Turn("b", BIRDS), Turn("a", BIRDS), Turn("b", REEFS), Turn("a", REEFS), Turn("b", BIRDS)]
    steps = list(score(turns, WORDS))
    assert [step.number for step in steps] == [1, 1, 2, 2, 3]
    assert [step.similarity for step in steps[:4]] == [None, None, 0.0, 0.0]
    assert (steps[4].similarity, steps[4].nearest, steps[4].new_content, steps[4].flags) == (1.0, 1, 0.0, ("circular",))


def test_a_pair_is_a_chain_of_two() -> None:
    assert flags_of(Turn("1", BIRDS), Turn("1", BIRDS), Turn("2", BIRDS), Turn("2", REEFS)) == ["", "tautology", "", ""]


def test_answers_without_news_are_no_progress() -> None:
    questions = ["Which wetlands?", "Which coasts?", "Which rivers?"]
    chain = [Turn("1", BIRDS, LONG), *(Turn("1", question, LONG) for question in questions)]
    assert flags_of(*chain) == ["", "", "no-progress", "no-progress"]
    assert flags_of(*(Turn(turn.chain, turn.question) for turn in chain)) == ["", "", "", ""]


def test_what_is_no_question_is_flagged_and_a_blank_one_is_not_measured() -> None:
    steps = list(score([Turn("1", BIRDS), Turn("1", "Birds."), Turn("1", " "), Turn("1", ""), Turn("1", REEFS)], WORDS))
    assert [" ".join(step.flags) for step in steps] == ["", *["not-a-question"] * 3, ""]
    assert [(step.similarity, step.nearest, step.new_content) for step in steps[2:4]] == [(None, None, None)] * 2
    assert steps[4].nearest in (1, 2)


def test_another_topic_is_flagged_by_meaning(embedder: Embedder) -> None:
    chain = [Turn("1", BIRDS), Turn("1", "Which birds stay over the winter?"), Turn("1", "Is 17 a prime number?")]
    assert [step.flags for step in score(chain, Measure(embedder))] == [(), (), ("off-topic",)]


def test_the_work_for_a_row_is_bounded_and_numbers_are_those_of_the_chain() -> None:
    turns = [Turn("1", BIRDS), *(Turn("1", f"Why is number {n} odd?") for n in range(LOOKBACK)), Turn("1", BIRDS)]
    *_, near, last = score(turns, WORDS)
    assert last.flags == ()
    assert near.nearest is not None and 1 < near.nearest <= LOOKBACK
    assert flags_of(*turns[:LOOKBACK], Turn("1", BIRDS))[-1] == "circular"


def test_columns_of_an_earlier_scoring_are_replaced_in_their_place() -> None:
    sheet = Sheet(("Flags", "question", "chain", "step"), (("old", BIRDS, "1", "9"),))
    again = with_scores(sheet, list(score(turns(sheet), WORDS)))
    assert again.header == ("Flags", "question", "chain", "step", "similarity", "nearest", "new_content")
    assert again.rows == (("", BIRDS, "1", "1", "", "", "1.0"),)


def test_a_scored_file_can_be_scored_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, out = tmp_path / "chains.csv", tmp_path / "scored.csv"
    file.write_text(f'chain,question,answer\n1,{BIRDS},"So,\nand so"\n1,{BIRDS}\n\n', encoding="utf-8")
    assert main(["score", str(file), "--out", str(out)]) == 0
    assert main(["score", str(out), "--out", str(tmp_path / "again.csv")]) == 0
    assert (tmp_path / "again.csv").read_bytes() == out.read_bytes()
    assert capsys.readouterr().out == ""
    assert turns(read_turns(out)) == [Turn("1", BIRDS, "So,\nand so"), Turn("1", BIRDS)]


def test_a_cell_of_any_length_is_kept(tmp_path: Path) -> None:
    file, out = tmp_path / "chains.csv", tmp_path / "scored.csv"
    long = "So " * 50_000
    file.write_text(f"chain,question,answer\n1,{BIRDS},{long}\n", encoding="utf-8")
    assert main(["score", str(file), "--out", str(out)]) == 0
    assert long in out.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (None, "cannot be read: No such file"),
        (b"", "has no rows"),
        (b"chain,question\n", "has no rows"),
        (b"topic;text\n1;Why?\n", "has no column chain; found: topic, text"),
        (b"chain,text\n1,Why?\n", "has no column question; found: chain, text"),
        (b"chain,question,Question\n1,Why?,How?\n", "has 2 columns question"),
        (b"chain,question\n1,Why, and how?\n", "line 2, has 3 cells, and the header has 2"),
        (b'chain,question\n1,"Why?\n2,How?\n', "is not well-formed CSV"),
        ("chain,question\n1,Warum überhaupt?\n".encode("latin-1"), "is not text in UTF-8, UTF-16 or Shift-JIS"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "is not text in UTF-8, UTF-16 or Shift-JIS"),
        (b"\x00\x00chain,question\n1,Why?\n", "is not text in UTF-8, UTF-16 or Shift-JIS"),
    ],
)
def test_a_file_that_cannot_be_scored_is_a_sentence(
    data: bytes | None, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "chains.csv"
    if data is not None:
        file.write_bytes(data)
    assert main(["score", str(file), "--out", str(tmp_path / "out.csv")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert sentence in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "out.csv").exists()


def test_a_folder_is_neither_read_nor_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "chains.csv"
    file.write_text("chain,question\n1,Why?\n")
    assert main(["score", str(tmp_path)]) == 2
    assert main(["score", str(file), "--out", str(tmp_path)]) == 2
    assert main(["score", str(file), "--out", str(tmp_path / "none" / "out.csv")]) == 2
    assert main(["score", str(file), "--out", "/dev/null/out.csv"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 4


@pytest.mark.parametrize(
    "record",
    [
        {"chain": "1"},
        {"chain": None, "question": BIRDS},
        {"chain": "", "question": BIRDS},
        {"question": BIRDS},
        "Why?",
        {"chain": 1, "question": 2},
        {"chain": 1, "question": None},
    ],
)
def test_a_record_that_is_no_turn_is_named(record: object) -> None:
    with pytest.raises(UsageError, match="Row 2 must"):
        turns_of([{"chain": 1, "question": BIRDS, "answer": None}, record])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), TEXT, TEXT, TEXT), min_size=1, max_size=6))
def test_any_texts_can_be_scored_and_come_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, ...]]
) -> None:
    file = tmp_path_factory.mktemp("scores") / "chains.csv"
    sheet = Sheet(("chain", "question", "answer", "note"), tuple(rows))
    file.write_bytes(sheet.to_csv().encode())
    read = read_turns(file)
    assert [tuple(cell.removeprefix("'") for cell in row) for row in read.rows] == [
        tuple(cell.removeprefix("'") for cell in row) for row in rows
    ]
    steps = list(score(turns(sheet), WORDS))
    assert [row[:4] for row in with_scores(sheet, steps).rows] == rows
    for step in steps:
        assert all(0 <= value <= 1 for value in (step.similarity, step.new_content) if value is not None)


def test_a_row_without_a_chain_is_of_the_one_above_it(tmp_path: Path) -> None:
    file = tmp_path / "chains.csv"
    file.write_text(f"chain,question\na,{BIRDS}\n,{REEFS}\nb,{BIRDS}\n #N/A,#REF!\n", encoding="utf-8")
    sheet = read_turns(file)
    assert turns(sheet) == [Turn("a", BIRDS), Turn("a", REEFS), Turn("b", BIRDS), Turn("b", "")]
    assert sheet.notes == ("Rows without a chain, taken for the next steps of the chain above them: 3, 5.",)
    file.write_text(f"note,chain,question\nx,,{BIRDS}\ny,a,{REEFS}\n", encoding="utf-8")
    with pytest.raises(UsageError, match="line 2, names no chain"):
        read_turns(file)
