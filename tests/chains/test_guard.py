"""The guard: what is said of each candidate, which one is taken, and which words two questions share."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bonsai.chains.guard import Candidate, aligned, choose, first_asked, judge
from bonsai.chains.outcomes import Verdict
from bonsai.measures.similarity import Measure

ASKED = ["Why did productivity stop growing?", "How do we measure productivity?"]


class CatsOffTopic(Measure):
    """The measure of words, for chains that have nothing to do with cats."""

    def off_topic(self, question: str, asked: Sequence[str], answers: Sequence[str]) -> bool:
        return "cats" in question and not any("cats" in text for text in [*asked, *answers])


def candidate(
    question: str, verdict: Verdict = Verdict.ACCEPTED, similarity: float = 0.0, closeness: float = 0.0
) -> Candidate:
    return Candidate(question, verdict, 0, similarity, closeness)


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("Who gains from it?", "accepted"),
        ("Next question: Who gains from it? And why?", "accepted"),
        ("", "empty"),
        (" \n", "empty"),
        ("It grows.", "not a question"),
        ("Why did the productivity stop growing?", "repeats step 1"),
        ("How do we measure productivity?", "repeats step 2"),
        ("What do cats eat?", "off topic"),
    ],
)
def test_each_candidate_gets_its_verdict(text: str, verdict: str) -> None:
    assert judge(text, 1, ASKED, measure=CatsOffTopic()).finding == verdict


def test_a_candidate_about_something_that_the_answer_brought_up_is_on_topic() -> None:
    assert judge("What do cats eat?", 1, ASKED, "Offices with cats work less.", CatsOffTopic()).verdict == "accepted"


def test_a_candidate_tells_what_it_is_most_like_and_what_it_repeats() -> None:
    new = judge("Who wants to measure productivity in schools?", 7, ASKED)
    assert (new.seed, new.nearest, new.repeats) == (7, 2, None)
    assert 0 < new.similarity < 1
    again = judge(ASKED[0], 7, ASKED)
    assert (again.similarity, again.nearest, again.repeats) == (1.0, 1, 1)


def test_the_one_taken_is_both_close_and_new() -> None:
    new_but_far = candidate("What do cats eat?", similarity=0.0, closeness=0.0)
    close_but_old = candidate("Why did productivity stop rising?", similarity=0.9, closeness=1.0)
    both = candidate("What lets productivity grow again?", similarity=0.3, closeness=0.7)
    assert choose([new_but_far, close_but_old, both]) == both
    assert choose([both, candidate("And again?", similarity=0.3, closeness=0.7)]) == both


def test_of_two_that_follow_the_last_step_the_one_about_the_first_question_is_taken() -> None:
    asked = ["Why do wet clothes feel heavy?", "How does sweat leave the skin?"]
    wandering = judge("Which sweat leaves an oily skin?", 1, asked)
    staying = judge("Which wet clothes hold heavy sweat?", 2, asked)
    assert wandering.verdict == staying.verdict == Verdict.ACCEPTED
    assert choose([wandering, staying]) == staying
    alone = [judge(one.question, one.seed, asked[1:]) for one in (wandering, staying)]
    assert choose(alone) == alone[0], "The last step alone would have it the other way."


@pytest.mark.parametrize("verdict", sorted(set(Verdict) - {Verdict.ACCEPTED}))
def test_a_rejected_candidate_is_never_taken(verdict: Verdict) -> None:
    assert choose([candidate("Why?", verdict, closeness=1.0)]) is None


def test_without_the_guard_the_first_question_is_taken() -> None:
    found = {"": Verdict.EMPTY, "So.": Verdict.NOT_A_QUESTION, "Why?": Verdict.REPEATS}
    candidates = [candidate(text, verdict) for text, verdict in found.items()]
    assert first_asked([*candidates, candidate("Who?")]) == candidates[2]
    assert first_asked(candidates[:2]) is None


def words_shared(question: str, other: str) -> list[list[str]]:
    return [[text for text, shared in runs if shared] for runs in aligned(question, other)]


def test_shared_words_are_found_wherever_they_stand() -> None:
    assert words_shared("Why do cities need forests?", "What does a forest do for a city?") == [
        ["do cities", "forests"],
        ["forest do", "city"],
    ]


def test_japanese_shares_characters_in_pairs() -> None:
    assert words_shared("盆栽はなぜ小さい", "盆栽が人気なのはなぜ") == [["盆栽はなぜ"], ["盆栽", "はなぜ"]]


@given(st.text(), st.text())
def test_runs_joined_are_the_text(question: str, other: str) -> None:
    for text, runs in zip((question, other), aligned(question, other), strict=True):
        assert "".join(part for part, _ in runs) == text
        assert all(part for part, _ in runs)


@given(st.text(min_size=1))
def test_a_text_shares_all_its_words_with_itself(text: str) -> None:
    assert not any(part.isalnum() for runs in aligned(text, text) for part, shared in runs if not shared)
