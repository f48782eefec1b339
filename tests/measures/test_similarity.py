"""Measures: likeness by meaning and by words, the rules of flags and guard, and new content."""

import threading

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bonsai.measures import encodings
from bonsai.measures.embedders.opening import Embedder
from bonsai.measures.similarity import CLOSEST, WORDS, EarlierMatch, Measure, new_content

ANY_TEXT = st.text(max_size=200) | st.sampled_from(
    ["", "🌱", "a", "?", "\x00\x1b[0m", "なぜ", "Ω か 🌱 why?", "\ud83c"]
)
REWORDINGS = [
    ("What is inflation?", "How would you define inflation?"),
    ("What is inflation?", "Inflation means what, exactly?"),
    ("Why do cats purr?", "Could you please tell me why cats purr?"),
    ("How can I save water?", "What are ways to save water?"),
    ("Why did Russia sell Alaska?", "Why was Alaska sold by Russia?"),
    ("What's the capital of France?", "what is the capital of france"),
    ("インフレとは何ですか？", "インフレって何？"),
]
DEEPER = [
    ("What is inflation?", "What causes inflation?"),
    ("What is throat cancer?", "What is the first sign of throat cancer?"),
    ("What are the advantages of a 529 plan?", "What are the disadvantages of a 529 plan?"),
    ("How did turkeys become traditional?", "When did turkeys become traditional?"),
    ("Where is the youngest oceanic crust found?", "Where is the oldest oceanic crust found?"),
    ("How do we measure productivity?", "What happens to wages when productivity stops growing?"),
    ("インフレとは何ですか？", "インフレはなぜ起きるのですか？"),
    ("Is gold heavier than iron?", "Is gold lighter than iron?"),
    ("Why is rent higher than inflation?", "Why is rent lower than inflation?"),
    ("Did GDP rise by more than 3%?", "Did GDP rise by less than 3%?"),
    ("What is C?", "What is C++?"),
    ("How does C# differ from Java?", "How does C++ differ from Java?"),
    ("What is 1/2?", "What is 12?"),
    ("What were the sales in Q1?", "What were the sales in Q3?"),
    ("Why do we need vitamin B12?", "Why do we need vitamin B6?"),
]


@pytest.fixture(scope="module", params=["meaning", "words"])
def measure(request: pytest.FixtureRequest, embedder: Embedder) -> Measure:
    return Measure(embedder) if request.param == "meaning" else WORDS


@pytest.fixture(scope="module")
def by_meaning(embedder: Embedder) -> Measure:
    return Measure(embedder)


@pytest.mark.parametrize(("question", "other"), REWORDINGS)
def test_a_plain_rewording_repeats_a_question(measure: Measure, question: str, other: str) -> None:
    assert measure.compare_with_earlier(other, [question]).repeated == 1
    assert measure.compare_with_earlier(other, [question]).rejected == 1


def test_punctuation_and_emphasis_do_not_set_questions_apart(measure: Measure) -> None:
    for other in ("why is the sky blue", "Why is the **sky** blue?", "Why - is the `sky` blue?!"):
        assert measure.similarity("Why is the sky blue?", other) == 1


@pytest.mark.parametrize(("question", "other"), DEEPER)
def test_a_deeper_question_does_not(measure: Measure, question: str, other: str) -> None:
    assert measure.compare_with_earlier(other, [question]).repeated is None


def test_the_guard_is_stricter_than_the_flag(by_meaning: Measure) -> None:
    earlier = ["What is the largest mammal in the world?"]
    assert (
        by_meaning.compare_with_earlier("What about the largest mammal to ever walk the earth?", earlier).repeated
        is None
    )
    assert (
        by_meaning.compare_with_earlier("What about the largest mammal to ever walk the earth?", earlier).rejected == 1
    )


def test_meaning_sees_what_words_do_not(by_meaning: Measure) -> None:
    question, other = "How do you remove mold from a tent?", "How can I get mildew off my tent?"
    assert by_meaning.similarity(question, other) > 0.6 > WORDS.similarity(question, other)


def test_the_nearest_is_the_most_like_and_the_latest_of_equals(measure: Measure) -> None:
    earlier = ["What is rain?", "What is snow?", "What is rain?"]
    look = measure.compare_with_earlier("What is rain?", earlier)
    assert (look.similarity, look.nearest) == (1, 3)
    assert measure.compare_with_earlier("What is rain?", earlier).repeated == 3
    assert measure.compare_with_earlier("What is rain?", []) == EarlierMatch()


def test_a_repeat_is_found_in_a_long_chain(measure: Measure) -> None:
    earlier = [f"What do we know of {topic}?" for topic in map(chr, range(ord("a"), ord("a") + CLOSEST + 9))]
    earlier[3] = "Why do cats purr?"
    assert measure.compare_with_earlier("What is the reason that cats purr?", earlier).repeated == 4


def test_a_question_about_something_else_is_off_topic(by_meaning: Measure) -> None:
    asked, answers = ["What is throat cancer?"], ["It is a disease of the throat that smoking can cause."]
    assert by_meaning.off_topic("How do I tune a guitar?", asked, answers)
    assert by_meaning.off_topic("How do I tune a guitar?", asked, ["", " "])
    assert not by_meaning.off_topic("Is throat cancer treatable?", asked, answers)
    assert not by_meaning.off_topic("Should I stop smoking?", asked, answers)
    assert not by_meaning.off_topic("How do I tune a guitar?", [], [])
    assert not WORDS.off_topic("How do I tune a guitar?", asked, answers)


def test_closeness_is_to_the_nearest_text(measure: Measure) -> None:
    near = measure.closeness("Why does smoking cause cancer?", "What is throat cancer?", "Smoking can cause it.")
    assert near > measure.closeness("How do I tune a guitar?", "What is throat cancer?", "Smoking can cause it.")
    assert 0 <= measure.closeness("Why?", "", "") <= 1


def test_the_measure_says_its_name(embedder: Embedder) -> None:
    assert WORDS.name == "words"
    assert Measure(embedder).name == "sentence-transformers/all-MiniLM-L6-v2"


@settings(deadline=None, max_examples=60)
@given(ANY_TEXT, ANY_TEXT)
@example("a" * 10_000, "What is " * 1_250)
@example("なぜ" * 5_000, "why")
def test_measures_of_any_text_are_shares_and_symmetric(measure: Measure, text: str, other: str) -> None:
    assert 0 <= measure.similarity(text, other) <= 1
    assert measure.similarity(text, other) == pytest.approx(measure.similarity(other, text), abs=1e-6)
    assert measure.similarity(text, text) == 1
    assert measure.compare_with_earlier(text, [other, text]).repeated == 2
    assert 0 <= measure.closeness(text, other, text) <= 1
    assert 0 <= new_content(text, [other]) <= 1
    assert measure.off_topic(text, [text], [other]) is False


def test_new_content_is_the_share_of_words_that_no_earlier_text_has() -> None:
    assert new_content("forests cool cities", []) == 1
    assert new_content("forests cool cities", ["A forest in the city"]) == pytest.approx(1 / 3)
    assert new_content("the of and", ["anything"]) == 0


def test_what_was_read_is_kept_within_bounds(embedder: Embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encodings, "MEMORY", 50_000)
    measure = Measure(embedder)
    questions = [f"What is number {number}?" for number in range(40)]
    measure.read(questions)
    assert measure.compare_with_earlier("What is number 7?", questions).nearest == 8


def test_threads_may_share_a_measure(by_meaning: Measure) -> None:
    found: list[int | None] = []

    def ask() -> None:
        found.append(
            by_meaning.compare_with_earlier(
                "Why is the sky blue?", ["What is rain?", "What makes the sky blue?"]
            ).repeated
        )

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [2, 2, 2, 2]
