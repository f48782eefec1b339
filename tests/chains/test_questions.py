"""Questions: what a person asks, and what a model proposes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bonsai.chains.questions import clean_question, first_question, is_question, load_starters
from bonsai.errors import QuestionError
from bonsai.settings import ROOT


def test_nine_starters_ship_one_for_each_field() -> None:
    starters = load_starters(ROOT / "examples" / "questions.csv")
    assert [starter.field for starter in starters] == [
        "economy",
        "productivity",
        "exchange rates",
        "quality control",
        "management habits",
        "technology",
        "culture",
        "learning",
        "nature",
    ]
    assert all(is_question(starter.question) for starter in starters)


@pytest.mark.parametrize("blank", ["", "  ", "\n\t", "\u3000", "\x00"])
def test_a_blank_question_is_refused(blank: str) -> None:
    with pytest.raises(QuestionError, match="empty"):
        clean_question(blank)


def test_half_a_surrogate_pair_does_not_reach_the_files() -> None:
    assert clean_question("Why \ud83c?") == "Why ??"


@pytest.mark.parametrize(
    ("text", "question"),
    [
        (" What is rain?", "What is rain?"),
        ("What is rain? And what is snow?", "What is rain?"),
        ("\n\nQuestion: What is rain?\nAnswer: Water.", "What is rain?"),
        ("1. What is rain?\n2. What is snow?", "What is rain?"),
        ("- “What is rain?”", "What is rain?"),
        ("Sure. Here is one.\nWhat is rain?", "What is rain?"),
        ("雨とは何ですか？雪とは何ですか？", "雨とは何ですか？"),
        ("Rain is water.\nIt falls.", "Rain is water."),
        ("  \n ", ""),
    ],
)
def test_the_first_question_in_a_text(text: str, question: str) -> None:
    assert first_question(text) == question


ASKED, 問 = "Why do roots follow water?", "なぜ根は水に向かいますか？"


@pytest.mark.parametrize(
    "around",
    [
        "**Question:** {}",
        "**Question**: {}",
        "*Question*: {}",
        "__Question__: {}",
        "**Deeper question 2:** *{}*",
        "Question 1: {}",
        "Q1. {}",
        "Q: {}",
        "Next question – {}",
        "Follow-up: {}",
        "[Question] {}",
        "### Next question\n{}",
        "1. **{}**",
        "2) {}",
        "(1) {}",
        "- **{}**",
        "- [ ] {}",
        "[x] {}",
        "> {}",
        "`{}`",
        "```\n{}\n```",
        '"{}"',
        "“{}”",
        "*{}*",
        "Sure! Here is a deeper question: {}",
        "Certainly! {}",
        "Sure, here's one: {}",
        "Here you go - {}",
        "Sure, here you go! {}",
        "Here is one — {}",
        "Great question! {}",
        "You could ask: {}",
        'You could ask, "{}"',
        "A deeper follow-up question would be: {}",
        "How about this: {}",
        '{{"question": "{}"}}',
        "<question>{}</question>",
        "Answer: Water.\nQuestion: {}",
        "Is that all? Let me go deeper.\n\n**Question:** {}",
        "{} And what of soil?",
        "“{}” is a good question.",
    ],
)
def test_what_a_model_puts_around_a_question_is_left_out(around: str) -> None:
    assert first_question(around.format(ASKED)) == ASKED


@pytest.mark.parametrize(
    "around",
    [
        "質問：{}",
        "質問: {}",
        "**質問：** {}",
        "【質問】{}",
        "質問1：{}",
        "問1．{}",
        "問い：{}",
        "①{}",
        "次の質問：「{}」",
        "次の質問は「{}」です。",
        "より深い質問：{}",
        "もちろんです。{}",
        "はい、次の質問です：{}",
        "以下は、より深い質問です。\n{}",
        "「{}」",
        "{}土はどうですか？",
    ],
)
def test_what_a_model_puts_around_a_japanese_question_is_left_out(around: str) -> None:
    assert first_question(around.format(問)) == 問


@pytest.mark.parametrize(
    "question",
    [
        'What does "Who goes there?" mean in the play?',
        "What's 'the thing?' about?",
        "Is the cost (really?) what stops people from moving?",
        "Why is https://example.org/?q=1 slow?",
        "Why does f(x)=? have no answer?",
        "Is 2 + ? = 4 easier than 2 + x = 4?",
        "What is 3 + 4 =?",
        "Does www.example.org/?a=b matter?",
        'What does it mean to be "free?"',
        "Why (or why not?)",
        "「なぜ？」と問うことにはどんな意味がありますか？",
        "Why is 3.5 more than 3?",
        "What does __init__ do in 2**3 classes?",
        "1984: why is it still read?",
        "In the debate of trade: who wins?",
        "Water matters. Why do roots follow it?",
    ],
)
def test_a_question_with_marks_inside_is_taken_whole(question: str) -> None:
    assert first_question(question) == question
    assert is_question(question)


def test_a_question_over_two_lines_and_one_without_a_mark() -> None:
    assert first_question("Why do roots\nfollow water?") == ASKED
    assert (
        first_question("もちろんです。\nなぜ根は水に向かうのですか。それは大切です。") == "なぜ根は水に向かうのですか。"
    )


@pytest.mark.parametrize(
    "text", ["Why?", "なぜですか", "どうして起きるのでしょうか。", "なぜ？", '"Why?"', "Why?!", "Why? 🤔", "لماذا؟"]
)
def test_what_is_a_question(text: str) -> None:
    assert is_question(text)


@pytest.mark.parametrize("text", ["", "Rain is water.", "?!", "雨は水です。"])
def test_what_is_not(text: str) -> None:
    assert not is_question(text)


@given(st.text())
def test_a_first_question_is_one_line(text: str) -> None:
    assert len(first_question(text).splitlines()) <= 1
