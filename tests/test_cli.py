"""The command line: tables on stdout, sentences on stderr, and exit codes that scripts can rely on."""

import csv
import io
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from bonsai.cli import main
from bonsai.settings import ROOT
from bonsai.table import COLUMNS

QUESTION = "Why did productivity stop growing?"


@pytest.fixture(autouse=True)
def echo_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BONSAI_ENGINE", "echo")


def test_ask_prints_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", QUESTION, "--method", "qtq", "--steps", "2"]) == 0
    out, err = capsys.readouterr()
    assert out.count("## Step") == 2
    assert "Traceback" not in err


def test_ask_as_csv_has_every_column_and_a_row_a_step(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", QUESTION, "--steps", "3", "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out.removeprefix("\ufeff"), newline="")))
    assert list(rows[0]) == list(COLUMNS)
    assert [row["step"] for row in rows] == ["1", "2", "3"]


def test_the_same_seed_prints_the_same_steps(capsys: pytest.CaptureFixture[str]) -> None:
    def texts() -> list[dict[str, str]]:
        assert main(["ask", QUESTION, "--seed", "1", "--format", "json"]) == 0
        (chain,) = json.loads(capsys.readouterr().out)["chains"]
        keys = ("question", "reasoning", "answer", "next_question")
        return [{key: step[key] for key in keys} for step in chain["steps"]]

    first = texts()
    assert len(first) == 3
    assert all(all(step.values()) for step in first)
    assert first == texts()


def test_a_saved_run_is_drawn_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved = tmp_path / "run.json"
    assert main(["ask", QUESTION, "--format", "json", "--out", str(saved)]) == 0
    assert capsys.readouterr().out == ""
    for form in ("markdown", "csv", "json"):
        assert main(["show", str(saved), "--format", form, "--out", str(tmp_path / "again")]) == 0
    assert (tmp_path / "again").read_bytes() == saved.read_bytes()


def test_prompts_lists_the_variants(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prompts"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        "assistant", "creator", "instruct", "logician", "translator",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["ask", ""], 2, "The question is empty"),
        (["ask", " \n "], 2, "The question is empty"),
        (["ask", "word " * 3000], 2, "tokens, and the model reads at most 2,048"),
        (["ask", QUESTION, "--prompt", "poet"], 2, "no prompt variant 'poet'; choose one of assistant"),
        (["ask", QUESTION, "--temperature", "9"], 2, "temperature is 9.0; it must be between 0 and 5"),
        (["ask", QUESTION, "--max-new-tokens", "0"], 2, "max_new_tokens is 0"),
        (["ask", QUESTION, "--steps", "0"], 2, "at least one step"),
        (["ask", QUESTION, "--seed", "-1"], 2, "seed is -1"),
        (["ask", QUESTION, "--out", "/nowhere/table.md"], 2, "folder /nowhere does not exist"),
        (["ask", QUESTION, "--out", "/tmp"], 2, "/tmp is a folder"),
        (["show", "/nowhere/run.json"], 1, "/nowhere/run.json cannot be read: No such file"),
        (["train", "/nowhere/x.jsonl", "--base", "b", "--out", "o"], 2, "/nowhere/x.jsonl cannot be read"),
    ],
)
def test_bad_input_gets_a_sentence(
    arguments: list[str], code: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == code
    out, err = capsys.readouterr()
    assert sentence in err
    assert out == ""


@pytest.mark.parametrize(
    "arguments", [[], ["dance"], ["ask"], ["ask", "q", "--method", "magic"], ["ask", "q", "--steps", "x"]]
)
def test_wrong_usage_is_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "--help" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("BONSAI_ENGINE", "vllm", "BONSAI_ENGINE is 'vllm'; it must be one of"),
        ("BONSAI_PROMPTS", "/nowhere", "/nowhere has no prompt variants"),
        ("BONSAI_PROMPT", "poet", "no prompt variant 'poet'"),
    ],
)
def test_a_wrong_setting_gets_a_sentence(
    name: str, value: str, sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, value)
    assert main(["ask", QUESTION]) == 2
    assert sentence in capsys.readouterr().err


def test_a_model_folder_that_is_none_is_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BONSAI_ENGINE", "local")
    assert main(["ask", QUESTION, "--model", str(tmp_path)]) == 1
    assert str(tmp_path) in capsys.readouterr().err


def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "bonsai", "serve", "--port", port]
        ended = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 1
    assert f"port {port}: it is in use" in ended.stderr
    assert "--port" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_interrupted_run_prints_what_it_has() -> None:
    script = (
        "import os, signal, sys\n"
        "import bonsai.engines\n"
        "from bonsai.engines.echo import EchoEngine\n"
        "from bonsai.cli import main\n"
        # A shell that runs tests in the background lets them ignore the signal.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "left = iter(range(45))\n"
        "pause = lambda: next(left, None) is None and os.kill(os.getpid(), signal.SIGINT)\n"
        "bonsai.engines.open_engine = lambda settings: EchoEngine(pause=pause)\n"
        f"sys.exit(main(['ask', {QUESTION!r}, '--steps', '9', '--candidates', '1']))\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 130
    assert "## Step 1" in ended.stdout
    assert "stopped" in ended.stdout
    assert "Traceback" not in ended.stderr


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    environment = {**os.environ, "BONSAI_ENGINE": "echo"}
    command = f"{sys.executable} -m bonsai ask '{QUESTION}' --steps 20 | head -c 10"
    ended = subprocess.run(command, shell=True, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert "Traceback" not in ended.stderr
    assert signal.SIGPIPE.name not in ended.stderr
