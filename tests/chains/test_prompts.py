"""Prompt variants: the shipped ones are well-formed; wrong ones are refused with file, role and name."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bonsai.chains.prompts import ROLES, choose_variant, default_variant, load_variants, parse_variant
from bonsai.errors import PromptError
from bonsai.settings import PHI_2, ROOT

GOOD = yaml.safe_load((ROOT / "prompts" / "assistant.yaml").read_text())


def wrong(**changes: object) -> str:
    return yaml.safe_dump({**GOOD, **changes})


def with_template(role: str, text: object) -> str:
    return wrong(templates={**GOOD["templates"], role: text})


def test_five_variants_ship_each_with_every_role() -> None:
    variants = load_variants(ROOT / "prompts")
    assert list(variants) == ["assistant", "creator", "instruct", "logician", "translator"]
    for variant in variants.values():
        assert set(variant.templates) == set(ROLES)
        assert variant.description
        assert variant.stop


@pytest.mark.parametrize("name", ["assistant", "creator", "instruct", "logician", "translator"])
def test_prompts_are_append_only_within_a_step(name: str) -> None:
    variant = load_variants(ROOT / "prompts")[name]
    parts = {"question": "Why?", "reasoning": "Weigh it.", "answer": "So."}
    reasoning = variant.render("reasoning", question="Why?")
    answer = variant.render("answer", question="Why?", reasoning="Weigh it.")
    following = variant.render("next_question", **parts)
    assert answer.startswith(reasoning)
    assert following.startswith(answer)
    assert answer[len(reasoning) :].lstrip().startswith("Weigh it.")
    assert following[len(answer) :].lstrip().startswith("So.")


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
        (wrong(templates={"single": "$question"}), "x.yaml: the role reasoning is missing"),
        (with_template("summary", "$question"), "x.yaml: unknown role 'summary'"),
        (with_template("answer", "$question"), r"x.yaml: role answer: the variable \$reasoning is missing"),
        (with_template("single", "$question $mood"), r"x.yaml: role single: unknown variable \$mood"),
        (with_template("single", "$question costs 5$"), r"x.yaml: role single: a '\$' stands alone"),
        (with_template("single", 5), "template of single must be text"),
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
    assert f"<|prompt|>{question}\n" in variant.render("single", question=question)


@given(st.text(max_size=200))
def test_parsing_refuses_or_accepts_but_never_fails_otherwise(text: str) -> None:
    try:
        parse_variant("x", text)
    except PromptError as error:
        assert str(error)  # noqa: PT017


def test_plain_phi_2_gets_the_layout_that_it_knows() -> None:
    assert default_variant(PHI_2, "") == "instruct"
    assert default_variant(PHI_2, "someone/adapter") == "assistant"
    assert default_variant("someone/tuned-phi", "") == "assistant"
