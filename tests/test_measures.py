"""Measures and the guard: plain rules that a reader can check by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bonsai.guard import choose, judge
from bonsai.measures import content_words, most_similar, new_content, repeated_step, repeats, similarity

ASKED = ["Why did productivity stop growing?", "How do we measure productivity?"]


def test_content_words_leave_out_small_words_and_plural_endings() -> None:
    assert content_words("Why do the cities need their forests?") == {"city", "need", "forest"}


def test_japanese_has_content_without_spaces() -> None:
    assert similarity("なぜ生産性は伸びないのですか", "なぜ生産性は伸びないのか") > 0.6
    assert similarity("なぜ生産性は伸びないのですか", "犬は何を食べますか") < 0.3


@pytest.mark.parametrize(
    ("question", "other"),
    [
        ("What is rain?", "What exactly is rain?"),
        ("what is RAIN", "What is rain?"),
        ("Why do forests matter to cities?", "Why does a forest matter to a city?"),
        ("?", "?"),
    ],
)
def test_repeats(question: str, other: str) -> None:
    assert repeats(question, other)
    assert repeats(other, question)


@pytest.mark.parametrize(
    ("question", "other"),
    [
        ("What is rain?", "What causes rain?"),
        ("How did turkeys become traditional?", "When did turkeys become traditional?"),
        ("What are the advantages of trade?", "What are the disadvantages of trade?"),
    ],
)
def test_other_aspects_of_a_topic_do_not_repeat_it(question: str, other: str) -> None:
    assert not repeats(question, other)


def test_the_latest_repeated_step_is_named() -> None:
    assert repeated_step("How do we really measure productivity?", [*ASKED, ASKED[1]]) == 3
    assert repeated_step("Who measures productivity?", ASKED) is None


def test_new_content_is_the_share_of_unused_words() -> None:
    assert new_content("rain snow hail fog", ["snow and rain"]) == 0.5
    assert new_content("rain", []) == 1.0
    assert new_content("", ["rain"]) == 0.0


@given(st.text(), st.text())
def test_similarity_is_symmetric_and_between_0_and_1(one: str, other: str) -> None:
    assert 0 <= similarity(one, other) <= 1
    assert similarity(one, other) == similarity(other, one)
    assert repeats(one, one)


@given(st.text(), st.lists(st.text(), max_size=4))
def test_measures_never_fail(text: str, earlier: list[str]) -> None:
    assert 0 <= new_content(text, earlier) <= 1
    nearest = most_similar(text, earlier)
    assert (nearest is None) == (not earlier)


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("Who gains from it?", "accepted"),
        ("", "empty"),
        ("It grows.", "not a question"),
        ("Why did the productivity stop growing?", "repeats step 1"),
    ],
)
def test_the_guard_judges(text: str, verdict: str) -> None:
    assert judge(text, 1, ASKED).verdict == verdict


def test_the_guard_takes_the_newest_of_equally_close_candidates() -> None:
    texts = ["How do we measure productivity?", "Why should productivity stop rising?", "How does productivity help?"]
    chosen = choose([judge(text, seed, ASKED) for seed, text in enumerate(texts)])
    assert chosen is not None
    assert chosen.question == texts[2]
    assert choose([judge(texts[0], 0, ASKED)]) is None


def test_the_guard_prefers_candidates_that_follow_from_the_step() -> None:
    texts = ["What do cats eat?", "Why do good methods of measuring spread so slowly?"]
    judged = [judge(text, seed, ASKED, "Good methods spread slowly.") for seed, text in enumerate(texts)]
    assert choose(judged) == judged[1]
    assert choose(judged[:1]) == judged[0]
