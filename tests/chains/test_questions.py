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


@pytest.mark.parametrize("text", ["Why?", "なぜですか", "どうして起きるのでしょうか。", "なぜ？", '"Why?"'])
def test_what_is_a_question(text: str) -> None:
    assert is_question(text)


@pytest.mark.parametrize("text", ["", "Rain is water.", "?!", "雨は水です。"])
def test_what_is_not(text: str) -> None:
    assert not is_question(text)


@given(st.text())
def test_a_first_question_is_one_line(text: str) -> None:
    assert len(first_question(text).splitlines()) <= 1
