"""The page as visitors use it: Chromium goes through each tab of the real app, with the echo engine behind it."""

import csv
import io
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from gradio_client import Client
from gradio_client.utils import Status
from playwright.sync_api import Browser, expect

from bonsai.reports.table import COLUMNS
from bonsai.runs.run import loads
from bonsai.settings import Settings
from tests.browser.visits import (
    QUESTION,
    HeldEngine,
    Visit,
    ask,
    button,
    choose,
    conversation,
    download,
    open_section,
    picture,
    reached,
    status,
    table,
)
from tests.exported import to_csv, to_markdown

ENGINE = HeldEngine()
# What the page sends to find the last run of each of its five tabs, if there was none.
NO_TOKENS = [""] * 5


@pytest.fixture(scope="module")
def address(served: Any) -> Iterator[str]:
    """The address of the page."""
    with served(ENGINE, Settings(engine="echo")) as address:
        yield address


@pytest.mark.parametrize(
    ("tab", "steps", "written"),
    [
        ("Single question", 1, ["answer"]),
        ("Two-step reasoning", 1, ["reasoning", "answer"]),
        ("QtQ chain", 3, ["reasoning", "answer", "next_question"]),
    ],
)
def test_each_tab_from_a_starter_to_the_files(visit: Visit, tab: str, steps: int, written: list[str]) -> None:
    page = visit(tab)
    expect(button(page, "Download CSV")).to_be_disabled()
    button(page, QUESTION).click()
    button(page, "Run").click()
    expect(status(page)).to_contain_text("Done in")
    # Who had no run here before is not asked about one.
    assert visit.asked
    assert NO_TOKENS not in visit.asked
    expect(page.locator(".bonsai-note:visible")).to_contain_text(f"Finished steps: {steps}")
    rows = table(page)
    assert [row["step"] for row in rows] == [str(number) for number in range(1, steps + 1)]
    assert rows[0]["question"] == QUESTION
    assert all(row[name] for row in rows for name in written)
    assert not {"reasoning", "next_question"} - set(written) & set(rows[0])
    assert conversation(page).inner_text().count(rows[-1]["answer"]) == 1

    saved = download(page, "Download JSON").decode()
    run = loads(saved)
    assert json.loads(saved)["format"] == 1
    assert download(page, "Download CSV").decode() == to_csv(run)
    assert download(page, "Download Markdown").decode() == to_markdown(run)
    lines = list(csv.DictReader(io.StringIO(to_csv(run).removeprefix("\ufeff"), newline="")))
    assert list(lines[0]) == list(COLUMNS)
    assert [{name: line[name] for name in rows[0]} for line in lines] == rows


def test_stop_in_mid_stream_keeps_what_is_there_and_ends_the_work_within_a_step(visit: Visit) -> None:
    ENGINE.reset(hold_at_call=4)
    page = visit("QtQ chain")
    ask(page, QUESTION)
    expect(page.locator(".bonsai-live:visible")).to_contain_text("Step 2 of 3")
    expect(page.locator(".bonsai-live:visible .writing")).to_contain_text("Reasoning\nThe", use_inner_text=True)
    expect(button(page, "Run")).to_be_disabled()
    button(page, "Stop").click()
    expect(status(page)).to_contain_text("Stopped.")
    let_on_until_cut_short()
    assert ENGINE.calls == 4
    rows = table(page)
    assert [row["flags"] for row in rows] == ["", "stopped"]
    assert rows[0]["next_question"] == rows[1]["question"]
    run = loads(download(page, "Download JSON").decode())
    assert [step.reasoning for step in run.chains[0].steps] == [row["reasoning"] for row in rows]
    expect(button(page, "Run")).to_be_enabled()


def let_on_until_cut_short() -> None:
    """Let the engine go on step by step; fail if it is not cut short within a minute."""
    steps = 0
    while not ENGINE.cut_short.wait(0.2):
        ENGINE.steps.release()
        steps += 1
        assert steps < 300, "The engine went on although nobody wanted it any more."


def test_a_closed_browser_tab_ends_the_work(visit: Visit) -> None:
    ENGINE.reset(hold_at_call=1)
    page = visit("QtQ chain")
    ask(page, QUESTION)
    expect(page.locator(".bonsai-live:visible .writing")).to_contain_text("Reasoning\nThe", use_inner_text=True)
    page.context.close()
    let_on_until_cut_short()
    assert ENGINE.calls < 9


def test_when_too_many_wait_the_next_visitor_is_told_so(
    served: Any, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    ENGINE.reset(hold_at_call=1)
    monkeypatch.setattr(ENGINE, "info", replace(ENGINE.info, max_concurrent_runs=1))
    with served(ENGINE, Settings(engine="echo", queue_size=1)) as address:
        visit, client = Visit(address, browser), Client(address, verbose=False)
        page = visit()
        answering = client.submit(QUESTION, api_name="/ask")
        reached(lambda: ENGINE.calls == 1)
        waiting = client.submit(QUESTION, api_name="/ask")
        reached(lambda: waiting.status().code is Status.IN_QUEUE)
        ask(page, QUESTION)
        expect(status(page)).to_contain_text("Too many visitors are waiting.")
        expect(button(page, "Run")).to_be_enabled()
        ENGINE.steps.release(10_000)
        assert answering.result(60) and waiting.result(60)
        ask(page, QUESTION)
        expect(status(page)).to_contain_text("Done in")
        # The browser tells of the refusal too.
        assert visit.faults and all("503" in fault for fault in visit.faults)
        visit.faults.clear()
        visit.end()
        client.close()


@pytest.mark.parametrize("in_mid_stream", [False, True])
def test_clear_empties_the_tab(visit: Visit, in_mid_stream: bool) -> None:
    ENGINE.reset(hold_at_call=4 if in_mid_stream else 0)
    page = visit("QtQ chain")
    ask(page, QUESTION)
    expect(status(page)).to_contain_text("Writing" if in_mid_stream else "Done in")
    expect(page.locator(".bonsai-note:visible")).to_contain_text("Finished steps")
    button(page, "Clear").click()
    expect(status(page)).to_contain_text("Ready.")
    expect(page.locator(".bonsai-question:visible textarea")).to_have_value("")
    expect(page.locator(".bonsai-note:visible")).to_contain_text("No results yet")
    expect(page.locator(".bonsai-table:visible td")).to_have_count(0)
    expect(button(page, "Download JSON")).to_be_disabled()
    expect(button(page, "Stop")).to_be_disabled()
    expect(button(page, "Run")).to_be_enabled()


def test_what_cannot_be_run_is_said_in_a_sentence(visit: Visit) -> None:
    page = visit("Single question")
    ask(page, "  ")
    expect(status(page)).to_contain_text("The question is empty.")
    ask(page, "why " * 3000)
    expect(status(page)).to_contain_text(re.compile(r"too long: .* 3,\d\d\d tokens, .* 2,048"))
    expect(button(page, "Run")).to_be_enabled()


def test_text_is_shown_as_text_and_never_run(visit: Visit) -> None:
    question = (
        '<img src=x onerror="document.title=1"> | ${1+1} {{7*7}} $x$ =1+1 **b** <script>document.title=2</script>?'
    )
    page = visit("Two-step reasoning")
    ask(page, question)
    expect(status(page)).to_contain_text("Done in")
    expect(page.locator(".bonsai-live:visible")).to_contain_text(question)
    assert table(page)[0]["question"] == question
    page.get_by_role("tab", name="Report").locator("visible=true").click()
    expect(page.locator(".prose.bonsai-report:visible")).to_contain_text(question)
    assert page.locator(".bonsai-report img, .bonsai-live img, .bonsai-table img").count() == 0
    assert page.title() == "Bonsai"


def test_two_visitors_do_not_see_each_other(visit: Visit) -> None:
    first, second = visit("Single question"), visit("Single question")
    ask(first, "Why do apples fall?")
    expect(status(first)).to_contain_text("Done in")
    expect(second.locator(".bonsai-table:visible td")).to_have_count(0)
    ask(second, "Why do rivers bend?")
    expect(status(second)).to_contain_text("Done in")
    assert [row["question"] for row in table(first)] == ["Why do apples fall?"]
    assert [row["question"] for row in table(second)] == ["Why do rivers bend?"]
    assert loads(download(first, "Download JSON").decode()).chains[0].questions == ("Why do apples fall?",)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_needs_no_sideways_scrolling(visit: Visit, scheme: str) -> None:
    page = visit("QtQ chain", viewport={"width": 390, "height": 844}, color_scheme=scheme)
    ask(page, QUESTION)
    expect(status(page)).to_contain_text("Done in")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for name in ("Single question", "Two-step reasoning", "About", "QtQ chain"):
        page.get_by_role("tab", name=name).click()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    open_section(page)
    assert picture(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_japanese_browser_is_answered_in_japanese(visit: Visit) -> None:
    page = visit("単発の質問", locale="ja-JP")
    for name in ("実行", "停止", "クリア", "CSV をダウンロード"):
        expect(button(page, name)).to_be_visible()
    expect(page.locator(".bonsai-prompt:visible")).to_contain_text("まず考え、それから明快に答えます。")
    ask(page, "", run="実行")
    expect(status(page)).to_contain_text("質問が空です。")
    ask(page, QUESTION, run="実行")
    expect(status(page)).to_contain_text("秒で完了しました。")
    expect(page.locator(".bonsai-note:visible")).to_contain_text("終わったステップ: 1")


def test_the_prompt_variant_is_described(visit: Visit) -> None:
    page = visit("Single question")
    choice = page.locator(".bonsai-prompt:visible")
    choice.locator("input").click()
    page.get_by_role("option", name="logician").click()
    expect(choice).to_contain_text("Strict steps")
    ask(page, QUESTION)
    expect(status(page)).to_contain_text("Done in")
    assert loads(download(page, "Download JSON").decode()).chains[0].prompt.name == "logician"


def test_a_step_is_looked_at_and_branched_from_and_the_files_hold_the_tree(visit: Visit) -> None:
    ENGINE.reset(repeats=True)
    page = visit("QtQ chain")
    ask(page, QUESTION)
    expect(status(page)).to_contain_text("Done in")
    expect(page.locator(".bonsai-note:visible").first).to_contain_text("Finished steps: 3")
    before = table(page)
    open_section(page)
    rejected = page.locator(".bonsai-step:visible tr.rejected")
    expect(rejected).to_contain_text("repeats step 1")
    assert rejected.locator("mark").all_inner_texts() == ["Why did productivity", "stop growing"] + [QUESTION[:-1]]
    proposed = page.locator(".bonsai-branch-question:visible textarea")
    expect(proposed).to_have_value(QUESTION)
    choose(page, ".bonsai-begin", "(accepted)")
    expect(proposed).not_to_have_value(QUESTION)
    candidate = proposed.input_value()
    button(page, "Branch").click()
    expect(page.locator(".bonsai-note:visible").first).to_contain_text("Finished steps: 6")
    expect(status(page)).to_contain_text("Done in")
    rows = table(page)
    assert rows[:3] == before
    assert [(row["chain"], row["step"]) for row in rows[3:]] == [("2", "2"), ("2", "3"), ("2", "4")]
    assert rows[3]["question"] == candidate != rows[1]["question"]

    run = loads(download(page, "Download JSON").decode())
    assert [(chain.number, chain.parent, chain.shared) for chain in run.chains] == [(1, 0, 0), (2, 1, 1)]
    assert run.chains[0].steps[0] == run.chains[1].steps[0]
    saved = download(page, "Download CSV").decode()
    assert saved == to_csv(run)
    lines = list(csv.DictReader(io.StringIO(saved.removeprefix("\ufeff"), newline="")))
    assert len({(line["chain"], line["step"]) for line in lines}) == len(lines) == 6
    drawn = picture(page)
    assert len([text for text in drawn if not text.startswith("✗")]) == 6
    assert any(text.startswith("2.2") for text in drawn)
    assert any(text.startswith("✗") for text in drawn)


def test_a_stopped_branch_leaves_the_old_chain_alone(visit: Visit) -> None:
    page = visit("QtQ chain")
    ask(page, QUESTION)
    expect(status(page)).to_contain_text("Done in")
    before = table(page)
    open_section(page, row=1)
    ENGINE.reset(hold_at_call=1)
    ENGINE.steps = threading.Semaphore(0)
    page.locator(".bonsai-branch-question:visible textarea").fill("Who gains when growth is slow?")
    button(page, "Branch").click()
    expect(page.locator(".bonsai-live:visible")).to_contain_text("Who gains when growth is slow?")
    expect(button(page, "Branch")).to_be_disabled()
    button(page, "Stop").click()
    expect(status(page)).to_contain_text("Stopped before anything was written.")
    assert table(page) == before
    ENGINE.steps.release(10_000)
    button(page, "Branch").click()
    expect(page.locator(".bonsai-note:visible").first).to_contain_text("Finished steps: 6")
    expect(status(page)).to_contain_text("Done in")
    run = loads(download(page, "Download JSON").decode())
    assert [(chain.parent, chain.shared) for chain in run.chains] == [(0, 0), (1, 1)]
    assert run.chains[1].steps[1].question == "Who gains when growth is slow?"


def test_what_cannot_branch_or_be_tested_is_said_in_a_sentence(visit: Visit) -> None:
    page = visit("QtQ chain")
    page.locator("button:visible", has_text="Look at a step").click()
    button(page, "Branch").click()
    expect(status(page)).to_contain_text("Choose a step first.")
    ask(page, QUESTION)
    expect(status(page)).to_contain_text("Done in")
    choose(page, ".bonsai-choice", "1.")
    expect(page.locator(".bonsai-branch-question:visible textarea")).to_have_value(QUESTION)
    button(page, "Branch").click()
    expect(status(page)).to_contain_text("This branch would be the chain again")
    page.locator(".bonsai-branch-question:visible textarea").fill(" ")
    button(page, "Branch").click()
    expect(status(page)).to_contain_text("The question is empty.")
    expect(button(page, "Branch")).to_be_enabled()


def test_what_is_typed_is_kept_when_a_dropdown_is_left(visit: Visit) -> None:
    page = visit("QtQ chain")
    ask(page, QUESTION)
    expect(status(page)).to_contain_text("Done in")
    open_section(page)
    typed = page.locator(".bonsai-branch-question:visible textarea")
    typed.fill("Who gains when growth is slow?")
    for dropdown in (".bonsai-begin", ".bonsai-choice"):
        page.locator(f"{dropdown}:visible input").click()
        with page.expect_response(re.compile("/run/predict")):
            typed.focus()
        expect(typed).to_have_value("Who gains when growth is slow?")
    choose(page, ".bonsai-begin", "(accepted)")
    expect(typed).to_have_value(re.compile("productivity"))
    choose(page, ".bonsai-begin", "This step's question")
    expect(typed).to_have_value(QUESTION)
    choose(page, ".bonsai-choice", "2.")
    expect(typed).to_have_value(table(page)[1]["question"])


@pytest.mark.parametrize("tab", ["Two-step reasoning", "QtQ chain"])
def test_the_reasoning_is_tested_and_the_run_keeps_the_test(visit: Visit, tab: str) -> None:
    page = visit(tab)
    ask(page, QUESTION)
    expect(status(page)).to_contain_text("Done in")
    open_section(page)
    button(page, "Was the Reasoning used?").click()
    expect(page.locator(".bonsai-step:visible .result")).to_contain_text(re.compile(r"changes by \d+%"))
    expect(page.locator(".bonsai-step:visible table").first).to_contain_text("Reasoning of another question")
    expect(status(page)).to_contain_text("Done in")
    test = loads(download(page, "Download JSON").decode()).chains[0].steps[0].reasoning_test
    assert test is not None
    expect(page.locator(".bonsai-step:visible dl")).to_contain_text(test.answer_without)
    expect(button(page, "Run")).to_be_enabled()


def test_a_question_that_was_left_is_asked_next_and_both_chains_are_concluded(visit: Visit) -> None:
    page = visit("QtQ chain")
    page.get_by_label("End with a conclusion").uncheck()
    ask(page, QUESTION)
    expect(status(page)).to_contain_text("Done in")
    page.locator("button:visible", has_text="Questions not asked yet").click()
    left = page.locator(".bonsai-bank:visible li")
    question, _, _ = left.first.locator("p").inner_text().partition("\n")
    left.first.get_by_role("button", name="Ask this next").click()
    expect(conversation(page).locator(".asked", has_text=question)).to_be_visible()
    expect(status(page)).to_contain_text("Done in")
    expect(left.filter(has_text=question)).to_have_count(0)
    ENGINE.reset(hold_at_call=1)
    button(page, "Write conclusions").click()
    expect(status(page)).to_contain_text("Writing the conclusion")
    expect(left.first.get_by_role("button", name="Ask this next")).to_be_hidden()
    ENGINE.steps.release(10_000)
    expect(status(page)).to_contain_text("Done in")
    expect(conversation(page).locator(".conclusion")).to_have_count(2)
    saved = loads(download(page, "Download JSON").decode())
    assert all(chain.conclusion and chain.conclusion.text for chain in saved.chains)
    button(page, "Write conclusions").click()
    expect(status(page)).to_contain_text("No chain of this run lacks a conclusion")


def test_the_picture_draws_any_question_and_runs_none(visit: Visit) -> None:
    page = visit("QtQ chain")
    for question in (
        "<img src=x onerror='document.title=1'><script>document.title=2</script>?",
        "</tspan></svg><img src=x onerror='document.title=3'> ${1+1} {{7*7}}?",
        "1. なぜ盆栽は小さいのですか 🌱 － 「鉢」のせい？",
    ):
        ask(page, question)
        expect(page.locator(".bonsai-live:visible")).to_contain_text(question)
        expect(status(page)).to_contain_text(re.compile("Done|Ended"))
        assert picture(page)[0].replace(" ", "").startswith(f"1.{question}"[:50].replace(" ", ""))
    assert page.locator(".bonsai-tree img, .bonsai-tree script, .bonsai-tree a").count() == 0
    assert page.title() == "Bonsai"


def test_the_page_names_its_measure(visit: Visit) -> None:
    page = visit("QtQ chain")
    expect(page.locator(".bonsai-chips")).to_contain_text("Measure words")
    ask(page, QUESTION)
    expect(page.locator(".bonsai-note:visible").first).to_contain_text("Measure: words")


def test_a_chain_without_progress_goes_on_if_the_visitor_wants(visit: Visit) -> None:
    page = visit("QtQ chain")
    page.get_by_label("Stop when nothing new comes").locator("visible=true").uncheck()
    ask(page, QUESTION)
    expect(status(page)).to_contain_text("Done in")
    assert loads(download(page, "Download JSON").decode()).chains[0].stop_without_progress is False
