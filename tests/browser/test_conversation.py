"""The conversation beside the form: turns, what is being written, filters, and what a visitor opens in it."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from bonsai.settings import ROOT, Settings
from bonsai.ui.work import visitor_files
from tests.browser.visits import QUESTION, HeldEngine, Visit, ask, button, conversation, drawn, open_run, status, table

ENGINE = HeldEngine()


@pytest.fixture(scope="module")
def address(served: Any) -> Iterator[str]:
    """The address of the page."""
    with served(ENGINE, Settings(engine="echo", concurrency=4, max_questions=40)) as address:
        yield address


def turns(page: Page) -> Locator:
    return conversation(page).locator(".turn[data-key]:visible")


def find(page: Page, name: str, text: str) -> None:
    filters = page.locator(".bonsai-filters:visible")
    if not filters.get_by_label("Text").is_visible():
        filters.locator("button").first.click()
        filters.get_by_label(name).wait_for()
        drawn(page)
    filters.get_by_label(name).fill(text)


def test_finished_steps_are_turns_and_the_step_being_written_stands_at_their_end(visit: Visit) -> None:
    ENGINE.reset(hold_at_call=4)
    page = visit("QtQ chain")
    ask(page, QUESTION)
    expect(conversation(page).locator(".writing")).to_contain_text("The", use_inner_text=True)
    expect(turns(page)).to_have_count(1)
    first = turns(page).first
    expect(first.locator("details")).not_to_have_attribute("open", "")
    assert first.locator("details p").is_hidden()
    first.locator("summary").click()
    expect(first.locator("details p")).to_be_visible()
    ENGINE.steps.release(10_000)
    expect(status(page)).to_contain_text("Done in")
    expect(turns(page)).to_have_count(3)
    expect(conversation(page).locator(".writing, .now")).to_have_count(0)
    expect(page.locator(".bonsai-toast")).to_have_count(0)
    # What a visitor has opened stays open.
    expect(first.locator("details p")).to_be_visible()
    rows = table(page)
    asked = turns(page).locator(".asked").all_inner_texts()
    assert [text.partition(" ")[2] for text in asked] == [row["question"] for row in rows]
    assert turns(page).locator(".answer").all_inner_texts() == [row["answer"] for row in rows]


def test_the_text_is_followed_unless_the_visitor_scrolls(visit: Visit) -> None:
    page = visit("QtQ chain", viewport={"width": 1280, "height": 700})
    page.locator(".bonsai-options:visible input[type=number]").first.fill("12")
    ENGINE.reset(hold_at_call=24)
    ask(page, QUESTION)
    expect(turns(page)).to_have_count(7)
    scrolled = page.locator(".bonsai-scroll:visible")
    # From the end, upwards.
    assert scrolled.evaluate("box => box.scrollHeight > box.clientHeight && Math.abs(box.scrollTop) < 2")
    scrolled.evaluate("box => { box.scrollTop = -200 }")
    top = turns(page).first.evaluate("turn => turn.getBoundingClientRect().top")
    ENGINE.steps.release(40)
    expect(turns(page)).not_to_have_count(7)
    assert abs(turns(page).first.evaluate("turn => turn.getBoundingClientRect().top") - top) < 1
    ENGINE.steps.release(100_000)
    expect(status(page)).to_contain_text("Done in")


def test_a_saved_run_of_many_chains_is_read_and_searched(visit: Visit) -> None:
    page = visit("Batch")
    open_run(page, ROOT / "examples" / "batch.json")
    expect(turns(page)).to_have_count(9)
    find(page, "Chain", "3")
    expect(turns(page)).to_have_count(1)
    expect(turns(page)).to_contain_text(table(page)[2]["question"])
    find(page, "Chain", "")
    find(page, "Text", "CURRENCY")
    expect(turns(page)).to_have_count(1)
    find(page, "Text", "no such word")
    expect(turns(page)).to_have_count(0)
    expect(conversation(page)).to_contain_text("None of the steps shown is like that.")


def test_steps_are_found_by_their_number_and_their_flag(visit: Visit) -> None:
    ENGINE.fail_on = "Why do we sleep?"
    page = visit("Batch")
    page.locator(".bonsai-question:visible textarea").fill(f"{QUESTION}\nWhy do we sleep?")
    page.get_by_label("QtQ chain", exact=True).locator("visible=true").check()
    button(page, "Run").click()
    expect(status(page)).to_contain_text("1 chains failed")
    expect(turns(page)).to_have_count(4)
    find(page, "Step", "2")
    expect(turns(page)).to_have_count(1)
    find(page, "Step", "")
    page.locator(".bonsai-filters:visible").get_by_label("Flag").click()
    page.get_by_role("option", name="error").click()
    expect(turns(page)).to_have_count(1)
    # The choice holds when the run is drawn anew.
    ENGINE.fail_on = ""
    button(page, "Ask the failed again").click()
    expect(status(page)).to_contain_text("Done in")
    expect(turns(page)).to_have_count(0)


def remove_files(page: Page) -> None:
    """Delete the folder of the run that the page shows, as it is when its time is over."""
    token = page.locator(".bonsai-token textarea, .bonsai-token input")
    shown = token.evaluate_all("fields => fields.map(field => field.value)")
    (folder,) = [found for value in shown if len(value) == 32 and (found := visitor_files.find(value))]
    shutil.rmtree(folder)


@pytest.mark.parametrize("running", [False, True])
def test_a_run_whose_files_went_away_is_told_and_the_tab_can_be_used_again(visit: Visit, running: bool) -> None:
    page = visit("Batch")
    page.locator(".bonsai-question:visible textarea").fill("\n".join(f"Why does {n} matter?" for n in range(6)))
    ENGINE.reset(hold_at_call=2)
    button(page, "Run").click()
    expect(status(page)).to_contain_text("of 6 chains")
    if not running:
        button(page, "Stop").click()
        expect(status(page)).to_contain_text("Stopped.")
        expect(button(page, "Go on")).to_be_enabled()
    remove_files(page)
    ENGINE.steps.release(100_000)
    if not running:
        # Unless what is drawn last after Stop has told it by now, and nothing can go on: then the click does nothing.
        button(page, "Go on").click(force=True)
    expect(status(page)).to_contain_text("The run is no longer kept. Press Run")
    expect(button(page, "Run")).to_be_enabled()
    ENGINE.reset()
    button(page, "Run").click()
    expect(status(page)).to_contain_text("Done in")
    expect(turns(page)).to_have_count(6)


def test_a_long_paste_is_not_cut(visit: Visit) -> None:
    page = visit("Batch")
    for box in page.locator("textarea").all():
        assert box.get_attribute("maxlength") is None
    page.locator(".bonsai-question:visible textarea").fill("\n".join(f"Why {n}?" for n in range(41)))
    button(page, "Run").click()
    expect(status(page)).to_contain_text("41 questions; at most 40")
    expect(page.locator(".bonsai-toast")).to_contain_text("41 questions; at most 40")
