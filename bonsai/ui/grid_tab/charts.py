"""The charts of a comparison: a bar for each column, of each measure and of each flag."""

from collections import defaultdict

from bonsai.reports.statistics import FLAG, Figure, Statistics
from bonsai.ui.locales.translate import translate
from bonsai.ui.views.picture.charts import Bar, bar_chart

_MEASURES = {"similarity": "Similarity", "new_content": "New content", "completion_tokens": "Tokens written"}


def charts(figures: Statistics | None, language: str) -> str:
    """Return the means of the figures as bars; "" where there is nothing to draw."""
    means = [one for one in figures.figures if not one.other and one.value is not None] if figures else []
    drawn = [
        bar_chart({"": _measure([one for one in means if one.quantity == quantity])}, translate(language, name))
        for quantity, name in _MEASURES.items()
    ]
    drawn.append(bar_chart(_flags(means), translate(language, "Flags, as the share of steps")))
    return f'<div class="bonsai-charts">{"".join(drawn)}</div>' if any(drawn) else ""


def _measure(means: list[Figure]) -> list[Bar]:
    """Return the bars of a measure: of a count the longest is whole, of a share 1 would be."""
    most = max([1.0, *(one.value or 0.0 for one in means)])
    return [Bar(one.column, f"{one.value:.4g}", (one.value or 0.0) / most) for one in means]


def _flags(means: list[Figure]) -> dict[str, list[Bar]]:
    flags = defaultdict(list)
    for one in means:
        if one.quantity.startswith(FLAG):
            flags[one.quantity.removeprefix(FLAG)].append(Bar(one.column, f"{one.value:.0%}", one.value or 0.0))
    return flags
