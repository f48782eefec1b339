"""The files of a run: each form says the same, is whole, harms nobody, and is made part by part."""

import csv
import io
import json
import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bonsai.chains.advance import advance_each
from bonsai.chains.chain import Chain
from bonsai.chains.prompts import load_variants
from bonsai.chains.step import Step
from bonsai.engines.base import SamplingParams
from bonsai.engines.echo import EchoEngine
from bonsai.errors import UsageError
from bonsai.reports.exports import export, format_of
from bonsai.reports.formats import Format
from bonsai.reports.markdown import inline, inside_html
from bonsai.reports.report import Report, ReportOptions
from bonsai.runs.plan import Grid, Plan
from bonsai.runs.run import Run, dumps, loads
from bonsai.settings import ROOT
from tests.exported import to_csv, to_markdown

VARIANTS = load_variants(ROOT / "prompts")
PAIR = (VARIANTS["assistant"], VARIANTS["logician"])
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=60)
NASTY = "=1+1 | <script>alert(1)</script> {{7*7}} {% raw %} <b>x</b> & 日本語 🌱 `code`?"


def run_of(grid: Grid, engine: EchoEngine | None = None) -> Run:
    plan = Plan(grid, SamplingParams(max_new_tokens=60), "echo", "", "echo", "words")
    grown = dict(advance_each(engine or EchoEngine(), list(plan.chains()), plan.sampling))
    return Run.of_plan(plan, [grown[place] for place in range(len(grid))])


@pytest.fixture(scope="module")
def run() -> Run:
    """Sixteen questions with two variants, of which one writes no Reasoning now and then."""
    questions = (*(f"Why does the number {n} matter?" for n in range(15)), NASTY)
    return run_of(Grid(questions, PAIR, ("two-step",)), EchoEngine(replies={"number 7 matter?\n<|reasoning|>": ""}))


class Page(HTMLParser):
    """The tables and tags of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.tables: list[list[list[str]]] = []
        self._cell: list[str] | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self._cell = []

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th") and self._cell is not None:
            self.tables[-1][-1].append("".join(self._cell))
            self._cell = None

    def handle_data(self, data: str) -> None:
        if self._cell is not None:
            self._cell.append(data)


def html(run: Run) -> Page:
    return Page("".join(export(run, "html")))


def markdown_tables(text: str) -> list[list[list[str]]]:
    """Return the tables of a report, their texts as they are read."""
    found: list[list[list[str]]] = []
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        lines = [re.split(r"(?<!\\)\|", line)[1:-1] for line in block.splitlines()]
        found.append([[re.sub(r"\\(.)", r"\1", cell.strip()) for cell in line] for line in lines if line[0] != " --- "])
    return found


def test_the_figures_of_a_comparison_are_the_same_in_every_file(run: Run) -> None:
    figures = Report.of(run, ReportOptions(axis="prompt")).statistics
    assert figures
    data = json.loads("".join(export(run, "json")))
    assert data["statistics"] == json.loads(json.dumps(figures.records()))
    rows = list(csv.DictReader(io.StringIO("".join(export(run, "statistics")).removeprefix("\ufeff"), newline="")))
    assert [row["value"] for row in rows] == ["" if one.value is None else str(one.value) for one in figures.figures]
    means, differences = markdown_tables(to_markdown(run))[1:3]
    page_means, page_differences = html(run).tables[1:3]
    assert means == page_means
    assert differences == page_differences
    shown = [row[3] for row in (*means[1:], *differences[1:])]
    assert [float(value) for value in shown] == [one.value for one in figures.figures]
    assert ["flag no-reasoning", "assistant", "16", "0.0625"] in [row[:4] for row in means]


def test_the_json_of_a_comparison_is_the_run_again(run: Run) -> None:
    assert loads("".join(export(run, "json"))) == replace(run, chains=tuple(run.chains))
    assert "statistics" not in json.loads("".join(export(run.with_chains(run.chains[:1]), "json")))
    assert json.loads(dumps(run))["chains"] == json.loads("".join(export(run, "json")))["chains"]


def test_a_report_has_summary_figures_columns_and_table(run: Run) -> None:
    report = to_markdown(run)
    heads = re.findall(r"^## (.+)$", report, re.MULTILINE)
    assert heads[:4] == ["Side by side", "Means over questions", "Differences, paired over questions", "Table"]
    assert heads[4:6] == ["Chain 1, step 1", "Chain 2, step 1"]
    assert report.index("**Summary**") < report.index("## Side")
    side = markdown_tables(report)[0]
    assert side[0] == ["question", "step", "assistant", "logician"]
    assert side[1][2:] == [chain.steps[0].answer for chain in run.chains[:2]]
    assert "**まとめ**" in to_markdown(run, ReportOptions("ja"))
    other = markdown_tables(to_markdown(run, ReportOptions(axis="question")))[1]
    assert other[0] == ["quantity", "question", "items", "mean", "95% interval"]


def test_a_page_is_one_file_that_loads_and_runs_nothing(run: Run) -> None:
    text = "".join(export(run, "html"))
    page = Page(text)
    names = {name for name, _ in page.tags}
    assert not names & {"script", "img", "link", "iframe", "object", "a", "form", "b"}
    assert not any(
        name.startswith("on") or name in ("src", "href") for _, attributes in page.tags for name in attributes
    )
    assert "url(" not in text and "@import" not in text and "default-src 'none'" in text
    assert NASTY in [cell for row in page.tables[0] for cell in row]
    assert "49" not in "".join(page.tables[0][-1])
    assert page.tables[-1][0] == list(next(csv.reader([to_csv(run).removeprefix("\ufeff").splitlines()[0]])))
    assert len(page.tables[-1]) == 1 + len(run.chains)


@settings(max_examples=40, deadline=None)
@given(TEXT, TEXT)
def test_any_text_is_shown_as_it_is(question: str, answer: str) -> None:
    chain = Chain(1, "single", PAIR[0], (Step(1, question, "", answer=answer),), stop_reason="done")
    page = html(Run((chain,), SamplingParams(), "m", "", "echo"))
    assert not {name for name, _ in page.tags} & {"script", "img"}
    head, row = page.tables[0]
    # What a browser reads of line ends and of control characters, it reads of these.
    clean = {
        name: re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", "", text) for name, text in (("q", question), ("a", answer))
    }
    assert row[head.index("question")] == clean["q"]
    assert row[head.index("answer")] == clean["a"]


def test_llm_comparator_reads_an_example_for_each_question_and_step(run: Run) -> None:
    data = json.loads("".join(export(run, "llm-comparator")))
    assert set(data) == {"metadata", "models", "examples"}
    assert data["models"] == [{"name": "assistant"}, {"name": "logician"}]
    assert set(data["metadata"]) == {"source_path", "custom_fields_schema"}
    fields = {item["name"]: item["type"] for item in data["metadata"]["custom_fields_schema"]}
    assert len(data["examples"]) == 16
    for example, ours, theirs in zip(data["examples"], run.chains[::2], run.chains[1::2], strict=True):
        assert set(example) == {
            "input_text",
            "tags",
            "output_text_a",
            "output_text_b",
            "score",
            "individual_rater_scores",
            "custom_fields",
        }
        assert example["input_text"] == ours.questions[0] == theirs.questions[0]
        assert (example["output_text_a"], example["output_text_b"]) == (ours.steps[0].answer, theirs.steps[0].answer)
        assert example["score"] is None and example["individual_rater_scores"] == []
        assert example["custom_fields"].keys() == fields.keys()
        assert all(
            len(example["custom_fields"][name]) == 2 for name, kind in fields.items() if kind.startswith("per_model")
        )


def test_repeats_are_examples_of_their_own() -> None:
    run = run_of(Grid(("Why?",), PAIR, ("two-step",), seeds=(1, 2, 3)))
    examples = json.loads("".join(export(run, "llm-comparator")))["examples"]
    assert len({example["output_text_a"] for example in examples}) == len(examples) == 3


@pytest.mark.parametrize("form", ["llm-comparator", "statistics"])
def test_a_run_of_one_column_has_nothing_to_compare(run: Run, form: str) -> None:
    with pytest.raises(UsageError, match="one column|has one"):
        list(export(run.with_chains(run.chains[:1]), form))


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("t.csv", "csv"),
        ("t.md", "markdown"),
        ("a.b/t.json", "json"),
        ("t.html", "html"),
        ("t.comparator.json", "llm-comparator"),
        ("t.statistics.csv", "statistics"),
        ("t.txt", None),
        ("t", None),
    ],
)
def test_the_ending_of_a_file_tells_its_form(name: str, form: str | None) -> None:
    assert format_of(Path(name)) == form


def test_every_form_is_made_in_parts_that_do_not_grow_with_the_run() -> None:
    grid = Grid(tuple(f"Why {n}?" for n in range(1500)), PAIR[:1], ("single",))
    plan = Plan(grid, SamplingParams(), "m", "", "echo", "words")
    chains = [
        replace(chain, steps=(replace(chain.steps[0], writing=""),), stop_reason="done") for chain in plan.chains()
    ]
    for form in set(Format) - {Format.LLM_COMPARATOR, Format.STATISTICS, Format.QUESTIONS}:
        parts = list(map(len, export(Run.of_plan(plan, chains), form)))
        assert max(parts) < sum(parts) * 0.75, form


@settings(deadline=None)
@given(st.lists(st.sampled_from(["https://", "HTTP://", "www.", "WWW.", "a_b", "c.d", "@", "/", "?a=1&b", " ", "*"])))
def test_addresses_are_shown_letter_by_letter_and_are_no_links(parts: list[str]) -> None:
    text = "".join(parts).strip()
    drawn = inline(text)
    assert not re.search(r"://|www\.|@", drawn, re.IGNORECASE)
    assert unescape(MarkdownIt().renderInline(drawn)) == text


def test_what_stands_between_tags_has_no_escapes_of_markdown() -> None:
    shown = MarkdownIt().render(f"<details>{inside_html('a_b * <c> & [d]')}</details>")
    assert unescape(shown).strip() == "<details>a_b * <c> & [d]</details>"
