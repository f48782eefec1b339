"""The tabs Compare and Batch as visitors use them, in Chromium, with the echo engine behind the real app."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from bonsai.chains.moves import Move
from bonsai.chains.prompts import parse_variant
from bonsai.reports.exports import export
from bonsai.reports.report import Report, ReportOptions
from bonsai.runs.run import Run, loads, read_run
from bonsai.settings import ROOT, Settings
from tests.browser.visits import (
    QUESTION,
    STARTERS,
    HeldEngine,
    Visit,
    button,
    choose,
    conversation,
    download,
    drawn,
    open_run,
    set_seed,
    status,
    table,
)
from tests.exported import to_csv, to_markdown

ENGINE = HeldEngine()
EDITED = """
description: Mine.
templates:
  single: "$question Answer in one word."
  reasoning: "$question Reason, and mention gardens."
  answer: "$question Reason, and mention gardens. $reasoning Answer."
  next_question: "$question $answer Ask one deeper question."
stop: ["<|"]
"""


@pytest.fixture(scope="module")
def address(served: Any) -> Iterator[str]:
    """The address of the page."""
    with served(ENGINE, Settings(engine="echo", concurrency=4, max_questions=40)) as address:
        yield address


def write(page: Page, *questions: str) -> None:
    page.locator(".bonsai-question:visible textarea").fill("\n".join(questions))


def tick(page: Page, name: str) -> None:
    page.get_by_label(name, exact=True).locator("visible=true").check()


def note(page: Page) -> Any:
    return page.locator(".bonsai-results:visible > .block .bonsai-note:visible").first


def show(page: Page, tab: str) -> None:
    page.get_by_role("tab", name=tab).locator("visible=true").click()


def saved(page: Page) -> Run:
    return loads(download(page, "Download JSON").decode())


def upload(page: Page, place: str, file: Path) -> None:
    page.locator(f"{place}:visible input[type=file]").set_input_files(file)


def done(page: Page) -> None:
    expect(status(page)).to_contain_text("Done in")


def name_variant(page: Page, name: str) -> None:
    """Unfold the editor of variants, and give the copy a name once it is drawn: its text is what appears last."""
    page.locator("button:visible", has_text="Edit a variant").click()
    expect(page.locator(".bonsai-variant .cm-content")).to_be_visible()
    drawn(page)
    page.locator(".bonsai-variant-name:visible").locator("input, textarea").fill(name)


def test_two_variants_are_compared_with_an_edited_copy(visit: Visit) -> None:
    page = visit("Compare")
    write(page, QUESTION, "Why do we sleep?")
    name_variant(page, "mine")
    name = page.locator(".bonsai-variant-name:visible").locator("input, textarea")
    text = page.locator(".bonsai-variant .cm-content")

    def type_over(yaml: str) -> None:
        text.click()
        page.keyboard.press("Control+a")
        page.keyboard.insert_text(yaml)

    said = page.locator(".prose.bonsai-variant-status:visible")
    type_over(EDITED.replace("$question Answer", "$quetsion Answer").strip())
    expect(said).to_contain_text("mine: role single: unknown variable $quetsion")
    expect(button(page, "Add to the comparison")).to_be_disabled()
    type_over(EDITED.strip())
    expect(said).to_contain_text("well-formed")
    # To look what else could be copied loses nothing.
    page.locator(".bonsai-original:visible input").click()
    name.fill("assistan")
    name.press_sequentially("t")
    expect(said).to_contain_text("There is a variant assistant already")
    name.fill("min")
    name.press_sequentially("e")
    expect(said).to_contain_text("well-formed")
    expect(text).to_contain_text("Mine.")
    button(page, "Add to the comparison").click()
    expect(said).to_contain_text("mine is added")
    expect(page.get_by_label("mine", exact=True)).to_be_checked()
    assert parse_variant("mine", download(page, "Download YAML").decode()) == parse_variant("mine", EDITED)

    button(page, "Run").click()
    done(page)
    head = [name for name in table_head(page) if name]
    assert head == ["question", "step", "assistant", "logician", "mine"]
    run = saved(page)
    rows = cells(page)
    assert [row[2:] for row in rows] == [[chain.steps[0].answer for chain in run.chains[at : at + 3]] for at in (0, 3)]
    assert run.chains[2].prompt == parse_variant("mine", EDITED)
    assert all(chain.seed == run.chains[0].seed for chain in run.chains)

    grid = page.locator(".bonsai-cells:visible td")
    grid.nth(2).click()
    expect(page.locator(".bonsai-one:visible input")).to_have_value(re.compile("^1.1 assistant"))
    grid.nth(4).click()
    difference = page.locator(".bonsai-difference:visible")
    expect(difference.locator("ins").first).to_be_visible()
    ours, theirs = run.chains[0].steps[0].answer, run.chains[2].steps[0].answer
    shown = difference.locator("p").first
    assert _without(shown.inner_html(), "ins") == ours
    assert _without(shown.inner_html(), "del") == theirs

    assert download(page, "Download CSV").decode() == to_csv(run)
    assert download(page, "Download Markdown").decode() == to_markdown(run, ReportOptions(axis="prompt"))
    assert json.loads(download(page, "Download for LLM Comparator"))["models"][0] == {"name": "assistant"}
    assert b"<title>Bonsai run" in download(page, "Download HTML")


def _without(html: str, tag: str) -> str:
    return re.sub(r"<[^>]+>", "", re.sub(rf"<{tag}>.*?</{tag}>", "", html))


def table_head(page: Page) -> list[str]:
    return page.locator(".bonsai-cells:visible th").all_inner_texts()


def cells(page: Page) -> list[list[str]]:
    return [list(row.values()) for row in table(page, ".bonsai-cells")]


def test_the_figures_of_a_comparison_are_the_same_on_the_page_and_in_its_files(visit: Visit) -> None:
    page = visit("Compare")
    write(page, *(f"Why does the number {n} matter?" for n in range(16)))
    button(page, "Run").click()
    done(page)
    run = saved(page)
    figures = Report.of(run, ReportOptions(axis="prompt")).statistics
    assert figures
    assert any(figure.low is not None for figure in figures.figures)
    assert download(page, "Download statistics").decode() == "".join(export(run, "statistics"))
    show(page, "Statistics")
    drawn = page.locator(".bonsai-figures:visible table")
    expect(drawn.first).to_be_visible()
    shown = [row.locator("td").all_inner_texts() for row in drawn.locator("tbody tr").all()]
    assert [(row[0], row[3]) for row in shown] == [
        (figure.quantity, "" if figure.value is None else f"{figure.value:g}") for figure in figures.figures
    ]


def test_columns_texts_and_only_what_differs(visit: Visit) -> None:
    ENGINE.replies = {**ENGINE.replies, "Why do we sleep": "We rest."}
    page = visit("Compare")
    write(page, QUESTION, "Why do we sleep?")
    tick(page, "Single question")
    button(page, "Run").click()
    done(page)
    assert len(cells(page)) == 4
    tick(page, "Only what differs")
    expect(page.locator(".bonsai-cells:visible td")).to_have_count(2 * 5)
    choose(page, ".bonsai-axis", "Methods")
    expect(page.locator(".bonsai-cells:visible th").nth(3)).to_contain_text("single")
    assert table_head(page)[:5] == ["question", "prompt", "step", "single", "two-step"]
    choose(page, ".bonsai-field", "Reasoning")
    expect(page.locator(".prose.bonsai-cells:visible")).to_contain_text("The question is about")
    del ENGINE.replies["Why do we sleep"]


def test_a_cell_is_asked_again_alone(visit: Visit) -> None:
    page = visit("Compare")
    write(page, QUESTION)
    set_seed(page, 5)
    button(page, "Run").click()
    done(page)
    before = saved(page)
    seed = page.get_by_label("Seed", exact=True).locator("visible=true").last
    choose(page, ".bonsai-one", "2.1 logician")
    expect(seed).to_have_value("5")
    seed.fill("33")
    ENGINE.calls = 0
    button(page, "Ask the first cell again").click()
    # "Done in" is still told of the first run for a moment.
    expect(page.locator(".prose.bonsai-cells:visible")).not_to_contain_text(before.chains[1].steps[0].answer)
    done(page)
    after = saved(page)
    assert ENGINE.calls == 2, "one chain of two steps was asked, and no other"
    assert after.chains[0] == before.chains[0]
    assert (after.chains[1].seed, before.chains[1].seed) == (33, 5)
    assert after.chains[1].steps[0].answer != before.chains[1].steps[0].answer
    assert cells(page)[0][-1] == after.chains[1].steps[0].answer


def test_a_visitors_variant_is_the_visitors_alone(visit: Visit) -> None:
    first, second = visit("Compare"), visit("Compare")
    name_variant(first, "mine")
    button(first, "Add to the comparison").click()
    expect(first.get_by_label("mine", exact=True)).to_be_checked()
    second.reload()
    second.get_by_role("tab", name="Compare").click()
    expect(second.get_by_label("assistant", exact=True)).to_be_visible()
    assert second.get_by_label("mine", exact=True).count() == 0


def test_the_nine_starters_are_stopped_gone_on_with_and_found_again(visit: Visit, tmp_path: Path) -> None:
    ENGINE.info = replace(ENGINE.info, max_batch_size=3)
    ENGINE.reset(hold_at_call=9)
    page = visit("Batch")
    button(page, "Take the nine starters").click()
    button(page, "Run").click()
    expect(page.locator(".bonsai-note:visible", has_text="Chains:")).to_contain_text(re.compile("Chains: [1-8] of 9"))
    expect(status(page)).to_contain_text("of 9 chains")
    expect(button(page, "Download CSV")).to_be_enabled()
    button(page, "Stop").click()
    expect(status(page)).to_contain_text(re.compile("Stopped. [1-8] of 9 chains are finished"))
    ENGINE.steps.release(100_000)
    expect(button(page, "Go on")).to_be_enabled()
    before = table(page)
    assert 0 < len(before) < 9
    part = tmp_path / "part.json"
    part.write_bytes(download(page, "Download JSON"))

    ENGINE.reset()
    button(page, "Go on").click()
    expect(page.locator(".bonsai-note:visible", has_text="Chains:")).to_contain_text("Chains: 9 of 9")
    done(page)
    whole = saved(page)
    assert [chain.questions[0] for chain in whole.chains] == [starter.question for starter in STARTERS]
    rows = table(page)
    assert [row for row in rows if row["chain"] in {row["chain"] for row in before}] == before
    expect(button(page, "Go on")).to_be_disabled()

    page.reload()
    page.get_by_role("tab", name="Batch").click()
    expect(status(page)).to_contain_text("as it was before the page was loaded again")
    assert saved(page) == whole
    assert table(page) == rows

    other = visit("Batch")
    assert table(other) == []
    open_run(other, part)
    expect(status(other)).to_contain_text(f"Opened: {len(before)} of 9")
    button(other, "Go on").click()
    done(other)
    assert table(other) == rows
    ENGINE.info = replace(ENGINE.info, max_batch_size=64)


def test_the_saved_example_is_opened(visit: Visit, tmp_path: Path) -> None:
    page = visit("Batch")
    open_run(page, ROOT / "examples" / "batch.json")
    expect(status(page)).to_contain_text("Opened: 9 of 9 chains are finished.")
    assert [row["question"] for row in table(page)] == [starter.question for starter in STARTERS]
    expect(page.locator(".prose.bonsai-summary:visible")).to_contain_text("SmolLM2-135M-Instruct")
    other = tmp_path / "other.json"
    other.write_text("a note of mine")
    open_run(page, other)
    expect(status(page)).to_contain_text("is not JSON")
    page.get_by_role("tab", name="QtQ chain").click()
    open_run(page, ROOT / "examples" / "batch.json")
    expect(status(page)).to_contain_text("This is a run of another tab")
    open_run(page, ROOT / "examples" / "qtq.json")
    steps = sum(len(chain.own_steps) for chain in read_run(ROOT / "examples" / "qtq.json").chains)
    expect(page.locator(".bonsai-note:visible").first).to_contain_text(f"Finished steps: {steps}")


def test_a_run_of_another_model_is_not_gone_on_with(visit: Visit, tmp_path: Path) -> None:
    run = json.loads((ROOT / "examples" / "batch.json").read_text())
    run["chains"][8] |= {"steps": [{**run["chains"][8]["steps"][0], "writing": "reasoning"}], "stop_reason": ""}
    file = tmp_path / "part.json"
    file.write_text(json.dumps(run))
    page = visit("Batch")
    open_run(page, file)
    expect(status(page)).to_contain_text("Opened: 8 of 9")
    button(page, "Go on").click()
    expect(status(page)).to_contain_text("Another model or another measure made this run")
    assert len(table(page)) == 8


def test_what_failed_is_asked_again_alone(visit: Visit) -> None:
    ENGINE.fail_on = "Why do we sleep?"
    page = visit("Batch")
    write(page, QUESTION, "Why do we sleep?", "Why do cats purr?")
    button(page, "Run").click()
    expect(status(page)).to_contain_text("1 chains failed")
    assert [row["flags"] for row in table(page)] == ["", "error", ""]
    expect(page.locator(".prose.bonsai-summary:visible")).to_contain_text("chain 2: The echo engine was told to fail")
    before = saved(page)
    ENGINE.fail_on = ""
    ENGINE.calls = 0
    button(page, "Ask the failed again").click()
    expect(status(page)).not_to_contain_text("failed")
    done(page)
    assert ENGINE.calls == 2
    after = saved(page)
    assert (after.chains[0], after.chains[2]) == (before.chains[0], before.chains[2])
    assert [row["flags"] for row in table(page)] == [""] * 3


def test_a_list_is_uploaded_and_what_is_in_it_is_told(visit: Visit, tmp_path: Path) -> None:
    page = visit("Batch")
    found = page.locator(".prose.bonsai-found:visible")
    sheet = tmp_path / "list.csv"
    sheet.write_bytes(
        "番号,題,質問文\n1,盆栽,なぜ盆栽は小さいのですか\n2,庭,\n3,盆栽,なぜ盆栽は小さいのですか\n".encode("cp932")
    )
    upload(page, ".bonsai-upload", sheet)
    expect(found).to_contain_text("list.csv has no column question; found: 番号, 題, 質問文.")
    choose(page, ".bonsai-column", "質問文")
    expect(found).to_contain_text("read as Shift-JIS. Blank lines, passed over: 3. Lines that repeat a question")
    button(page, "Run").click()
    done(page)
    assert [row["question"] for row in table(page)] == ["なぜ盆栽は小さいのですか"]

    picture = tmp_path / "picture.csv"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00" * 20)
    button(page, "Clear").click()
    page.locator(".bonsai-upload:visible").get_by_label("Clear").click()
    expect(found).to_have_count(0)
    upload(page, ".bonsai-upload", picture)
    expect(found).to_contain_text("picture.csv is not text in UTF-8, UTF-16 or Shift-JIS")
    button(page, "Run").click()
    expect(status(page)).to_contain_text("picture.csv is not text")
    assert table(page) == []


@pytest.mark.parametrize(
    ("questions", "sentence"),
    [
        ([" "], "The list has no questions."),
        ([f"Why {n}?" for n in range(41)], "has 41 questions; at most 40 can be run"),
    ],
)
def test_what_cannot_be_run_is_said_in_a_sentence(visit: Visit, questions: list[str], sentence: str) -> None:
    page = visit("Batch")
    write(page, *questions)
    button(page, "Run").click()
    expect(status(page)).to_contain_text(sentence)
    expect(button(page, "Run")).to_be_enabled()


def test_text_is_shown_as_text_and_never_run(visit: Visit) -> None:
    nasty = "<img src=x onerror=\"document.title='x'\"> | =1+1 **b** <script>document.title=2</script> {{7*7}}?"
    page = visit("Compare")
    write(page, nasty)
    button(page, "Run").click()
    done(page)
    assert cells(page)[0][0] == nasty
    expect(page.locator(".prose.bonsai-summary:visible")).to_contain_text(nasty)
    expect(page.locator(".bonsai-live:visible")).to_contain_text(nasty)
    grid = page.locator(".bonsai-cells:visible td")
    grid.nth(2).click()
    grid.nth(3).click()
    choose(page, ".bonsai-field", "Question")
    assert page.locator("main img, .bonsai-results script").count() == 0
    assert page.title() == "Bonsai"


def test_conclusions_are_asked_for_later_stopped_and_gone_on_with(visit: Visit) -> None:
    page = visit("Batch")
    write(page, QUESTION, "Why do we sleep?")
    page.get_by_label("QtQ chain", exact=True).locator("visible=true").check()
    button(page, "Run").click()
    done(page)
    ENGINE.reset(hold_at_call=1)
    button(page, "Write conclusions").click()
    expect(status(page)).to_contain_text("0 of 2 chains")
    button(page, "Stop").click()
    expect(status(page)).to_contain_text("Stopped. 0 of 2 chains are finished; Go on takes up the rest.")
    ENGINE.steps.release(10_000)
    ENGINE.reset()
    button(page, "Go on").click()
    done(page)
    expect(conversation(page).locator(".conclusion")).to_have_count(2)
    assert [bool(chain.conclusion and chain.conclusion.text) for chain in saved(page).chains] == [True, True]


def test_the_chains_of_a_grid_have_the_options_of_a_chain(visit: Visit) -> None:
    page = visit("Batch")
    write(page, QUESTION)
    tick(page, "QtQ chain")
    choose(page, ".bonsai-moves", "evidence")
    tick(page, "End with a conclusion")
    button(page, "Run").click()
    done(page)
    (chain,) = saved(page).chains
    assert chain.moves == Move.EVIDENCE
    assert chain.conclusion and chain.conclusion.text


@pytest.mark.parametrize("tab", ["Compare", "Batch"])
def test_a_phone_needs_no_sideways_scrolling(visit: Visit, tab: str) -> None:
    page = visit(tab, viewport={"width": 390, "height": 844})
    write(page, QUESTION, "Why do we sleep?")
    button(page, "Run").click()
    done(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    show(page, "Statistics")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_japanese_browser_is_answered_in_japanese(visit: Visit) -> None:
    page = visit("比較", locale="ja-JP")
    for name in ("実行", "続ける", "失敗したものをもう一度", "HTML をダウンロード"):
        expect(button(page, name)).to_be_visible()
    write(page, QUESTION)
    button(page, "実行").click()
    expect(status(page)).to_contain_text("秒で完了しました。")
    expect(page.locator(".prose.bonsai-summary:visible")).to_contain_text("まとめ")
    assert "**まとめ**" in download(page, "Markdown をダウンロード").decode()
    page.locator(".bonsai-prompts:visible input").nth(0).uncheck()
    page.locator(".bonsai-prompts:visible input").nth(3).uncheck()
    button(page, "実行").click()
    expect(status(page)).to_contain_text("プロンプトが選ばれていません。")
