"""Words: how a question asks, what it asks about, and what keeps two questions apart."""

import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import pytest
import snowballstemmer
from hypothesis import example, given
from hypothesis import strategies as st

from bonsai.measures.terms import Reading, content_words, contrast, read, shared

ANY_TEXT = st.text() | st.sampled_from(["", "🌱", "a", "?", "\x00\x1b", "なぜ", "What is Ωμέγα か 🌱?", "\ud83c"])


@pytest.mark.parametrize(
    ("question", "asks", "words"),
    [
        ("What is inflation?", {"what"}, {"inflat"}),
        ("How would you define inflation?", {"what"}, {"inflat"}),
        ("Inflation means what, exactly?", {"what"}, {"inflat"}),
        ("Could you please tell me what inflation is?", {"what"}, {"inflat"}),
        ("What causes inflation?", {"cause"}, {"inflat"}),
        ("Why do cats purr?", {"cause"}, {"cat", "purr"}),
        ("What's the reason that cats purr?", {"cause"}, {"cat", "purr"}),
        ("How can I save water?", {"method"}, {"save", "water"}),
        ("What is the best way to save water?", {"method"}, {"save", "water"}),
        ("When was the tower built?", {"time"}, {"make", "tower"}),
        ("In what year was the tower built?", {"time"}, {"make", "tower"}),
        ("By whom was Hamlet written?", {"person"}, {"hamlet", "write"}),
        ("Hi, I was wondering if cats can swim, thanks!", {"whether"}, {"cat", "swim"}),
        ("What are the cons of nuclear power?", {"disadvantage"}, {"nuclear", "power"}),
        ("インフレとは何ですか？", {"what"}, {"イン", "ンフ", "フレ"}),
        ("インフレの意味を教えてください。", {"what"}, {"イン", "ンフ", "フレ"}),
        ("水を節約するにはどうすればいいですか", {"method"}, {"水", "節約"}),
        ("水を節約する方法を教えてください。", {"method"}, {"水", "節約"}),
        ("猫が鳴くのはどうしてでしょうか", {"cause"}, {"猫", "鳴"}),
    ],
)
def test_how_a_question_asks_and_about_what(question: str, asks: set[str], words: set[str]) -> None:
    reading = read(question)
    assert (reading.asks, reading.words) == (asks, words)


def test_courtesy_is_left_out_of_the_plain_question() -> None:
    assert read("Hello, could you please tell me why cats purr?").plain == "why cats purr?"
    assert read("Why don't cats purr?").plain == "why do not cats purr?"


@pytest.mark.parametrize(
    ("question", "other", "difference"),
    [
        ("When did it become popular?", "How did it become popular?", "clash"),
        ("What is a 529 plan?", "How does a 529 plan work?", "otherwise"),
        ("What is the film?", "What are the main themes of the film?", "otherwise"),
        ("Is cycling safe?", "Is cycling safer than walking?", "otherwise"),
        ("Where is the oldest crust found?", "Where is the youngest crust found?", "opposed"),
        ("Can money make us happy?", "Can money make us unhappy?", "opposed"),
        ("What did bread cost in 1920?", "What did bread cost in 1980?", "opposed"),
        ("What is the deepest part of the sea?", "What is the shallowest part of the sea?", "opposed"),
        ("Which shrubs like a sunny corner?", "Which shrubs like a shady corner?", "opposed"),
        ("How is an email encrypted?", "How is an email decrypted?", "opposed"),
        ("How do I hide a column?", "How do I unhide a column?", "opposed"),
        ("血圧を上げる食べ物は何ですか？", "血圧を下げる食べ物は何ですか？", "opposed"),
        ("How do I brew tea?", "How do I brew tea without a kettle?", "negated"),
    ],
)
def test_what_keeps_two_questions_apart(question: str, other: str, difference: str) -> None:
    assert getattr(contrast(read(question), read(other)), difference)


@pytest.mark.parametrize(
    ("question", "other"),
    [
        ("Why did Russia sell Alaska?", "Why was Alaska sold by Russia?"),
        ("How can I fix a bike?", "How do I repair a bike?"),
        ("What are the advantages of nuclear power?", "What are the benefits of nuclear power?"),
        ("What is a labour union?", "What is a labor union?"),
        ("日本酒はどのように造られますか？", "日本酒の作り方を教えてください。"),
    ],
)
def test_nothing_keeps_rewordings_apart(question: str, other: str) -> None:
    one, another = read(question), read(other)
    apart = contrast(one, another)
    assert shared(one, another) == pytest.approx(1)
    assert not (apart.otherwise or apart.clash or apart.opposed or apart.negated or apart.added)


def test_what_one_question_adds() -> None:
    apart = contrast(read("How does music help memory?"), read("How does music help memory in dementia patients?"))
    assert apart.added == pytest.approx(2 / 5)


def test_slips_of_the_pen_are_the_same_word_and_other_words_are_not() -> None:
    assert shared(read("Which restuarants serve octopus?"), read("Which restaurants serve octopus?")) == 1
    assert shared(read("Why is Austria famous?"), read("Why is Australia famous?")) < 1


def test_content_words_leave_out_small_words_and_endings() -> None:
    assert content_words("Why do the cities need their forests?") == {"citi", "need", "forest"}


@given(ANY_TEXT, ANY_TEXT)
@example("a" * 10_000, "なぜ" * 5_000)
@example("what is " * 1_250, "how " * 2_500)
def test_any_text_can_be_read_and_compared_in_either_order(text: str, other: str) -> None:
    one, another = read(text), read(other)
    assert isinstance(one, Reading)
    assert one.asks
    assert 0 <= shared(one, another) <= 1 + 1e-9
    assert shared(one, another) == shared(another, one)
    assert contrast(one, another) == contrast(another, one)
    assert 0 <= contrast(one, another).added <= 1


def test_threads_read_the_same_words_as_one() -> None:
    beginnings = ["".join(letters) for letters in product("bdfgkln", "aeiou", "vxz", "aeiou")]
    words = [f"{first}{last}" for first in beginnings for last in ("tional", "ingly", "fulness", "ities")]
    often = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(content_words, words))
    finally:
        sys.setswitchinterval(often)
    stemmer = snowballstemmer.stemmer("english")
    assert found == [frozenset((stemmer.stemWord(word),)) for word in words]
