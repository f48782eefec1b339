"""Charts: points where their values are, bars as long as their shares, and names that are no markup."""

import re

from bonsai.ui.views.picture.charts import Bar, bar_chart, line_chart


def test_a_higher_value_is_drawn_higher_and_a_later_step_further_right() -> None:
    drawing = line_chart({"new": [(1, 0.0), (2, 0.5), (4, 1.0)]}, "Title", "Step")
    points = [tuple(map(float, pair)) for pair in re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', drawing)]
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert [y for _, y in points] == sorted((y for _, y in points), reverse=True)
    assert points[1][1] == (points[0][1] + points[2][1]) / 2
    assert "<title>2: 0.50</title>" in drawing


def test_one_point_alone_is_drawn() -> None:
    assert line_chart({"new": [(1, 0.3)], "none": []}, "Title", "Step").count("<circle") == 1


def test_nothing_is_drawn_of_nothing() -> None:
    assert line_chart({"new": []}, "Title", "Step") == ""
    assert bar_chart({"": []}, "Title") == ""


def test_a_long_chain_has_few_numbers_below() -> None:
    drawing = line_chart({"new": [(step, 0.5) for step in range(1, 101)]}, "Title", "Step")
    assert 5 < drawing.count('class="tick"') <= 12


def test_bars_have_their_lengths() -> None:
    drawing = bar_chart({"flag": [Bar("a", "25%", 0.25), Bar("b", "300%", 3.0)]}, "Title")
    assert re.findall(r"width: ([\d.]+%)", drawing) == ["25.0%", "100.0%"]
    assert "<h5>flag</h5>" in drawing


def test_names_are_text() -> None:
    name = "<img src=x onerror=alert(1)>"
    drawn = bar_chart({name: [Bar(name, name, 1)]}, name) + line_chart({name: [(1, 1.0)]}, name, name)
    assert "<img" not in drawn
