"""Streams: what changes on a terminal is cleared before what follows; one that is closed or full is no traceback."""

import io
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bonsai import engines
from bonsai.cli import output
from bonsai.cli.main import main
from bonsai.engines.echo import EchoEngine
from bonsai.settings import ROOT
from tests.runs.journals import finished_journal

ASK = ["ask", "Why do bells ring?", "--steps", "2"]
CLEAR = "\r\033[K"


class Terminal(io.StringIO):
    """A terminal of which no width is known."""

    def isatty(self) -> bool:
        return True

    @property
    def lines(self) -> list[str]:
        """What a person sees at the end, the line of the cursor last."""
        return [line.rpartition(CLEAR)[2] for line in self.getvalue().split("\n")]


@pytest.fixture(autouse=True)
def no_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BONSAI_ENGINE", "echo")
    monkeypatch.setenv("BONSAI_EMBEDDER", "none")


def shown(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Return a terminal as stderr, on which every change is shown."""
    terminal = Terminal()
    # Not in a fixture: before the test itself stderr is set anew.
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setattr(output, "_SECONDS_BETWEEN_CHANGES", 0)
    return terminal


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Lets the engine be interrupted after so many of its pauses."""

    def interrupt(after: int) -> None:
        left = iter(range(after))

        def pause() -> None:
            if next(left, None) is None:
                raise KeyboardInterrupt

        monkeypatch.setattr(engines, "open_engine", lambda settings: EchoEngine(pause=pause))

    return interrupt


def test_a_report_begins_a_line_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = shown(monkeypatch)
    assert main([*ASK, "--conclude"]) == 0
    assert "chain 1: conclusion ..." in terminal.getvalue()
    assert [line[:11] for line in terminal.lines] == ["step 1 of 2", "step 2 of 2", ""]


def test_what_follows_an_interruption_begins_a_line_of_its_own(
    monkeypatch: pytest.MonkeyPatch, interrupt: Callable[[int], None], tmp_path: Path
) -> None:
    terminal = shown(monkeypatch)
    interrupt(30)
    assert main(ASK) == 130
    assert "step 1 of 2" in terminal.getvalue()
    assert terminal.lines == [""]
    questions = tmp_path / "list.txt"
    questions.write_text("Why?\nHow?\n")
    interrupt(120)
    assert main(["batch", str(questions), "--candidates", "1"]) == 130
    assert "of 2 chains, 0 s" in terminal.getvalue()
    assert [line for line in terminal.lines if line][0].startswith("bonsai: interrupted after")


def test_a_line_that_would_wrap_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = shown(monkeypatch)
    with output.ProgressLine() as line:
        line.show("x" * 200)
        assert terminal.lines == ["x" * 79]
        line.keep("y" * 200)
    assert terminal.lines == ["y" * 200, ""]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which commands run; a variant and a file of records are not named in Latin letters."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "prompts", "prompts")
    variant = Path("prompts/assistant.yaml")
    variant.write_text(variant.read_text().replace('description: "', 'description: "盆栽 '))
    monkeypatch.setenv("BONSAI_PROMPTS", "prompts")
    Path("盆栽.jsonl").write_text("{}\n")
    assert main([*ASK, "--out", "run.json"]) == 0
    return tmp_path


def opened(device: str) -> io.TextIOBase | None:
    """Return a device as a stream, None for a stream that is closed."""
    return os.fdopen(os.open(device, os.O_WRONLY), "w") if device else None


WRITES = pytest.mark.parametrize("command", [["prompts"], ["train", "盆栽.jsonl", "--check"], ["show", "run.json"]])


@WRITES
@pytest.mark.parametrize(("stdout", "reason"), [("", "it is closed"), ("/dev/full", "No space left on device")])
def test_a_stdout_that_cannot_be_written_is_told(
    folder: Path,
    command: list[str],
    stdout: str,
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.stdout", opened(stdout))
    assert main(command) == 1
    assert f"bonsai: Stdout cannot be written: {reason}.\n" in capsys.readouterr().err
    assert sys.stdout is None, "What is left in it would fail again at the end."


@WRITES
def test_a_reader_that_has_gone_ends_the_command(
    folder: Path, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    monkeypatch.setattr("sys.stdout", os.fdopen(writer, "w"))
    assert main(command) == 1
    assert sys.stdout is None


@WRITES
def test_stdout_is_utf_8_whatever_the_locale(folder: Path, command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    stdout = io.TextIOWrapper(written, encoding="latin-1")
    monkeypatch.setattr("sys.stdout", stdout)
    main(command)
    assert written.getvalue().decode()


@pytest.mark.parametrize("stderr", ["", "/dev/full"])
def test_a_stderr_that_cannot_be_written_ends_nothing(
    stderr: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr", opened(stderr))
    assert main([*ASK, "--conclude"]) == 0
    assert capsys.readouterr().out.startswith("# Bonsai run")


def test_a_stdin_that_is_closed_has_no_marks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = finished_journal(tmp_path / "run.jsonl", 1).file
    monkeypatch.setattr("sys.stdin", None)
    assert main(["judge", str(file)]) == 1
    assert "bonsai: Stdin cannot be read: it is closed.\n" in capsys.readouterr().err
