"""Words: how a question asks, what it asks about, and what keeps two questions apart."""

import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import pytest
import snowballstemmer
from hypothesis import example, given
from hypothesis import strategies as st

from bonsai.measures.contrast import contrast, shared
from bonsai.measures.terms import ParsedQuestion, content_words, parse_question

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
    reading = parse_question(question)
    assert (reading.intents, reading.words) == (asks, words)


def test_courtesy_is_left_out_of_the_plain_question() -> None:
    assert parse_question("Hello, could you please tell me why cats purr?").normalised == "why cats purr?"
    assert parse_question("Why don't cats purr?").normalised == "why do not cats purr?"


@pytest.mark.parametrize(
    ("question", "other", "difference"),
    [
        ("When did it become popular?", "How did it become popular?", "conflicting_kind"),
        ("What is a 529 plan?", "How does a 529 plan work?", "different_intent"),
        ("What is the film?", "What are the main themes of the film?", "different_intent"),
        ("Is cycling safe?", "Is cycling safer than walking?", "different_intent"),
        ("Where is the oldest crust found?", "Where is the youngest crust found?", "opposite"),
        ("Can money make us happy?", "Can money make us unhappy?", "opposite"),
        ("What did bread cost in 1920?", "What did bread cost in 1980?", "opposite"),
        ("What is the deepest part of the sea?", "What is the shallowest part of the sea?", "opposite"),
        ("Which shrubs like a sunny corner?", "Which shrubs like a shady corner?", "opposite"),
        ("How is an email encrypted?", "How is an email decrypted?", "opposite"),
        ("How do I hide a column?", "How do I unhide a column?", "opposite"),
        ("血圧を上げる食べ物は何ですか？", "血圧を下げる食べ物は何ですか？", "opposite"),
        ("How do I brew tea?", "How do I brew tea without a kettle?", "negated"),
        ("なぜ雨が降るのですか？", "なぜ雨が降らないのですか？", "negated"),
        ("誰が来ましたか？", "誰が来ませんでしたか？", "negated"),
        ("中国为什么成功？", "中国为什么没有成功？", "negated"),
        ("Is rent higher than before?", "Is rent lower than before?", "opposite"),
        ("How big is an A4 page?", "How big is an A5 page?", "opposite"),
    ],
)
def test_what_keeps_two_questions_apart(question: str, other: str, difference: str) -> None:
    assert getattr(contrast(parse_question(question), parse_question(other)), difference)


@pytest.mark.parametrize(
    ("question", "other"),
    [
        ("Why did Russia sell Alaska?", "Why was Alaska sold by Russia?"),
        ("How can I fix a bike?", "How do I repair a bike?"),
        ("What are the advantages of nuclear power?", "What are the benefits of nuclear power?"),
        ("What is a labour union?", "What is a labor union?"),
        ("日本酒はどのように造られますか？", "日本酒の作り方を教えてください。"),
        ("それは安全ですか？", "それは安全ではないですか？"),
    ],
)
def test_nothing_keeps_rewordings_apart(question: str, other: str) -> None:
    one, another = parse_question(question), parse_question(other)
    apart = contrast(one, another)
    assert shared(one, another) == pytest.approx(1)
    assert not (
        apart.different_intent or apart.conflicting_kind or apart.opposite or apart.negated or apart.added_share
    )


def test_what_one_question_adds() -> None:
    apart = contrast(
        parse_question("How does music help memory?"),
        parse_question("How does music help memory in dementia patients?"),
    )
    assert apart.added_share == pytest.approx(2 / 5)


def test_slips_of_the_pen_are_the_same_word_and_other_words_are_not() -> None:
    assert (
        shared(parse_question("Which restuarants serve octopus?"), parse_question("Which restaurants serve octopus?"))
        == 1
    )
    assert shared(parse_question("Why is Austria famous?"), parse_question("Why is Australia famous?")) < 1


def test_content_words_leave_out_small_words_and_endings() -> None:
    assert content_words("Why do the cities need their forests?") == {"citi", "need", "forest"}


@given(ANY_TEXT, ANY_TEXT)
@example("a" * 10_000, "なぜ" * 5_000)
@example("what is " * 1_250, "how " * 2_500)
def test_any_text_can_be_read_and_compared_in_either_order(text: str, other: str) -> None:
    one, another = parse_question(text), parse_question(other)
    assert isinstance(one, ParsedQuestion)
    assert one.intents
    assert 0 <= shared(one, another) <= 1 + 1e-9
    assert shared(one, another) == shared(another, one)
    assert contrast(one, another) == contrast(another, one)
    assert 0 <= contrast(one, another).added_share <= 1


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


@pytest.mark.parametrize(
    "question",
    [
        "なぜ税金を払わなければならないのですか？",
        "何が原因かもしれないですか？",
        "教えてくれませんか？",
        "参加者が少ないのはなぜですか？",
        "是不是应该学习？",
        "有没有办法？",
        "有什么不同？",
    ],
)
def test_what_only_looks_like_a_denial_is_none(question: str) -> None:
    assert "not" not in parse_question(question).words


def test_words_are_whole_with_their_signs() -> None:
    assert content_words("C++, C# and A+, but 2+3") >= {"c++", "c#", "a+"}
    assert content_words("भारत में वर्षा") == {"भारत", "में", "वर्षा"}
