"""The loss curve of a training run as a picture (SVG)."""

from collections.abc import Sequence

from bonsai.lab.training.loop import Point

_WIDTH, _HEIGHT, _MARGIN = 640, 320, 48
_TRAINED, _HELD_OUT = "#3b7a57", "#b5651d"


def curve(points: Sequence[Point]) -> str:
    """Return the losses of a run over its steps: trained records in green, held-out ones in brown."""
    trained = [(point.step, point.loss) for point in points if point.step]
    held_out = [(point.step, point.held_out) for point in points if point.held_out is not None]
    values = [loss for _, loss in (*trained, *held_out)]
    low, high = min(values), max(values)
    last = max(point.step for point in points)

    def place(step: int, loss: float) -> tuple[float, float]:
        x = _MARGIN + (_WIDTH - 2 * _MARGIN) * step / last
        y = _HEIGHT - _MARGIN - (_HEIGHT - 2 * _MARGIN) * (loss - low) / ((high - low) or 1)
        return round(x, 1), round(y, 1)

    def line(losses: Sequence[tuple[int, float]], color: str) -> str:
        places = [place(*one) for one in losses]
        dots = "".join(f'<circle cx="{x}" cy="{y}" r="3" fill="{color}"/>' for x, y in places)
        joined = " ".join(f"{x},{y}" for x, y in places)
        return f'<polyline points="{joined}" fill="none" stroke="{color}" stroke-width="2"/>{dots}'

    def text(x: int, y: int, words: str, color: str = "#444", anchor: str = "start") -> str:
        return f'<text x="{x}" y="{y}" fill="{color}" text-anchor="{anchor}">{words}</text>'

    right, bottom = _WIDTH - _MARGIN, _HEIGHT - _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" '
        'font-size="12" role="img">',
        "<title>Loss over the steps of the training</title>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        f'<path d="M{_MARGIN} {_MARGIN}V{bottom}H{right}" fill="none" stroke="#999"/>',
        text(_MARGIN - 6, _MARGIN + 4, f"{high:.2f}", anchor="end"),
        text(_MARGIN - 6, bottom + 4, f"{low:.2f}", anchor="end"),
        text(right, bottom + 18, f"step {last:,}", anchor="end"),
        line(trained, _TRAINED),
        text(right, _MARGIN - 20, "trained records", _TRAINED, "end"),
    ]
    if held_out:
        parts += [line(held_out, _HELD_OUT), text(right, _MARGIN - 4, "held-out questions", _HELD_OUT, "end")]
    return "".join((*parts, "</svg>\n"))
