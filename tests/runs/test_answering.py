"""How the texts of a run came about is kept with it and told in its reports: the form, and what was left out."""

import ast
from dataclasses import replace
from pathlib import Path

import pytest

from bonsai.chains.advance import advance, advance_each
from bonsai.engines.base import Engine, SamplingParams
from bonsai.engines.echo import EchoEngine
from bonsai.errors import Note
from bonsai.reports.exports import export
from bonsai.reports.formats import Format, Language
from bonsai.reports.report import ReportOptions
from bonsai.reports.summary.engine_notes import JAPANESE
from bonsai.runs.journal import begin_journal, open_journal, read_saved
from bonsai.runs.journal.progress import record
from bonsai.runs.plan import Grid, Plan
from bonsai.runs.run import Run, dumps, loads
from bonsai.runs.run.answering import Answering, RunNote
from bonsai.settings import ROOT
from tests.runs.journals import PAIR

LEFT_OUT = "The server at {server} does not take {options}, so it was left out."
TOLD = "The server at a:80 does not take seed, top_k, so it was left out. The same seed may give another text."
TOLD_IN_JAPANESE = (
    "サーバー a:80 は seed, top_k に対応していないため、指定せずに問い合わせました。 "
    "シードが同じでも、違う文章になることがあります。"
)
PLAN = Plan(Grid(("Why do prices rise?",), PAIR, ("two-step",)), SamplingParams(), "m", "", "remote", "words")


class Lacking(EchoEngine):
    """An engine that does not take all that it is asked for."""

    @property
    def notes(self) -> tuple[Note, ...]:
        return Note(LEFT_OUT, server="a:80", options="seed, top_k"), Note("The same seed may give another text.")


@pytest.fixture
def run() -> Run:
    engine, chains = Lacking(), list(PLAN.chains())[:1]
    *_, grown = advance(engine, chains, PLAN.sampling)
    return Run(grown, PLAN.sampling, "m", "", "remote").answered(Answering.of(engine))


def test_a_run_says_in_what_form_it_was_asked_and_what_was_left_out(run: Run) -> None:
    assert run.prompt_format == "tagged"
    assert [str(note.note) for note in run.notes] == [
        "The server at a:80 does not take seed, top_k, so it was left out.",
        "The same seed may give another text.",
    ]
    assert loads(dumps(run)) == run
    assert run.id == replace(run, prompt_format="", notes=()).id, "it is known only when a model has answered"


@pytest.mark.parametrize("form", [Format.MARKDOWN, Format.HTML])
def test_reports_tell_it_in_both_languages(run: Run, form: Format) -> None:
    for language, told, named in (
        (Language.EN, TOLD, "prompt format tagged"),
        (Language.JA, TOLD_IN_JAPANESE, "プロンプト形式 tagged"),
    ):
        drawn = "".join(map(str, export(run, form, ReportOptions(language))))
        assert told.replace("_", r"\_" if form == Format.MARKDOWN else "_") in drawn
        assert named in drawn


def test_a_journal_keeps_it_once_and_gives_it_back(tmp_path: Path) -> None:
    journal = begin_journal(tmp_path / "j.jsonl", PLAN)
    engines: tuple[Engine, ...] = (Lacking(), EchoEngine())
    for _ in record(journal, advance_each(Lacking(), journal.unfinished(), PLAN.sampling), *engines):
        pass
    assert [str(note.note) for note in journal.run.notes][1:] == ["The same seed may give another text."]
    kept = open_journal(journal.file)
    assert kept and (kept.run.prompt_format, kept.run.notes) == ("tagged", journal.run.notes)
    assert read_saved(journal.file).notes == journal.run.notes
    assert journal.file.read_text().count('"prompt_format"') == 1


def test_what_goes_on_elsewhere_adds_to_it() -> None:
    one = Answering("chat", (RunNote("A."),))
    assert one.joined(Answering("tagged", (RunNote("A."), RunNote("B.")))) == Answering(
        "chat, tagged", (RunNote("A."), RunNote("B."))
    )
    assert one.joined(Answering()) == one


def test_of_a_model_that_is_not_loaded_nothing_is_said() -> None:
    class Loading(EchoEngine):
        is_ready = False  # type: ignore[assignment]

    assert Answering.of(Loading(), None) == Answering()


def test_every_note_of_an_engine_has_its_japanese() -> None:
    found = set()
    for file in (ROOT / "bonsai" / "engines").rglob("*.py"):
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if (
                isinstance(call, ast.Call)
                and ast.unparse(call.func) == "Note"
                and isinstance(call.args[0], ast.Constant)
            ):
                found.add(call.args[0].value)
    assert found and found <= JAPANESE.keys()
