"""Branch requests: where a branch leaves its chain, and what is said of one that cannot be."""

from typing import Any

import pytest

from bonsai.chains.advance import advance
from bonsai.chains.prompts import load_variants
from bonsai.engines.echo import EchoEngine
from bonsai.errors import UsageError
from bonsai.measures.similarity import WORDS
from bonsai.runs.branch_request import BranchRequest
from bonsai.runs.limits import Limits
from bonsai.runs.requests import GridRequest
from bonsai.runs.run import Run
from bonsai.settings import ROOT

VARIANTS = load_variants(ROOT / "prompts")


@pytest.fixture(scope="module")
def saved() -> Run:
    """A run of one chain of two steps, with three candidates each."""
    run = GridRequest.of_one("Why do rivers bend?", "assistant", steps=2).begin(EchoEngine(), WORDS, VARIANTS)
    *_, chains = advance(EchoEngine(), run.chains, run.sampling)
    return run.with_chains(chains)


def branched(saved: Run, **asked: Any) -> Run:
    return BranchRequest(**asked).resolve(saved, EchoEngine(), WORDS, VARIANTS)


def test_a_candidate_is_asked_after_its_step(saved: Run) -> None:
    first = saved.chains[0].steps[0]
    number, question = next((k, text) for k, text in first.proposed.items() if text != first.next_question)
    old, new = branched(saved, step=1, candidate=number).chains
    assert old == saved.chains[0]
    assert new.questions == (first.question, question)
    assert (new.number, new.parent, new.shared, new.length) == (2, 1, 1, 2)


def test_an_edited_question_is_asked_in_the_place_of_a_step_or_after_it(saved: Run) -> None:
    _, instead = branched(saved, step=1, question="Who?").chains
    assert (instead.questions, instead.shared) == (("Who?",), 0)
    _, after = branched(saved, step=1, question="Who?", after=True, seed=5, prompt="logician").chains
    assert (after.questions, after.shared) == ((saved.chains[0].questions[0], "Who?"), 1)
    assert (after.seed, after.prompt.name) == (5, "logician")


def test_a_branch_can_be_told_how_many_questions_it_asks(saved: Run) -> None:
    request = BranchRequest(step=2, candidate=1).asking(3)
    assert request.resolve(saved, EchoEngine(), WORDS, VARIANTS).chains[1].length == 5
    with pytest.raises(UsageError, match="steps is 3; it must be between 1 and 2"):
        request.check(saved, VARIANTS, Limits(steps=2))


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"chain": 4, "step": 1}, r"The run has no chain 4; there is 1\."),
        ({"step": 7}, r"Chain 1 has no step 7; there is 1, 2\."),
        ({"step": 2, "candidate": 9}, r"Step 2 of chain 1 has no candidate 9; there is 1, 2, 3\."),
        ({"step": 1}, "change the question, candidate, variant or seed"),
        ({"step": 1, "candidate": 1, "question": "Who?"}, "leave one out"),
        ({"step": 1, "question": " "}, "The question is empty"),
        ({"step": 1, "seed": -1}, "seed is -1"),
        ({"step": 1, "prompt": "poet"}, "no prompt variant 'poet'"),
        ({"step": 2, "seed": 2, "length": 1}, "at least 2 steps in all, not 1"),
    ],
)
def test_a_branch_that_cannot_be_gets_a_sentence_before_a_model_is_there(
    saved: Run, asked: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(UsageError, match=sentence):
        BranchRequest(**asked).check(saved, VARIANTS)
