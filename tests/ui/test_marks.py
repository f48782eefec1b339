"""What a browser tells of a visitor's verdicts: read with care, and kept apart from those of other visitors."""

from pathlib import Path

import gradio as gr
import pytest

from bonsai.chains.outcomes import Judgement
from bonsai.errors import RunFileError, UsageError
from bonsai.reports.comparison import side_by_side
from bonsai.reports.comparison.blind import blind_pairs
from bonsai.reports.markdown import TextTable
from bonsai.runs.run.verdicts import StepVerdict
from bonsai.ui.grid_tab import blind_panel, run_state
from bonsai.ui.grid_tab.blind_panel import marked
from bonsai.ui.grid_tab.run_state import GridRunState, reopened
from bonsai.ui.views import status
from bonsai.ui.views.conversation.marks import mark_line, said
from tests.runs.journals import finished_journal


@pytest.mark.parametrize("told", ["", "null", "[1]", "{", "7"])
def test_nothing_said_is_no_verdict(told: str) -> None:
    assert said(told) == []


@pytest.mark.parametrize(
    "told", ['{"1.1": "good"}', '{"1": ["good", ""]}', '{"1.1": ["fine", ""]}', '{"a.b": ["bad", ""]}']
)
def test_what_is_no_verdict_is_refused(told: str) -> None:
    with pytest.raises(UsageError):
        said(told)


def test_a_reason_is_shown_letter_by_letter() -> None:
    (verdict,) = said('{"1.2": ["bad", "</textarea><script>"]}')
    assert "&lt;/textarea&gt;&lt;script&gt;" in mark_line(verdict, "ja")


@pytest.mark.parametrize("told", ['{"marks": ["3"]}', '{"marks": "1"}', '{"marks": ["1", "1", "1"]}', "{}"])
def test_marks_of_other_pairs_are_refused(told: str, tmp_path: Path) -> None:
    run = finished_journal(tmp_path / "j.jsonl", 2).run
    with pytest.raises(UsageError, match="are not of the pairs that were shown"):
        marked(blind_pairs(run, side_by_side(run, "prompt")), told)


def test_an_example_that_is_judged_becomes_the_visitors_own(tmp_path: Path) -> None:
    example = finished_journal(tmp_path / "journal.jsonl", 1)
    before = example.file.read_bytes()
    for reason in ("mine", "another visitor's"):
        (verdict,) = said(f'{{"1.1": ["good", "{reason}"]}}')
        own = reopened(GridRunState(example, shared=True))
        own.judge([verdict])
        assert own.run.verdicts == (StepVerdict(1, 1, verdict.judgement, reason),)
    assert example.file.read_bytes() == before


def test_what_is_still_being_written_after_stop_is_awaited_for_a_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = finished_journal(tmp_path / "journal.jsonl", 1)
    stopped = GridRunState(writer, is_stopped=True)
    verdict = StepVerdict(1, 1, Judgement.GOOD)

    def end_the_text(_: float) -> None:
        writer.judge([verdict])
        writer.release()

    writer.lines.acquire()
    monkeypatch.setattr(run_state.time, "sleep", end_the_text)
    assert reopened(stopped).run.verdicts == (verdict,), "with what was written meanwhile"
    writer.lines.acquire()
    monkeypatch.setattr(run_state, "LONGEST_WAIT", 0)
    with pytest.raises(UsageError, match="still ending its last text"):
        reopened(stopped)
    writer.release()


def test_no_path_of_the_server_is_told() -> None:
    told = status.failure(
        RunFileError("{file} cannot be read: {reason}.", file=Path("/srv/a/b.jsonl"), reason="x"), "en"
    )
    assert ">b.jsonl cannot be read: x.<" in told


def test_the_outcome_has_one_frame_around_each_table() -> None:
    with gr.Blocks():
        blind = blind_panel.draw(gr.Button())
    tables = [TextTable(title, ("pair", "wins"), (("a : b", "2"),)) for title in ("Over questions", "Over seeds")]
    assert str(blind.show_outcome(tables, "en")[blind.panel]).count('class="bonsai-frame"') == len(tables)
