"""--out: into what a link points to, never in the place of what is no regular file; what cannot be is told before."""

import csv
import os
import re
import stat
import subprocess
import sys
import threading
from pathlib import Path

import openpyxl
import pytest

from bonsai.cli import drawing
from bonsai.cli.main import main
from bonsai.runs.run import read_run
from bonsai.settings import ROOT

ASK = ["ask", "Why do bells ring?", "--method", "single"]
COMPARE = ["compare", "Why do bells ring?", "--method", "single", "--prompt", "assistant", "--prompt", "logician"]


@pytest.fixture(autouse=True)
def no_models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BONSAI_ENGINE", "echo")
    monkeypatch.setenv("BONSAI_EMBEDDER", "none")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What was asked of an engine so far: nothing may be where a command is refused."""
    from bonsai import engines

    opened: list[object] = []
    monkeypatch.setattr(engines, "open_engine", lambda settings: opened.append(settings))
    return opened


@pytest.mark.parametrize(
    ("name", "begin"),
    [
        ("T.CSV", "\ufeffrun,chain"),
        ("t.Json", "{"),
        ("t.HTML", "<!"),
        ("t.htm", "<!"),
        ("t.MD", "# Bonsai run"),
        ("t.markdown", "# Bonsai run"),
        ("t", "# Bonsai run"),
        ("a.b/t", "# Bonsai run"),
        ("t.comparator.JSON", '{\n  "metadata"'),
        ("t.Statistics.Csv", "\ufeffquantity"),
        ("t.XLSX", "PK"),
    ],
)
def test_endings_count_in_any_case(tmp_path: Path, name: str, begin: str) -> None:
    out = tmp_path / name
    out.parent.mkdir(exist_ok=True)
    assert main([*COMPARE, "--out", str(out)]) == 0
    assert out.read_bytes().decode("utf-8", "replace").lower().startswith(begin.lower())


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ([*ASK, "--out", "t.tsv"], "No format has the ending .tsv"),
        ([*ASK, "--out", "t.txt"], "No format has the ending .txt"),
        ([*COMPARE, "--out", "t.pdf"], "No format has the ending .pdf"),
        ([*ASK, "--format", "statistics"], "There are no statistics of this run"),
        ([*ASK, "--format", "llm-comparator"], "LLM Comparator shows two columns"),
        ([*ASK, "--out", "t.statistics.csv"], "There are no statistics of this run"),
        (["batch", "LIST", "--method", "single", "--format", "statistics"], "There are no statistics of this run"),
        (["batch", "LIST", "--out", "t.comparator.json"], "LLM Comparator shows two columns"),
        (["batch", "LIST", "--out", "LIST"], "is read by this command; choose another file"),
        ([*ASK, "--out", "nowhere/t.csv"], "folder .*nowhere does not exist"),
        ([*ASK, "--out", "."], "is a folder"),
        ([*ASK, "--out", "x" * 300 + ".csv"], "cannot be written: File name too long"),
        ([*ASK, "--out", "loop.csv"], "cannot be written: Too many levels of symbolic links"),
        ([*ASK, "--out", "LIST/t.csv"], "cannot be written: Not a directory"),
        ([*ASK, "--out", "/proc/t.csv"], "/proc/t.csv cannot be written"),
    ],
)
def test_what_cannot_be_written_is_told_before_anything_is_asked(
    command: list[str],
    sentence: str,
    tmp_path: Path,
    asked: list[object],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("LIST.txt").write_text("Why?\nHow?\nWho?\n")
    Path("loop.csv").symlink_to("loop.csv")
    assert main([word.replace("LIST", "LIST.txt") for word in command]) == 2
    out, err = capsys.readouterr()
    assert out == "" and asked == []
    assert len(err.splitlines()) == 1
    assert re.search(sentence, err)
    assert sorted(os.listdir()) == ["LIST.txt", "loop.csv"]


@pytest.mark.parametrize(
    "command",
    [
        ["show", "run.json", "--format", "csv", "--out", "run.json"],
        ["show", "run.json", "--out", "link.json"],
        ["show", "list.jsonl", "--format", "json", "--out", "list.jsonl"],
        ["score", "chains.csv", "--out", "chains.csv"],
        ["batch", "list.txt", "--journal", "new.json", "--out", "./new.json"],
        ["batch", "list.txt", "--journal", "loose.json", "--out", "new.json"],
        ["ask", "--from", "run.json", "--step", "1", "--seed", "9", "--format", "csv", "--out", "run.json"],
        ["evaluate", "--questions", "list.txt", "--out", "list.txt"],
        ["evaluate", "--facts", "facts.tsv", "--out", "facts.tsv"],
        ["evaluate", "--judged", "chains.csv", "--out", "chains.csv"],
    ],
)
def test_no_command_writes_over_what_it_reads(
    command: list[str],
    tmp_path: Path,
    asked: list[object],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    kept = "kept"
    for name in ("run.json", "list.jsonl", "chains.csv", "list.txt", "facts.tsv"):
        Path(name).write_text(kept)
    Path("link.json").symlink_to("run.json")
    Path("loose.json").symlink_to("new.json")
    assert main(command) == 2
    assert "is read by this command; choose another file for --out" in capsys.readouterr().err
    assert asked == [] and not Path("new.json").exists()
    assert {file.read_text() for file in tmp_path.iterdir() if file.exists()} == {kept}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_closed_folders_and_files_are_told_before(tmp_path: Path, asked: list[object]) -> None:
    for mode in (0o000, 0o555):
        folder = tmp_path / f"{mode}"
        folder.mkdir(mode=mode)
        assert main([*ASK, "--out", str(folder / "t.csv")]) == 2
    kept = tmp_path / "kept.csv"
    kept.write_text("kept")
    kept.chmod(0o444)
    assert main([*ASK, "--out", str(kept)]) == 2
    assert kept.read_text() == "kept" and asked == []


def test_a_link_stays_and_its_target_is_written(tmp_path: Path) -> None:
    real, link, loose = tmp_path / "real.csv", tmp_path / "link.csv", tmp_path / "loose.csv"
    real.write_text("old")
    real.chmod(0o640)
    link.symlink_to("real.csv")
    loose.symlink_to("new.csv")
    for out in (link, loose):
        assert main([*ASK, "--out", str(out)]) == 0
        assert out.is_symlink()
    assert "Why do bells ring?" in real.read_text() and "Why do bells ring?" in (tmp_path / "new.csv").read_text()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert sorted(os.listdir(tmp_path)) == ["link.csv", "loose.csv", "new.csv", "real.csv"]


def test_a_pipe_and_a_device_are_written_into(tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe.csv", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text(encoding="utf-8-sig")))
    reader.start()
    # The reader waits for a writer; one that opens and closes at once would not be heard of by it.
    holder = os.open(pipe, os.O_WRONLY)
    assert main([*ASK, "--out", str(pipe)]) == 0
    os.close(holder)
    reader.join(20)
    assert [row["question"] for row in csv.DictReader(read[0].splitlines())] == ["Why do bells ring?"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert main([*ASK, "--out", "/dev/null"]) == 0
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_a_pipe_that_nobody_reads_is_an_error_and_the_run_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.csv")
    assert main([*ASK, "--out", "pipe.csv"]) == 1
    told = capsys.readouterr().err
    (kept,) = tmp_path.glob("bonsai-*.kept.json")
    assert "pipe.csv cannot be written" in told
    assert f"the run is kept in {kept}; draw it with: python -m bonsai show {kept}" in told
    assert read_run(kept).chains[0].steps[0].question == "Why do bells ring?"


def test_whatever_fails_at_the_end_the_run_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("list.txt").write_text("Why?\nHow?\n")
    assert main(["batch", "list.txt", "--method", "single", "--out", "/dev/full"]) == 1
    told = capsys.readouterr().err
    assert "/dev/full cannot be written: No space left on device" in told
    (kept,) = tmp_path.glob("bonsai-*.kept.json")
    assert len(read_run(kept).chains) == 2
    monkeypatch.setattr(drawing, "export", None)
    journal = ["batch", "list.txt", "--method", "single", "--journal", "j.jsonl"]
    with pytest.raises(TypeError):
        main(journal)
    assert "the run is kept in j.jsonl; draw it with: python -m bonsai show j.jsonl" in capsys.readouterr().err


def test_a_dash_is_stdout(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*ASK, "--format", "csv", "--out", "-"]) == 0
    assert capsys.readouterr().out.startswith("\ufeffrun,chain")
    assert os.listdir() == []


def test_process_substitution_and_a_full_stdout(tmp_path: Path) -> None:
    command = " ".join([sys.executable, "-m", "bonsai", *ASK[:1], "'Why?'", "--method single --format csv"])
    script = f"{command} --out >(cat > {tmp_path}/t.csv); wait; {command} > /dev/full"
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    ended = subprocess.run(
        ["bash", "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100
    )
    assert "Why?" in (tmp_path / "t.csv").read_text()
    assert ended.returncode == 1
    assert "Stdout cannot be written: No space left on device" in ended.stderr
    assert "Traceback" not in ended.stderr
    for kept in ROOT.glob("bonsai-*.kept.json"):
        kept.unlink()


def test_a_workbook_holds_texts_as_texts_and_numbers_as_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, long = tmp_path / "t.xlsx", "=1+1 _x0041_ 🐦" + "é" * 40_000
    assert main(["ask", long, "--method", "single", "--out", str(out)]) == 0
    assert "cut, since no cell of Excel holds more: chain 1, step 1" in capsys.readouterr().err
    book = openpyxl.load_workbook(out)
    assert book["cut"]["A2"].value == "F2"
    assert len(book["steps"]["F2"].value.replace("_x005F_", "_").encode("utf-16-le")) == 2 * 32_767
    assert main(["ask", "=1+1 is _x0041_?", "--method", "single", "--out", str(out)]) == 0
    book = openpyxl.load_workbook(out)
    header, row = book["steps"].iter_rows()
    cells = {name.value: cell for name, cell in zip(header, row, strict=True)}
    assert (cells["question"].data_type, cells["step"].data_type, cells["step"].value) == ("s", "n", 1)
    assert cells["question"].value == "=1+1 is _x005F_x0041_?"
    assert [cell.value for cell in next(book["summary"].iter_rows())] == ["name", "text"]
    scores = tmp_path / "scores.xlsx"
    chains = tmp_path / "chains.csv"
    chains.write_text("chain,question\n1,'=1+1?\n1,'=1+1?\n")
    assert main(["score", str(chains), "--out", str(scores)]) == 0
    assert [cell.value for cell in list(openpyxl.load_workbook(scores)["rows"].iter_rows())[2]][:4] == [
        "1",
        "=1+1?",
        2,
        1,
    ]
    again = tmp_path / "again.csv"
    assert main(["score", str(scores), "--out", str(again)]) == 0
    assert main(["score", str(chains), "--out", str(tmp_path / "t.csv")]) == 0
    assert again.read_bytes() == (tmp_path / "t.csv").read_bytes()
    assert main(["score", str(chains), "--out", str(tmp_path / "t.json")]) == 2
    assert "Scores are written as .csv or .xlsx" in capsys.readouterr().err
