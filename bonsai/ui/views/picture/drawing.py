"""A tree of questions drawn as SVG: a column for each chain, downwards from step to step."""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from bonsai.ui.locales.translate import cut
from bonsai.ui.views.picture.tree import Node

# Pixels.
_WIDTH, _PADDING, _LINE = 216, 10, 17
_REJECTED_WIDTH, _REJECTED_LINE = 190, 15
_GAP_X, _GAP_Y = 26, 34
# Beside the drawing: for the arrows that lead back, or for the frames alone.
_MARGIN, _NO_MARGIN = 40, 2
# What fits into a line, with a Japanese character as two: broad letters still fit.
_LETTERS, _REJECTED_LETTERS = 28, 29
_MAX_LENGTH = 90


@dataclass(frozen=True)
class _Box:
    """A node with its place and its lines of text."""

    node: Node
    x: int
    y: int
    height: int
    lines: tuple[str, ...]

    @property
    def middle(self) -> int:
        return self.x + _WIDTH // 2

    @property
    def bottom(self) -> int:
        return self.y + self.height


def draw_tree(nodes: Sequence[Node], title: str) -> str:
    """Return the tree as SVG of its natural size, named by a title; "" for no nodes. All texts stay texts."""
    if not nodes:
        return ""
    boxes = {box.node.key: box for box in _placed(nodes)}
    arrows = [part for box in boxes.values() for part in _arrows(box, boxes)]
    drawn = [part for box in boxes.values() for part in (_drawn(box), _rejected(box))]
    width = max(box.x + _WIDTH + (_GAP_X + _REJECTED_WIDTH if box.node.rejected else 0) for box in boxes.values())
    height = max(max(box.bottom, box.y + _rejected_height(box.node)) for box in boxes.values())
    margin = _MARGIN if any(node.rejected for node in nodes) else _NO_MARGIN
    size = f'width="{width + margin}" height="{height + 4}"'
    # No image to a screen reader: its questions can be chosen.
    name = f'role="group" aria-label="{escape(title)}"'
    return f'<svg class="tree" {size} {name}>{"".join(arrows)}{"".join(drawn)}</svg>'


def wrapped(text: str, letters: int, longest: int = _MAX_LENGTH) -> list[str]:
    """Return a text in lines of at most so many letters, Japanese ones counted twice; what is too long is cut."""
    plain = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    lines, line = [], ""
    for piece in _pieces(cut(plain, longest), letters):
        if line and _size(line + piece.rstrip()) > letters:
            lines.append(line.rstrip())
            line = ""
        line += piece
    return [*lines, line.rstrip()]


def _pieces(text: str, letters: int) -> Iterator[str]:
    """Yield the parts between which a line can end: words, Japanese characters, and parts of overlong words."""
    piece = ""
    for char in text:
        if piece and (_size(char) == 2 or _size(piece[-1]) == 2 or piece[-1] == " " or _size(piece) >= letters):
            yield piece
            piece = ""
        piece += char
    yield piece


def _size(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def _placed(nodes: Sequence[Node]) -> Iterator[_Box]:
    """Yield the nodes in their places: a row is as high as its highest node, a column as wide as it needs to be."""
    lines = {node.key: tuple(wrapped(node.text, _LETTERS)) for node in nodes}
    height = {node.key: len(lines[node.key]) * _LINE + 2 * _PADDING for node in nodes}
    tops, y = {}, 2
    for row in sorted({node.row for node in nodes}):
        tops[row] = y
        y += max(max(height[node.key], _rejected_height(node)) for node in nodes if node.row == row) + _GAP_Y
    lefts, x = {}, _MARGIN if any(node.repeats for node in nodes) else _NO_MARGIN
    for column in sorted({node.column for node in nodes}):
        lefts[column] = x
        rejects = any(node.rejected for node in nodes if node.column == column)
        x += _WIDTH + _GAP_X + (_REJECTED_WIDTH + _GAP_X if rejects else 0)
    for node in nodes:
        yield _Box(node, lefts[node.column], tops[node.row], height[node.key], lines[node.key])


def _drawn(box: _Box) -> str:
    kind = "node flagged" if box.node.flagged else "node"
    frame = f'<rect x="{box.x}" y="{box.y}" width="{_WIDTH}" height="{box.height}" rx="8"/>'
    text = _text(box.lines, box.x + _PADDING, box.y + _PADDING + 13, _LINE)
    name = escape(box.node.text)
    picks = f'data-step="{box.node.key}" tabindex="0" role="button" aria-label="{name}"'
    return f'<g class="{kind}" {picks}><title>{name}</title>{frame}{text}</g>'


def _rejected(box: _Box) -> str:
    """Return the candidates that were not asked, in one box beside the node."""
    node = box.node
    if not node.rejected:
        return ""
    lines = [wrapped(f"✗ {text}", _REJECTED_LETTERS, 2 * _REJECTED_LETTERS)[0] for text in node.rejected]
    if node.more_rejected:
        lines.append(f"+{node.more_rejected}")
    x, height = box.x + _WIDTH + _GAP_X, _rejected_height(node)
    frame = f'<rect x="{x}" y="{box.y}" width="{_REJECTED_WIDTH}" height="{height}" rx="6"/>'
    text = _text(lines, x + 8, box.y + 18, _REJECTED_LINE)
    told = "\n".join(node.rejected)
    return f'<g class="node rejected"><title>{escape(told)}</title>{frame}{text}</g>'


def _rejected_height(node: Node) -> int:
    lines = len(node.rejected) + bool(node.more_rejected)
    return lines * _REJECTED_LINE + 12 if lines else 0


def _text(lines: Sequence[str], x: int, y: int, height: int) -> str:
    spans = "".join(
        f'<tspan x="{x}" y="{y + place * height}">{escape(line)}</tspan>' for place, line in enumerate(lines)
    )
    return f"<text>{spans}</text>"


def _arrows(box: _Box, boxes: dict[str, _Box]) -> Iterator[str]:
    node = box.node
    if before := boxes.get(node.before):
        yield _next(before, box)
    if repeated := boxes.get(node.repeats):
        yield _back(box.x, box.y + box.height // 2, repeated.x, repeated.y + repeated.height // 2, -1)
    if node.rejected:
        y = box.y + min(box.height, _rejected_height(node)) // 2
        yield f'<path class="aside" d="M{box.x + _WIDTH},{y} h{_GAP_X}"/>'
        right = box.x + _WIDTH + _GAP_X + _REJECTED_WIDTH
        for repeated in filter(None, map(boxes.get, node.rejected_repeat)):
            yield _back(right, y, repeated.x + _WIDTH, repeated.y + repeated.height // 2 + 6, 1)


def _next(before: _Box, after: _Box) -> str:
    """Return the arrow from a question down to the next one; a branch leads to another column."""
    x, y, end = after.middle, before.bottom, after.y
    bend = (y + end) // 2
    path = f"M{before.middle},{y} C{before.middle},{bend} {x},{bend} {x},{end - 7}"
    move = f'<text class="move" x="{x + 10}" y="{end - 12}">{escape(after.node.move)}</text>' if after.node.move else ""
    return f'<path class="next" d="{path}"/><path class="head" d="M{x - 4},{end - 8} h8 l-4,7 z"/>{move}'


def _back(x: int, y: int, to_x: int, to_y: int, side: int) -> str:
    """Return the dotted arrow back to a question that is repeated, bent outwards to a side: -1 left, 1 right."""
    out = 34 * side
    bend = (max if side > 0 else min)(x, to_x) + out
    path = f"M{x},{y} C{bend},{y} {bend},{to_y} {to_x + 7 * side},{to_y}"
    return f'<path class="repeats" d="{path}"/><path class="head" d="M{to_x + side},{to_y} l{7 * side},-4 v8 z"/>'
