"""Terminals and streams: what changes on a terminal is cleared before what follows, and closed streams are told of."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from bonsai import engines
from bonsai.cli import output
from bonsai.cli.main import main
from bonsai.engines.echo import EchoEngine

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
