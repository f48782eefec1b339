"""What visitors say of steps: twenty pairs judged blind by keys alone, and marks with a reason, kept over a reload."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from bonsai.chains.outcomes import Judgement
from bonsai.runs.journal import read_saved
from bonsai.runs.run import dumps, loads
from bonsai.settings import Settings
from tests.browser.visits import (
    QUESTION,
    HeldEngine,
    Visit,
    ask,
    button,
    conversation,
    download,
    open_run,
    reached,
    status,
)
from tests.runs.journals import finished_journal

ENGINE = HeldEngine()
KEPT = "Your verdict is kept with the run."
REASON = '=cmd|"x" 明快 🌱'


@pytest.fixture(scope="module")
def address(served: Any) -> Iterator[str]:
    """The address of the page."""
    with served(ENGINE, Settings(engine="echo", concurrency=4, max_questions=40)) as address:
        yield address


@pytest.fixture
def twenty(tmp_path: Path) -> Path:
    """A saved run of twenty questions, each asked with two variants, as an earlier version saved it."""
    journal = finished_journal(tmp_path / "twenty.jsonl", 20)
    saved = tmp_path / "twenty.json"
    saved.write_text(dumps(journal.run.with_chains(tuple(journal))))
    return saved


def open_compare(visit: Visit, file: Path) -> Page:
    page = visit("Compare")
    open_run(page, file)
    expect(status(page)).to_contain_text("Opened: 40 of 40")
    return page


def panel(page: Page) -> Locator:
    return page.locator(".bonsai-blind dialog[open]")


def test_twenty_pairs_take_twenty_keys_and_tell_no_name_before_the_end(visit: Visit, twenty: Path) -> None:
    page = open_compare(visit, twenty)
    page.locator(".bonsai-judge:visible").focus()
    page.keyboard.press("Enter")
    for place in range(1, 21):
        expect(panel(page).locator(".place:visible")).to_have_text(f"Pair {place} of 20")
        assert not re.search("assistant|logician", panel(page).inner_html())
        page.keyboard.press("102"[place % 3])
    outcome = panel(page).locator("table")
    expect(outcome).to_contain_text("assistant : logician")
    wins, losses, ties = map(int, outcome.locator("tbody td").all_inner_texts()[2:5])
    assert (wins + losses, ties) == (13, 7)
    page.keyboard.press("Escape")
    expect(panel(page)).to_have_count(0)
    judged = loads(download(page, "Download JSON").decode())
    assert len(judged.verdicts) == 20
    assert sum(one.judgement == Judgement.TIE for one in judged.verdicts) == ties
    rated = json.loads(download(page, "Download for LLM Comparator"))
    assert sorted({one["score"] for one in rated["examples"]}) == [-1.0, 0.0, 1.0]

    page.reload()
    page.get_by_role("tab", name="Compare").click()
    page.get_by_role("tab", name="Statistics").locator("visible=true").click()
    expect(page.locator(".bonsai-figures:visible").first).to_contain_text("Verdicts of people, over questions")
    page.get_by_role("tab", name="Side by side").locator("visible=true").click()
    button(page, "Judge blind").click()
    expect(status(page)).to_contain_text("There is no pair with two different answers that is not judged yet.")


def test_what_was_marked_before_the_end_is_kept_and_the_rest_comes_later(visit: Visit, twenty: Path) -> None:
    page, other = open_compare(visit, twenty), open_compare(visit, twenty)
    button(page, "Judge blind").click()
    first = panel(page).locator("section:visible p").first.inner_text()
    page.keyboard.press("1")
    page.keyboard.press("2")
    page.keyboard.press("Backspace")
    expect(panel(page).locator(".place:visible")).to_have_text("Pair 2 of 20")
    page.keyboard.press("Escape")
    expect(panel(page).locator("table")).to_contain_text("assistant : logician")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.post_data or ""))
    page.keyboard.press("1")
    page.keyboard.press("Escape")
    expect(panel(page)).to_have_count(0)
    (verdict,) = loads(download(page, "Download JSON").decode()).verdicts
    winner = verdict.chain if verdict.judgement == Judgement.BETTER else verdict.beside
    assert first == f"Because of {winner}."
    assert not [body for body in asked if "marks" in body], "the outcome has no pair to mark"
    button(page, "Judge blind").click()
    expect(panel(page).locator(".place:visible")).to_have_text("Pair 1 of 19")
    # Another visitor of the same run is asked for all pairs.
    button(other, "Judge blind").click()
    expect(panel(other).locator(".place:visible")).to_have_text("Pair 1 of 20")


@pytest.mark.parametrize("tab", ["Single question", "QtQ chain"])
def test_a_step_is_marked_with_a_reason_and_found_again(visit: Visit, tab: str, tmp_path: Path) -> None:
    ENGINE.reset()
    page = visit(tab)
    ask(page, QUESTION)
    expect(button(page, "Stop")).to_be_disabled()
    unmarked = tmp_path / "unmarked.json"
    unmarked.write_bytes(download(page, "Download JSON"))
    turn = conversation(page).locator(".turn").first
    turn.locator("button", has_text="Good").click()
    why = turn.get_by_label("Why?")
    why.fill(REASON)
    why.press("Enter")
    expect(status(page)).to_contain_text(KEPT)

    page.reload()
    page.get_by_role("tab", name=tab).click()
    turn = conversation(page).locator(".turn").first
    expect(turn.locator("button", has_text="Good")).to_have_attribute("aria-pressed", "true")
    expect(turn.get_by_label("Why?")).to_have_value(REASON)
    saved = tmp_path / "run.json"
    saved.write_bytes(download(page, "Download JSON"))
    (verdict,) = read_saved(saved).verdicts
    assert (verdict.chain, verdict.step, verdict.judgement, verdict.reason) == (1, 1, "good", REASON)
    assert download(page, "Download CSV").decode("utf-8-sig").splitlines()[0].endswith(",verdict")

    turn.locator("button", has_text="Good").click()
    expect(status(page)).to_contain_text(KEPT)
    open_run(page, saved)
    expect(turn.locator("button", has_text="Good")).to_have_attribute("aria-pressed", "true")
    why = turn.locator("textarea")
    expect(why).to_have_value(REASON)
    why.fill("of this run alone")
    open_run(page, unmarked)
    expect(turn.locator("button", has_text="Good")).to_have_attribute("aria-pressed", "false")
    expect(why).to_have_value("")


def test_steps_that_are_marked_one_right_after_another_are_all_kept(visit: Visit, twenty: Path) -> None:
    page = open_compare(visit, twenty)
    turns = conversation(page).locator(".turn")
    for place in range(3):
        turns.nth(place).locator("button", has_text="Bad").click()
    expect(status(page)).to_contain_text(KEPT)
    # The status line tells so of the first one already.
    reached(lambda: len(loads(download(page, "Download JSON").decode()).verdicts) == 3)
    page.reload()
    page.get_by_role("tab", name="Compare").click()
    expect(conversation(page).locator('.turn [data-mark="bad"][aria-pressed="true"]')).to_have_count(3)


def test_the_panel_opens_again_after_it_was_left_and_a_first_mark_can_be_taken_back(visit: Visit, twenty: Path) -> None:
    page = open_compare(visit, twenty)
    for _ in range(2):
        button(page, "Judge blind").click()
        expect(panel(page).locator(".place:visible")).to_have_text("Pair 1 of 20")
        page.keyboard.press("Escape")
        expect(panel(page)).to_have_count(0)
    button(page, "Judge blind").click()
    place = panel(page).locator(".place:visible")
    expect(place).to_have_text("Pair 1 of 20")
    page.keyboard.press("1")
    expect(place).to_have_text("Pair 2 of 20")
    page.keyboard.press("Backspace")
    expect(place).to_have_text("Pair 1 of 20")
    page.keyboard.press("Escape")
    expect(status(page)).to_contain_text(KEPT)
    expect(panel(page)).to_have_count(0)
    assert loads(download(page, "Download JSON").decode()).verdicts == ()
