"""The picture: nodes and arrows of a run's tree, the values of its lines, and text that Mermaid must not read."""

import re
from dataclasses import replace

import pytest

from bonsai.chains.advance import advance
from bonsai.chains.chain import Chain, branch, new_chain
from bonsai.chains.guard import Candidate
from bonsai.chains.outcomes import Verdict
from bonsai.chains.prompts import load_variants
from bonsai.chains.step import Step
from bonsai.engines.base import SamplingParams
from bonsai.engines.echo import EchoEngine
from bonsai.runs.run import Run
from bonsai.settings import Settings
from bonsai.ui.views.picture import LINES, diagram, lines

VARIANT = load_variants(Settings().prompts)["assistant"]
QUESTION = "Why did productivity stop growing?"


def grown(chain: Chain) -> Chain:
    *_, (last,) = advance(EchoEngine(), [chain], SamplingParams())
    return last


def run_of(*chains: Chain) -> Run:
    return Run(chains, SamplingParams(), "echo", "", "echo")


def written(*steps: Step) -> Run:
    return run_of(replace(new_chain(QUESTION, "qtq", VARIANT), steps=steps, stop_reason="done"))


def nodes(text: str) -> dict[str, str]:
    return dict(re.findall(r'^(\w+)\["(.*)"\]', text, re.MULTILINE))


def arrows(text: str) -> list[str]:
    return [line for line in text.splitlines() if re.match(r"\w+ (-->|---|-\.)", line)]


@pytest.fixture(scope="module")
def tree() -> Run:
    """A chain of three steps, and a branch that keeps its first two."""
    first = grown(new_chain(QUESTION, "qtq", VARIANT, length=3, candidates=2, seed=8))
    second = branch(first, number=2, keep=2, question="Who gains from slow growth?", length=4)
    return run_of(first, grown(second))


def test_a_branch_leaves_the_step_that_it_follows_and_shared_steps_are_drawn_once(tree: Run) -> None:
    text = diagram(tree)
    assert list(nodes(text)) == ["s1x1", "s1x2", "s1x3", "s2x3", "s2x4"]
    assert nodes(text)["s1x1"] == "1#46; Why did productivity stop growing#63;"
    assert nodes(text)["s2x3"].startswith("2#46;3 Who gains")
    assert arrows(text) == ["s1x1 --> s1x2", "s1x2 --> s1x3", "s1x2 --> s2x3", "s2x3 --> s2x4"]


def test_a_branch_of_a_branch_finds_the_chain_that_wrote_the_shared_step(tree: Run) -> None:
    _, second = tree.chains
    third = grown(branch(second, number=3, keep=2, question="What would end slow growth?", length=3))
    fourth = grown(branch(second, number=4, keep=3, question="What comes after growth?", length=4))
    anew = grown(branch(second, number=5, keep=0, question="Is growth a habit?", length=1))
    found = arrows(diagram(run_of(*tree.chains, third, fourth, anew)))
    assert {"s1x2 --> s3x3", "s2x3 --> s4x4"} < set(found)
    assert not any("s5x1" in arrow for arrow in found)


def test_what_repeats_has_a_dotted_arrow_to_what_it_repeats() -> None:
    rejected = tuple(Candidate(f"{word} question?", Verdict.REPEATS, 0, repeats=1) for word in "abcad")
    text = diagram(
        written(
            Step(1, "One?", ""),
            Step(
                2,
                "Two?",
                "",
                candidates=(*rejected, Candidate("Three?", Verdict.ACCEPTED, 0), Candidate("", Verdict.EMPTY, 0)),
            ),
            Step(3, "Three?", "", flags=("tautology",), repeats=2),
            Step(4, "Four?", "", flags=("circular",), nearest=3, repeats=2),
            Step(5, "Five?", "answer"),
        )
    )
    assert "s1x5" not in text
    assert nodes(text)["s1x2r"].split("<br/>")[1:] == ["#10007; b question#63;", "#10007; c question#63;", "+1 more"]
    assert [arrow for arrow in arrows(text) if ">" not in arrow] == ["s1x2 --- s1x2r"]
    assert [arrow for arrow in arrows(text) if "repeats" in arrow] == [
        "s1x3 -. repeats .-> s1x2",
        "s1x4 -. repeats .-> s1x2",
        "s1x2r -. repeats .-> s1x1",
    ]
    assert re.findall(r"(\w+)\[.*:::flagged", text) == ["s1x3", "s1x4"]


@pytest.mark.parametrize(
    "question",
    [
        'a"] --> b; %%{init: {}}%%',
        "`x`\n```\n# y",
        "<script>alert(1)</script>",
        "#quot; &lt; \u202e \x00",
        "[](){}|~$^",
    ],
)
def test_a_label_holds_nothing_that_could_be_markup(question: str) -> None:
    label = nodes(diagram(written(Step(1, question, ""))))["s1x1"]
    assert re.fullmatch(r"(?:[A-Za-z0-9 ]|#\d+;)+", label)


def test_a_label_is_cut_and_keeps_every_script() -> None:
    label = nodes(diagram(written(Step(1, "なぜ" * 60, ""))))["s1x1"]
    assert label.startswith("1#46; なぜなぜ")
    assert label.endswith("#8230;")
    assert len(label.replace("#46;", ".").replace("#8230;", "…")) == 60


def test_a_run_that_mermaid_could_not_draw_is_drawn_without_its_rejected_questions_or_says_so() -> None:
    rejected = tuple(Candidate("?" * 100 + str(number), Verdict.REPEATS, 0, repeats=1) for number in range(3))
    many = [Step(number, "Why?", "", candidates=rejected) for number in range(1, 81)]
    assert list(nodes(diagram(written(*many)))) == [f"s1x{number}" for number in range(1, 81)]
    assert "r[" in diagram(written(*many[:5]))
    assert "too many steps" in diagram(written(*(replace(many[0], number=number) for number in range(1, 2000))))


def test_without_a_finished_step_there_is_no_picture() -> None:
    begun = run_of(new_chain(QUESTION, "qtq", VARIANT))
    assert diagram(begun) == ""
    assert lines(begun).empty


def test_lines_hold_what_was_measured_and_those_of_a_branch_are_whole(tree: Run) -> None:
    table = lines(tree)
    assert tuple(table.columns) == LINES
    first, second = tree.chains
    expected = [("new content", step.number, step.new_content) for step in second.steps]
    expected += [("similarity", step.number, step.similarity) for step in second.steps[1:]]
    found = table[table["chain"] == 2]
    assert list(zip(found["measure"], found["step"], found["value"], strict=True)) == expected
    assert len(table) == 2 * (len(first.steps) + len(second.steps)) - 2
