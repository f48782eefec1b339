"""Statistics: figures that can be checked by hand, that are honest about small numbers, and the same everywhere."""

import csv
import io
import random
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from bonsai.chains.chain import Chain
from bonsai.chains.prompts import load_variants
from bonsai.engines.base import SamplingParams
from bonsai.reports.report import Report, ReportOptions
from bonsai.reports.statistics import (
    COLUMNS,
    FEWEST,
    MAX_PAIRED_COLUMNS,
    Figure,
    Statistics,
    _corrected,
    tables,
    to_csv,
)
from bonsai.reports.statistics.resampling import intervals, p_values
from bonsai.runs.plan import Grid, Plan
from bonsai.runs.run import Run
from bonsai.settings import ROOT

VARIANTS = load_variants(ROOT / "prompts")
PROMPTS = tuple(VARIANTS[name] for name in ("assistant", "creator", "logician"))


def run_of(questions: int, new: dict[str, list[float]], flagged: dict[str, int] | None = None) -> Run:
    """Return a run of two-step chains whose new content is given for each variant and question.

    The first `flagged` chains of a variant have no Reasoning.
    """
    grid = Grid(tuple(f"Why {n}?" for n in range(questions)), tuple(VARIANTS[name] for name in new), ("two-step",))
    plan = Plan(grid, SamplingParams(), "m", "", "echo", "words")

    def finished(chain: Chain) -> Chain:
        place = (chain.number - 1) // len(new)
        flags = ("no-reasoning",) if place < (flagged or {}).get(chain.prompt.name, 0) else ()
        step = replace(
            chain.steps[0],
            writing="",
            answer="So.",
            new_content=new[chain.prompt.name][place],
            flags=flags,
            completion_tokens=10,
        )
        return replace(chain, steps=(step,), stop_reason="done")

    return Run.of_plan(plan, [finished(chain) for chain in plan.chains()])


def statistics(run: Run, axis: str) -> Statistics:
    found = Report.of(run, ReportOptions(axis=axis)).statistics
    assert found
    return found


def figure(found: Statistics, quantity: str, column: str, other: str = "") -> Figure:
    (one,) = [item for item in found.figures if (item.quantity, item.column, item.other) == (quantity, column, other)]
    return one


def noise(size: int, mean: float, seed: int) -> list[float]:
    chance = random.Random(seed)
    return [round(mean + chance.uniform(-0.1, 0.1), 3) for _ in range(size)]


def test_means_and_paired_differences_are_those_of_the_values() -> None:
    ours, theirs = noise(40, 0.6, 1), noise(40, 0.5, 2)
    found = statistics(run_of(40, {"assistant": ours, "logician": theirs}, {"logician": 10}), "prompt")
    assert (found.axis, found.unit, found.columns, dict(found.dropped)) == (
        "prompt",
        "questions",
        ("assistant", "logician"),
        {},
    )
    mean = figure(found, "new_content", "assistant")
    assert mean.value == pytest.approx(sum(ours) / 40, abs=1e-4)
    assert mean.low is not None and mean.high is not None and mean.low < mean.value < mean.high
    difference = figure(found, "new_content", "assistant", "logician")
    assert difference.items == 40
    assert difference.value == pytest.approx(sum(ours) / 40 - sum(theirs) / 40, abs=1e-4)
    assert difference.low is not None and difference.low > 0.05
    assert difference.p is not None and difference.p < 0.01
    assert figure(found, "flag no-reasoning", "logician").value == 0.25
    assert figure(found, "flag no-reasoning", "assistant", "logician").value == -0.25
    same = figure(found, "completion_tokens", "assistant", "logician")
    assert (same.value, same.low, same.high, same.p) == (0, 0, 0, 1)


def test_an_interval_covers_the_true_mean_about_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(60):
        found = statistics(run_of(30, {"assistant": noise(30, 0.5, seed), "logician": [0.5] * 30}), "prompt")
        one = figure(found, "new_content", "assistant")
        assert one.low is not None and one.high is not None
        covered += one.low <= 0.5 <= one.high
    assert 51 <= covered <= 60, "95% of 60 are 57"


def test_where_nothing_differs_few_of_many_comparisons_say_so() -> None:
    false_alarms = 0
    for seed in range(20):
        new = {variant.name: noise(30, 0.5, 3 * seed + place) for place, variant in enumerate(PROMPTS)}
        found = statistics(run_of(30, new), "prompt")
        false_alarms += any(one.p is not None and one.p < 0.05 for one in found.figures)
    assert false_alarms <= 4, "5% of 20 runs are 1"


def test_the_correction_is_for_all_differences_of_the_table() -> None:
    ours, theirs = noise(20, 0.53, 1), noise(20, 0.5, 2)
    base_engine = figure(
        statistics(run_of(20, {"assistant": ours, "logician": theirs}), "prompt"),
        "new_content",
        "assistant",
        "logician",
    )
    many = run_of(20, {"assistant": ours, "logician": theirs, "creator": theirs})
    among = figure(statistics(many, "prompt"), "new_content", "assistant", "logician")
    assert base_engine.p is not None and among.p is not None and 0 < base_engine.p < among.p
    assert (base_engine.low, base_engine.high) == (among.low, among.high)


def test_too_few_items_are_said_and_not_computed() -> None:
    found = statistics(run_of(FEWEST - 1, {"assistant": noise(14, 0.6, 1), "logician": noise(14, 0.5, 2)}), "prompt")
    own, difference = figure(found, "new_content", "assistant"), figure(found, "new_content", "assistant", "logician")
    assert (own.items, own.low, own.high, own.note) == (14, None, None, "too few") and own.value is not None
    assert (difference.items, difference.value, difference.low, difference.p) == (14, None, None, None)
    assert difference.note == "too few"
    enough = statistics(run_of(FEWEST, {"assistant": noise(15, 0.6, 1), "logician": noise(15, 0.5, 2)}), "prompt")
    assert figure(enough, "new_content", "assistant", "logician").value is not None
    assert all("too few" in row for row in tables(found)[1].rows)


def test_items_that_a_column_lacks_are_dropped_and_listed() -> None:
    run = run_of(16, {"assistant": noise(16, 0.6, 1), "logician": noise(16, 0.5, 2)})
    failed = replace(run.chains[1].steps[0], error="It broke.", flags=("error",))
    unfinished = replace(run.chains[4].steps[0], writing="answer")
    chains = list(run.chains)
    chains[1] = replace(chains[1], steps=(failed,), stop_reason="error")
    chains[4] = replace(chains[4], steps=(unfinished,), stop_reason="")
    found = statistics(run.with_chains(chains), "prompt")
    assert dict(found.dropped) == {"Why 0?": ("logician",), "Why 2?": ("assistant",)}
    assert figure(found, "new_content", "assistant", "logician").items == 14
    assert figure(found, "new_content", "assistant").items == 15
    assert tables(found)[2].rows == (("Why 0?", "logician"), ("Why 2?", "assistant"))


def test_one_question_is_compared_over_its_seeds() -> None:
    grid = Grid(("Why?",), PROMPTS[:2], ("two-step",), seeds=tuple(range(20)))
    plan = Plan(grid, SamplingParams(), "m", "", "echo", "words")
    chains = [
        replace(
            chain,
            stop_reason="done",
            steps=(replace(chain.steps[0], writing="", new_content=0.5, completion_tokens=chain.seed),),
        )
        for chain in plan.chains()
    ]
    found = statistics(Run.of_plan(plan, chains), "prompt")
    assert (found.unit, figure(found, "completion_tokens", "assistant", "creator").items) == ("seeds", 20)
    assert figure(found, "completion_tokens", "assistant").value == 9.5


def test_the_same_run_gives_the_same_figures_and_they_are_written_out() -> None:
    run = run_of(20, {"assistant": noise(20, 0.4, 1), "logician": noise(20, 0.5, 2)})
    found = statistics(run, "prompt")
    assert statistics(run, "prompt") == found
    rows = list(csv.DictReader(io.StringIO(to_csv(found).removeprefix("\ufeff"), newline="")))
    assert list(rows[0]) == list(COLUMNS)
    assert [
        {name: "" if value is None else str(value) for name, value in record.items()} for record in found.records()
    ] == rows
    assert any(row["value"].startswith("-") for row in rows), "a number stays a number"


def test_intervals_and_p_values_are_those_of_scipy() -> None:
    rng = np.random.default_rng(1)
    samples = [np.round(rng.normal(mean, 0.2, size), 3) for size in (15, 40) for mean in (0, 0.05, 0.1)]
    for sample, (low, high), p in zip(samples, intervals(samples), p_values(samples), strict=True):
        settings = {"n_resamples": 2000, "rng": 0}
        found = stats.bootstrap((sample,), np.mean, method="percentile", **settings).confidence_interval
        assert (low, high) == pytest.approx(tuple(found))
        test = stats.permutation_test((sample,), np.mean, permutation_type="samples", vectorized=True, **settings)
        assert p == pytest.approx(test.pvalue)


@pytest.mark.parametrize(("columns", "pairs"), [(MAX_PAIRED_COLUMNS, 190), (MAX_PAIRED_COLUMNS + 1, 20)])
def test_of_many_columns_each_is_compared_with_the_first(columns: int, pairs: int) -> None:
    run = run_of(columns, {"assistant": [0.5] * columns})
    figures = [one for one in statistics(run, "question").figures if one.quantity == "new_content"]
    assert sum(not one.other for one in figures) == columns
    assert sum(bool(one.other) for one in figures) == pairs


def test_a_small_chance_is_not_told_as_none() -> None:
    found = _corrected([Figure("wins", "a", "b", 20, 1.0, p=p) for p in (1.9e-6, 0.04)])
    assert [figure.p for figure in found] == [4e-6, 0.04]
