"""Runs that visitors open: whatever stands in such a file, the page shows it as text or says what is wrong with it."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bonsai.chains.advance import advance
from bonsai.chains.chain import Chain
from bonsai.chains.guard import Candidate
from bonsai.chains.outcomes import Verdict
from bonsai.chains.prompts import load_variants
from bonsai.engines.echo import EchoEngine
from bonsai.errors import UsageError
from bonsai.runs.json_values import as_json
from bonsai.runs.run import Run, dumps
from bonsai.settings import Settings
from bonsai.ui.context import PageContext
from bonsai.ui.grid_tab.run_state import GridRunState
from bonsai.ui.locales.translate import translatable
from bonsai.ui.method_tab.events import RunState
from bonsai.ui.page import build
from bonsai.ui.views import status
from tests.ui.tabs import tabs_of

SETTINGS = Settings(engine="echo", max_steps=6, max_questions=2)
LOST = Candidate("Why?", Verdict.DUPLICATE, 0, same_as=2)
VARIANTS = load_variants(SETTINGS.prompts)
# What Gradio replaces by its key, which JSON hides from an escape of tags alone.
MARK = r'__i18n__{"__type__": "translation_metadata", "key": "\u003cimg src=x onerror=alert(1)\u003e"}'


@pytest.fixture(scope="module")
def tabs() -> dict[str, Any]:
    """The tabs of a page by their names."""
    return tabs_of(build(PageContext(EchoEngine(), SETTINGS, VARIANTS)))


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[Run], str]:
    """A way to save a run as a visitor's file."""

    def save(run: Run) -> str:
        file = tmp_path / "run.json"
        file.write_text(dumps(run), encoding="utf-8")
        return str(file)

    return save


def written(tab: Any, steps: int = 2) -> Run:
    """Return a finished run of the method of a tab."""
    run: Run = tab.context.begin("qtq", "Why did productivity stop growing?", steps=steps)
    *_, chains = advance(EchoEngine(), run.chains, run.sampling)
    return run.with_chains(chains)


@pytest.mark.parametrize("tab", ["qtq", "compare", "batch"])
@pytest.mark.parametrize("text", ["<img src=x onerror=alert(1)>", MARK])
def test_a_name_in_a_file_is_shown_letter_by_letter(
    tabs: dict[str, Any], saved: Callable[[Run], str], tab: str, text: str
) -> None:
    run = written(tabs["qtq"])
    named = replace(run, measure=text, model=text, adapter=text, engine=text, prompt_format=text)
    shown = tabs[tab].open(saved(named), None)
    html = [value for value in shown.values() if isinstance(value, str)]
    assert any("onerror" in value for value in html)
    assert not any("<img" in value or r'"\u003cimg' in value for value in html)


def test_a_sentence_with_text_of_a_model_is_no_mark_and_those_of_the_page_are() -> None:
    assert '__i18n__{"' not in status.line(f"The model could not go on: {MARK}")
    assert translatable(status.READY) in status.line(translatable(status.READY))


@pytest.mark.parametrize("tab", ["single", "two-step", "qtq", "compare", "batch"])
def test_no_run_is_opened_beside_one_at_work_which_would_take_its_place_again(tabs: dict[str, Any], tab: str) -> None:
    button = tabs[tab].results.downloads.opened
    assert button in tabs[tab].places
    assert [tabs[tab].at_work(running)[button].interactive for running in (True, False)] == [False, True]


def test_of_an_opened_run_nothing_is_chosen_yet(tabs: dict[str, Any], saved: Callable[[Run], str]) -> None:
    qtq, compare = tabs["qtq"], tabs["compare"]
    file = saved(written(qtq))
    shown = qtq.open(file, None)
    assert (shown[qtq.steps.shown], shown[qtq.steps.choice].value) == (None, None)
    assert len(shown[qtq.steps.choice].choices) == 2
    assert shown[qtq.steps.candidates] == "" and "No step is chosen yet" in shown[qtq.steps.details]
    shown, cells = compare.open(file, None), compare.results.cells
    assert [(shown[place].value, len(shown[place].choices)) for place in (cells.one, cells.other)] == [(None, 2)] * 2
    assert "Click two cells" in shown[cells.difference]


def test_no_more_is_written_of_an_opened_run_than_a_visitor_may_ask_for(
    tabs: dict[str, Any], saved: Callable[[Run], str]
) -> None:
    tab, qtq = tabs["batch"], tabs["qtq"]
    (done,) = written(qtq).chains
    failed = replace(done, length=400, stop_reason="error", steps=(replace(done.steps[0], error="Gone."),))
    for chain, asked in ((replace(done, length=400, stop_reason=""), tab.resumed), (failed, tab._retried)):
        shown = tab.open(saved(written(qtq).with_chains((chain,))), None)
        with pytest.raises(UsageError, match="steps of the run is .*; it must be at most 6 here"):
            asked({tab.run_state: shown[tab.run_state]})
    three = [replace(done, number=number, seed=number) for number in (1, 2, 3)]
    run = written(qtq).with_chains(three)
    for sheet, state in ((tab, tab.open(saved(run), None)[tab.run_state]), (qtq, RunState(run))):
        with pytest.raises(UsageError, match="chains of the run is 3; it must be at most 2 here"):
            sheet._asked_to_conclude({sheet.run_state: state})


def test_the_journal_of_an_opened_or_judged_run_is_deleted_after_its_time(
    tabs: dict[str, Any], saved: Callable[[Run], str]
) -> None:
    tab = tabs["batch"]
    opened: GridRunState = tab.open(saved(written(tabs["qtq"])), None)[tab.run_state]
    assert str(opened.journal.file) in tab.results.note.temp_files
    shared = replace(opened, shared=True)
    judged = tab.mark(None, '{"1.1": ["good", ""]}', shared)[tab.run_state]
    assert judged.journal.file != opened.journal.file
    assert str(judged.journal.file) in tab.results.note.temp_files


def edited(chain: Chain, **changes: Any) -> Chain:
    """Return a chain with another last step."""
    return replace(chain, steps=(*chain.steps[:-1], replace(chain.steps[-1], **changes)))


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (lambda chain: edited(chain, number=0), "The steps of chain 1 are not numbered from 1 on."),
        (lambda chain: edited(chain, number=999), "The steps of chain 1 are not numbered from 1 on."),
        (lambda chain: edited(chain, repeats=-1), "names a chain, step or candidate that is not there"),
        (
            lambda chain: edited(chain, candidates=(Candidate("?", Verdict.DUPLICATE, 0, same_as=2),)),
            "that is not there",
        ),
        (lambda chain: replace(chain, parent=1, shared=1), "names a chain, step or candidate that is not there"),
        (lambda chain: replace(chain, shared=1), "names a chain, step or candidate that is not there"),
        (lambda chain: replace(chain, steps=()), "There is a chain without steps."),
    ],
)
def test_a_file_that_names_what_is_not_there_is_refused(
    tabs: dict[str, Any], tmp_path: Path, edit: Callable[[Chain], Chain], sentence: str
) -> None:
    run = written(tabs["qtq"])
    data = json.loads(dumps(run)) | {"chains": [as_json(edit(run.chains[0]))]}
    file = tmp_path / "run.json"
    file.write_text(json.dumps(data), encoding="utf-8")
    shown = tabs["qtq"].open(str(file), None)
    assert list(shown) == [tabs["qtq"].status] and sentence in shown[tabs["qtq"].status]
    assert "run.json is not a saved run." in shown[tabs["qtq"].status]


def test_a_direction_with_braces_is_shown_as_it_is(tabs: dict[str, Any], saved: Callable[[Run], str]) -> None:
    run = written(tabs["qtq"])
    (chain,) = run.chains
    moved = replace(chain, steps=(replace(chain.steps[0], move="{0}"), *chain.steps[1:]))
    tab = tabs["qtq"]
    assert "{0}" in tab.open(saved(run.with_chains((moved,))), None)[tab.results.picture.tree]


def test_what_nobody_expected_of_a_file_is_told_too(
    tabs: dict[str, Any], saved: Callable[[Run], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tab = tabs["qtq"]
    monkeypatch.setattr(type(tab), "rows", lambda *_: 1 / 0)
    assert status.FAILED in tab.open(saved(written(tab)), None)[tab.status]
