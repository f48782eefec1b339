"""An evaluation as a whole: what it asks and keeps, how it goes on after any end, its report and its blind sheet."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bonsai.chains.outcomes import Method
from bonsai.chains.prompts import load_variants
from bonsai.cli.main import main
from bonsai.engines.base import Engine
from bonsai.engines.echo import EchoEngine
from bonsai.errors import UsageError
from bonsai.lab.evaluation.blind import key_of, read_judged, write_sheet
from bonsai.lab.evaluation.questions import FACTS, QUESTIONS, Fact, read_facts
from bonsai.lab.evaluation.report import blind_section, report, with_section
from bonsai.lab.evaluation.running import Evaluation, Results, evaluate
from bonsai.lab.evaluation.systems import ALONE, Way, check_adapters, file_name, table_names, ways
from bonsai.lab.records import shipped_records
from bonsai.measures.embedders.opening import Embedder
from bonsai.measures.similarity import WORDS, Measure
from bonsai.runs.question_lists import read_questions
from bonsai.runs.requests import GridRequest
from bonsai.runs.run.wins import Wins
from bonsai.runs.tables.csv_files import read_csv
from bonsai.settings import NO_ADAPTER, ROOT
from bonsai.ui.tabs import adapter_changes

VARIANTS = load_variants(ROOT / "prompts")
ASKED = ("Why does bread go stale?", "How do candles burn?", "Why does wool shrink?", "What is a fair price?")
WAYS = ways(["assistant"], [Method.QTQ, Method.SINGLE], [True, False], ["auto", "off"])


def evaluation(folder: Path, **changes: object) -> Evaluation:
    request = GridRequest.of(questions=ASKED, prompts=["assistant"], steps=3, max_new_tokens=40)
    facts = [Fact("What is frozen water?", "ice"), Fact("What is two plus three?", "five|5")]
    return replace(Evaluation(request, WAYS, ["good"], facts, folder, VARIANTS, lambda: WORDS), **changes)


def opened(adapter: str, pause: Callable[[], object] | None = None) -> Engine:
    """Return an engine that writes otherwise with an adapter."""
    engine = EchoEngine(replies={"frozen": "It is ice."} if adapter != NO_ADAPTER else {}, pause=pause)
    engine.info = replace(engine.info, adapter_id="" if adapter == NO_ADAPTER else f"me/{adapter}")
    return engine


def quiet(text: str) -> None:
    """Say nothing."""


def without_seconds(text: str) -> list[str]:
    return [line for line in text.splitlines() if "seconds a step" not in line]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """What was seen in an evaluation that nothing interrupted."""
    return evaluate(evaluation(tmp_path_factory.mktemp("whole") / "j"), opened, quiet, resume=False)


def test_the_measure_is_opened_after_the_engine_which_limits_its_threads(tmp_path: Path) -> None:
    order: list[str] = []

    def open_engine(adapter: str) -> Engine:
        order.append("engine")
        return opened(adapter)

    def open_measure() -> Measure:
        order.append("measure")
        return WORDS

    one = evaluation(tmp_path / "j", adapters=[], ways=WAYS[-1:], facts=[], open_measure=open_measure)
    evaluate(one, open_engine, quiet, resume=False)
    assert order == ["engine", "measure"]


def test_guard_and_moves_are_ways_of_qtq_alone() -> None:
    told = [(way.method, way.guarded, way.moves) for way in WAYS]
    assert told[:4] == [("qtq", guarded, moves) for guarded in (True, False) for moves in ("auto", "off")]
    assert WAYS[4:] == [Way("assistant", Method.SINGLE)]


def test_every_system_is_asked_the_same(results: Results) -> None:
    assert list(results.observed) == [ALONE, "good"]
    for seen in results.observed.values():
        assert [one.way for one in seen] == WAYS
        for one in seen:
            assert tuple(item.chain.questions[0] for item in one.chains) == ASKED
            assert all(item.chain.finished for item in (*one.chains, *one.facts))
            assert bool(one.chains[0].controls) == (one.way.method == Method.QTQ)
    assert [item.chain.steps[0].answer for item in results.observed["good"][0].facts][0] == "It is ice."
    assert results.failed == 0


def test_a_control_differs_in_the_reasoning_alone(results: Results) -> None:
    seen = results.observed[ALONE][0]
    control = seen.chains[0].controls[1, 1]
    assert control.reasoning == seen.chains[1].chain.steps[0].reasoning
    assert control.answer and len(seen.chains[0].controls) == sum(len(one.chain.steps) for one in seen.chains)


@pytest.mark.parametrize("most", [1, 40, 300, 900, 2000])
def test_an_evaluation_that_was_killed_gives_the_same_figures(tmp_path: Path, results: Results, most: int) -> None:
    class Killed(Exception):
        pass

    left = most

    def pause() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Killed

    one = evaluation(tmp_path / "j")
    with pytest.raises(Killed):
        evaluate(one, lambda adapter: opened(adapter, pause), quiet, resume=False)
    for file in one.folder.iterdir():
        # A line that was torn by the end of the power.
        with file.open("a", encoding="utf-8") as journal:
            journal.write('{"chain": 1, "st')
    with pytest.raises(UsageError, match="--resume"):
        evaluate(one, opened, quiet, resume=False)
    resumed = evaluate(one, opened, quiet, resume=True)
    assert without_seconds(report(one, resumed, "x")) == without_seconds(report(one, results, "x"))


def test_nothing_is_written_twice(tmp_path: Path) -> None:
    one = evaluation(tmp_path / "j")
    evaluate(one, opened, quiet, resume=False)

    def refuse() -> None:
        raise AssertionError("Something is asked again.")

    evaluate(one, lambda adapter: opened(adapter, refuse), quiet, resume=True)
    with pytest.raises(UsageError, match="of other settings"):
        evaluate(replace(one, request=replace(one.request, steps=2)), opened, quiet, resume=True)


def test_chains_that_failed_are_told_and_asked_again(tmp_path: Path) -> None:
    one = evaluation(tmp_path / "j", adapters=[])

    def failing(adapter: str) -> Engine:
        return EchoEngine(fail_on="candles")

    failed = evaluate(one, failing, quiet, resume=False)
    assert failed.failed == len(WAYS)
    assert "5 chains ended with an error" in report(one, failed, "x")
    assert evaluate(one, opened, quiet, resume=True).failed == 0


def test_the_report_says_what_changes_what_is_missed_and_how(tmp_path: Path, results: Results) -> None:
    text = report(evaluation(tmp_path), results, "python -m bonsai evaluate")
    assert text.index("## What the adapter changes") < text.index("| figure | wanted | model alone | good |")
    assert "| plain questions answered rightly | 3 points below at most | 0% (0 to 0) | 50% (0 to 100) | +50" in text
    assert "**Missed** by good" in text and "**Not measured** by good: chains that reach step 5: wanted 92%" in text
    assert "## Guard and moves: good, prompt assistant" in text and "## single, prompt assistant" in text
    assert "4 chains of good (qtq, prompt assistant, guard on, moves auto)" in text
    assert "temperature 0.3" in text and "engine echo" in text
    (tmp_path / "faults.md").write_text(text, encoding="utf-8")
    assert adapter_changes(tmp_path / "faults.md", "me/good"), "The page does not find what it shows."


def test_a_blind_sheet_is_read_back(tmp_path: Path, results: Results) -> None:
    sheet = tmp_path / "faults.blind.csv"
    alone, other = results.observed[ALONE][0].chains, results.observed["good"][0].chains
    answers = {"Why does bread go stale?": "It dries.", "How do candles burn?": "By wax.", ASKED[2]: "It felts."}
    other = tuple(
        replace(one, chain=replace(one.chain, steps=(replace(one.chain.steps[0], answer=answers[question]),)))
        for one in other
        if (question := one.chain.questions[0]) in answers
    )
    write_sheet(sheet, 3, alone[:3], other, (ALONE, "good"))
    rows, keys = read_csv(sheet, ["pair"]).rows, read_csv(key_of(sheet), ["pair"]).rows
    marked = ["pair,question,answer A,answer B,better"]
    for (pair, question, *shown, _), (_, *names) in zip(rows, keys, strict=True):
        assert shown[names.index("good")] == answers[question]
        marked.append(f"{pair},x,y,z,{'' if pair == '3' else 'aB'[names.index('good')]}")
    sheet.write_text("\n".join(marked), encoding="utf-8")
    wins, unmarked = read_judged(sheet)
    assert wins["good"] == Wins(2, 0, 0) and unmarked == 1
    assert "good was marked better in 2" in blind_section(wins, unmarked, sheet.name)[0]
    sheet.write_text("pair,better\n1,C\n", encoding="utf-8")
    with pytest.raises(UsageError, match="pair 1: better is 'C'"):
        read_judged(sheet)
    with pytest.raises(UsageError, match="only 3 questions"):
        write_sheet(sheet, 9, alone[:3], other, (ALONE, "good"))


def test_a_section_is_put_in_once() -> None:
    text = "# Title\n\n## Changes\n\nx\n\n## What the figures mean\n\ny\n"
    once = with_section(text, "Blind comparison", ["first"])
    assert once.index("## Changes") < once.index("first") < once.index("## What the figures mean")
    assert with_section(once, "Blind comparison", ["first"]) == once


def test_an_adapter_that_was_trained_anew_has_journals_of_its_own(tmp_path: Path) -> None:
    weights = tmp_path / "adapter_model.safetensors"
    weights.write_bytes(b"before")
    before = file_name(str(tmp_path))
    assert before == file_name(str(tmp_path))
    weights.write_bytes(b"after")
    assert file_name(str(tmp_path)) != before


def test_an_engine_that_passes_an_adapter_over_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not answer with the adapter good"):
        evaluate(evaluation(tmp_path / "j"), lambda adapter: EchoEngine(), quiet, resume=False)


def test_adapters_are_told_apart() -> None:
    assert table_names({NO_ADAPTER: "", "a/x": "a/x", "b/x": "b/x"}) == {NO_ADAPTER: ALONE, "a/x": "x", "b/x": "x (2)"}
    for wrong in (["none"], ["a", "a"]):
        with pytest.raises(UsageError):
            check_adapters(wrong)


@pytest.mark.parametrize(
    ("row", "said"),
    [("only a question", "line 2"), ("q?\t(", "no regular"), ("q?\tx\nq?\ty", "twice"), ("", "no plain")],
)
def test_facts_that_cannot_be_used(tmp_path: Path, row: str, said: str) -> None:
    (tmp_path / "f.tsv").write_text(f"question\tcontains\n{row}", encoding="utf-8")
    with pytest.raises(UsageError, match=said):
        read_facts(tmp_path / "f.tsv")


def test_the_shipped_lists() -> None:
    assert len(read_questions(QUESTIONS, 1000).questions) == 100
    assert len(read_facts(FACTS)) == 80


def test_no_question_has_the_meaning_of_a_record(embedder: Embedder) -> None:
    measure, questions = Measure(embedder), read_questions(QUESTIONS, 1000).questions
    asked = sorted({record.question for record in shipped_records()})
    measure.read([*questions, *asked])
    looks = [(question, measure.compare_with_earlier(question, asked)) for question in questions]
    known = [f"{question} / {asked[look.rejected - 1]}" for question, look in looks if look.rejected]
    assert known == [], "Choose other questions, or leave these records out."


def test_what_has_no_adapter_or_no_file_is_refused_before_anything_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BONSAI_ENGINE", "echo")
    monkeypatch.setenv("BONSAI_EMBEDDER", "none")
    monkeypatch.chdir(tmp_path)
    for options, said in (
        (["--blind", "1", "--out", "faults.md"], "--blind compares an adapter with the model alone"),
        (["--out", "-"], "name one instead of -"),
    ):
        assert main(["evaluate", "--limit", "1", "--steps", "1", *options]) == 2
        assert said in capsys.readouterr().err
        assert list(tmp_path.iterdir()) == []


def test_the_command_writes_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BONSAI_ENGINE", "echo")
    monkeypatch.setenv("BONSAI_EMBEDDER", "none")
    out = tmp_path / "faults.md"
    arguments = ["evaluate", "--limit", "2", "--methods", "qtq", "--steps", "2", "--out", str(out)]
    assert main(arguments) == 0
    text = out.read_text(encoding="utf-8")
    assert "## The model alone" in text and "2 held-out questions" in text and str(tmp_path) not in text
    assert main(arguments) == 2, "A journal is not written over."
    assert main([*arguments, "--resume", "--blind", "1"]) == 2, "There is no adapter to compare."
    sheet = tmp_path / "faults.blind.csv"
    sheet.write_text("pair,better\n1,a\n", encoding="utf-8")
    key_of(sheet).write_text(f"pair,A,B\n1,{ALONE},good\n", encoding="utf-8")
    assert main(["evaluate", "--judged", str(sheet), "--out", str(out)]) == 0
    assert "good was marked better in 0, model alone in 1" in out.read_text(encoding="utf-8")
    assert main([*arguments, "--resume", "--blind", "1"]) == 2, "A filled sheet is not written over."
