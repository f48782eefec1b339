"""The commands with the echo engine print what they printed before: bytes that people and their scripts rely on.

`python -m tests.cli.test_golden` writes the expected files anew, after a sentence was reworded on purpose.
"""

import contextlib
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bonsai.cli.main import main
from bonsai.reports.formats import Format
from bonsai.settings import ROOT

GOLDEN = Path("tests/cli/golden")
QUESTIONS = ("Why do prices keep rising?", "なぜ盆栽は小さいのですか。")
# A workbook says when it was made, and a list of questions is not to be had of every method.
FORMATS = tuple(form for form in Format if form not in (Format.XLSX, Format.QUESTIONS))
ASK = ["ask", QUESTIONS[0], "--seed", "7"]
COMPARE = ["compare", *QUESTIONS, "--prompt", "assistant", "--prompt", "logician", "--method", "two-step"]
BATCH = [
    "batch",
    str(GOLDEN / "list.csv"),
    "--prompt",
    "assistant",
    "--prompt",
    "creator",
    "--steps",
    "2",
    "--repeats",
    "2",
]


def cases() -> Iterator[tuple[str, list[str]]]:
    """Yield the name of each expected file and the command that prints it."""
    for method in ("single", "two-step", "qtq"):
        for form in ("markdown", "csv", "json", "html"):
            yield f"ask-{method}.{form}", [*ASK, "--method", method, "--format", form]
    yield "ask-ja.markdown", ["ask", QUESTIONS[1], "--language", "ja"]
    yield "ask-tested.json", [*ASK, "--steps", "2", "--test-reasoning", "--format", "json"]
    branch = ["ask", "Who gains from it?", "--from", str(GOLDEN / "tree.json"), "--step", "2", "--prompt", "logician"]
    yield "ask-branch.json", [*branch, "--format", "json"]
    for form in FORMATS:
        yield f"compare.{form}", [*COMPARE, "--format", form]
        yield f"batch.{form}", [*BATCH, "--method", "qtq", "--format", form, "--columns", "prompt"]
        yield f"show-journal.{form}", ["show", str(GOLDEN / "saved.jsonl"), "--format", form]
    for form in ("markdown", "csv", "json", "html"):
        yield f"show-tree.{form}", ["show", str(GOLDEN / "tree.json"), "--format", form, "--language", "ja"]
    yield "batch.questions", [*BATCH, "--method", "qtq", "--format", "questions"]
    yield "score.csv", ["score", str(GOLDEN / "chains.csv")]


CASES = dict(cases())


def printed(arguments: list[str]) -> str:
    """Return what a command prints, but for the seconds that it took."""
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(stdout):
        patch.chdir(ROOT)
        patch.setenv("BONSAI_ENGINE", "echo")
        patch.setenv("BONSAI_EMBEDDER", "none")
        # The variants as the first version had them: whole templates.
        patch.setenv("BONSAI_PROMPTS", str(GOLDEN / "prompts"))
        assert main(arguments) == 0
        stdout.flush()
    return without_seconds(stdout.buffer.getvalue().decode())


def without_seconds(text: str) -> str:
    """Return a table, report or run with every number of seconds set to 0."""
    text = re.sub(r'("(?:seconds|time)": )[\d.e-]+', r"\g<1>0", text)
    # The seconds of a row stand between two counts of tokens and the move, which ends the row.
    counts = r"(?<![.\d])(?:(?:\d+,){2}|(?:\d+ \| ){2}|(?:\d+</td><td>){2})"
    text = re.sub(
        rf"({counts})\d+\.\d+(?=,[a-z ]*,,\r\n| \| [a-z ]*\|  \|  \|\n|</td><td>[a-z ]*</td><td></td><td></td></tr>)",
        r"\g<1>0.0",
        text,
    )
    text = re.sub(r"\b\d+\.\d+(?=\s*s\b)", "0.0", text)
    return re.sub(r"(?m)^(\|? ?(?:seconds|Seconds)\b.*)$", lambda line: re.sub(r"\d+(\.\d+)?", "0", line[0]), text)


@pytest.mark.parametrize("name", CASES)
def test_prints_the_same(name: str) -> None:
    assert printed(CASES[name]) == (ROOT / GOLDEN / name).read_bytes().decode()


if __name__ == "__main__":
    for name, arguments in CASES.items():
        (ROOT / GOLDEN / name).write_bytes(printed(arguments).encode())
