"""Thoughts of reasoning models: kept apart from Reasoning, answer and next question, to be opened, never measured."""

import json

import pytest

from bonsai.chains.advance import advance
from bonsai.chains.chain import Chain, new_chain
from bonsai.chains.formats import split_thought
from bonsai.chains.prompts import load_variants
from bonsai.engines.base import SamplingParams
from bonsai.engines.echo import EchoEngine
from bonsai.runs.run import Run, dumps, loads
from bonsai.settings import ROOT
from bonsai.ui.views import step_details
from tests.exported import to_markdown

THOUGHT, ASKED = "Should I ask about water? Or soil?", "Why do roots follow water?"
VARIANT = load_variants(ROOT / "prompts")["assistant"]


def written(text: str, method: str = "single", question: str = ASKED) -> Chain:
    """Return a chain all whose texts a model wrote so."""
    chain = new_chain(question, method, VARIANT, length=2)
    *_, (chain,) = advance(EchoEngine(replies={"": text}), [chain], SamplingParams(max_new_tokens=400))
    return chain


def run_of(chain: Chain) -> Run:
    return Run((chain,), SamplingParams(), "echo", "", "echo")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (f"<think>\n{THOUGHT}\n</think>\n\n{ASKED}", (THOUGHT, ASKED)),
        (f"{THOUGHT}\n</think>\n{ASKED}", (THOUGHT, ASKED)),
        (f"<thinking>{THOUGHT}</thinking> {ASKED}", (THOUGHT, ASKED)),
        (f"[THINK]{THOUGHT}[/THINK]{ASKED}", (THOUGHT, ASKED)),
        (f"◁think▷{THOUGHT}◁/think▷{ASKED}", (THOUGHT, ASKED)),
        (
            f"<|channel|>analysis<|message|>{THOUGHT}<|end|><|start|>assistant<|channel|>final<|message|>{ASKED}",
            (THOUGHT, ASKED),
        ),
        (f"<think>{THOUGHT}</think>A.\n<think>More.</think>\nB.", (f"{THOUGHT}\n\nMore.", "A.\n\nB.")),
        (f"<think>\n{THOUGHT}", (THOUGHT, "")),
        ("<think>\n\n</think>\n\nA.", ("", "A.")),
        ("Write `</think>` at the end.", ("", "Write `</think>` at the end.")),
        ("In HTML <think> is no tag.", ("", "In HTML <think> is no tag.")),
        ("A.", ("", "A.")),
    ],
)
def test_a_thought_is_parted_from_the_text(text: str, parts: tuple[str, str]) -> None:
    assert split_thought(text) == parts


@pytest.mark.parametrize("opening", ["<think>\n", ""])
def test_a_thought_is_in_no_text_of_a_step_and_changes_no_measure(opening: str) -> None:
    text = "Water pulls roots along, since cells on the dry side grow longer."
    plain, chain = written(text, "two-step"), written(f"{opening}{THOUGHT}\n</think>\n\n{text}", "two-step")
    (step,), (without,) = chain.steps, plain.steps
    assert (step.reasoning, step.answer, step.new_content, step.flags, step.reasoning_state) == (
        (without.reasoning, without.answer, without.new_content, without.flags, without.reasoning_state)
    )
    assert {(one.role, one.text) for one in step.thoughts} == {("reasoning", THOUGHT), ("answer", THOUGHT)}


def test_the_next_question_is_that_after_the_thought() -> None:
    chain = written(f"<think>{THOUGHT}</think>{ASKED}", "qtq", "How do plants drink?")
    assert chain.steps[0].next_question == ASKED
    assert ("next_question", THOUGHT) in [(one.role, one.text) for one in chain.steps[0].thoughts]


def test_thoughts_are_saved_where_there_are_some_and_can_be_opened() -> None:
    chain = written(f"<think>{THOUGHT}</think>Since cells <b>grow</b>.")
    saved = json.loads(dumps(run_of(chain)))["chains"][0]["steps"][0]
    assert saved["thoughts"] == [{"role": "single", "text": THOUGHT}]
    assert loads(dumps(run_of(chain))).chains == (chain,)
    folded = f"<details><summary>Thoughts before the answer</summary>{THOUGHT}</details>"
    assert folded in to_markdown(run_of(chain))
    assert "<summary>答えの前の思考</summary>" in step_details.details(chain, chain.steps[0], "ja")
    plain = written("Since cells grow.")
    assert "thoughts" not in json.loads(dumps(run_of(plain)))["chains"][0]["steps"][0]
    assert "<details>" not in to_markdown(run_of(plain))
