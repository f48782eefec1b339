"""Chains: what each method asks for, how steps follow one another, and how a chain ends."""

import pickle
from collections.abc import Iterator, Sequence

import pytest

from bonsai.chain import NEXT_QUESTION_TOKENS, Chain, advance, check_fit, new_chain, stop
from bonsai.engines.base import Completion, SamplingParams
from bonsai.engines.echo import EchoEngine
from bonsai.errors import QuestionError, UsageError
from bonsai.prompts import PromptVariant, load_variants
from bonsai.settings import ROOT

VARIANT = load_variants(ROOT / "prompts")["assistant"]
SAMPLING = SamplingParams(max_new_tokens=60)
QUESTION = "Why did productivity stop growing?"
ASKED_NEXT = "<|response|>"


class CountingEngine(EchoEngine):
    """An echo engine that remembers what it was asked, call by call."""

    def __init__(self, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self.calls: list[list[tuple[str, SamplingParams]]] = []

    def generate(
        self, prompts: Sequence[str], sampling: SamplingParams | Sequence[SamplingParams]
    ) -> Iterator[tuple[int, Completion]]:
        assert not isinstance(sampling, SamplingParams)
        self.calls.append(list(zip(prompts, sampling, strict=True)))
        return super().generate(prompts, sampling)


def run(engine: EchoEngine, *chains: Chain, sampling: SamplingParams = SAMPLING) -> tuple[Chain, ...]:
    *_, last = advance(engine, chains, sampling)
    return last


def qtq(length: int = 3, question: str = QUESTION, variant: PromptVariant = VARIANT, **options: int) -> Chain:
    return new_chain(question, "qtq", variant, length=length, **options)


def test_single_writes_only_an_answer() -> None:
    (chain,) = run(EchoEngine(), new_chain(QUESTION, "single", VARIANT))
    (step,) = chain.steps
    assert step.answer
    assert (step.reasoning, step.next_question, step.flags) == ("", "", ())
    assert chain.stop_reason == "done"


def test_two_step_puts_the_reasoning_into_the_prompt_of_the_answer() -> None:
    engine = CountingEngine()
    (chain,) = run(engine, new_chain(QUESTION, "two-step", VARIANT))
    (step,) = chain.steps
    (first, _), (second, _) = engine.calls[0][0], engine.calls[1][0]
    assert step.reasoning
    assert second.startswith(first + step.reasoning)


def test_each_next_question_is_the_question_of_the_next_step() -> None:
    (chain,) = run(EchoEngine(), qtq(4, candidates=2))
    assert len(chain.steps) == 4
    for step, following in zip(chain.steps, chain.steps[1:], strict=False):
        assert step.next_question == following.question
    assert all(step.reasoning and step.answer and step.next_question.endswith("?") for step in chain.steps)
    assert len(set(chain.questions)) == 4


def test_only_a_qtq_chain_is_longer_than_one_step() -> None:
    (chain,) = run(EchoEngine(), new_chain(QUESTION, "two-step", VARIANT, length=5))
    assert len(chain.steps) == 1


def test_same_seed_same_chain_and_another_seed_another_chain() -> None:
    def texts(seed: int) -> list[tuple[str, str]]:
        (chain,) = run(EchoEngine(), qtq(seed=seed))
        return [(step.answer, step.next_question) for step in chain.steps]

    assert texts(1) == texts(1)
    assert texts(1) != texts(2)


def test_all_chains_share_one_engine_call_per_round() -> None:
    engine = CountingEngine()
    chains = [
        qtq(2, f"Why does {name} matter?", number=n, candidates=3) for n, name in enumerate(("rain", "tea", "salt"))
    ]
    run(engine, *chains)
    assert [len(call) for call in engine.calls] == [3, 3, 9, 3, 3, 9]


def test_a_chain_alone_is_the_same_as_among_others() -> None:
    (alone,) = run(EchoEngine(), qtq(number=1))
    _, among = run(EchoEngine(), new_chain("What is rain?", "single", VARIANT), qtq(number=1))
    assert [step.answer for step in alone.steps] == [step.answer for step in among.steps]


def test_candidates_use_one_seed_after_the_other_and_few_tokens() -> None:
    engine = CountingEngine()
    run(engine, qtq(1, candidates=3, seed=7), sampling=SamplingParams(max_new_tokens=500))
    asked = [sampling for _, sampling in engine.calls[2]]
    assert [sampling.seed for sampling in asked] == [7, 8, 9]
    assert {sampling.max_new_tokens for sampling in asked} == {NEXT_QUESTION_TOKENS}


def test_a_candidate_that_repeats_an_earlier_question_is_not_asked() -> None:
    engine = EchoEngine(
        replies={"Ask one deeper question": "Why has productivity stopped growing?", QUESTION: "Because."}
    )
    engine.replies["Ask one deeper question"] = "Why exactly did productivity stop growing?"
    (chain,) = run(engine, qtq(3, candidates=2))
    assert len(chain.steps) == 1
    assert chain.stop_reason == "tautology"
    assert {candidate.verdict for candidate in chain.steps[0].candidates} == {"repeats step 1"}


def test_rejected_candidates_are_named_in_the_new_try() -> None:
    engine = CountingEngine(replies={"Ask one deeper question": QUESTION})
    run(engine, qtq(2, candidates=1))
    second_try = engine.calls[3][0][0]
    assert second_try.count(f"Asked before: {QUESTION}") == 1


def test_a_chain_without_a_real_question_says_so() -> None:
    (chain,) = run(EchoEngine(replies={"Ask one deeper question": "Productivity grows."}), qtq(3))
    assert chain.stop_reason == "no-question"
    assert "not-a-question" in chain.steps[0].flags


def test_an_empty_reasoning_is_flagged() -> None:
    engine = EchoEngine(
        replies={f"{QUESTION}\n<|reasoning|>\n<|response|>": "An answer.", f"{QUESTION}\n<|reasoning|>": ""}
    )
    (chain,) = run(engine, new_chain(QUESTION, "two-step", VARIANT))
    assert chain.steps[0].answer == "An answer."
    assert chain.steps[0].flags == ("no-reasoning",)


def test_a_failed_step_ends_its_chain_and_spares_the_others() -> None:
    engine = EchoEngine(fail_on="monsoon")
    failed, fine = run(engine, qtq(2, "Why does the monsoon fail?", number=1), qtq(2, "Why does tea cool?", number=2))
    assert failed.stop_reason == "error"
    assert failed.steps[0].error
    assert failed.steps[0].flags == ("error",)
    assert fine.stop_reason == "done"
    assert len(fine.steps) == 2


def test_a_failure_at_the_next_question_keeps_the_answer() -> None:
    (chain,) = run(EchoEngine(fail_on="Ask one deeper question"), qtq(3))
    assert chain.steps[0].answer
    assert chain.stop_reason == "error"


def test_stopping_keeps_what_was_written() -> None:
    snapshots = advance(EchoEngine(), [qtq(3)], SAMPLING)
    (chain,) = next(chains for chains in snapshots if len(chains[0].steps) == 2 and chains[0].steps[1].reasoning)
    stopped = stop(chain)
    assert stopped.finished
    assert [step.finished for step in stopped.steps] == [True, True]
    assert stopped.steps[1].reasoning
    assert "stopped" in stopped.steps[1].flags
    assert stop(stopped) == stopped


def test_stopping_before_anything_of_a_later_step_is_written_drops_its_row() -> None:
    snapshots = advance(EchoEngine(), [qtq(3)], SAMPLING)
    (chain,) = next(chains for chains in snapshots if len(chains[0].steps) == 2)
    assert len(stop(chain).steps) == 1


def test_closing_stops_the_engine() -> None:
    paused: list[int] = []
    snapshots = advance(EchoEngine(pause=lambda: paused.append(1)), [qtq(3)], SAMPLING)
    for _ in range(4):
        next(snapshots)
    snapshots.close()  # type: ignore[attr-defined]
    assert len(paused) <= 4


def test_snapshots_grow_and_never_change_what_was_finished() -> None:
    finished: dict[int, object] = {}
    for (chain,) in advance(EchoEngine(), [qtq(3)], SAMPLING):
        for step in chain.steps:
            if step.number in finished:
                assert step == finished[step.number]
            if step.finished:
                finished[step.number] = step
    assert len(finished) == 3


def test_the_oldest_of_the_transcript_is_dropped_when_it_does_not_fit() -> None:
    roomy = CountingEngine()
    (chain,) = run(roomy, qtq(5))
    longest = max(roomy.count_tokens(prompt) for call in roomy.calls for prompt, _ in call)
    tight = CountingEngine(context_length=longest + SAMPLING.max_new_tokens - 1)
    (chain,) = run(tight, qtq(5))
    assert any("truncated" in step.flags for step in chain.steps)
    last_prompt = tight.calls[-1][0][0]
    assert f"Asked before: {chain.questions[0]}" not in last_prompt
    assert f"Asked before: {chain.questions[-2]}" in last_prompt


def test_an_answer_cut_by_the_token_limit_is_flagged() -> None:
    (chain,) = run(EchoEngine(), new_chain(QUESTION, "single", VARIANT), sampling=SamplingParams(max_new_tokens=3))
    assert chain.steps[0].flags == ("truncated",)


def test_a_question_that_cannot_fit_is_refused_with_both_counts() -> None:
    engine = EchoEngine(context_length=100)
    with pytest.raises(QuestionError, match=r"tokens, and the model reads at most 100"):
        check_fit(engine, [qtq(question="word " * 120)], SAMPLING)


@pytest.mark.parametrize(("method", "length", "candidates"), [("three-step", 1, 1), ("qtq", 0, 1), ("qtq", 1, 0)])
def test_impossible_chains_are_refused(method: str, length: int, candidates: int) -> None:
    with pytest.raises(UsageError):
        new_chain(QUESTION, method, VARIANT, length=length, candidates=candidates)


def test_measures_of_a_chain() -> None:
    (chain,) = run(EchoEngine(), qtq(3))
    first, second, _ = chain.steps
    assert (first.similarity, first.nearest, first.new_content) == (None, None, 1.0)
    assert second.nearest == 1
    assert second.similarity is not None
    assert 0 <= second.similarity <= 1
    assert second.new_content is not None
    assert 0 <= second.new_content < 1


def test_chains_pickle() -> None:
    for chains in advance(EchoEngine(), [qtq(2)], SAMPLING):
        assert pickle.loads(pickle.dumps(chains)) == chains
