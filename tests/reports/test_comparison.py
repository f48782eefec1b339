"""Comparisons: columns by any axis, aligned by question and step, with repeats in one cell and words told apart."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bonsai.chains.advance import advance_each
from bonsai.chains.chain import branch
from bonsai.chains.prompts import load_variants
from bonsai.engines.base import SamplingParams
from bonsai.engines.echo import EchoEngine
from bonsai.reports.comparison import columns_axis, difference, side_by_side, values
from bonsai.runs.plan import Grid, Plan
from bonsai.runs.run import Run
from bonsai.settings import ROOT

VARIANTS = load_variants(ROOT / "prompts")
ASSISTANT, LOGICIAN = VARIANTS["assistant"], VARIANTS["logician"]
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=60)


class Adapted(EchoEngine):
    """An echo engine that has an adapter."""

    def __init__(self) -> None:
        super().__init__()
        self.info = replace(self.info, adapter_id="a/b")


def run_of(grid: Grid, engine: EchoEngine | None = None, base_engine: EchoEngine | None = None) -> Run:
    engine = engine or EchoEngine()
    plan = Plan(grid, SamplingParams(max_new_tokens=40), "echo", engine.info.adapter_id, "echo", "words")
    grown = dict(advance_each(engine, list(plan.chains()), plan.sampling, base_engine=base_engine))
    return Run.of_plan(plan, [grown[place] for place in range(len(grid))])


GRID = Grid(("Why does rain smell?", "Why do we sleep?"), (ASSISTANT, LOGICIAN), ("single", "qtq"), length=2)


@pytest.fixture(scope="module")
def run() -> Run:
    """Two questions with two variants and two methods."""
    return run_of(GRID)


def test_columns_are_aligned_by_question_and_step(run: Run) -> None:
    found = side_by_side(run, "prompt")
    assert (found.columns, found.labels) == (("assistant", "logician"), ("question", "method"))
    assert [(*line.labels.values(), line.step) for line in found.lines] == [
        (GRID.questions[0], "single", 1),
        (GRID.questions[0], "qtq", 1),
        (GRID.questions[0], "qtq", 2),
        (GRID.questions[1], "single", 1),
        (GRID.questions[1], "qtq", 1),
        (GRID.questions[1], "qtq", 2),
    ]
    for line in found.lines:
        for column, cell in line.cells.items():
            (entry,) = cell.entries
            assert (entry.chain.prompt.name, entry.step.number) == (column, line.step)
            assert entry.chain.questions[0] == line.labels["question"]
            assert cell.told("answer") == entry.step.answer


@pytest.mark.parametrize("axis", ["question", "prompt", "method", "adapter", "seed"])
def test_any_axis_can_be_the_columns_and_no_step_is_lost(run: Run, axis: str) -> None:
    found = side_by_side(run, axis)
    assert found.columns == tuple(values(run)[axis])
    steps = [entry for line in found.lines for cell in line.cells.values() for entry in cell.entries]
    assert len(steps) == sum(len(chain.steps) for chain in run.chains)
    table = found.table("answer")
    assert table.head == (*found.labels, "step", *found.columns)
    assert all(len(row) == len(table.head) for row in table.rows)


def test_the_columns_are_what_varies(run: Run) -> None:
    assert columns_axis(values(run)) == "prompt"
    assert columns_axis(values(run_of(replace(GRID, prompts=(ASSISTANT,))))) == "method"
    assert columns_axis(values(run_of(replace(GRID, prompts=(ASSISTANT,), methods=("single",))))) == ""
    seeds = replace(GRID, prompts=(ASSISTANT,), methods=("single",), seeds=(1, 2))
    assert columns_axis(values(run_of(seeds))) == "seed"


def test_repeats_share_a_cell_with_their_counts() -> None:
    grid = replace(GRID, questions=GRID.questions[:1], methods=("single",), seeds=(1, 2, 3))
    replies = {LOGICIAN.persona: "Always the same."}
    found = side_by_side(run_of(grid, EchoEngine(replies=replies)), "prompt")
    (line,) = found.lines
    assert found.labels == ("question",)
    assert line.cells["logician"].texts("answer") == [("Always the same.", 3)]
    assert line.cells["logician"].told("answer") == "3× Always the same."
    assert [count for _, count in line.cells["assistant"].texts("answer")] == [1, 1, 1]
    by_seed = side_by_side(run_of(grid, EchoEngine(replies=replies)), "seed")
    assert by_seed.columns == ("1", "2", "3")
    assert [line.labels["prompt"] for line in by_seed.lines] == ["assistant", "logician"]


def test_only_lines_that_differ() -> None:
    grid = replace(GRID, methods=("single",))
    found = side_by_side(run_of(grid, EchoEngine(replies={"sleep": "It rests us."})), "prompt")
    assert [line.differs("answer") for line in found.lines] == [True, False]
    assert [row[0] for row in found.table("answer").rows] == list(GRID.questions)


def test_a_chain_that_is_shorter_leaves_its_cell_empty() -> None:
    engine = EchoEngine(replies={f"{LOGICIAN.persona}\n<|prompt|>Why do we": ""})
    grid = replace(GRID, methods=("qtq",))
    run = run_of(grid, engine)
    short = replace(run.chains[1], steps=run.chains[1].steps[:1])
    found = side_by_side(run.with_chains([run.chains[0], short, *run.chains[2:]]), "prompt")
    assert found.lines[1].cells["logician"].entries == ()
    assert found.lines[1].differs("answer")
    assert found.table("answer").rows[1][-1] == ""


def test_with_and_without_the_adapter() -> None:
    grid = replace(GRID, adapters=("a/b", ""), methods=("two-step",), prompts=(ASSISTANT,))
    run = run_of(grid, Adapted(), EchoEngine(replies={"<|reasoning|>": ""}))
    found = side_by_side(run, "adapter")
    assert (columns_axis(values(run)), found.columns) == ("adapter", ("a/b", "no adapter"))
    assert all(line.cells["a/b"].told("reasoning") for line in found.lines)
    assert not any(line.cells["no adapter"].told("reasoning") for line in found.lines)
    assert [chain.steps[0].flags for chain in run.chains] == [(), ("no-reasoning",)] * 2


def test_a_branch_is_not_compared(run: Run) -> None:
    new = branch(run.chains[1], number=9, keep=0, question="Who smells rain?")
    assert side_by_side(run.with_chains([*run.chains, new]), "prompt") == side_by_side(run, "prompt")


@given(TEXT, TEXT)
def test_a_difference_leads_from_one_text_to_the_other(text: str, other: str) -> None:
    parts = difference(text, other)
    assert "".join(part for part, kind in parts if kind != "added") == text
    assert "".join(part for part, kind in parts if kind != "removed") == other
    assert all(part for part, _ in parts)


def test_a_difference_is_told_by_words() -> None:
    assert difference("Rain smells of earth.", "Rain smells of wet stone.") == [
        ("Rain smells of ", "same"),
        ("earth", "removed"),
        ("wet stone", "added"),
        (".", "same"),
    ]
    assert difference("盆栽は小さい", "盆栽は大きい") == [
        ("盆栽は", "same"),
        ("小さ", "removed"),
        ("大き", "added"),
        ("い", "same"),
    ]
