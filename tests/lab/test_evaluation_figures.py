"""The figures of an evaluation, on chains made by hand: what counts, among what, and how sure it is."""

from dataclasses import replace

import pytest

from bonsai.chains.chain import Chain
from bonsai.chains.guard import Candidate
from bonsai.chains.outcomes import Flag, Method, Verdict
from bonsai.chains.prompts import load_variants
from bonsai.chains.step import Step
from bonsai.lab.evaluation.figures import EVERY
from bonsai.lab.evaluation.figures.answers import is_whole, names_topic, repeats_itself
from bonsai.lab.evaluation.figures.counts import NOTHING, Observation
from bonsai.lab.evaluation.intervals import Count, difference, ratio
from bonsai.lab.evaluation.reasoning_use import Control, is_used, uptake, wanted_controls
from bonsai.measures.reasoning import ReasoningState
from bonsai.runs.run.wins import Wins
from bonsai.settings import ROOT

VARIANT = load_variants(ROOT / "prompts")["assistant"]
STEP = Step(
    1,
    "Why does bread go stale?",
    "",
    reasoning="Look at starch and water in the crumb.",
    answer="Starch in bread turns to crystals.",
    reasoning_state=ReasoningState.PRESENT,
    new_content=1.0,
)


def chain(*steps: Step, method: Method = Method.QTQ, length: int = 5, moves: str = "auto") -> Chain:
    numbered = tuple(replace(step, number=number) for number, step in enumerate(steps, start=1))
    return Chain(1, method, VARIANT, numbered, length, candidates=2, stop_reason="done", moves=moves)


def count(name: str, seen: Chain | Observation) -> Count:
    figure = next(figure for figure in EVERY if figure.name == name)
    return figure.count(seen if isinstance(seen, Observation) else Observation(seen))


def candidates(*verdicts: Verdict) -> tuple[Candidate, ...]:
    return tuple(Candidate("Why?", verdict, 1) for verdict in verdicts)


def test_a_reasoning_counts_as_present_and_as_its_own() -> None:
    states = (ReasoningState.PRESENT, ReasoningState.TRUNCATED, ReasoningState.EMPTY, ReasoningState.COPIED_FROM_ANSWER)
    seen = chain(*(replace(STEP, reasoning_state=state) for state in states))
    assert count("Reasoning present", seen) == (3, 4)
    assert count("Reasoning present and its own", seen) == (2, 4)
    single = chain(STEP, method=Method.SINGLE)
    assert count("Reasoning present", single) == count("Reasoning used", single) == NOTHING


def test_steps_that_failed_or_are_not_written_count_for_nothing() -> None:
    seen = chain(STEP, replace(STEP, error="The model could not."), replace(STEP, writing="answer"))
    assert count("Reasoning present", seen) == (1, 1)
    assert count("answers that name their topic", seen) == (1, 1)


def test_a_reasoning_is_used_if_the_answer_has_more_of_its_words_than_the_control() -> None:
    control = Control(1, 1, "Weigh the price of flour.", "Flour and water make bread.")
    # "bread" is of the question, and "flour" of the other Reasoning: neither counts.
    assert uptake(STEP, control) == (pytest.approx(1 / 4), pytest.approx(1 / 4))
    assert not is_used(STEP, control)
    better = replace(STEP, answer="When starch and water part, the crumb hardens.")
    assert is_used(better, control)
    assert not is_used(replace(better, reasoning_state=ReasoningState.COPIED_FROM_ANSWER), control)
    assert not is_used(replace(better, answer="Starch and water in the crumb."), control), "It is only said again."
    assert not is_used(better, None)
    seen = Observation(chain(better, STEP), {(1, 1): control, (1, 2): replace(control, step=2)})
    assert count("Reasoning used", seen) == (1, 2)
    assert count("words taken up beyond the control", seen) == (pytest.approx(0.5), 2)


def test_a_control_has_the_reasoning_of_the_next_question() -> None:
    first = chain(STEP, replace(STEP, reasoning="Two."))
    second = replace(chain(replace(STEP, reasoning="", reasoning_state=ReasoningState.EMPTY)), number=2)
    third = replace(chain(replace(STEP, reasoning="Three.")), number=3)
    wanted = [(one.chain, one.step, one.reasoning) for _, _, one in wanted_controls([first, second, third])]
    assert wanted == [(1, 1, "Three."), (1, 2, "Three."), (3, 1, STEP.reasoning)]
    assert list(wanted_controls([first])) == []


def test_candidates_count_at_their_first_try() -> None:
    accepted, repeats, off, empty = Verdict.ACCEPTED, Verdict.REPEATS, Verdict.OFF_TOPIC, Verdict.EMPTY
    seen = chain(
        replace(STEP, candidates=candidates(accepted, Verdict.DUPLICATE)),
        replace(STEP, candidates=candidates(empty, off, accepted, accepted)),
        replace(STEP, candidates=candidates(repeats, Verdict.NOT_A_QUESTION, accepted)),
    )
    assert count("candidates accepted at first try", seen) == (1, 6)
    assert count("candidates accepted at every try", seen) == (4, 9)
    assert count("... that are a question", seen) == (4, 6)
    assert count("... that repeat nothing", seen) == (2, 4)
    assert count("... that are on topic", seen) == (1, 2)


def test_a_chain_reaches_a_step_that_it_answers() -> None:
    seen = chain(STEP, STEP, replace(STEP, answer=""))
    assert [count(f"chains that reach step {number}", seen) for number in (2, 3)] == [(True, 1), (False, 1)]
    assert count("chains that reach step 5", replace(seen, length=4)) == NOTHING


def test_a_chain_goes_somewhere_if_no_step_up_to_the_fifth_repeats_one() -> None:
    name, repeat = "chains that reach step 5 without a repeat", replace(STEP, flags=(Flag.CIRCULAR,))
    assert count(name, chain(*[STEP] * 5)) == (True, 1)
    assert count(name, chain(STEP, STEP, repeat, STEP, STEP)) == count(name, chain(*[STEP] * 4)) == (False, 1)
    assert count(name, chain(*[STEP] * 5, repeat, length=6)) == (True, 1), "What comes later is not asked for."
    assert count(name, chain(*[STEP] * 4, length=4)) == NOTHING


def test_what_a_chain_adds_and_where_it_goes() -> None:
    seen = chain(
        replace(STEP, move="cause", next_question="x"),
        replace(STEP, question="How is starch measured?", new_content=0.5, move="cause", completion_tokens=30),
        replace(STEP, question="Why does water leave bread?", new_content=0.7, move="example", seconds=1.5),
    )
    assert count("new content a step", seen) == (pytest.approx(1.2), 2)
    assert count("next questions that name the first one's topic", seen) == (1, 2), "bread, not starch"
    assert count("next questions that name the first one's topic", chain(STEP)) == NOTHING
    assert count("different moves in a chain", seen) == (2, 1)
    assert count("different moves in a chain", replace(seen, moves="")) == NOTHING
    assert count("different ways of asking", seen) == (2, 3)
    assert count("tokens written a step", seen) == (30, 3)
    assert count("seconds a step", seen) == (1.5, 3)


def test_a_plain_question_is_answered_rightly_by_its_fact() -> None:
    seen = Observation(chain(replace(STEP, answer="It is paris."), method=Method.SINGLE), fact=r"\bParis\b")
    assert count("plain questions answered rightly", seen) == (True, 1)
    assert count("plain questions answered rightly", replace(seen, fact="Rome")) == (False, 1)
    assert count("plain questions answered rightly", replace(seen, fact="")) == NOTHING


@pytest.mark.parametrize(
    "answer",
    [
        "Starch turns to crystals. It takes days!",
        "Two things count:\n1. Water leaves the crumb.\n2. The starch hardens.",
        '"Staling" is the word.',
        "水が抜けるからです。",
        "5 grams are enough.",
    ],
)
def test_an_answer_of_whole_sentences(answer: str) -> None:
    assert is_whole(answer)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "Starch turns to",
        "starch turns to crystals.",
        "Two things count:",
        "It dries.\n2. The starch",
        "Answer: It dries.",
    ],
)
def test_an_answer_that_is_not_whole(answer: str) -> None:
    assert not is_whole(answer)


def test_a_run_of_four_words_three_times() -> None:
    assert repeats_itself("Bread is good food, bread is good food; bread is good food.")
    assert not repeats_itself("Bread is good food, bread is good food; bread is food.")
    assert not repeats_itself("Bread")


def test_an_answer_names_its_topic_by_a_stem() -> None:
    assert names_topic("Why does bread go stale?", "Loaves of breads dry.")
    assert not names_topic("Why does bread go stale?", "Many things change with time.")
    assert names_topic("What is it?", "Nothing is asked about.")


def test_an_interval_holds_its_value_and_narrows_with_questions() -> None:
    few, many = [(1.0, 2.0), (2.0, 2.0)] * 10, [(1.0, 2.0), (2.0, 2.0)] * 100
    some, more = ratio(few), ratio(many)
    assert some and more and some.value == more.value == 0.75
    assert some.low < more.low < 0.75 < more.high < some.high
    assert ratio([(0.0, 0.0)]) is None and ratio([]) is None


def test_a_difference_is_paired_by_question() -> None:
    hard_and_easy = [(float(n % 2), 1.0) for n in range(100)]
    same = difference(hard_and_easy, hard_and_easy)
    assert same and (same.value, same.low, same.high) == (0, 0, 0)
    better = difference([(1.0, 1.0)] * 100, hard_and_easy)
    assert better and better.value == 0.5 and 0.38 < better.low < 0.42 and 0.58 < better.high < 0.62
    assert difference(hard_and_easy, [(0.0, 0.0)] * 100) is None


def test_a_sample_may_miss_all_questions_that_say_anything() -> None:
    found = ratio([(1.0, 1.0), *[(0.0, 0.0)] * 30])
    assert found and (found.value, found.low, found.high) == (1, 1, 1)


def test_a_sign_test_leaves_ties_out() -> None:
    wins = Wins(15, 5, 20)
    assert wins.share and wins.share.value == 0.75 and wins.share.low == pytest.approx(0.509, abs=0.001)
    assert wins.p_value == pytest.approx(0.0414, abs=0.0001)
    assert Wins(0, 0, 3).share is None and Wins(0, 0, 3).p_value == 1
