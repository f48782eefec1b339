"""Every tab of the page, opened in every order, shows what it has to show."""

from collections.abc import Iterator
from itertools import permutations
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from bonsai.settings import Settings
from tests.browser.visits import QUESTION, HeldEngine, Visit, button, status

ENGINE = HeldEngine()
TABS = ("Single question", "Two-step reasoning", "QtQ chain", "Compare", "Batch", "About")
SHOWN = {
    "Table": ".bonsai-table:not(.bonsai-cells) td",
    "Report": ".bonsai-report h1",
    "Picture": ".tree .node, .bonsai-lines circle, .bonsai-lines .legend",
    "Side by side": ".bonsai-cells td",
    "Statistics": ".bonsai-charts .track i",
}


@pytest.fixture(scope="module")
def address(served: Any) -> Iterator[str]:
    """The address of the page."""
    with served(ENGINE, Settings(engine="echo", concurrency=4)) as address:
        yield address


def open_tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).locator("visible=true").click()


def sees(page: Page, tab: str) -> None:
    """Pass if everything that the tab of the results shows has its size."""
    for place in SHOWN[tab].split(", "):
        expect(page.locator(f"{place}:visible").first).to_be_visible()


@pytest.mark.parametrize("order", list(permutations(("Table", "Report", "Picture"))), ids="-".join)
def test_the_results_of_a_chain_are_seen_in_every_order(visit: Visit, order: tuple[str, ...]) -> None:
    page = visit("QtQ chain")
    before, *after = order
    open_tab(page, before)
    page.locator(".bonsai-question:visible textarea").fill(QUESTION)
    button(page, "Run").click()
    expect(status(page)).to_contain_text("Done in")
    for tab in (before, *after, before):
        open_tab(page, tab)
        sees(page, tab)


@pytest.mark.parametrize("order", list(permutations(("Side by side", "Table", "Statistics"))), ids="-".join)
def test_the_results_of_a_comparison_are_seen_in_every_order(visit: Visit, order: tuple[str, ...]) -> None:
    page = visit("Compare")
    open_tab(page, order[0])
    button(page, "Run").click()
    expect(status(page)).to_contain_text("Done in")
    for tab in order:
        open_tab(page, tab)
        sees(page, tab)


@pytest.mark.parametrize("inside", ["Table", "Picture"])
def test_a_run_is_drawn_while_other_tabs_of_the_page_are_looked_at(visit: Visit, inside: str) -> None:
    page = visit("QtQ chain")
    open_tab(page, inside)
    ENGINE.reset(hold_at_call=2)
    page.locator(".bonsai-question:visible textarea").fill(QUESTION)
    button(page, "Run").click()
    expect(status(page)).to_contain_text("Writing")
    for tab in TABS:
        open_tab(page, tab)
    ENGINE.steps.release(10_000)
    for tab in reversed(TABS):
        open_tab(page, tab)
    open_tab(page, "QtQ chain")
    expect(status(page)).to_contain_text("Done in")
    for tab in (inside, "Table", "Report", "Picture"):
        open_tab(page, tab)
        sees(page, tab)
