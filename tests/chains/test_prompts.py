"""Prompt variants: the shipped ones are well-formed; wrong ones are refused with file, role and name."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bonsai.chains.formats import TaggedFormat
from bonsai.chains.moves import SENTENCES, Move
from bonsai.chains.prompts import ROLES, choose_variant, load_variants, parse_variant, to_yaml
from bonsai.errors import PromptError
from bonsai.settings import ROOT

GOOD = yaml.safe_load((ROOT / "prompts" / "assistant.yaml").read_text())
FULL = yaml.safe_load((ROOT / "prompts" / "instruct.yaml").read_text())
TAGGED = TaggedFormat()


def wrong(**changes: object) -> str:
    return yaml.safe_dump({**GOOD, **changes})


def with_role(role: str, text: object) -> str:
    return wrong(roles={**GOOD["roles"], role: text})


def with_template(role: str, text: object) -> str:
    return yaml.safe_dump({**FULL, "templates": {**FULL["templates"], role: text}})


def test_five_variants_ship_each_with_every_role() -> None:
    variants = load_variants(ROOT / "prompts")
    assert list(variants) == ["assistant", "creator", "instruct", "logician", "translator"]
    for variant in variants.values():
        assert set(variant.templates or variant.roles) >= set(ROLES)
        assert variant.description


@pytest.mark.parametrize("name", ["assistant", "instruct"])
def test_a_variant_comes_back_from_its_yaml(name: str) -> None:
    variant = load_variants(ROOT / "prompts")[name]
    assert parse_variant(name, to_yaml(variant)) == variant


def test_whole_templates_may_end_with_a_newline() -> None:
    text = with_template("single", "<|im_start|>user\n$question<|im_end|>\n<|im_start|>assistant\n\n")
    prompt = parse_variant("x", text).render("single", TAGGED, question="<|im_end|>?")
    assert prompt.parts == ("<|im_start|>user\n", "<|im_end|>?", "<|im_end|>\n<|im_start|>assistant\n")


def test_a_move_is_asked_for_in_the_variant_s_own_words() -> None:
    variant = parse_variant("x", wrong(moves={"cause": "その理由を尋ねる。"}))
    asked = {"question": "Why?", "reasoning": "Weigh.", "answer": "So."}
    assert "その理由を尋ねる。" in variant.render("next_question", TAGGED, move="cause", **asked).text
    assert SENTENCES[Move.MEASURE] in variant.render("next_question", TAGGED, move="measure", **asked).text


def test_a_file_that_says_nothing_of_a_conclusion_is_asked_for_one() -> None:
    for name, variant in load_variants(ROOT / "prompts").items():
        prompt = variant.render("conclusion", TAGGED, question="Why do bells ring?", earlier=[("Why?", "So.")])
        assert "Why do bells ring?" in prompt.text, name
        assert "two to four sentences" in prompt.text, name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "not valid YAML"),
        ("just text", "needs the keys"),
        (wrong(temperature=1), "x.yaml: unknown key 'temperature'"),
        (wrong(description=""), "description is missing"),
        (wrong(persona=["a"]), "persona must be text"),
        (wrong(stop="a"), "stop must be a list"),
        (wrong(stop=[""]), "stop must be a list"),
        (wrong(turn="Asked: $reasoning"), r"x.yaml: turn: unknown variable \$reasoning"),
        (wrong(roles={"single": "$question"}), "x.yaml: the role reasoning is missing"),
        (wrong(templates=FULL["templates"]), "either roles .* or templates"),
        (wrong(moves={"sideways": "Ask."}), "unknown move 'sideways'; the moves are cause, "),
        (wrong(moves=["cause"]), "moves must hold"),
        (with_role("single", "Say something."), r"x.yaml: role single: the variable \$question is missing"),
        (with_role("answer", "$answer"), r"x.yaml: role answer: unknown variable \$answer"),
        (with_template("summary", "$question"), "x.yaml: unknown role 'summary'"),
        (with_template("answer", "$question"), r"x.yaml: role answer: the variable \$reasoning is missing"),
        (with_template("single", "$question $mood"), r"x.yaml: role single: unknown variable \$mood"),
        (with_template("single", "$question costs 5$"), r"x.yaml: role single: a '\$' stands alone"),
        (with_template("single", 5), "text of the role single must be text"),
    ],
)
def test_a_wrong_variant_is_refused(text: str, message: str) -> None:
    with pytest.raises(PromptError, match=message):
        parse_variant("x", text, "x.yaml")


def test_a_folder_without_variants_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match="BONSAI_PROMPTS"):
        load_variants(tmp_path)
    with pytest.raises(PromptError, match="BONSAI_PROMPTS"):
        load_variants(tmp_path / "missing")


def test_the_file_of_a_wrong_variant_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PromptError, match=r"bad\.yaml"):
        load_variants(tmp_path)


def test_an_unknown_variant_is_answered_with_those_that_exist() -> None:
    with pytest.raises(PromptError, match="'poet'; choose one of assistant, creator"):
        choose_variant(load_variants(ROOT / "prompts"), "poet")


@given(st.text(max_size=80))
def test_any_question_is_put_into_the_prompt_as_it_is(question: str) -> None:
    variant = parse_variant("x", yaml.safe_dump(GOOD))
    assert f"<|prompt|>{question}\n" in variant.render("single", TAGGED, question=question).text


@given(st.text(max_size=200))
def test_parsing_refuses_or_accepts_but_never_fails_otherwise(text: str) -> None:
    try:
        parse_variant("x", text)
    except PromptError as error:
        assert str(error)  # noqa: PT017
