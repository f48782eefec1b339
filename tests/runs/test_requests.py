"""Requests: what can be asked, with which defaults and limits, is one rule for page, API and command line."""

from dataclasses import replace
from typing import Any

import pytest

from bonsai.chains.outcomes import Method, StopReason
from bonsai.chains.prompts import load_variants
from bonsai.engines.echo import EchoEngine
from bonsai.errors import BonsaiError, PromptError, QuestionError, UsageError
from bonsai.measures.similarity import WORDS
from bonsai.runs.limits import DEFAULT_SAMPLING, NO_LIMITS, Limits
from bonsai.runs.requests import GridRequest, check_saved
from bonsai.settings import ROOT, Settings

VARIANTS = load_variants(ROOT / "prompts")
VISITORS = Limits.for_visitors(Settings(max_steps=6, max_new_tokens=200, max_questions=40))
QUESTION = "Why do rivers bend?"


def test_a_run_has_the_defaults_and_what_was_asked_for() -> None:
    run = GridRequest.of_one(f" {QUESTION}\n", "assistant").begin(EchoEngine(), WORDS, VARIANTS)
    (chain,) = run.chains
    assert (chain.questions, chain.method, chain.prompt.name) == ((QUESTION,), Method.QTQ, "assistant")
    assert (chain.length, chain.candidates, chain.seed, run.sampling.seed) == (3, 3, 1, 1)
    asked = GridRequest.of_one(QUESTION, "logician", "two-step", seed=4.0, temperature=1, guarded=False)
    run = asked.begin(EchoEngine(), WORDS, VARIANTS)
    assert (run.chains[0].seed, run.sampling.temperature, run.chains[0].guarded) == (4, 1.0, False)
    assert isinstance(run.chains[0].seed, int), "a slider gives its whole numbers with a point"


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"question": " "}, "The question is empty"),
        ({"method": "magic"}, "no method 'magic'; choose one of single, two-step, qtq"),
        ({"prompt": "poet"}, "no prompt variant 'poet'"),
        ({"steps": "3"}, "steps is '3'; it must be a number"),
        ({"steps": None}, "steps is empty; it must be a number"),
        ({"steps": 1.5}, "steps is 1.5; it must be a whole number"),
        ({"steps": True}, "it must be a number"),
        ({"steps": 7}, "steps is 7; it must be between 1 and 6"),
        ({"candidates": 9}, "candidates is 9; it must be between 1 and 8"),
        ({"max_new_tokens": 201}, "max_new_tokens is 201; it must be between 1 and 200"),
        ({"temperature": float("nan")}, "it must be a number"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_what_a_visitor_cannot_ask_gets_a_sentence_before_a_model_is_there(
    values: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(UsageError, match=sentence):
        GridRequest.of_one(**{"question": QUESTION, "prompt": "assistant", **values}).check(VARIANTS, VISITORS)


def test_the_command_line_has_no_limit_but_one() -> None:
    GridRequest.of_one(QUESTION, "assistant", steps=999, candidates=99).check(VARIANTS)
    GridRequest(questions=[QUESTION], prompts=["assistant"], repeats=999).check(VARIANTS)
    with pytest.raises(UsageError, match="steps is 0; it must be at least 1"):
        GridRequest.of_one(QUESTION, "assistant", steps=0).check(VARIANTS)


def test_a_question_too_long_for_the_model_is_refused_once_the_model_is_there() -> None:
    request = GridRequest.of_one("word " * 3000, "assistant")
    request.check(VARIANTS)
    with pytest.raises(QuestionError, match="the model reads at most"):
        request.begin(EchoEngine(), WORDS, VARIANTS)


@pytest.mark.parametrize(("asked", "used"), [({}, 1.0), ({"repetition_penalty": 1.3}, 1.3)])
def test_only_an_engine_that_has_the_penalty_is_asked_for_it_by_default(asked: dict[str, float], used: float) -> None:
    engine = EchoEngine()
    request = GridRequest.of_one("Why?", "assistant", **asked)

    def penalties() -> set[float]:
        run, plan = request.begin(engine, WORDS, VARIANTS), request.resolve(engine, WORDS, VARIANTS)
        return {run.sampling.repetition_penalty, plan.sampling.repetition_penalty}

    assert penalties() == {asked.get("repetition_penalty", DEFAULT_SAMPLING.repetition_penalty)}
    engine.info = replace(engine.info, options=engine.info.options - {"repetition_penalty"})
    assert penalties() == {used}, "one that was chosen is refused by the engine, and not left out in silence"


def test_a_plan_crosses_what_was_asked_for() -> None:
    request = GridRequest.of(
        questions=[QUESTION, "Why?"], prompts=["creator"], methods=["single"], repeats=2, with_adapter=(True, False)
    )
    engine = EchoEngine()
    engine.info = replace(engine.info, adapter_id="a/b")
    grid = request.resolve(engine, WORDS, VARIANTS).grid
    assert (len(grid), grid.seeds, grid.adapters, grid.prompts[0].name) == (8, (1, 2), ("a/b", ""), "creator")


@pytest.mark.parametrize(
    ("values", "error", "sentence"),
    [
        ({"questions": []}, UsageError, "No question is chosen"),
        ({"prompts": []}, UsageError, "No prompt variant is chosen"),
        ({"methods": []}, UsageError, "No method is chosen"),
        ({"with_adapter": []}, UsageError, "No adapter is chosen"),
        ({"prompts": ["assistant", "assistant"]}, UsageError, "The prompt variant assistant is chosen twice"),
        ({"prompts": ["poet"]}, PromptError, "no prompt variant 'poet'"),
        ({"methods": ["magic"]}, UsageError, "no method 'magic'"),
        ({"repeats": 21}, UsageError, "repeats is 21; it must be between 1 and 20"),
        ({"repeats": 0}, UsageError, "repeats is 0"),
        ({"seed": 2**31 - 2, "repeats": 4}, UsageError, "seed is 2147483649"),
        ({"repeats": 20, "prompts": ["assistant", "logician", "creator"]}, UsageError, "60 chains; at most 40"),
    ],
)
def test_a_grid_that_cannot_be_gets_a_sentence(values: dict[str, Any], error: type[BonsaiError], sentence: str) -> None:
    with pytest.raises(error, match=sentence):
        GridRequest.of(**{"questions": [QUESTION], "prompts": ["assistant"], **values}).check(VARIANTS, VISITORS)


def test_a_saved_run_that_asks_for_too_much_cannot_go_on() -> None:
    request = GridRequest.of_one(QUESTION, "assistant", candidates=9, max_new_tokens=100)
    run = request.begin(EchoEngine(), WORDS, VARIANTS)
    check_saved(run, NO_LIMITS)
    with pytest.raises(UsageError, match="candidates of the run is 9; it must be at most 8 here"):
        check_saved(run, VISITORS)


@pytest.mark.parametrize(
    ("length", "chains", "sentence"), [(400, 1, "steps of the run is 400; it must be at most 6"), (2, 41, "chains of")]
)
def test_what_is_left_of_a_saved_run_counts_and_what_is_done_does_not(length: int, chains: int, sentence: str) -> None:
    run = GridRequest.of_one(QUESTION, "assistant", steps=length).begin(EchoEngine(), WORDS, VARIANTS)
    run = run.with_chains(tuple(replace(run.chains[0], number=number) for number in range(1, chains + 1)))
    with pytest.raises(UsageError, match=sentence):
        check_saved(run, VISITORS)
    done = run.with_chains(tuple(replace(chain, stop_reason=StopReason.DONE) for chain in run.chains))
    check_saved(done, VISITORS)
