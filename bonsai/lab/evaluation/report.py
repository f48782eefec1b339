"""The report of an evaluation, in Markdown: what the adapter changes, what was missed, and how it was found out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path

from bonsai.chains.outcomes import Method
from bonsai.engines.base import SamplingParams
from bonsai.lab.evaluation import intervals
from bonsai.lab.evaluation.examples import examples
from bonsai.lab.evaluation.figures import EVERY, FACTS_RIGHT, Figure
from bonsai.lab.evaluation.intervals import Count, difference, ratio
from bonsai.lab.evaluation.running import Evaluation, Observed, Results
from bonsai.lab.evaluation.systems import ALONE, Way
from bonsai.runs.run.wins import Estimate, Wins

TITLE = "# The faults, measured"
CHANGES = "What the adapter changes"
BLIND = "Blind comparison"
_NONE = "–"

Systems = Mapping[str, Observed]
"""What was seen of several systems, by their names in the head of a table; the first one is what others are held to."""


def report(evaluation: Evaluation, results: Results, command: str) -> str:
    """Return the report of an evaluation; `command` is what made it."""
    first = evaluation.ways[0]
    parts = [
        _opening(evaluation, command),
        [f"## {CHANGES}" if len(results.observed) > 1 else "## The model alone", "", f"Asked by {first}.", ""],
        _table(_asked_by(results, first)),
        ["", *_reached(_asked_by(results, first))],
        *_other_ways(evaluation, results),
        *_guard_and_moves(evaluation, results),
        ["", "## What the figures mean", "", *_meanings()],
        ["", "## Ten chains", "", *examples(results.subject, results.observed[results.subject][0])],
        ["", "## Settings", "", *_settings(evaluation, results)],
    ]
    return "\n".join(line for part in parts for line in part) + "\n"


def with_section(text: str, title: str, lines: Sequence[str]) -> str:
    """Return a report with a section of a title, in place of one that it has, or else before the figures' meanings."""
    head, *sections = text.split("\n## ")
    new = "\n".join([title, "", *lines, ""])
    kept = [section for section in sections if section.partition("\n")[0] != title]
    place = next((at for at, section in enumerate(kept) if section.startswith("What the figures mean")), len(kept))
    return "\n## ".join([head, *kept[:place], new, *kept[place:]])


def blind_section(wins: Mapping[str, Wins], unmarked: int, sheet: str) -> list[str]:
    """Return what a filled sheet says of two systems."""
    name, won = next(((name, one) for name, one in wins.items() if name != ALONE))
    pairs = won.wins + won.losses + won.ties + unmarked
    lines = [
        f"Of {pairs} pairs of first answers to one question, shuffled and without names, {name} was marked better in "
        f"{won.wins}, {ALONE} in {won.losses}, and neither in {won.ties}"
        f"{f'; {unmarked} are not marked' if unmarked else ''} (`{sheet}`).",
        "",
    ]
    if won.share:
        lines.append(
            f"Of the pairs that were decided {name} wins {_shown(won.share, True)} (95% interval of Clopper and "
            f"Pearson); two-sided sign test, ties left out: p = {won.p_value:.3f}."
        )
    return lines


def _opening(evaluation: Evaluation, command: str) -> list[str]:
    chains = len(evaluation.request.questions)
    held_out = "held-out questions of everyday and working life, which no shipped training record asks"
    asked = f"questions of `{evaluation.source}`" if evaluation.source else held_out
    facts = f", and {len(evaluation.facts)} plain questions with a fact to be found" if evaluation.facts else ""
    return [
        TITLE,
        "",
        f"Written by `{command}`.",
        "",
        f"{chains} {asked}{facts}.",
        "",
        f"In brackets are 95% intervals: percentiles of {intervals.RESAMPLES:,} bootstrap samples of questions. Where",
        f"all questions agree they have no width: {min(300 / chains, 100):.0f}% of others may still do otherwise (rule",
        "of three).",
        "Differences are paired: both were asked the same questions with the same seed.",
        "",
    ]


def _asked_by(results: Results, way: Way) -> Systems:
    return {name: next(one for one in seen if one.way == way) for name, seen in results.observed.items()}


def _counts(figure: Figure, seen: Observed) -> list[Count]:
    return [figure.count(one) for one in (seen.facts if figure is FACTS_RIGHT else seen.chains)]


def _table(systems: Systems, only_telling: bool = False) -> list[str]:
    """Return a row for each figure that one of the systems has: values, and differences to the first system.

    With `only_telling` figures are left out in which the systems do not differ and of which nothing is wanted.
    """
    first, *others = systems
    head = ["figure", "wanted", first]
    for name in others:
        head += [name, f"{name} less {first}"]
    lines = [_row(head), _row("---" for _ in head)]
    for figure in EVERY:
        counts = {name: _counts(figure, seen) for name, seen in systems.items()}
        values = {name: ratio(one) for name, one in counts.items()}
        differ = len({estimate and estimate.value for estimate in values.values()}) > 1
        if any(values.values()) and (differ or figure.wanted is not None or not only_telling):
            cells = [figure.name, _wanted(figure), _shown(values[first], figure.is_share)]
            for name in others:
                change = difference(counts[name], counts[first])
                cells += [_shown(values[name], figure.is_share), _shown(change, figure.is_share, signed=True)]
            lines.append(_row(cells))
    return lines


def _reached(systems: Systems) -> Iterator[str]:
    """Yield, for each adapter or else the model alone, which wanted values were reached and which were missed."""
    for name in list(systems)[1:] or list(systems):
        told: dict[str, list[str]] = {"Reached": [], "Missed": [], "Not measured": []}
        for figure in EVERY:
            counts = _counts(figure, systems[name])
            if figure.wanted is not None:
                found, least = ratio(counts), figure.wanted
            elif figure.wanted_change is not None and name != ALONE:
                found, least = difference(counts, _counts(figure, systems[ALONE])), figure.wanted_change
            else:
                continue
            verdict = "Not measured" if found is None else "Reached" if found.value >= least else "Missed"
            value = f" {_shown(found, figure.is_share, signed=figure.wanted is None)}," if found else ""
            told[verdict].append(f"{figure.name}:{value} wanted {_wanted(figure)}")
        yield from (f"- **{verdict}** by {name}: {'; '.join(items)}." for verdict, items in told.items() if items)


def _other_ways(evaluation: Evaluation, results: Results) -> Iterator[list[str]]:
    """Yield the tables of other methods and prompt variants, those of qtq with the first guard and moves alone."""
    first = next((way for way in evaluation.ways if way.method == Method.QTQ), None)
    for way in evaluation.ways[1:]:
        if way.method == Method.QTQ and first and (way.guarded, way.moves) != (first.guarded, first.moves):
            continue
        yield ["", f"## {way}", "", *_table(_asked_by(results, way))]


def _guard_and_moves(evaluation: Evaluation, results: Results) -> Iterator[list[str]]:
    """Yield for each adapter and prompt variant a table with guard and moves on and off side by side."""
    for prompt in dict.fromkeys(way.prompt for way in evaluation.ways):
        ways = [way for way in evaluation.ways if way.prompt == prompt and way.method == Method.QTQ]
        if len(ways) > 1:
            for name, seen in results.observed.items():
                found = {one.way: one for one in seen}
                systems = {f"guard {'on' if w.guarded else 'off'}, moves {w.moves}": found[w] for w in ways}
                yield ["", f"## Guard and moves: {name}, prompt {prompt}", "", *_table(systems, only_telling=True)]


def _meanings() -> list[str]:
    lines = [f"- **{figure.name}**: {figure.meaning}." for figure in EVERY]
    return [
        *lines,
        "",
        "A **control** tells whether an answer makes use of its Reasoning. It is drawn by the same prompt with the",
        "same seed, in which nothing is different but the Reasoning: that of the next question of the list. Counted",
        "are the content words that only the own Reasoning brings: they stand neither in the question nor in the other",
        "Reasoning. A step counts as used if its answer has a larger share of them than the control has. A tie counts",
        "against it, so an answer that does not depend on its Reasoning is used in less than half of the steps; and a",
        "Reasoning that copies its question or answer is not used, whatever its answer says; nor is one that the",
        "answer only says again.",
        "",
        "The loss on held-out records is told where it is found: in the card of the adapter, by `train`.",
    ]


def _settings(evaluation: Evaluation, results: Results) -> list[str]:
    request, info = evaluation.request, results.infos[ALONE]
    formats = [f"{name} {one.prompt_format or 'its own'}" for name, one in results.infos.items()]
    names = [item.name for item in fields(SamplingParams) if item.name != "stop"]
    drawn = ", ".join(f"{name} {getattr(request.sampling, name)}" for name in names)
    lines = [
        f"- Model `{_public(info.model_id)}`, engine {info.name} ({info.device}).",
        f"- {results.machine}; {info.max_batch_size} texts at a time.",
        f"- Chains of {request.steps} steps, {request.candidates} candidates; {drawn}.",
        f"- Prompt format: {', '.join(formats)}.",
        f"- Likeness of questions: {evaluation.measure.name}.",
    ]
    if results.failed:
        lines.append(f"- {results.failed} chains ended with an error; their texts so far are counted.")
    return lines


def _public(model: str) -> str:
    """Return a hub id as it is, and a folder or file of this machine by its name."""
    return Path(model).name if Path(model).exists() else model


def _wanted(figure: Figure) -> str:
    if figure.wanted is not None:
        return f"{figure.wanted:.0%}" if figure.is_share else f"{figure.wanted:g}"
    if figure.wanted_change is not None:
        return f"{100 * -figure.wanted_change:.0f} points below at most"
    return ""


def _shown(estimate: Estimate | None, is_share: bool, signed: bool = False) -> str:
    """Return an estimate as "97% (94 to 99)" or "0.86 (0.83 to 0.88)", a difference with its sign, in points."""
    if estimate is None:
        return _NONE
    value, low, high = (100 * one if is_share else one for one in (estimate.value, estimate.low, estimate.high))
    digits = 0 if is_share or abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    # No negative zero.
    value, low, high = (round(one, digits) + 0.0 for one in (value, low, high))
    sign = "+" if signed else ""
    unit = "%" if is_share and not signed else ""
    return f"{value:{sign},.{digits}f}{unit} ({low:{sign},.{digits}f} to {high:{sign},.{digits}f})"


def _row(cells: Iterator[str] | Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
