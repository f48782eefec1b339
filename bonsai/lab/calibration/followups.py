"""The section of a calibration on depth: which scores of a follow-up question go with what people say of it.

A score that has nothing to fit is held against all ratings; a mix is fitted to all questions but one, and held against
the ratings of that one.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.stats import rankdata

from bonsai.lab.calibration.data import RATED, FollowUp
from bonsai.lab.calibration.markdown import table
from bonsai.measures.similarity import SOME_NEW, Measure, new_content
from bonsai.measures.terms import content_words, parse_question

_DRAWS, _SEED = 1000, 1
# How much a mix is kept from following single ratings (ridge).
_CALM = 3.0

Values = np.ndarray[Any, np.dtype[np.float64]]


def depth_section(rows: Sequence[FollowUp], measure: Measure) -> list[str]:
    """Return the section in Markdown; nothing if there are no ratings."""
    if not rows:
        return []
    measure.read([text for row in rows for text in (row.question, row.text)], [row.answer for row in rows])
    rated = {name: np.array([row.ratings[name] for row in rows]) for name in RATED}
    groups = _by_question(rows)
    scores = {name: np.array([score(row, measure) for row in rows], float) for name, score in _SCORES.items()}
    wanted = rated[RATED[0]]
    mixes = {label: _mixed([scores[name] for name in names], wanted, groups) for label, names in _MIXES.items()}
    lines = [
        [name, *(_rho(values, rated[rating], groups) for rating in RATED)] for name, values in (scores | mixes).items()
    ]
    return [
        "## Depth, held against people",
        "",
        f"{len(rows)} follow-up questions to {len(groups)} questions and their answers, rated by people. Spearman's",
        "rho of a score with the means of the ratings; intervals by drawing questions. A mix is fitted to the new",
        "information of all questions but one, and judged on that one.",
        "",
        *table(["score", "new information", "reasoning", "relevance"], lines),
        "",
        f"`depth` is new content words / (new content words + {SOME_NEW}), times closeness: new, and still near what",
        "it follows. New words alone go better with new information, but are had by leaving the topic too.",
    ]


def _new_words(row: FollowUp) -> frozenset[str]:
    return content_words(row.text) - content_words(row.question) - content_words(row.answer)


def _share_of_intent(*intents: str) -> Callable[[FollowUp, Measure], float]:
    return lambda row, _: float(not parse_question(row.text).intents.isdisjoint(intents))


_SCORES: dict[str, Callable[[FollowUp, Measure], float]] = {
    "depth": lambda row, measure: measure.depth(row.text, row.question, row.answer),
    "new_content: the share of new content words": lambda row, _: new_content(row.text, [row.question, row.answer]),
    "new content words": lambda row, _: len(_new_words(row)),
    "letters of the new content words": lambda row, _: sum(map(len, _new_words(row))),
    "new content words, the answer's not counted off": lambda row, _: len(
        content_words(row.text) - content_words(row.question)
    ),
    "content words that only the answer has": lambda row, _: len(
        content_words(row.text) & content_words(row.answer) - content_words(row.question)
    ),
    "new_content times closeness": lambda row, measure: (
        new_content(row.text, [row.question, row.answer]) * measure.closeness(row.text, row.question, row.answer)
    ),
    "closeness": lambda row, measure: measure.closeness(row.text, row.question, row.answer),
    "distance from the question": lambda row, measure: 1 - measure.closeness(row.text, row.question, ""),
    "closeness times (1 - similarity)": lambda row, measure: (
        measure.closeness(row.text, row.question, row.answer) * (1 - measure.similarity(row.text, row.question))
    ),
    "content words, new or not": lambda row, _: len(content_words(row.text)),
    "words": lambda row, _: len(row.text.split()),
    "letters of a content word": lambda row, _: (
        sum(map(len, content_words(row.text))) / max(1, len(content_words(row.text)))
    ),
    "asks why, how or what follows": _share_of_intent("cause", "method", "effect"),
    "asks yes or no": _share_of_intent("whether"),
    "asks otherwise than the question (another move)": lambda row, _: float(
        parse_question(row.text).intents.isdisjoint(parse_question(row.question).intents)
    ),
}
_MIXES = {
    f"mix, cross-validated: {label}": names
    for label, names in (
        ("new content words, letters of a content word", ("new content words", "letters of a content word")),
        ("new content words, closeness", ("new content words", "closeness")),
        ("all of these but depth", tuple(name for name in _SCORES if name != "depth")),
    )
}


def _by_question(rows: Sequence[FollowUp]) -> list[Values]:
    """Return the places of the rows of each question."""
    asked = list(dict.fromkeys(row.question for row in rows))
    return [np.array([place for place, row in enumerate(rows) if row.question == one]) for one in asked]


def _mixed(scores: Sequence[Values], rated: Values, groups: Sequence[Values]) -> Values:
    """Return a mix of scores, for each question by the weights that fit the ratings of the others best."""
    table_of = np.array([rankdata(score) for score in scores]).T / len(rated)
    wanted, mixed = rankdata(rated) / len(rated), np.zeros(len(rated))
    for group in groups:
        others = np.setdiff1d(np.arange(len(rated)), group)
        middle = table_of[others].mean(axis=0)
        known = table_of[others] - middle
        steady = known.T @ known + _CALM * np.eye(len(scores))
        weights = np.linalg.solve(steady, known.T @ (wanted[others] - wanted[others].mean()))
        mixed[group] = (table_of[group] - middle) @ weights
    return mixed


def _rho(score: Values, rated: Values, groups: Sequence[Values]) -> str:
    """Return Spearman's rho with a 95% interval from draws of questions with replacement."""
    draw = np.random.default_rng(_SEED)
    drawn = []
    for _ in range(_DRAWS):
        rows = np.concatenate([groups[place] for place in draw.integers(0, len(groups), len(groups))])
        if np.ptp(score[rows]) and np.ptp(rated[rows]):
            drawn.append(_spearman(score[rows], rated[rows]))
    if not drawn or not np.ptp(score):
        return "none"
    low, high = np.quantile(drawn, (0.025, 0.975))
    return f"{_spearman(score, rated):.2f} ({low:.2f} to {high:.2f})"


def _spearman(score: Values, rated: Values) -> float:
    """Return the correlation of the ranks. scipy's own takes three times as long, for a probability with it."""
    return float(np.corrcoef(rankdata([score, rated], axis=1))[0, 1])
