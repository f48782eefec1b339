"""What Compare and Batch show of a run: drawn again and again, it costs two readings and one copy of its files."""

from pathlib import Path

import gradio as gr
import pytest

from bonsai.chains.prompts import load_variants
from bonsai.engines.echo import EchoEngine
from bonsai.runs.journal import Journal
from bonsai.settings import Settings
from bonsai.ui.context import PageContext
from bonsai.ui.grid_tab import results
from bonsai.ui.grid_tab.cells import Layout
from bonsai.ui.grid_tab.results import GridResults
from bonsai.ui.page import build
from bonsai.ui.views import conversation
from tests.runs.journals import counted_passes, finished_journal
from tests.ui.tabs import tabs_of

REDRAWS = 50


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Journal:
    """A list of 2,000 rows."""
    return finished_journal(tmp_path_factory.mktemp("run") / "journal.jsonl", 1000)


def places(compares: bool) -> GridResults:
    with gr.Blocks():
        return results.draw(compares, None, conversation.draw("", filters=False))


def size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.name != "journal.jsonl")


def test_a_redraw_reads_the_journal_twice_and_leaves_one_copy_of_the_files(journal: Journal, tmp_path: Path) -> None:
    shown, sizes = places(True), []
    for layout in (Layout(), Layout("method", "reasoning", True), Layout()):
        with counted_passes() as passes:
            values = shown.show(journal, tmp_path, "en", layout)
        assert len(passes) <= 2
        assert values[shown.table].count("<tr data-step") == 2000
        sizes.append(size(tmp_path))
    assert sizes[0] > 2000 * 300
    assert sizes[-1] <= 1.1 * sizes[0]


@pytest.mark.parametrize("compares", [True, False])
def test_fifty_redraws_leave_one_copy_of_the_files(compares: bool, tmp_path: Path) -> None:
    journal, shown = finished_journal(tmp_path / "journal.jsonl", 5), places(compares)
    shown.show(journal, tmp_path, "en")
    once = size(tmp_path)
    for _ in range(REDRAWS - 1):
        shown.show(journal, tmp_path, "en")
    assert size(tmp_path) <= 1.1 * once


def test_what_is_passed_over_in_pasted_lines_is_told_when_they_are_run() -> None:
    settings = Settings(engine="echo")
    tab = tabs_of(build(PageContext(EchoEngine(), settings, load_variants(settings.prompts))))["compare"]
    form = tab.form
    values = {place: place.value for place in form.inputs}
    values |= {form.question: "Why?\n# mine\nwhy?\n", tab.editor.added: {}}
    told = tab.begun(tab._asked(values), "en")[form.passed_over]
    assert "Lines that begin with #, passed over: 2." in told and "repeat a question, passed over: 3 (as 1)" in told
    assert tab.begun(tab._asked(values | {form.question: "Why?"}), "en")[form.passed_over] == ""
    assert form.passed_over in tab.places
