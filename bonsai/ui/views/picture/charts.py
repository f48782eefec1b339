"""Charts drawn as SVG and HTML: they need no script, so they have their size in a hidden tab too."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

# Units of the drawing, which is scaled to the width of its place.
_WIDTH, _HEIGHT = 440, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 38, 14, 12, 34
_MAX_LABELS = 12

Points = Sequence[tuple[int, float]]


@dataclass(frozen=True)
class Bar:
    """A bar with its name and value; `share` is its length, from 0 to 1."""

    name: str
    value: str
    share: float


def line_chart(lines: Mapping[str, Points], title: str, x_title: str) -> str:
    """Return lines over whole numbers, with values from 0 to 1, as SVG; "" if there is no point.

    The lines are coloured in their order by the classes `line-1`, `line-2` and so on, which the legend repeats.
    """
    steps = sorted({x for points in lines.values() for x, _ in points})
    if not steps:
        return ""
    parts = [_grid(steps), f'<text class="axis" x="{_WIDTH / 2}" y="{_HEIGHT - 3}">{escape(x_title)}</text>']
    parts += [_line(points, steps, number) for number, points in enumerate(lines.values(), start=1)]
    legend = "".join(
        f'<span><i class="line-{number}"></i>{escape(name)}</span>' for number, name in enumerate(lines, start=1)
    )
    drawing = f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'
    return _figure(title, f'{drawing}<p class="legend">{legend}</p>')


def bar_chart(groups: Mapping[str, Sequence[Bar]], title: str) -> str:
    """Return horizontal bars in groups, each under its name if it has one, as HTML; "" if there is no bar."""
    if not any(groups.values()):
        return ""
    parts = [
        (f"<h5>{escape(name)}</h5>" if name else "") + "".join(map(_bar, bars)) for name, bars in groups.items() if bars
    ]
    return _figure(title, f'<div class="bars">{"".join(parts)}</div>')


def _figure(title: str, drawing: str) -> str:
    return f'<figure class="bonsai-chart"><figcaption>{escape(title)}</figcaption>{drawing}</figure>'


def _bar(bar: Bar) -> str:
    length = f"{100 * min(max(bar.share, 0.0), 1.0):.1f}%"
    return (
        f'<div class="bar-row"><span class="name">{escape(bar.name)}</span>'
        f'<span class="track"><i style="width: {length}"></i></span>'
        f'<span class="value">{escape(bar.value)}</span></div>'
    )


def _grid(steps: Sequence[int]) -> str:
    """Return the lines for 0, 0.5 and 1 with their numbers, and the numbers of the steps below."""
    right = _WIDTH - _RIGHT
    parts = [
        f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{_y(value)}" y2="{_y(value)}"/>'
        f'<text class="tick end" x="{_LEFT - 8}" y="{_y(value) + 4}">{value:g}</text>'
        for value in (0, 0.5, 1)
    ]
    every = -(-len(steps) // _MAX_LABELS)
    parts += [
        f'<text class="tick" x="{_x(step, steps)}" y="{_HEIGHT - _BOTTOM + 16}">{step}</text>'
        for step in steps[::every]
    ]
    return "".join(parts)


def _line(points: Points, steps: Sequence[int], number: int) -> str:
    places = [(_x(x, steps), _y(value), x, value) for x, value in points]
    path = " ".join(f"{x},{y}" for x, y, _, _ in places)
    dots = "".join(
        f'<circle cx="{x}" cy="{y}" r="3.5"><title>{step}: {value:.2f}</title></circle>' for x, y, step, value in places
    )
    return f'<g class="line-{number}"><polyline points="{path}"/>{dots}</g>'


def _x(step: int, steps: Sequence[int]) -> float:
    first, last = steps[0], steps[-1]
    share = (step - first) / (last - first) if last > first else 0.5
    return round(_LEFT + 12 + share * (_WIDTH - _LEFT - _RIGHT - 24), 1)


def _y(value: float) -> float:
    return round(_TOP + (1 - value) * (_HEIGHT - _TOP - _BOTTOM), 1)
