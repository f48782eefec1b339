"""The command line: tables on stdout, sentences on stderr, and exit codes that scripts can rely on."""

import csv
import errno
import io
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from bonsai.cli.main import main
from bonsai.reports.question_bank import question_bank
from bonsai.reports.table import COLUMNS
from bonsai.runs.run import Run, read_run
from bonsai.settings import ROOT

QUESTION = "Why did productivity stop growing?"


@pytest.fixture(autouse=True)
def no_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BONSAI_ENGINE", "echo")
    monkeypatch.setenv("BONSAI_EMBEDDER", "none")


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


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A saved run: one chain of three steps, with three candidates each."""
    file = tmp_path / "run.json"
    assert main(["ask", QUESTION, "--format", "json", "--out", str(file)]) == 0
    return file


def other_candidate(run: Run) -> int:
    """Return the number of a candidate of the first step that was not asked next."""
    step = run.chains[0].steps[0]
    return next(number for number, text in step.proposed.items() if text != step.next_question)


def tree_of(saved: Path, *options: str) -> Run:
    """Return the run with the branch that the options ask for, and keep it in the place of the old one."""
    assert main(["ask", *options, "--from", str(saved), "--format", "json", "--out", str(saved)]) == 0
    return read_run(saved)


def test_a_branch_with_another_candidate_keeps_the_old_chain(saved: Path) -> None:
    before = read_run(saved)
    number = other_candidate(before)
    tree = tree_of(saved, "--step", "1", "--candidate", str(number))
    old, new = tree.chains
    assert before.chains == (old,)
    assert (tree.id, tree.model, tree.measure) == (before.id, "echo", "words")
    assert (new.parent, new.shared, new.length, new.stop_reason) == (1, 1, 3, "done")
    assert new.questions[1] == old.steps[0].candidates[number - 1].question


def test_a_branch_with_another_question_variant_and_seed(saved: Path) -> None:
    tree = tree_of(saved, "Who gained from it?", "--step", "2", "--prompt", "creator", "--seed", "7", "--steps", "4")
    old, new = tree.chains
    assert new.questions[:2] == (QUESTION, "Who gained from it?")
    assert (new.prompt.name, new.seed, len(new.steps)) == ("creator", 7, 4)
    assert (old.prompt.name, old.seed) == ("assistant", 1)


def test_a_branch_of_a_branch_is_drawn_whole(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree_of(saved, "--step", "1", "--candidate", str(other_candidate(read_run(saved))))
    tree_of(saved, "Who gained from it?", "--chain", "2", "--step", "3")
    capsys.readouterr()
    assert main(["show", str(saved)]) == 0
    titles = [line for line in capsys.readouterr().out.splitlines() if line.startswith("## ")]
    assert titles == [
        "## Questions not asked yet",
        "## Table",
        "## Chain 1, step 1",
        "## Chain 1, step 2",
        "## Chain 1, step 3",
        "## Chain 2 (from chain 1, step 1), step 2",
        "## Chain 2 (from chain 1, step 1), step 3",
        "## Chain 3 (from chain 2, step 2), step 3",
    ]


def test_a_branch_by_another_model_or_measure_says_so(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = saved.read_text().replace('"model": "echo"', '"model": "other"')
    saved.write_text(text.replace('"measure": "words"', '"measure": "other/embedder"'))
    tree = tree_of(saved, "--step", "2", "--seed", "3")
    told = capsys.readouterr().err
    assert "the run was answered by other, its branch is by echo" in told
    assert "the run was measured with other/embedder, its branch is with words" in told
    assert (tree.model, tree.chains[1].model) == ("other", "echo")
    assert tree.measure == "other/embedder; chain 2 with words"


def test_only_the_steps_of_the_branch_are_told(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    tree_of(saved, "--step", "2", "--seed", "3")
    assert [line[:11] for line in capsys.readouterr().err.splitlines()[:2]] == ["step 2 of 3", "step 3 of 3"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "name it with --step"),
        (["--step", "2"], "change the question, candidate, variant or seed"),
        (["--step", "4", "--seed", "2"], "Chain 1 has no step 4; there is 1, 2, 3"),
        (["--chain", "2", "--step", "1", "--seed", "2"], "The run has no chain 2; there is 1"),
        (["--step", "1", "--candidate", "9"], "Step 1 of chain 1 has no candidate 9; there is 1, 2, 3"),
        (["--step", "1", "--candidate", "0"], "has no candidate 0"),
        (["Who?", "--step", "1", "--candidate", "1"], "leave one out"),
        ([" ", "--step", "1"], "The question is empty"),
        (["--step", "1", "--seed", "-1"], "seed is -1"),
        (["--step", "2", "--seed", "2", "--steps", "1"], "at least 2 steps in all, not 1"),
        (["--step", "1", "--seed", "2", "--temperature", "0"], "leave out --temperature"),
        (["--step", "1", "--seed", "2", "--method", "single"], "leave out --method"),
    ],
)
def test_a_branch_that_cannot_be_gets_a_sentence(
    saved: Path, options: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = saved.read_bytes()
    assert main(["ask", *options, "--from", str(saved), "--out", str(saved)]) == 2
    assert sentence in capsys.readouterr().err
    assert saved.read_bytes() == before


def test_the_guard_and_the_end_without_progress_can_be_switched_off(saved: Path) -> None:
    main(["ask", QUESTION, "--no-guard", "--keep-going", "--format", "json", "--out", str(saved)])
    (chain,) = read_run(saved).chains
    assert (chain.guarded, chain.stop_without_progress) == (False, False)
    assert [step.next_question for step in chain.steps] == [step.candidates[0].question for step in chain.steps]


def test_the_reasoning_of_each_step_is_tested_if_asked(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", QUESTION, "--steps", "2", "--test-reasoning"]) == 0
    out, err = capsys.readouterr()
    assert out.count("**Was the Reasoning used?** Changes the answer more than chance? ") == 2
    assert "step 2: testing the Reasoning" in err
    tree = tree_of(saved, "--step", "3", "--seed", "3", "--test-reasoning")
    assert [step.reasoning_test is not None for chain in tree.chains for step in chain.own_steps] == [False] * 3 + [
        True
    ]


def test_the_best_question_that_was_not_asked_is_asked_next(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, *_ = question_bank(read_run(saved))
    old, new = tree_of(saved, "--next").chains
    assert (new.parent, new.shared, new.own_steps[0].question) == (old.number, first.step, first.question)
    assert f"asking {first.question!r}, after step {first.step} of chain 1" in capsys.readouterr().err
    for options, told in (
        (["--next", "99"], "questions that were not asked yet, and no number 99 among them"),
        (["--next", "--step", "1"], "leave out QUESTION, --chain, --step and --candidate"),
    ):
        assert main(["ask", *options, "--from", str(saved)]) == 2
        assert told in capsys.readouterr().err
    assert main(["ask", QUESTION, "--next"]) == 2


def test_every_chain_that_lacks_a_conclusion_is_concluded(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree_of(saved, "--step", "1", "--candidate", str(other_candidate(read_run(saved))))
    one = tree_of(saved, "--conclude", "--chain", "2")
    assert [bool(chain.conclusion) for chain in one.chains] == [False, True]
    both = tree_of(saved, "--conclude")
    assert [bool(chain.conclusion and chain.conclusion.text) for chain in both.chains] == [True, True]
    assert both.chains[1] == one.chains[1]
    capsys.readouterr()
    assert main(["ask", "--conclude", "--from", str(saved)]) == 2
    assert "No chain of this run lacks a conclusion" in capsys.readouterr().err


def test_the_reasoning_of_every_chain_that_is_concluded_is_tested_if_asked(
    saved: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree_of(saved, "--step", "1", "--candidate", str(other_candidate(read_run(saved))))
    tested = tree_of(saved, "--conclude", "--test-reasoning")
    assert [step.reasoning_test is not None for chain in tested.chains for step in chain.own_steps] == [True] * sum(
        len(chain.own_steps) for chain in tested.chains
    )
    assert "chain 2, step 2: testing the Reasoning" in capsys.readouterr().err


def test_a_branch_ends_with_a_conclusion_if_asked(saved: Path) -> None:
    for options in (["--step", "2", "--seed", "3"], ["--next"]):
        *old, new = tree_of(saved, *options, "--conclude").chains
        assert new.conclusion and new.conclusion.text
        assert not old[0].conclusion


@pytest.mark.parametrize(
    "options",
    [
        ["Who?"],
        [""],
        ["--method", "single"],
        ["--prompt", "logician"],
        ["--seed", "0"],
        ["--steps", "9"],
        ["--candidate", "1"],
        ["--candidates", "2"],
        ["--temperature", "0"],
        ["--repetition-penalty", "1"],
        ["--max-new-tokens", "9"],
        ["--moves", "off"],
        ["--no-guard"],
        ["--keep-going"],
    ],
)
def test_what_a_conclusion_alone_does_not_heed_is_refused(
    saved: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ask", *options, "--from", str(saved), "--conclude"]) == 2
    named = options[0] if options[0].startswith("--") else "QUESTION"
    assert f"written as the run was; leave out {named}, or name where to branch" in capsys.readouterr().err


def test_prompts_lists_the_variants(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prompts"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        "assistant",
        "creator",
        "instruct",
        "logician",
        "translator",
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["ask", ""], 2, "The question is empty"),
        (["ask", " \n "], 2, "The question is empty"),
        (["ask"], 2, "There is no question; write one, or name a saved run to branch from with --from"),
        (["ask", QUESTION, "--step", "2"], 2, "name it with --from"),
        (["ask", "--from", "/nowhere/run.json", "--step", "1"], 1, "/nowhere/run.json cannot be read: No such file"),
        (["ask", QUESTION, "--method", "single", "--test-reasoning"], 2, "--test-reasoning has nothing to test"),
        (["ask", "word " * 3000], 2, "tokens, and the model reads at most 2,048"),
        (["ask", QUESTION, "--prompt", "poet"], 2, "no prompt variant 'poet'; choose one of assistant"),
        (["ask", QUESTION, "--temperature", "9"], 2, "temperature is 9.0; it must be between 0 and 5"),
        (["ask", QUESTION, "--max-new-tokens", "0"], 2, "max_new_tokens is 0"),
        (["ask", QUESTION, "--steps", "0"], 2, "steps is 0; it must be at least 1"),
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


@pytest.mark.parametrize("arguments", [[], ["dance"], ["ask", "q", "--method", "magic"], ["ask", "q", "--steps", "x"]])
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


@pytest.mark.process
def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "bonsai", "serve", "--port", port]
        ended = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 1
    assert f"port {port}: it is in use" in ended.stderr
    assert "--port" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_place_that_this_user_may_not_see_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(place: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied", str(place))

    monkeypatch.setenv("BONSAI_PROMPTS", "/secret/prompts")
    monkeypatch.setattr(Path, "is_dir", refused)
    assert main(["prompts"]) == 1
    assert capsys.readouterr() == ("", "bonsai: /secret/prompts cannot be used: Permission denied.\n")


def test_an_error_of_the_system_that_is_of_no_file_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_place: Path) -> bool:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    monkeypatch.setattr(Path, "is_dir", broken)
    with pytest.raises(OSError, match="allocate memory"):
        main(["prompts"])


@pytest.mark.process
def test_an_interrupted_run_prints_what_it_has() -> None:
    script = (
        "import os, signal, sys\n"
        "import bonsai.engines\n"
        "from bonsai.engines.echo import EchoEngine\n"
        "from bonsai.cli.main import main\n"
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


@pytest.mark.process
def test_a_reader_that_goes_away_is_no_traceback() -> None:
    environment = {**os.environ, "BONSAI_ENGINE": "echo"}
    command = f"{sys.executable} -m bonsai ask '{QUESTION}' --steps 20 | head -c 10"
    ended = subprocess.run(command, shell=True, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert "Traceback" not in ended.stderr
    assert signal.SIGPIPE.name not in ended.stderr
