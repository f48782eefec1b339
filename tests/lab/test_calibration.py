"""The calibration report: its figures on small files, what it refuses, and the quality that the rules keep."""

from pathlib import Path

import pytest

from bonsai.lab.calibration.__main__ import main
from bonsai.lab.calibration.data import read_kinds
from bonsai.lab.calibration.explained import explained
from bonsai.lab.calibration.figures import share
from bonsai.measures.embedders.opening import Embedder
from bonsai.measures.similarity import WORDS, Measure
from bonsai.settings import ROOT

DATA = ROOT / "tests" / "data"
TOPICS = [
    "rain",
    "iron",
    "bread",
    "jazz",
    "chess",
    "coral",
    "wool",
    "steam",
    "amber",
    "glass",
    "cotton",
    "paper",
    "sugar",
    "salt",
    "gold",
    "tin",
    "oak",
    "ivy",
    "moss",
    "clay",
]
PAIRS = "\n".join(
    [
        "duplicate\tquestion_1\tquestion_2",
        '1\tWhat does "entropy" mean?\twhat does entropy mean',
        "0\tWhy do birds migrate in autumn?\tHow do coral reefs store carbon?",
        "0\tWhy is the sky blue?\tWhy is the sky dark?",
    ]
)
# The last of its twenty turns repeats the first question.
CHAINS = "\n".join(
    ["chain,step,question", *(f'1,{n},"What is {topic}, then?"' for n, topic in enumerate([*TOPICS, TOPICS[0]], 1))]
)


@pytest.fixture(autouse=True)
def words_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BONSAI_EMBEDDER", "none")


# The more new words a follow-up question has, the more new information people find in it.
RATINGS = "\n".join(
    [
        "question\tanswer\tfollow_up\treasoning\tnew_information\trelevance",
        *(
            f"Why do {topic} fall?\tThey are ripe.\tWhy do {' '.join(TOPICS[:number])} fall?\t1\t{number}\t{number % 2}"
            for topic in ("apples", "pears", "plums")
            for number in range(1, 7)
        ),
    ]
)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "pairs.tsv").write_text(PAIRS, encoding="utf-8")
    (tmp_path / "chains.csv").write_text(CHAINS, encoding="utf-8")
    (tmp_path / "ratings.tsv").write_text(RATINGS, encoding="utf-8")
    return tmp_path


def run(folder: Path, *more: str) -> int:
    return main(["--pairs", str(folder / "pairs.tsv"), "--chains", str(folder / "chains.csv"), *more])


def rows_of(text: str) -> dict[str, list[str]]:
    """Return the cells of each table row after its first cell; of equal first cells, those of the first row."""
    rows: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("| "):
            first, *cells = line.strip("| ").split(" | ")
            rows.setdefault(first, cells)
    return rows


def test_the_report_counts_what_is_found_and_what_is_flagged(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(files, "--note", "Written for a test.") == 0
    text = capsys.readouterr().out
    rows = rows_of(text)
    assert rows["pairs.tsv"] == ["3", "1", "1.000 (1.000 to 1.000)"]
    assert rows["pairs.tsv, hard"] == ["2", "1", "1.000 (1.000 to 1.000)"]
    assert rows["same meaning, pairs.tsv"] == ["1", *["100.0% (20.7 to 100.0)"] * 2]
    assert [cell.split()[0] for cell in rows["another meaning, pairs.tsv"]] == ["2", "0.0%", "0.0%"]
    assert [cell.split()[0] for cell in rows["turns, chains.csv"]] == ["20", "5.0%", "5.0%"]
    assert rows["`not-a-question`"] == ["21", share([False] * 21)]
    assert rows["chains.csv"] == ["21 questions in 1 chains"]
    assert "these chains have no answers" in text
    assert "No embedder could be opened" in text
    assert "- Written for a test." in text
    assert str(files) not in text


def test_the_threshold_for_five_percent_lets_one_turn_in_twenty_through(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(files) == 0
    section = capsys.readouterr().out.split("## At 5% false alarms")[1]
    assert rows_of(section)["turns, chains.csv"] == [str(20), share(number == 0 for number in range(20))]


def test_by_meaning_stands_beside_by_words(
    files: Path, monkeypatch: pytest.MonkeyPatch, embedder: Embedder, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BONSAI_EMBEDDER", embedder.name)
    out = files / "report.md"
    kinds = files / "kinds.tsv"
    kinds.write_text(
        "kind\tsplit\tquestion_1\tquestion_2\n"
        "synonym\ttest\tHow should I store fresh basil?\tHow should I keep fresh basil?\n",
        encoding="utf-8",
    )
    assert run(files, "--rewordings", str(kinds), "--out", str(out)) == 0
    first = out.read_bytes()
    rows = rows_of(first.decode())
    assert embedder.name in first.decode()
    assert [cell.split()[0] for cell in rows["reworded: synonym, test"]] == ["1", "100.0%", "0.0%", "100.0%", "100.0%"]
    assert run(files, "--rewordings", str(kinds), "--out", str(out)) == 0
    assert out.read_bytes() == first
    assert capsys.readouterr().out == ""


def test_answers_that_add_nothing_are_counted(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = "Birds follow warmth, food and daylight along rivers and coasts to southern wetlands."
    questions = ("Why do birds migrate?", "Which wetlands?", "Which coasts?")
    lines = ["chain,question,answer", *(f'1,{question},"{answer}"' for question in questions)]
    (files / "chains.csv").write_text("\n".join(lines), encoding="utf-8")
    assert run(files) == 0
    assert rows_of(capsys.readouterr().out)["`no-progress`"] == ["1", share([True])]


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("pairs.tsv", "one\ttwo\nWhy?\tWhy?", "has the columns one, two; it must have question_1, question_2"),
        ("pairs.tsv", f"{PAIRS.replace('duplicate', 'label')}", "has the columns label, question_1"),
        ("pairs.tsv", "question_1\tquestion_2\nWhy?\tWhy?", "must have one of the columns similarity_0_to_5 and"),
        ("pairs.tsv", "question_1\tquestion_2\tduplicate\nWhy?\tWhy?\tyes", "line 2: duplicate is 'yes'; it must be"),
        ("pairs.tsv", "question_1\tquestion_2\tsimilarity_0_to_5\nWhy?\tWhy?\t6", "a number from 0 to 5"),
        ("pairs.tsv", "question_1\tquestion_2\tduplicate\nWhy?\t1", "line 2 must have 3 cells"),
        ("chains.csv", "chain,question\n1, ", "none of chain, question empty"),
        ("chains.csv", "chain,question\n", "has no rows"),
        ("chains.csv", "", "has the columns ; it must have chain, question, and may have step, answer"),
        ("chains.csv", 'chain,question\n1,"Why?', "line 2, is not well-formed"),
        ("chains.csv", "chain,question\n1,\udcff", "is not text in UTF-8"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_a_sentence(
    files: Path, capsys: pytest.CaptureFixture[str], name: str, text: str, complaint: str
) -> None:
    (files / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    assert run(files) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert name in err
    assert complaint in err


def test_what_would_fail_at_the_end_is_refused_at_the_start(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(files, "--out", str(files / "missing" / "report.md")) == 2
    assert "does not exist" in capsys.readouterr().err
    (files / "other").mkdir()
    (files / "other" / "pairs.tsv").write_text(PAIRS, encoding="utf-8")
    assert run(files, "--pairs", str(files / "other" / "pairs.tsv")) == 2
    assert "Two files are named pairs.tsv" in capsys.readouterr().err
    assert run(files, "--deeper", str(files / "none.tsv")) == 2
    assert "none.tsv cannot be read" in capsys.readouterr().err


def test_scores_are_held_against_what_people_say(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(files, "--ratings", str(files / "ratings.tsv")) == 0
    report = capsys.readouterr().out
    assert "18 follow-up questions to 3 questions" in report
    assert "| new content words | 1.00 (1.00 to 1.00) | none |" in report
    assert "| mix, cross-validated: new content words, closeness |" in report
    (files / "ratings.tsv").write_text(RATINGS.replace("\t6\t0", "\tmuch\t0"), encoding="utf-8")
    assert run(files, "--ratings", str(files / "ratings.tsv")) == 2
    assert "new_information, reasoning, relevance must be numbers" in capsys.readouterr().err


def test_intervals_are_wilsons() -> None:
    assert share([True, False] * 5) == "50.0% (23.7 to 76.3)"
    assert share([False] * 10) == "0.0% (0.0 to 27.8)"
    assert share([]) == "none"


@pytest.mark.parametrize(
    ("by", "found", "alarms", "kept_out"), [("meaning", 0.85, 0.12, 0.95), ("words", 0.8, 0.12, 0.9)]
)
def test_the_rules_keep_their_quality(
    embedder: Embedder, by: str, found: float, alarms: float, kept_out: float
) -> None:
    measure = Measure(embedder) if by == "meaning" else WORDS
    reworded = [pair.case for pair in read_kinds(DATA / "rewordings.tsv", same=True) if pair.split == "test"]
    deeper = [pair.case for pair in read_kinds(DATA / "deeper.tsv", same=False) if pair.split == "test"]
    assert sum(measure.compare_with_earlier(*case).repeated is not None for case in reworded) >= found * len(reworded)
    assert sum(measure.compare_with_earlier(*case).repeated is not None for case in deeper) <= alarms * len(deeper)
    assert sum(measure.compare_with_earlier(*case).rejected is not None for case in reworded) >= kept_out * len(
        reworded
    )


def test_the_published_report_explains_the_rules_as_they_are() -> None:
    published = (ROOT / "docs" / "measures.md").read_text(encoding="utf-8")
    assert "\n".join(explained()) in published, "The rules have changed: make docs/measures.md anew."
