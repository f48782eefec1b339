"""Reasoning: its state, what counts as a copy, and the test of whether it was used."""

import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bonsai.chains.advance import advance
from bonsai.chains.chain import Chain, new_chain
from bonsai.chains.prompts import load_variants
from bonsai.chains.reasoning_test import MOST_ANSWERS, can_be_tested
from bonsai.chains.reasoning_test import test_reasoning as run_test
from bonsai.engines.base import Request, RequestQueue, SamplingParams, Snapshots
from bonsai.engines.echo import EchoEngine
from bonsai.errors import EngineError, UsageError
from bonsai.measures.reasoning import copies, state
from bonsai.measures.reasoning.controls import Control, first_half, negated, one_negated, shuffled
from bonsai.measures.reasoning.effect import ControlEffect, MoreThanChance, change, reasoning_effect
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


TEXT = "Roots hold water. Leaves turn light into sugar. So a tree grows."


@pytest.mark.parametrize(
    ("text", "half"),
    [
        (TEXT, "Roots hold water."),
        ("Weigh the cost first, then trust.", "Weigh the cost"),
        ("根は水を保つ。葉は光を受ける。", "根は水を保つ。"),
        ("1. Roots hold 3.5 litres.\n2. Leaves make sugar.", "1. Roots hold 3.5 litres."),
        ("", ""),
        ("Why", ""),
    ],
)
def test_half_of_a_reasoning_ends_with_a_sentence_where_it_can(text: str, half: str) -> None:
    assert first_half(text) == half


@pytest.mark.parametrize(
    ("sentence", "opposite"),
    [
        ("Trees are tall.", "Trees are not tall."),
        ("Trees are not tall.", "Trees are tall."),
        ("It can't be done.", "It can be done."),
        ("It cannot be done.", "It can be done."),
        ("They don't grow, and won't.", "They do grow, and won't."),
        ("Never say so.", "say so."),
        ("Wages did not.", "Wages did."),
        ("Roots hold 3.5 litres.", "It is not true that roots hold 3.5 litres."),
        ("I think so.", "It is not true that I think so."),
        ("NASA thinks so.", "It is not true that NASA thinks so."),
        ("木は高くなります。", "木は高くなりません。"),
        ("木は高くなりません。", "木は高くなります。"),
        ("これは木です。", "これは木というのは正しくありません。"),
        ("これは木である", "これは木ではない"),
        ("木が育った。", "木が育ったというのは正しくありません。"),
    ],
)
def test_a_negated_sentence_says_the_opposite(sentence: str, opposite: str) -> None:
    assert negated(sentence) == opposite


def test_the_sentence_that_the_answer_says_is_negated() -> None:
    assert one_negated(TEXT, "Sugar comes from light.") == (
        "Roots hold water. It is not true that leaves turn light into sugar. So a tree grows."
    )
    assert one_negated("根は水を保つ。葉は光を受けます。", "葉と光です。") == "根は水を保つ。葉は光を受けません。"
    assert one_negated("", "Sugar.") == ""


@given(st.text(), st.text())
def test_controls_are_made_of_any_text(text: str, answer: str) -> None:
    assert isinstance(first_half(text) + one_negated(text, answer), str)


def effect_of(own: list[str], other: list[str]) -> ControlEffect:
    return reasoning_effect(own, {Control.OTHER: "Bees."}, {Control.OTHER: other}).controls[0]


def test_answers_that_change_more_than_chance() -> None:
    own = ["a b c d", "a b c e", "a b c f", "a b c g", "a b c h"]
    test = reasoning_effect(own, {Control.WITHOUT: ""}, {Control.WITHOUT: ["x y z", "x y w", "x y v"]})
    (effect,) = test.controls
    assert (test.chance, effect.change, effect.more_than_chance) == (0.25, 1, MoreThanChance.YES)
    assert effect.p_value == round(1 / 56, 3), "No other division of the eight answers shows so much."
    assert (test.answer, test.answer_without, test.change_without, test.answers) == ("a b c d", "x y z", 1, 8)
    assert (test.answer_shuffled, test.change_shuffled) == ("", 0)


def test_answers_that_do_not_change_more_than_chance() -> None:
    own = ["a b c d", "a b c e", "a b c f", "a b c g", "a b c h"]
    assert effect_of(["a"] * 5, ["a"] * 3).more_than_chance == MoreThanChance.NO
    assert effect_of(own, own[:3]).more_than_chance == MoreThanChance.NO
    few = effect_of(own, ["a b c d", "a b x y", "a b c z"])
    assert few.more_than_chance == MoreThanChance.CANNOT_TELL and 0.05 < few.p_value < 0.5


def test_a_control_without_effect_is_called_one_in_a_twentieth_of_cases() -> None:
    drawn, words = random.Random(1), ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]
    called = Counter(
        effect_of(answers[:5], answers[5:]).more_than_chance
        for _ in range(300)
        for answers in [[" ".join(drawn.choices(words, k=8)) for _ in range(8)]]
    )
    assert called[MoreThanChance.YES] <= 0.08 * 300 and 0.4 * 300 < called[MoreThanChance.NO] < 0.6 * 300


def chain_of(engine: EchoEngine, method: str = "qtq") -> Chain:
    chain = new_chain(QUESTION, method, VARIANT, length=2)
    *_, (ended,) = advance(engine, [chain], SamplingParams())
    return ended


class OneSeed(EchoEngine):
    """Draws one answer for a prompt, whatever the seed; it chooses its words by the whole prompt."""

    def stream(self, queue: RequestQueue) -> Snapshots:
        taken = [queue.take() for _ in range(len(queue))]
        return super().stream(RequestQueue(Request(one.prompt, replace(one.sampling, seed=1)) for one in taken))


def test_the_test_answers_again_with_other_texts_in_place_of_the_reasoning() -> None:
    engine = OneSeed()
    chain = chain_of(EchoEngine())
    *growing, tested = run_test(engine, chain, 2, SamplingParams(temperature=1))
    test = tested.steps[1].reasoning_test
    assert test is not None
    assert {one.control: one.more_than_chance for one in test.controls} == dict.fromkeys(Control, "yes")
    assert test.answers == MOST_ANSWERS and test.chance == 0 < test.change_without
    assert tested.steps[0] == chain.steps[0]
    assert can_be_tested(tested.steps[1])
    told = [step.reasoning_test for grown in growing for step in grown.steps[1:]]
    assert all(one and not one.controls for one in told), "Until the end it only counts its answers."


class Recorder(EchoEngine):
    """Keeps what is asked of it, call by call."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[list[Request]] = []

    def stream(self, queue: RequestQueue) -> Snapshots:
        taken = [queue.take() for _ in range(len(queue))]
        self.calls.append(taken)
        return super().stream(RequestQueue(taken))


def test_answers_are_drawn_as_the_run_was_and_each_with_a_seed_of_its_own() -> None:
    chain, engine = chain_of(EchoEngine()), Recorder()
    *_, tested = run_test(engine, chain, 1, SamplingParams(temperature=1, max_new_tokens=40))
    (other,), asked = engine.calls
    assert "How do bees make honey?" in other.prompt.text
    assert {(one.sampling.temperature, one.sampling.max_new_tokens) for one in asked} == {(1, 40)}
    assert len({one.sampling.seed for one in asked}) == len(asked) == MOST_ANSWERS
    test = tested.steps[0].reasoning_test
    assert test is not None
    wanted = [chain.steps[0].reasoning] * 5 + [one.reasoning for one in test.controls for _ in range(3)]
    assert all(f"<|reasoning|>{text}\n<|response|>" in one.prompt.text for text, one in zip(wanted, asked, strict=True))
    likeliest = Recorder()
    list(run_test(likeliest, chain, 1, SamplingParams(temperature=0)))
    assert {one.sampling.temperature for one in likeliest.calls[1]} == {SamplingParams.temperature}


def test_the_other_question_has_nothing_to_do_with_the_chain_and_is_in_its_language() -> None:
    for question, other in (
        ("Why do bees make honey?", "sailing boat"),
        ("なぜ盆栽は小さいのですか。", "蜂はどのように"),
    ):
        *_, (chain,) = advance(EchoEngine(), [new_chain(question, "two-step", VARIANT)], SamplingParams())
        engine = Recorder()
        list(run_test(engine, chain, 1, SamplingParams()))
        assert other in engine.calls[0][0].prompt.text


def test_a_reasoning_that_is_not_used_changes_nothing() -> None:
    chain = chain_of(EchoEngine())
    *_, tested = run_test(EchoEngine(replies={QUESTION: "Because."}), chain, 1, SamplingParams())
    test = tested.steps[0].reasoning_test
    assert test is not None
    assert (test.answer, test.chance, test.change_without, test.change_shuffled) == ("Because.", 0, 0, 0)
    assert {one.more_than_chance for one in test.controls} == {MoreThanChance.NO}


def test_what_cannot_be_tested_is_said() -> None:
    single = chain_of(EchoEngine(), "single")
    assert not can_be_tested(single.steps[0])
    with pytest.raises(UsageError, match="Step 1 has no Reasoning"):
        next(run_test(EchoEngine(), single, 1, SamplingParams()))
    with pytest.raises(UsageError, match="Chain 1 has no step 3 to test; its last is step 2"):
        next(run_test(EchoEngine(), chain_of(EchoEngine()), 3, SamplingParams()))
    with pytest.raises(EngineError, match="could not be tested: The echo engine was told to fail"):
        list(run_test(EchoEngine(fail_on=QUESTION), chain_of(EchoEngine()), 1, SamplingParams()))
