"""Reasoning: its state, what counts as a copy, and the test of whether it was used."""

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bonsai.chains.advance import advance
from bonsai.chains.chain import Chain, new_chain
from bonsai.chains.prompts import load_variants
from bonsai.chains.reasoning_test import can_be_tested
from bonsai.chains.reasoning_test import test_reasoning as run_test
from bonsai.engines.base import Prompt, SamplingParams, Snapshots
from bonsai.engines.echo import EchoEngine
from bonsai.errors import EngineError, UsageError
from bonsai.measures.reasoning import change, compare, copies, shuffled, state
from bonsai.settings import ROOT

VARIANT = load_variants(ROOT / "prompts")["assistant"]
QUESTION = "Why did productivity stop growing?"
REASONING = "Weigh investment first. Then ask whether skills were lost."
ANSWER = "It stopped because firms invested less in machines."


@pytest.mark.parametrize(
    ("reasoning", "answer", "cut", "expected"),
    [
        (REASONING, ANSWER, False, "present"),
        (REASONING, "", False, "present"),
        (REASONING, ANSWER, True, "truncated"),
        ("", ANSWER, False, "empty"),
        (" \n", ANSWER, True, "empty"),
        (QUESTION, ANSWER, True, "copied from the question"),
        (ANSWER, ANSWER, True, "copied from the answer"),
    ],
)
def test_the_state_of_a_reasoning(reasoning: str, answer: str, cut: bool, expected: str) -> None:
    assert state(reasoning, QUESTION, answer, cut) == expected


@pytest.mark.parametrize(
    ("reasoning", "other"),
    [
        ("why did productivity stop growing", QUESTION),
        ("The question asks why productivity stopped growing.", QUESTION),
        ("Weigh cost first, then trust.", "Weigh cost first, then trust. After that, time makes the difference."),
        ("Firms invested less in such machines.", ANSWER),
        ("It is so.", "It is so!"),
        ("なぜ生産性は伸びないのか。", "なぜ生産性は伸びないのですか?"),
        ("投資が減り、技能が失われたため、生産性は伸びない。", "投資が減り、技能が失われたため、生産性は伸びません。"),
    ],
)
def test_a_copy_holds_nearly_the_words_of_the_other_text(reasoning: str, other: str) -> None:
    assert copies(reasoning, other)


@pytest.mark.parametrize(
    ("reasoning", "other"),
    [
        ("The question is about productivity.", QUESTION),
        ("Productivity stopped growing because investment fell and skills were lost.", QUESTION),
        # The same words, but in another order: this is a thought of its own.
        ("Growing firms stop, and productivity with them.", QUESTION),
        # The answer repeats one sentence of several.
        ("Cities store heat. Trees cool the air. So parks matter in summer.", "Trees cool the air."),
        # A long answer has all the words somewhere, but nowhere in a row.
        ("Cost decides trust.", "The cost is high. It decides much. Of all things, people want trust."),
        ("It is so.", "It is not so."),
        ("生産性は投資と技能に左右される。まず投資の減少を考える。", "なぜ生産性は伸びないのですか?"),
        (
            "投資が減り、技能が失われた。次に制度を見る。さらに人口も重要である。",
            "生産性は、投資が減ったために伸びません。",
        ),
    ],
)
def test_a_thought_about_the_same_topic_is_no_copy(reasoning: str, other: str) -> None:
    assert not copies(reasoning, other)


@given(st.text(), st.text())
def test_states_and_changes_never_fail(one: str, other: str) -> None:
    assert state(one, other, other, False)
    assert 0 <= change(one, other) <= 1
    assert change(one, one) == 0


def test_a_change_is_the_share_of_words_that_are_different() -> None:
    assert change("one two three four", "ONE two three five.") == 0.25
    assert change("rain falls", "snow melts") == 1
    assert change("雨が降る", "雨が止む") == 0.5


@pytest.mark.parametrize("text", ["Weigh the cost first, then trust.", "投資が減ったことを考える。"])
def test_a_shuffled_reasoning_has_the_same_words_in_another_order(text: str) -> None:
    mixed = shuffled(text, 1)
    assert mixed == shuffled(text, 1)
    assert change(text, mixed) > 0
    assert Counter(mixed) == Counter(text)
    assert mixed.endswith(text[-1])


def test_the_test_compares_both_answers_with_the_first() -> None:
    test = compare(["a b c d", "a b c d", "a b x y"])
    assert (test.change_without, test.change_shuffled) == (0, 0.5)


def chain_of(engine: EchoEngine, method: str = "qtq") -> Chain:
    chain = new_chain(QUESTION, method, VARIANT, length=2)
    *_, (ended,) = advance(engine, [chain], SamplingParams())
    return ended


def test_the_test_answers_again_without_and_with_the_reasoning_shuffled() -> None:
    engine = EchoEngine()
    chain = chain_of(engine)
    *_, tested = run_test(engine, chain, 2, SamplingParams(temperature=1))
    test = tested.steps[1].reasoning_test
    assert test is not None
    assert test.answer == chain.steps[1].answer
    assert test.answer_without and test.answer_shuffled
    # The echo engine chooses its words by the whole prompt, so it uses any Reasoning.
    assert test.change_without > 0 and test.change_shuffled > 0
    assert tested.steps[0] == chain.steps[0]
    assert can_be_tested(tested.steps[1])


def test_the_three_answers_are_one_engine_call_with_the_likeliest_tokens() -> None:
    chain, calls = chain_of(EchoEngine()), []

    class Recorder(EchoEngine):
        def generate(self, prompts: Sequence[Prompt], sampling: SamplingParams | Sequence[SamplingParams]) -> Snapshots:
            calls.append((list(prompts), sampling))
            return super().generate(prompts, sampling)

    list(run_test(Recorder(), chain, 1, SamplingParams(temperature=1, max_new_tokens=40)))
    ((prompts, sampling),) = calls
    assert isinstance(sampling, SamplingParams)
    assert (sampling.temperature, sampling.max_new_tokens) == (0, 40)
    reasoning = chain.steps[0].reasoning
    assert [reasoning in prompt.text for prompt in prompts] == [True, False, False]
    assert "<|reasoning|>\n<|response|>" in prompts[1].text


def test_a_reasoning_that_is_not_used_changes_nothing() -> None:
    chain = chain_of(EchoEngine())
    *_, tested = run_test(EchoEngine(replies={QUESTION: "Because."}), chain, 1, SamplingParams())
    test = tested.steps[0].reasoning_test
    assert test is not None
    assert (test.answer, test.change_without, test.change_shuffled) == ("Because.", 0, 0)


def test_what_cannot_be_tested_is_said() -> None:
    single = chain_of(EchoEngine(), "single")
    assert not can_be_tested(single.steps[0])
    with pytest.raises(UsageError, match="Step 1 has no Reasoning"):
        next(run_test(EchoEngine(), single, 1, SamplingParams()))
    with pytest.raises(UsageError, match="Chain 1 has no step 3 to test; its last is step 2"):
        next(run_test(EchoEngine(), chain_of(EchoEngine()), 3, SamplingParams()))
    with pytest.raises(EngineError, match="could not be tested: The echo engine was told to fail"):
        list(run_test(EchoEngine(fail_on=QUESTION), chain_of(EchoEngine()), 1, SamplingParams()))
