"""Chains: what each method asks for, how steps follow one another, and how a chain ends."""

import itertools
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from bonsai.chains.advance import advance, advance_each
from bonsai.chains.chain import Chain, branch, new_chain, stop
from bonsai.chains.outcomes import Role
from bonsai.chains.prompts import PromptVariant, load_variants
from bonsai.chains.roles import NEXT_QUESTION_TOKENS, check_context, next_prompt
from bonsai.chains.step import Step
from bonsai.engines.base import Request, RequestQueue, SamplingParams
from bonsai.engines.echo import EchoEngine
from bonsai.errors import QuestionError, UsageError
from bonsai.measures.similarity import WORDS, EarlierMatch, Measure
from bonsai.settings import ROOT

VARIANT = load_variants(ROOT / "prompts")["assistant"]
SAMPLING = SamplingParams(max_new_tokens=60)
QUESTION = "Why did productivity stop growing?"
ASKED_NEXT = "<|response|>"


class CountingEngine(EchoEngine):
    """An echo engine that remembers what it was asked: `calls` holds the requests that were begun together."""

    def __init__(self, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self.calls: list[list[tuple[str, SamplingParams]]] = []

    def take(self, queue: RequestQueue, room: int) -> list[Request]:
        taken = super().take(queue, room)
        if taken:
            self.calls.append([(request.prompt.text, request.sampling) for request in taken])
        return taken


class ScriptedEngine(CountingEngine):
    """An engine that gives one text for each call, the same to all prompts of the call."""

    def __init__(self, *texts: str) -> None:
        super().__init__()
        self.texts = list(texts)

    def take(self, queue: RequestQueue, room: int) -> list[Request]:
        if queue:
            self.replies = {"": self.texts.pop(0)}
        return super().take(queue, room)


class Literal(Measure):
    """A measure that anyone can follow: the same text repeats, and only what has no "cats" in it is on topic."""

    def compare_with_earlier(self, question: str, earlier: Sequence[str]) -> EarlierMatch:
        same = next((number for number in range(len(earlier), 0, -1) if earlier[number - 1] == question), None)
        return replace(super().compare_with_earlier(question, earlier), repeated=same, rejected=same)

    def off_topic(self, question: str, asked: Sequence[str], answers: Sequence[str]) -> bool:
        return "cats" in question


def run(
    engine: EchoEngine, *chains: Chain, sampling: SamplingParams = SAMPLING, measure: Measure = WORDS
) -> tuple[Chain, ...]:
    *_, last = advance(engine, chains, sampling, measure)
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


def test_all_chains_share_the_engine_and_none_waits_for_another() -> None:
    engine = CountingEngine()
    chains = [
        qtq(2, f"Why does {name} matter?", number=n, candidates=3) for n, name in enumerate(("rain", "tea", "salt"))
    ]
    texts: dict[int, set[int]] = {}
    for now in advance(engine, chains, SAMPLING):
        for place, chain in enumerate(now):
            texts.setdefault(place, set()).add(len(chain.steps[0].reasoning + chain.steps[0].answer))
        if any(chain.finished for chain in now):
            break
    assert all(len(lengths) > 5 for lengths in texts.values()), "all of them grow from the start"
    assert len(engine.calls[0]) == 3
    assert sum(map(len, engine.calls)) == 3 * 2 * (1 + 1 + 3)


def test_no_more_chains_are_begun_than_the_engine_has_rows_for() -> None:
    engine = CountingEngine()
    engine.info = replace(engine.info, max_batch_size=2)
    begun: list[int] = []

    def coming() -> Iterator[Chain]:
        for number in range(1, 6):
            begun.append(number)
            yield qtq(1, f"Why does the number {number} matter?", number=number)

    done: list[int] = []
    for place, chain in advance_each(engine, coming(), SAMPLING):
        assert len(begun) <= len(done) + 2 + chain.finished
        if chain.finished:
            done.append(place)
    assert sorted(done) == [0, 1, 2, 3, 4]
    assert max(map(len, engine.calls)) <= 2


def test_a_chain_alone_is_the_same_as_among_others() -> None:
    (base_engine,) = run(EchoEngine(), qtq(number=1))
    _, among = run(EchoEngine(), new_chain("What is rain?", "single", VARIANT), qtq(number=1))
    assert [step.answer for step in base_engine.steps] == [step.answer for step in among.steps]


def test_candidates_use_one_seed_after_the_other_and_few_tokens() -> None:
    engine = CountingEngine()
    run(engine, qtq(1, candidates=3, seed=7), sampling=SamplingParams(max_new_tokens=500))
    asked = [sampling for _, sampling in engine.calls[2]]
    assert [sampling.seed for sampling in asked] == [7, 8, 9]
    assert {sampling.max_new_tokens for sampling in asked} == {NEXT_QUESTION_TOKENS}


def test_a_candidate_that_repeats_an_earlier_question_is_not_asked() -> None:
    engine = EchoEngine(
        replies={"Write one short, deeper question": "Why has productivity stopped growing?", QUESTION: "Because."}
    )
    engine.replies["Write one short, deeper question"] = "Why exactly did productivity stop growing?"
    (chain,) = run(engine, qtq(3, candidates=2))
    assert len(chain.steps) == 1
    assert chain.stop_reason == "tautology"
    assert {candidate.finding for candidate in chain.steps[0].candidates} == {"repeats step 1"}


def test_rejected_candidates_are_named_in_the_new_try() -> None:
    engine = CountingEngine(replies={"Write one short, deeper question": QUESTION})
    run(engine, qtq(2, candidates=1))
    second_try = engine.calls[3][0][0]
    assert second_try.count(f"Asked before: {QUESTION}") == 1


def test_a_chain_without_a_real_question_says_so() -> None:
    (chain,) = run(EchoEngine(replies={"Write one short, deeper question": "Productivity grows."}), qtq(3))
    assert chain.stop_reason == "no-question"
    assert "not-a-question" in chain.steps[0].flags


def two_step(engine: EchoEngine, **options: float) -> Step:
    (chain,) = run(engine, new_chain(QUESTION, "two-step", VARIANT, seed=5), sampling=replace(SAMPLING, **options))
    return chain.steps[0]


def test_a_reasoning_that_is_there_is_asked_for_once() -> None:
    engine = ScriptedEngine("Weigh investment first.", "Investment fell.")
    step = two_step(engine)
    assert (step.reasoning_state, step.reasoning_tries, step.flags) == ("present", 1, ())
    assert len(engine.calls) == 2


@pytest.mark.parametrize("bad", ["", QUESTION])
def test_an_empty_or_copied_reasoning_is_asked_for_once_more_with_another_seed(bad: str) -> None:
    engine = ScriptedEngine(bad, "Weigh investment first.", "Investment fell.")
    step = two_step(engine)
    assert (step.reasoning, step.answer) == ("Weigh investment first.", "Investment fell.")
    assert (step.reasoning_state, step.reasoning_tries, step.flags) == ("present", 2, ())
    (first, seeded), (second, seeded_anew) = engine.calls[0][0], engine.calls[1][0]
    assert first == second
    assert seeded.seed != seeded_anew.seed


@pytest.mark.parametrize(
    ("bad", "state", "flag"),
    [("", "empty", "no-reasoning"), (QUESTION, "copied from the question", "copied-reasoning")],
)
def test_a_reasoning_that_stays_empty_or_copied_is_flagged(bad: str, state: str, flag: str) -> None:
    engine = ScriptedEngine(bad, bad, "Investment fell.")
    step = two_step(engine)
    assert (step.reasoning_state, step.reasoning_tries, step.flags) == (state, 2, (flag,))
    assert (step.reasoning, step.answer) == (bad, "Investment fell.")
    assert engine.texts == []


def test_a_reasoning_copied_from_the_answer_is_written_anew_with_its_answer() -> None:
    copied = "Investment in machines fell."
    step = two_step(ScriptedEngine(copied, copied, "Weigh skills first.", "Skills were lost."))
    assert (step.reasoning, step.answer) == ("Weigh skills first.", "Skills were lost.")
    assert (step.reasoning_state, step.reasoning_tries, step.flags) == ("present", 2, ())


def test_a_second_copy_of_the_answer_is_kept_and_flagged() -> None:
    step = two_step(ScriptedEngine(*["Investment in machines fell."] * 2, *["Skills of workers vanished."] * 2))
    assert (step.reasoning, step.answer) == ("Skills of workers vanished.", "Skills of workers vanished.")
    assert (step.reasoning_state, step.flags) == ("copied from the answer", ("copied-reasoning",))


def test_a_second_try_is_paid_for_in_tokens() -> None:
    once = two_step(ScriptedEngine("Weigh investment first.", "Investment fell."))
    twice = two_step(ScriptedEngine(QUESTION, "Weigh investment first.", "Investment fell."))
    assert twice.completion_tokens == once.completion_tokens + len(QUESTION.split())
    assert twice.prompt_tokens > once.prompt_tokens


def test_a_second_try_can_differ_even_where_the_likeliest_tokens_are_asked_for() -> None:
    engine = ScriptedEngine("", "Weigh investment first.", "Investment fell.")
    two_step(engine, temperature=0)
    assert [call[0][1].temperature > 0 for call in engine.calls[:2]] == [False, True]


def test_a_reasoning_cut_by_the_token_limit_is_truncated() -> None:
    step = two_step(EchoEngine(), max_new_tokens=3)
    assert (step.reasoning_state, step.flags) == ("truncated", ("truncated",))


def test_a_cut_first_try_leaves_no_flag_on_a_whole_second_one() -> None:
    step = two_step(ScriptedEngine(f"{QUESTION} And so on.", "Weigh it.", "It fell."), max_new_tokens=5)
    assert (step.reasoning_state, step.flags) == ("present", ())


def test_a_failed_step_ends_its_chain_and_spares_the_others() -> None:
    engine = EchoEngine(fail_on="monsoon")
    failed, fine = run(engine, qtq(2, "Why does the monsoon fail?", number=1), qtq(2, "Why does tea cool?", number=2))
    assert failed.stop_reason == "error"
    assert failed.steps[0].error
    assert failed.steps[0].flags == ("error",)
    assert fine.stop_reason == "done"
    assert len(fine.steps) == 2


def test_a_failure_at_the_next_question_keeps_the_answer() -> None:
    (chain,) = run(EchoEngine(fail_on="Write one short, deeper question"), qtq(3))
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


def test_of_a_transcript_that_does_not_fit_the_first_question_and_the_newest_are_kept() -> None:
    roomy = CountingEngine()
    (chain,) = run(roomy, qtq(5))
    longest = max(roomy.count_tokens(prompt) for call in roomy.calls for prompt, _ in call)
    tight = CountingEngine(context_length=longest + SAMPLING.max_new_tokens - 1)
    (chain,) = run(tight, qtq(5))
    assert any("truncated" in step.flags for step in chain.steps)
    last_prompt = tight.calls[-1][0][0]
    kept = [f"Asked before: {question}" in last_prompt for question in chain.questions[:-1]]
    assert kept == [True, False, True, True]


def test_a_transcript_of_which_nothing_fits_is_left_out() -> None:
    engine = CountingEngine()
    one, two = (replace(qtq(5).steps[0], number=number, writing="", answer="Of it.") for number in (1, 2))
    chain = replace(qtq(5), steps=(one, two, Step(3, "Why?", Role.NEXT_QUESTION, answer="So.")))
    alone = replace(chain, steps=(replace(chain.steps[-1], number=1),))
    room = engine.count_tokens(next_prompt(engine, alone, SAMPLING)[0]) + SAMPLING.max_new_tokens
    prompt, truncated = next_prompt(CountingEngine(context_length=room), chain, SAMPLING)
    assert truncated
    assert "Asked before" not in prompt.text


def test_an_answer_cut_by_the_token_limit_is_flagged() -> None:
    (chain,) = run(EchoEngine(), new_chain(QUESTION, "single", VARIANT), sampling=SamplingParams(max_new_tokens=3))
    assert chain.steps[0].flags == ("truncated",)


def test_a_question_that_cannot_fit_is_refused_with_both_counts() -> None:
    engine = EchoEngine(context_length=100)
    with pytest.raises(QuestionError, match=r"tokens, and the model reads at most 100"):
        check_context(engine, [qtq(question="word " * 120)], SAMPLING)


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


def literal(*texts: str, length: int = 9, guarded: bool = True, going: bool = False) -> Chain:
    """Return the chain that is made of one text for each call, with one candidate at a time."""
    begun = replace(qtq(length), guarded=guarded, stop_without_progress=not going)
    (chain,) = run(ScriptedEngine(*texts), begun, measure=Literal())
    return chain


def test_a_question_that_repeats_the_previous_one_is_a_tautology() -> None:
    chain = literal("Weigh a.", "Rain.", QUESTION, "Weigh b.", "Snow.", "Who?", length=2, guarded=False)
    assert [step.flags for step in chain.steps] == [(), ("tautology",)]


def test_a_question_that_repeats_an_older_one_is_circular() -> None:
    texts = "Weigh a.", "Rain.", "Who?", "Weigh b.", "Snow.", QUESTION, "Weigh c.", "Hail.", "Where?"
    chain = literal(*texts, length=3, guarded=False)
    assert [step.flags for step in chain.steps] == [(), (), ("circular",)]


def test_with_the_guard_neither_is_asked() -> None:
    texts = "Weigh a.", "Rain.", QUESTION, "Who?", "Weigh b.", "Snow.", "Who?", "Where?", "Weigh c.", "Hail.", "When?"
    chain = literal(*texts, length=3)
    assert chain.questions == (QUESTION, "Who?", "Where?")
    assert all(step.flags == () for step in chain.steps)
    assert [candidate.finding for candidate in chain.steps[1].candidates] == ["repeats step 2", "accepted"]


def test_a_question_that_leaves_the_topic_is_flagged_and_the_guard_rejects_it() -> None:
    unguarded = literal("Weigh a.", "Rain.", "What do cats eat?", "Weigh b.", "Fish.", "Who?", length=2, guarded=False)
    assert unguarded.steps[1].flags == ("off-topic",)
    guarded = literal("Weigh a.", "Rain.", "What do cats eat?", "Who?", "Weigh b.", "Snow.", "When?", length=2)
    assert guarded.questions == (QUESTION, "Who?")
    assert guarded.steps[0].candidates[0].verdict == "off topic"


@pytest.mark.parametrize(
    ("proposed", "reason"),
    [
        ((QUESTION, QUESTION, QUESTION), "tautology"),
        (("What do cats eat?", QUESTION, "It grows."), "tautology"),
        (("What do cats eat?", "It grows.", ""), "off-topic"),
        (("It grows.", "", "It grows."), "no-question"),
    ],
)
def test_a_chain_without_a_good_next_question_says_why(proposed: tuple[str, ...], reason: str) -> None:
    chain = literal("Weigh a.", "Rain.", *proposed)
    assert (chain.stop_reason, len(chain.steps)) == (reason, 1)
    assert [candidate.question for candidate in chain.steps[0].candidates] == list(proposed)


NOTHING_NEW = "Weigh it.", "Growing.", "Does it stop?", "Weigh that.", "Productivity.", "Is it growing?", "Hm.", "Stop."


def test_two_steps_running_that_add_nothing_end_the_chain_before_it_asks_on() -> None:
    chain = literal(*NOTHING_NEW)
    assert chain.stop_reason == "no-progress"
    assert [step.flags for step in chain.steps] == [(), (), ("no-progress",)]
    assert (chain.steps[2].answer, chain.steps[2].candidates) == ("Stop.", ())


def test_a_chain_without_progress_goes_on_if_it_is_wanted() -> None:
    chain = literal(*NOTHING_NEW, "When?", "Weigh rain.", "It rains.", "Who?", length=4, going=True)
    assert chain.stop_reason == "done"
    assert [step.flags for step in chain.steps] == [(), (), ("no-progress",), ()]


def test_one_step_that_adds_nothing_is_no_lack_of_progress() -> None:
    texts = *NOTHING_NEW[:5], "Which machines?", "Hm.", "Old looms.", "Do looms stop?", "Hm.", "Growing.", "Who?"
    chain = literal(*texts, length=4)
    assert chain.stop_reason == "done"
    assert [step.new_content < 0.15 for step in chain.steps] == [False, True, False, True]  # type: ignore[operator]
    assert all("no-progress" not in step.flags for step in chain.steps)


def test_a_branch_shares_the_head_of_its_parent_and_grows_alone() -> None:
    (parent,) = run(EchoEngine(), qtq(3))
    new = branch(parent, number=2, keep=2, question="Who gains from trade?", length=4)
    assert (new.number, new.parent, new.shared, new.length) == (2, 1, 2, 4)
    kept, grown = run(EchoEngine(), parent, new)
    assert kept == parent
    assert grown.steps[:2] == parent.steps[:2]
    assert [step.number for step in grown.own_steps] == [3, 4]
    assert grown.questions[2] == "Who gains from trade?"
    assert grown.own_steps[0].nearest in (1, 2)


def test_a_branch_of_a_branch() -> None:
    (parent,) = run(EchoEngine(), qtq(2))
    (child,) = run(EchoEngine(), branch(parent, number=2, keep=1, question="Who gains from trade?"))
    grandchild = branch(child, number=3, keep=2, question="Who loses by it?")
    assert (grandchild.parent, grandchild.shared, grandchild.length) == (2, 2, 3)
    assert grandchild.questions == (QUESTION, "Who gains from trade?", "Who loses by it?")


def test_a_step_is_begun_again_with_another_variant_or_seed() -> None:
    (parent,) = run(EchoEngine(), new_chain(QUESTION, "two-step", VARIANT))
    other = load_variants(ROOT / "prompts")["logician"]
    for new in (
        branch(parent, number=2, keep=0, question=QUESTION, prompt=other),
        branch(parent, number=2, keep=0, question=QUESTION, seed=9),
    ):
        (grown,) = run(EchoEngine(), new)
        assert grown.own_steps == grown.steps
        assert grown.steps[0].answer != parent.steps[0].answer


def test_a_branch_repeats_no_question_of_the_steps_it_shares() -> None:
    parent = literal("Weigh a.", "Rain.", "Who?", "Weigh b.", "Snow.", "When?", length=2)
    new = branch(parent, number=2, keep=1, question="Where?", length=3)
    (grown,) = run(
        ScriptedEngine("Hm.", "Here.", QUESTION, "Why there?", "Hm.", "So.", "What?"), new, measure=Literal()
    )
    assert grown.questions == (QUESTION, "Where?", "Why there?")
    assert grown.steps[1].candidates[0].finding == "repeats step 1"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"keep": 3, "question": "Who?"}, "A branch of chain 1 can keep 0 to 2 of its steps, not 3"),
        ({"keep": -1, "question": "Who?"}, "not -1"),
        ({"keep": 1, "question": "Who?", "length": 1}, "at least 2 steps in all, not 1"),
        ({"keep": 0, "question": QUESTION}, "change the question, candidate, variant or seed"),
        ({"keep": 0, "question": QUESTION, "seed": 0, "prompt": VARIANT}, "change the question"),
    ],
)
def test_a_branch_that_cannot_be_is_refused(options: dict[str, object], sentence: str) -> None:
    (parent,) = run(EchoEngine(), qtq(2))
    with pytest.raises(UsageError, match=sentence):
        branch(parent, number=2, **options)  # type: ignore[arg-type]


def test_only_a_qtq_chain_goes_on_after_its_answer() -> None:
    (parent,) = run(EchoEngine(), new_chain(QUESTION, "single", VARIANT))
    with pytest.raises(UsageError, match="A single chain has one step"):
        branch(parent, number=2, keep=1, question="Who?")


def test_a_chain_that_has_begun_goes_on_before_another_begins() -> None:
    class Narrow(CountingEngine):
        def take(self, queue: RequestQueue, room: int) -> list[Request]:
            return super().take(queue, 1 if room == self.info.max_batch_size else 0)

    questions = ["Why do cats purr?", "How do tides work?", "What is a fugue?"]
    chains = [qtq(2, question, candidates=3, moves="") for question in questions]
    engine = Narrow()
    found = run(engine, *chains)
    order = [question for call in engine.calls for text, _ in call for question in questions if question in text]
    assert [question for question, _ in itertools.groupby(order)] == questions

    def said(chains: tuple[Chain, ...]) -> list[list[tuple[str, str, str]]]:
        return [[(step.question, step.reasoning, step.answer) for step in chain.steps] for chain in chains]

    assert said(found) == said(run(EchoEngine(), *chains)), "each text is that of its chain and role"
