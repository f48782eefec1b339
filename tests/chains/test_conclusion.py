"""Conclusions: a last role that answers the first question by what the whole chain found."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bonsai.chains.advance import advance
from bonsai.chains.chain import Chain, conclude, new_chain, stop
from bonsai.chains.conclusion import conclusion_flags, parse_conclusion, shortened
from bonsai.chains.outcomes import Flag
from bonsai.chains.prompts import load_variants
from bonsai.chains.roles import next_prompt, next_request
from bonsai.engines.base import SamplingParams
from bonsai.engines.echo import EchoEngine
from bonsai.errors import UsageError
from bonsai.settings import ROOT

VARIANT = load_variants(ROOT / "prompts")["assistant"]
SAMPLING = SamplingParams(max_new_tokens=60)
REQUEST = "Use only what is said above."
WRITTEN = "Rain smells because soil gives off oils. How long does the smell stay?"


def begun(steps: int = 3, **options: object) -> Chain:
    chain = new_chain("Why does rain smell?", "qtq", VARIANT, length=steps, candidates=2)
    return replace(chain, concludes=True, **options)


def grown(chain: Chain, engine: EchoEngine | None = None) -> Chain:
    *_, (last,) = advance(engine or EchoEngine(replies={REQUEST: WRITTEN}), [chain], SAMPLING)
    return last


def test_a_chain_ends_with_its_conclusion() -> None:
    chain = grown(begun())
    assert chain.finished and len(chain.steps) == 3
    assert chain.conclusion is not None
    assert chain.conclusion.text == "Rain smells because soil gives off oils."
    assert chain.conclusion.open_question == "How long does the smell stay?"
    assert chain.conclusion.completion_tokens > 0


def test_what_would_have_been_asked_next_stays_open_if_the_model_names_nothing() -> None:
    chain = grown(begun(), EchoEngine(replies={REQUEST: "Rain smells because soil gives off oils."}))
    assert chain.conclusion is not None
    assert chain.conclusion.open_question == chain.steps[-1].next_question != ""


@pytest.mark.parametrize("again", ["Why does rain smell?", "Why does the rain smell?", "why does rain smell"])
def test_a_question_that_the_chain_asked_does_not_stay_open(again: str) -> None:
    said = "Rain smells because soil gives off oils."
    chain = grown(begun(), EchoEngine(replies={REQUEST: f"{said} {again}"}))
    assert chain.conclusion is not None
    assert chain.conclusion.open_question == chain.steps[-1].next_question != ""


def test_nothing_stays_open_where_the_chain_had_no_question_left() -> None:
    chain = grown(begun(), EchoEngine(replies={REQUEST: "Soil gives off oils. Why does rain smell?"}))
    last = replace(chain.steps[-1], next_question="")
    ended = conclude(replace(chain, steps=(*chain.steps[:-1], last)))
    again = grown(ended, EchoEngine(replies={REQUEST: "Soil gives off oils. Why does rain smell?"}))
    assert again.conclusion is not None
    assert (again.conclusion.text, again.conclusion.open_question) == ("Soil gives off oils.", "")


def test_what_a_chain_without_guard_would_ask_again_does_not_stay_open_either() -> None:
    chain = replace(grown(begun()), guarded=False)
    last = replace(chain.steps[-1], next_question="Why does the rain smell?")
    ended = conclude(replace(chain, steps=(*chain.steps[:-1], last)))
    again = grown(ended, EchoEngine(replies={REQUEST: "Soil gives off oils."}))
    assert again.conclusion is not None
    assert again.conclusion.open_question == ""


def test_the_prompt_shows_the_first_question_and_every_step() -> None:
    chain = conclude(replace(grown(begun()), conclusion=None))
    prompt, truncated = next_prompt(EchoEngine(), chain, SAMPLING)
    assert not truncated
    assert f"answer this question: {chain.steps[0].question}" in prompt.text
    for step in chain.steps:
        assert step.question in prompt.text and step.answer in prompt.text


def test_a_conclusion_may_use_the_words_of_the_steps() -> None:
    chain = conclude(grown(begun()))
    (sampling,) = next_request(EchoEngine(), chain, replace(SAMPLING, repetition_penalty=1.1)).sampling
    assert sampling.repetition_penalty == 1


def test_what_does_not_fit_is_cut_from_the_oldest_steps() -> None:
    chain = conclude(grown(begun(4)))
    whole = EchoEngine().count_tokens(next_prompt(EchoEngine(), chain, SAMPLING)[0])
    small = EchoEngine(context_length=whole + 60 - 15)
    prompt, truncated = next_prompt(small, chain, SAMPLING)
    assert truncated and small.count_tokens(prompt) <= whole - 15
    assert chain.steps[0].answer not in prompt.text
    assert chain.steps[-1].answer in prompt.text


def test_a_conclusion_can_be_asked_for_later_and_again() -> None:
    chain = grown(replace(begun(), concludes=False))
    assert chain.finished and chain.conclusion is None
    concluded = grown(conclude(chain))
    assert concluded.conclusion and concluded.steps == chain.steps
    again = grown(conclude(concluded), EchoEngine(replies={REQUEST: "Otherwise."}))
    assert again.conclusion and again.conclusion.text == "Otherwise."


def test_a_stopped_chain_has_none_and_keeps_its_steps() -> None:
    chain = conclude(grown(begun()))
    assert stop(chain) == replace(chain, conclusion=None)


def test_one_that_fails_says_why() -> None:
    chain = grown(begun(), EchoEngine(fail_on=REQUEST))
    assert chain.finished and chain.conclusion is not None
    assert chain.conclusion.flags == (Flag.ERROR,) and chain.conclusion.error


@pytest.mark.parametrize("method", ["single", "two-step"])
def test_only_qtq_chains_conclude(method: str) -> None:
    with pytest.raises(UsageError, match="nothing to conclude; that takes a qtq chain"):
        conclude(grown(new_chain("Why?", method, VARIANT)))


def test_a_conclusion_that_repeats_or_invents_is_flagged() -> None:
    said = [("Why does rain smell?", "Soil gives off oils."), ("Which oils?", "Plants make them in dry weather.")]
    assert conclusion_flags("Soil gives off oils.", said) == (Flag.COPIED_CONCLUSION,)
    assert conclusion_flags("Elephants remember distant waterholes for decades.", said) == (Flag.UNSUPPORTED,)
    assert conclusion_flags("Soil gives off oils that plants make in dry weather.", said) == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It rains. Why?", ("It rains.", "Why?")),
        ("雨の匂いは油による。いつまで残るか？", ("雨の匂いは油による。", "いつまで残るか？")),
        ("It rains.", ("It rains.", "")),
        ("雨は降る。いつまでか？匂いは残る。", ("雨は降る。匂いは残る。", "いつまでか？")),
        (
            "Growth in the U.S. slowed, e.g. in Node.js shops... What remains? Dr. Li of example.com knows.",
            ("Growth in the U.S. slowed, e.g. in Node.js shops... Dr. Li of example.com knows.", "What remains?"),
        ),
        ('The question "Why blue?" is answered by light.', ('The question "Why blue?" is answered by light.', "")),
        ("", ("", "")),
    ],
)
def test_the_open_question_is_parted_from_the_text(text: str, expected: tuple[str, str]) -> None:
    assert parse_conclusion(text) == expected


@given(st.lists(st.tuples(st.text(), st.text()), min_size=1, max_size=5))
def test_what_was_said_gets_ever_shorter_and_its_newest_question_stays(said: list[tuple[str, str]]) -> None:
    versions = list(shortened(said))
    sizes = [sum(len(question) + len(answer) for question, answer in version) for version in versions]
    assert versions[0] == said and sizes == sorted(sizes, reverse=True)
    assert versions[-1] == [(said[-1][0], "")]
