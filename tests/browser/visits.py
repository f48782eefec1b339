"""How the tests of the page visit it: Chromium, visitors, what they press and what they see."""

import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Locator, Page, expect
from playwright.sync_api import Request as WebRequest

from bonsai.chains.questions import load_starters
from bonsai.engines.base import Prompt, Request, RequestQueue, Snapshots
from bonsai.engines.echo import EchoEngine
from bonsai.settings import ROOT

expect.set_options(timeout=20_000)
STARTERS = load_starters(ROOT / "examples" / "questions.csv")
QUESTION = STARTERS[1].question
REPEATED = "Why did productivity really stop growing?"


class HeldEngine(EchoEngine):
    """An echo engine that can be held in mid-stream, let on step by step, and tells when its work was cut short."""

    def __init__(self) -> None:
        super().__init__(pause=self._wait, replies={f"Say: {REPEATED}": REPEATED})
        self.reset()

    def reset(self, hold_at_call: int = 0, repeats: bool = False) -> None:
        """Begin anew; from call number `hold_at_call` on (0: never), every snapshot waits for `steps`.

        A call is what is begun together.
        If it `repeats`, the first of several candidates is REPEATED.
        """
        self.hold_at_call, self.calls, self.repeats = hold_at_call, 0, repeats
        self.steps = threading.Semaphore(3)
        self.cut_short = threading.Event()

    def take(self, queue: RequestQueue, room: int) -> list[Request]:
        taken = super().take(queue, room)
        self.calls += bool(taken)
        if self.repeats and len(taken) > 1:
            taken[0] = replace(taken[0], prompt=Prompt.of(f"{taken[0].prompt.text}Say: {REPEATED}"))
        return taken

    def stream(self, queue: RequestQueue) -> Snapshots:
        cut_short = self.cut_short
        try:
            yield from super().stream(queue)
        except GeneratorExit:
            cut_short.set()
            raise

    def _wait(self) -> None:
        if self.hold_at_call and self.calls >= self.hold_at_call:
            self.steps.acquire()


class Visit:
    """Opens the page, each time as another visitor, and notes what goes wrong in the browser."""

    def __init__(self, address: str, browser: Browser) -> None:
        self._address, self._browser = address, browser
        self.faults: list[str] = []
        self.asked: list[Any] = []
        """What the pages asked the server to do, each as the values that were sent along."""

    def __call__(self, tab: str = "Single question", **context: object) -> Page:
        page = self._browser.new_context(**{"locale": "en-US", **context}).new_page()  # type: ignore[arg-type]
        page.set_default_timeout(60_000)
        self._watch(page)
        page.goto(self._address)
        page.get_by_role("tab", name=tab).click()
        expect(page.locator(".bonsai-question:visible")).to_be_visible()
        drawn(page)
        return page

    def end(self) -> None:
        """Close all that was opened; fail if the browser had something to complain about."""
        faults = list(self.faults)
        for context in self._browser.contexts:
            context.close()
        assert not faults, "\n".join(faults)

    def _watch(self, page: Page) -> None:
        page.on("request", self._note_values)
        page.on("pageerror", lambda error: self.faults.append(f"page error: {error}\n{error.stack}"))
        page.on("console", lambda said: self.faults.append(f"console: {said.text}") if said.type == "error" else None)
        page.on("requestfailed", self._note_failure)
        page.on("response", lambda got: self.faults.append(f"{got.status}: {got.url}") if got.status >= 400 else None)

    def _note_values(self, request: WebRequest) -> None:
        if "application/json" in request.headers.get("content-type", "") and request.post_data:
            self.asked.append(json.loads(request.post_data).get("data"))

    def _note_failure(self, request: WebRequest) -> None:
        # What the page itself ends, such as a stream of events that is over, is no failure.
        if request.failure != "net::ERR_ABORTED":
            self.faults.append(f"failed: {request.url} {request.failure}")


def reached(condition: Callable[[], bool]) -> None:
    """Return when the condition holds; fail if it does not within a minute."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.02)


def drawn(page: Page) -> None:
    """Return when what has just appeared is drawn: what a test types before that, too fast for anyone, is set back."""
    page.evaluate("() => new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)))")


def button(page: Page, name: str) -> Locator:
    return page.locator("button:visible").filter(has_text=re.compile(f"^\\s*{re.escape(name)}\\s*$"))


def status(page: Page) -> Locator:
    return page.locator(".bonsai-status:visible")


def ask(page: Page, question: str, run: str = "Run") -> None:
    page.locator(".bonsai-question:visible textarea").fill(question)
    button(page, run).click()


def table(page: Page, place: str = ".bonsai-table:not(.bonsai-cells)") -> list[dict[str, str]]:
    """Return the rows of the table that the visitor sees, as text."""
    frame = page.locator(f"{place}:visible table")
    names, *rows = frame.evaluate("table => [...table.rows].map(row => [...row.cells].map(cell => cell.innerText))")
    return [dict(zip(names, row, strict=True)) for row in rows]


def cell(page: Page, row: int, column: int, place: str = ".bonsai-table") -> Locator:
    """Return a cell of a table, counted from 0."""
    return page.locator(f"{place}:visible tbody tr").nth(row).locator("td").nth(column)


def open_section(page: Page, row: int = 0) -> None:
    """Look at the step in a row of the table, counted from 0."""
    page.locator("button:visible", has_text="Look at a step").click()
    expect(page.locator(".bonsai-choice:visible input")).not_to_have_value("")
    cell(page, row, 0).click()
    expect(page.locator(".bonsai-choice:visible input")).to_have_value(re.compile(f"^(1\\.)?{row + 1}[. ]"))


def set_seed(page: Page, seed: int) -> None:
    """Open the sampling of the tab and set its seed."""
    sampling = page.locator(".bonsai-sampling:visible")
    sampling.locator("button").first.click()
    field = sampling.get_by_label("Seed", exact=True)
    field.wait_for()
    drawn(page)
    field.fill(str(seed))


def choose(page: Page, place: str, option: str) -> None:
    page.locator(f"{place}:visible input").click()
    page.get_by_role("option").filter(has_text=option).first.click()


def picture(page: Page) -> list[str]:
    """Return the texts of the nodes of the picture that the visitor sees."""
    page.get_by_role("tab", name="Picture").locator("visible=true").click()
    nodes = page.locator(".tree:visible .node")
    expect(nodes.first).to_be_visible()
    return [" ".join(node.locator("tspan").all_text_contents()) for node in nodes.all()]


def conversation(page: Page) -> Locator:
    """Return the panel with the turns of the run, and what is being written."""
    return page.locator(".bonsai-live:visible")


def download(page: Page, name: str) -> bytes:
    with page.expect_download() as waiting:
        button(page, name).click()
    return Path(waiting.value.path()).read_bytes()


def open_run(page: Page, file: Path) -> None:
    with page.expect_file_chooser() as chooser:
        button(page, "Open a run").click()
    chooser.value.set_files(file)
