"""The commands `compare` and `batch`: what they print, keep and refuse, and that any end can be gone on from."""

import csv
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

import bonsai.engines
from bonsai.chains.formats import TaggedFormat
from bonsai.chains.prompts import load_variants
from bonsai.cli.main import main
from bonsai.engines.echo import EchoEngine
from bonsai.runs.run import read_run
from bonsai.settings import ROOT, Settings

QUESTIONS = ROOT / "examples" / "questions.csv"
PAIR = ["--prompt", "assistant", "--prompt", "logician"]
COMMAND = ["batch", str(QUESTIONS), "--method", "two-step", *PAIR]


@pytest.fixture(autouse=True)
def no_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BONSAI_ENGINE", "echo")
    monkeypatch.setenv("BONSAI_EMBEDDER", "none")


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Iterator[EchoEngine]:
    """The engine that answers."""
    engine = EchoEngine()
    monkeypatch.setattr(bonsai.engines, "open_engine", lambda settings: engine)
    return engine


def rows(text: str) -> list[dict[str, str]]:
    """Return the rows of a CSV text without what the clock decides."""
    found = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
    return [{name: cell for name, cell in row.items() if name != "seconds"} for row in found]


def table(file: Path) -> list[dict[str, str]]:
    return rows(file.read_bytes().decode())


def test_compare_prints_variants_side_by_side(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "Why does rain smell?", "Why do we sleep?", *PAIR, "--method", "single"]) == 0
    out, err = capsys.readouterr()
    assert "| question | step | assistant | logician |" in out
    assert "too few" in out
    assert "4 of 4 chains" in err


def test_compare_crosses_all_axes(capsys: pytest.CaptureFixture[str]) -> None:
    options = [
        "--method",
        "single",
        "--method",
        "qtq",
        "--steps",
        "2",
        "--repeats",
        "2",
        "--seed",
        "5",
        "--format",
        "csv",
    ]
    assert main(["compare", "Why does rain smell?", *PAIR, *options]) == 0
    found = rows(capsys.readouterr().out)
    asked = [(row["seed"], row["method"], row["prompt"], row["step"]) for row in found]
    assert asked == [
        (seed, method, prompt, step)
        for seed in ("5", "6")
        for method, steps in (("single", "1"), ("qtq", "12"))
        for prompt in ("assistant", "logician")
        for step in steps
    ]


def test_the_figures_are_the_same_on_stdout_in_csv_and_in_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = tmp_path / "run.json"
    questions = [f"Why does the number {n} matter?" for n in range(16)]
    assert main(["compare", *questions, *PAIR, "--method", "qtq", "--steps", "2", "--out", str(saved)]) == 0
    figures = json.loads(saved.read_text())["statistics"]
    assert any(figure["low"] is not None and figure["other"] for figure in figures)
    assert main(["show", str(saved), "--out", str(tmp_path / "f.statistics.csv")]) == 0
    assert [row["value"] for row in table(tmp_path / "f.statistics.csv")] == [
        "" if figure["value"] is None else str(figure["value"]) for figure in figures
    ]
    capsys.readouterr()
    assert main(["show", str(saved)]) == 0
    report = capsys.readouterr().out
    for figure in figures:
        if figure["low"] is not None:
            assert f"| {figure['value']:g} | {figure['low']:g} to {figure['high']:g} |" in report


def test_columns_can_be_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "Why?", *PAIR, "--repeats", "2", "--method", "single", "--columns", "seed"]) == 0
    assert "| question | prompt | step | 1 | 2 |" in capsys.readouterr().out


def test_with_and_without_the_adapter(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def opened(settings: Settings) -> EchoEngine:
        engine = EchoEngine(replies={"<|reasoning|>": ""} if settings.adapter == "none" else {})
        engine.info = replace(engine.info, adapter_id="" if settings.adapter == "none" else "a/b")
        return engine

    monkeypatch.setattr(bonsai.engines, "open_engine", opened)
    options = ["--with-and-without-adapter", "--method", "two-step", "--format", "csv"]
    assert main(["compare", "Why do we sleep?", *options]) == 0
    found = rows(capsys.readouterr().out)
    assert [(row["adapter"], row["flags"], bool(row["reasoning"])) for row in found] == [
        ("a/b", "", True),
        ("", "no-reasoning", False),
    ]


def test_batch_asks_a_list_and_tells_what_it_passed_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "list.txt"
    file.write_text("Why?\n\nWho?\nwhy?\n")
    assert main(["batch", str(file), "--method", "single", "--format", "csv"]) == 0
    out, err = capsys.readouterr()
    assert [row["question"] for row in rows(out)] == ["Why?", "Who?"]
    assert "Blank lines, passed over: 2." in err and "repeat a question, passed over: 4 (as 1)" in err
    assert "2 of 2 chains" in err


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """The table of an uninterrupted run."""
    out = tmp_path_factory.mktemp("whole") / "t.csv"
    environment = {**os.environ, "BONSAI_ENGINE": "echo", "BONSAI_EMBEDDER": "none"}
    command = [sys.executable, "-m", "bonsai", *COMMAND, "--out", str(out)]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, timeout=60)
    return table(out)


KILLED_AGAIN_AND_AGAIN = """
import os, random, signal, sys, time
from dataclasses import replace
from pathlib import Path
import bonsai.engines
from bonsai.cli.main import main
from bonsai.engines.echo import EchoEngine
# Imported before the clock runs.
import bonsai.reports.exports, bonsai.runs.journal, bonsai.measures.similarity
import bonsai.runs.journal.progress, bonsai.runs.question_lists

def three_rows(settings):
    # So that steps are finished one after the other, and not all at the end.
    engine = EchoEngine()
    engine.info = replace(engine.info, max_batch_size=3)
    return engine

bonsai.engines.open_engine = three_rows
command, folder = sys.argv[2:], Path(sys.argv[1])
sys.stdout = sys.stderr = open(os.devnull, "w")
for _ in range(2):
    began = time.perf_counter()
    assert main([*command, "--out", str(folder / "whole.csv")]) == 0
    length = time.perf_counter() - began
chance = random.Random(int(os.environ["SEED"]))
for number in range(20):
    journal, out = folder / f"{number}.jsonl", folder / f"{number}.csv"
    kept = [*command, "--journal", str(journal), "--resume", "--out", str(out)]
    for round_ in range(3):
        child = os.fork()
        if child == 0:
            # The kernel ends the process when the alarm rings: no handler, no clean-up, as kill -9 does.
            signal.setitimer(signal.ITIMER_REAL, chance.uniform(0.05, 0.7) * length)
            os._exit(main(kept))
        chance.random()
        _, status = os.waitpid(child, 0)
        lines = journal.read_bytes().count(b"\\n") if journal.exists() else 0
        print(lines, os.WIFSIGNALED(status), file=sys.__stdout__)
    assert main(kept) == 0
"""


@pytest.mark.process
def test_killed_at_random_moments_and_resumed_it_ends_as_if_uninterrupted(
    tmp_path: Path, whole: list[dict[str, str]]
) -> None:
    environment = {**os.environ, "SEED": "1"}
    command = [sys.executable, "-c", KILLED_AGAIN_AND_AGAIN, str(tmp_path), *COMMAND]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    reached = [line.split() for line in done.stdout.splitlines()]
    kills = [int(lines) for lines, killed in reached if killed == "True"]
    assert sum(lines < 19 for lines in kills) >= 20, "the alarm rang in the midst of most runs"
    assert len(set(kills)) > 5, "the process was killed in different places"
    for number in range(20):
        assert table(tmp_path / f"{number}.csv") == whole
        lines = (tmp_path / f"{number}.jsonl").read_text(encoding="utf-8").splitlines()
        steps = [line for line in lines if '"step": {' in line]
        assert len(steps) == 18, "no finished step was written twice"
        assert len(lines) <= 1 + 18 + 1, "beside the plan and the steps it says once how the texts came about"


def test_an_interrupted_batch_draws_what_it_has_and_says_how_to_go_on(
    tmp_path: Path, whole: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    left = iter(range(400))

    def pause() -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt

    journal, out = tmp_path / "j.jsonl", tmp_path / "t.csv"
    kept = [*COMMAND, "--journal", str(journal), "--out", str(out)]
    first, second = EchoEngine(pause=pause), EchoEngine()
    first.info = second.info = replace(first.info, max_batch_size=4)
    opened = iter([first, second])
    monkeypatch.setattr(bonsai.engines, "open_engine", lambda settings: next(opened))
    assert main(kept) == 130
    told = capsys.readouterr().err
    assert re.search(rf"interrupted after \d+ of 18 chains; go on with --journal {journal} --resume", told)
    before = table(out)
    assert 0 < len(before) < 18
    assert all(row in whole for row in before)
    assert main([*kept, "--resume"]) == 0
    assert f"{journal}: {len(before)} of 18 chains are finished, {len(before)} steps." in capsys.readouterr().err
    assert table(out) == whole


def test_a_variant_that_fails_on_one_question_spares_the_rest_and_is_retried_alone(
    tmp_path: Path, whole: list[dict[str, str]], answering: EchoEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    journal, out = tmp_path / "j.jsonl", tmp_path / "t.csv"
    kept = [*COMMAND, "--journal", str(journal), "--out", str(out)]
    logician = load_variants(ROOT / "prompts")["logician"]
    answering.fail_on = logician.render("reasoning", TaggedFormat(), question="Why do we forget what we learn?").text
    assert main(kept) == 1
    told = capsys.readouterr().err
    assert "bonsai: chain 16 ('Why do we forget what we learn?', logician): The echo engine was told to fail" in told
    assert ", 1 failed" in told
    assert [row["flags"] for row in table(out)] == [""] * 15 + ["error"] + [""] * 2
    answering.fail_on = ""
    assert main([*kept, "--resume"]) == 1, "what failed is not asked again unless it is wanted"
    assert main([*kept, "--resume", "--retry-failed"]) == 0
    assert table(out) == whole
    assert journal.read_text().count('"step": {') == 18 + 1


def test_a_journal_of_other_settings_is_refused_with_the_differences(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = str(tmp_path / "j.jsonl")
    assert main([*COMMAND, "--journal", journal, "--out", str(tmp_path / "t.csv")]) == 0
    assert main([*COMMAND, "--journal", journal]) == 2
    assert "exists already; go on with its run by --resume" in capsys.readouterr().err
    assert main([*COMMAND[:-2], "--seed", "4", "--temperature", "0.9", "--journal", journal, "--resume"]) == 2
    told, *differences = capsys.readouterr().err.splitlines()
    assert told == (
        f"bonsai: The journal {journal} is of other settings, so it cannot be resumed with these (give those that it "
        "was begun with, or name another journal):"
    )
    assert differences == [
        "  temperature: 0.3, now 0.9",
        "  prompt variants: assistant logician, now assistant",
        "  seeds: 1, now 4",
    ]


def test_a_journal_is_drawn_at_any_moment(tmp_path: Path, whole: list[dict[str, str]]) -> None:
    journal, out = tmp_path / "j.jsonl", tmp_path / "t.csv"
    assert main([*COMMAND, "--journal", str(journal), "--out", str(tmp_path / "run.json")]) == 0
    assert main(["show", str(journal), "--out", str(out)]) == 0
    assert table(out) == whole
    # The plan, seven steps, and how their texts came about.
    part = b"".join(journal.read_bytes().splitlines(keepends=True)[:9])
    journal.write_bytes(part + b'{"chain": 9, "st')
    assert main(["show", str(journal), "--out", str(out)]) == 0
    assert len(table(out)) == 7
    assert len(read_run(tmp_path / "run.json").chains) == 18


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["compare", "Why?"], 2, "nothing to compare; name two prompt variants with --prompt"),
        (["compare", "Why?", "--prompt", "assistant"], 2, "nothing to compare"),
        (["compare", "Why?", "--prompt", "assistant", "--prompt", "assistant"], 2, "assistant is chosen twice"),
        (["compare", "Why?", *PAIR, "--repeats", "0"], 2, "repeats is 0; it must be at least 1"),
        (["compare", " ", *PAIR], 2, "has no questions"),
        (["compare", "Why?", "--prompt", "poet", "--prompt", "assistant"], 2, "no prompt variant 'poet'"),
        (["compare", "Why?", *PAIR, "--steps", "0"], 2, "steps is 0; it must be at least 1"),
        (["compare", "Why?", *PAIR, "--seed", "-1"], 2, "seed is -1"),
        (["compare", "Why?", "--with-and-without-adapter"], 2, "No adapter answers here"),
        (["batch", "/nowhere/list.csv"], 2, "/nowhere/list.csv cannot be read: No such file"),
        (["batch", str(ROOT / "LICENSE")], 2, "is none of .csv, .tsv, .xlsx, .jsonl, .json and .txt"),
        (["batch", str(QUESTIONS), "--column", "topic"], 2, "has no column topic; found: id, question, field"),
        (["batch", str(QUESTIONS), "--resume"], 2, "name it with --journal"),
        (["batch", str(QUESTIONS), "--retry-failed", "--journal", "j"], 2, "give --resume"),
        (["batch", str(QUESTIONS), "--journal", "/nowhere/j.jsonl"], 1, "cannot be written: No such file"),
        (["batch", str(QUESTIONS), "--journal", str(QUESTIONS), "--resume"], 1, "is not a journal"),
        (["batch", str(QUESTIONS), "--out", "/nowhere/t.csv"], 2, "folder /nowhere does not exist"),
        (["ask", "Why?", "--format", "statistics"], 2, "has but one column"),
    ],
)
def test_bad_input_gets_a_sentence(
    arguments: Sequence[str], code: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = QUESTIONS.read_bytes()
    assert main(arguments) == code
    out, err = capsys.readouterr()
    assert sentence in err
    assert out == ""
    assert QUESTIONS.read_bytes() == before


def test_a_list_over_the_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "list.txt"
    file.write_text("\n".join(f"Why {n}?" for n in range(10_001)))
    assert main(["batch", str(file)]) == 2
    assert "has 10,001 questions; at most 10,000 can be run" in capsys.readouterr().err
    monkeypatch.setenv("BONSAI_MAX_QUESTIONS", "3")
    assert main(["batch", str(QUESTIONS)]) == 2
    assert "has 9 questions; at most 3" in capsys.readouterr().err
