"""The picture: nodes and arrows of a run's tree, its drawing, and the values of its lines."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import gradio as gr
import pytest

from bonsai.chains.advance import advance
from bonsai.chains.chain import Chain, branch, new_chain
from bonsai.chains.guard import Candidate
from bonsai.chains.outcomes import Verdict
from bonsai.chains.prompts import load_variants
from bonsai.chains.step import Step
from bonsai.engines.base import SamplingParams
from bonsai.engines.echo import EchoEngine
from bonsai.runs.journal.progress import Progress
from bonsai.runs.run import Run
from bonsai.settings import Settings
from bonsai.ui.views import conversation
from bonsai.ui.views.picture.drawing import draw_tree, wrapped
from bonsai.ui.views.picture.tree import MAX_NODES, lines, tree

VARIANT = load_variants(Settings().prompts)["assistant"]
QUESTION = "Why did productivity stop growing?"


def grown(chain: Chain) -> Chain:
    *_, (last,) = advance(EchoEngine(), [chain], SamplingParams())
    return last


def run_of(*chains: Chain) -> Run:
    return Run(chains, SamplingParams(), "echo", "", "echo")


def written(*steps: Step) -> Run:
    return run_of(replace(new_chain(QUESTION, "qtq", VARIANT), steps=steps, stop_reason="done"))


def arrows(run: Run) -> list[tuple[str, str]]:
    return [(node.before, node.key) for node in tree(run) if node.before]


def texts(drawing: str) -> list[str]:
    """Return the text of each node of a drawing, which must be well-formed."""
    groups = ElementTree.fromstring(drawing).iter("g")
    return [" ".join(span.text or "" for span in group.iter("tspan")) for group in groups]


@pytest.fixture(scope="module")
def branched() -> Run:
    """A chain of three steps, and a branch that keeps its first two."""
    first = grown(new_chain(QUESTION, "qtq", VARIANT, length=3, candidates=2, seed=8))
    second = branch(first, number=2, keep=2, question="Who gains from slow growth?", length=4)
    return run_of(first, grown(second))


def test_a_branch_leaves_the_step_that_it_follows_and_shared_steps_are_drawn_once(branched: Run) -> None:
    nodes = {node.key: node for node in tree(branched)}
    assert list(nodes) == ["1.1", "1.2", "1.3", "2.3", "2.4"]
    assert nodes["1.1"].text == f"1. {QUESTION}"
    assert nodes["2.3"].text.startswith("2.3 Who gains")
    assert arrows(branched) == [("1.1", "1.2"), ("1.2", "1.3"), ("1.2", "2.3"), ("2.3", "2.4")]
    assert draw_tree(tree(branched), "Questions").count('class="next"') == 4


def test_a_branch_of_a_branch_finds_the_chain_that_wrote_the_shared_step(branched: Run) -> None:
    _, second = branched.chains
    third = grown(branch(second, number=3, keep=2, question="What would end slow growth?", length=3))
    fourth = grown(branch(second, number=4, keep=3, question="What comes after growth?", length=4))
    anew = grown(branch(second, number=5, keep=0, question="Is growth a habit?", length=1))
    found = arrows(run_of(*branched.chains, third, fourth, anew))
    assert {("1.2", "3.3"), ("2.3", "4.4")} < set(found)
    assert not any("5.1" in arrow for arrow in found)


def test_what_repeats_has_an_arrow_back_to_what_it_repeats() -> None:
    rejected = tuple(Candidate(f"{word} question?", Verdict.REPEATS, 0, repeats=1) for word in "abcad")
    others = (Candidate("Three?", Verdict.ACCEPTED, 0), Candidate("", Verdict.EMPTY, 0))
    run = written(
        Step(1, "One?", ""),
        Step(2, "Two?", "", candidates=(*rejected, *others)),
        Step(3, "Three?", "", flags=("tautology",), repeats=2),
        Step(4, "Four?", "", flags=("circular",), nearest=3, repeats=2),
        Step(5, "Five?", "answer"),
    )
    first, second, third, fourth = nodes = tree(run)
    assert second.rejected == ("a question?", "b question?", "c question?")
    assert (second.more_rejected, second.rejected_repeat) == (1, ("1.1",))
    assert [node.repeats for node in nodes] == ["", "", "1.2", "1.2"]
    assert [node.flagged for node in (first, second, third, fourth)] == [False, False, True, True]
    drawing = draw_tree(nodes, "Questions")
    assert drawing.count('class="repeats"') == 3
    assert "✗ b question? ✗ c question? +1" in texts(drawing)[2]


@pytest.mark.parametrize(
    "question", ['a"] <b>; %%', "<script>alert(1)</script>", "&lt; \u202e \x00 ]]>", "</title></svg><img src=x>"]
)
def test_a_question_stays_text(question: str) -> None:
    plain = " ".join("".join(char if char.isprintable() else " " for char in question).split())
    run = written(Step(1, question, ""))
    drawn = texts(draw_tree(tree(run), "Questions").replace("\x00", ""))
    assert drawn[0].replace(" ", "") == f"1.{plain}".replace(" ", "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Why do we sleep at all when it is so dangerous?", ["Why do we sleep", "at all when it", "is so dangerous?"]),
        ("なぜ盆栽は小さいのですか", ["なぜ盆栽は小さい", "のですか"]),
        ("x" * 20, ["x" * 16, "xxxx"]),
        ("", [""]),
        ("word " * 30, ["word word word", "word w…"]),
    ],
)
def test_lines_are_as_long_as_fits(text: str, expected: list[str]) -> None:
    assert wrapped(text, 16, 22 if text.startswith("word") else 90) == expected


def test_nodes_do_not_lie_on_each_other(branched: Run) -> None:
    drawing = draw_tree(tree(branched), "Questions")
    found = re.findall(r'x="(\d+)" y="(\d+)" width="(\d+)" height="(\d+)"', drawing)
    boxes = [tuple(map(int, box)) for box in found]
    assert len(boxes) >= 5
    for place, (x, y, width, height) in enumerate(boxes):
        for other_x, other_y, other_width, other_height in boxes[:place]:
            apart = x >= other_x + other_width or other_x >= x + width
            assert apart or y >= other_y + other_height or other_y >= y + height


def test_of_too_many_steps_there_is_no_picture() -> None:
    many = [Step(number, "Why?", "") for number in range(1, MAX_NODES + 2)]
    assert len(tree(written(*many[:-1]))) == MAX_NODES
    assert tree(written(*many)) == []


def test_without_a_finished_step_there_is_no_picture() -> None:
    begun = run_of(new_chain(QUESTION, "qtq", VARIANT))
    assert draw_tree(tree(begun), "Questions") == ""
    assert lines(begun.chains[0], "new_content") == []


def test_lines_hold_what_was_measured_and_those_of_a_branch_are_whole(branched: Run) -> None:
    _, second = branched.chains
    assert lines(second, "new_content") == [(step.number, step.new_content) for step in second.steps]
    assert lines(second, "similarity") == [(step.number, step.similarity) for step in second.steps[1:]]


def test_each_question_can_be_reached_by_keys_and_has_a_name(branched: Run) -> None:
    drawn = ElementTree.fromstring(draw_tree(tree(branched), "Questions & more"))
    assert drawn.get("aria-label") == "Questions & more" and drawn.get("role") != "img", "an image hides what is in it"
    nodes = {one.get("data-step"): one for one in drawn.iter("g") if one.get("data-step")}
    assert list(nodes) == [node.key for node in tree(branched)]
    for node in tree(branched):
        assert (nodes[node.key].get("tabindex"), nodes[node.key].get("aria-label")) == ("0", node.text)


def test_how_far_a_run_is_has_a_name_for_a_screen_reader() -> None:
    with gr.Blocks():
        panel = conversation.draw("", filters=False)
    now = Progress(new_chain(QUESTION, "qtq", VARIANT), 3, 0, 9, 0.4, 1.0, None, False)
    assert 'role="progressbar" aria-label="連鎖 3 / 9" aria-valuenow="40"' in panel.watch(now, "ja")[panel.head]
