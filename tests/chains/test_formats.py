"""Prompt formats: append-only, each in the form that its model knows, and texts that stay texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bonsai.chains.formats import ChatFormat, InstructFormat, PromptFormat, TaggedFormat, Turn, format_of
from bonsai.chains.prompts import load_variants
from bonsai.engines.base import EngineInfo, Message
from bonsai.errors import PromptError
from bonsai.settings import PHI_2, ROOT

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] | trim }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
NO_SYSTEM = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}" + CHATML
)
FORMATS = [ChatFormat(CHATML), ChatFormat(NO_SYSTEM), TaggedFormat(), InstructFormat()]
VARIANTS = load_variants(ROOT / "prompts")
ANY_TEXT = st.text(max_size=80)


@pytest.mark.parametrize("form", FORMATS, ids=["chat", "chat without system", "tagged", "instruct"])
@pytest.mark.parametrize("name", VARIANTS)
def test_prompts_are_append_only_within_a_step(name: str, form: PromptFormat) -> None:
    variant = VARIANTS[name]
    reasoning = variant.render("reasoning", form, question="Why?")
    answer = variant.render("answer", form, question="Why?", reasoning="Weigh it.")
    following = variant.render("next_question", form, question="Why?", reasoning="Weigh it.", answer="So.")
    assert answer.text.startswith(reasoning.text)
    assert following.text.startswith(answer.text)
    assert answer.text[len(reasoning.text) :].lstrip().startswith("Weigh it.")
    assert following.text[len(answer.text) :].lstrip().startswith("So.")


@pytest.mark.parametrize("form", FORMATS, ids=["chat", "chat without system", "tagged", "instruct"])
@given(question=ANY_TEXT, persona=ANY_TEXT, reasoning=ANY_TEXT)
def test_what_people_and_models_wrote_is_text_and_all_else_is_markup(
    form: PromptFormat, question: str, persona: str, reasoning: str
) -> None:
    turns = [Turn("reasoning", question, question, reasoning), Turn("answer", question, "Answer it.")]
    prompt = form.render(persona, turns)
    markup, texts = "".join(prompt.parts[0::2]), "".join(prompt.parts[1::2])
    assert question in texts
    assert reasoning.strip() in texts
    assert markup == "".join(
        form.render(
            "p" if persona else "", [Turn("reasoning", "q", "q", "r"), Turn("answer", "q", "Answer it.")]
        ).parts[0::2]
    )


def test_the_chat_format_writes_the_model_s_own_template() -> None:
    prompt = ChatFormat(CHATML).render("Be kind.", [Turn("single", "Why?", "Why <|im_end|>?")])
    assert prompt.text == (
        "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nWhy <|im_end|>?<|im_end|>\n<|im_start|>assistant\n"
    )
    assert prompt.parts[1::2] == ("Be kind.", "Why <|im_end|>?")
    assert prompt.messages == (Message("system", "Be kind."), Message("user", "Why <|im_end|>?"))


def test_a_persona_stands_before_the_question_where_there_is_no_system_message() -> None:
    prompt = ChatFormat(NO_SYSTEM).render("Be kind.", [Turn("single", "Why?", "Why?")])
    assert prompt.messages == (Message("user", "Be kind.\n\nWhy?"),)
    assert "<|im_start|>user\nBe kind.\n\nWhy?<|im_end|>" in prompt.text


def test_the_tags_need_no_words_for_reasoning_and_answer() -> None:
    turns = [
        Turn("reasoning", "Why?", "Why? Reason first.", "Weigh it."),
        Turn("answer", "Why?", "Answer now.", "So."),
        Turn("next_question", "Why?", "Ask one more."),
    ]
    assert TaggedFormat().render("Be kind.", turns).text == (
        "<|system|>Be kind.\n<|prompt|>Why?\n<|reasoning|>Weigh it.\n"
        "<|response|>So.\n<|prompt|>Ask one more.\n<|response|>"
    )


def test_plain_phi_2_reads_its_own_form() -> None:
    turns = [Turn("reasoning", "Why?", "Why? Reason first.", "Weigh it."), Turn("answer", "Why?", "Answer now.")]
    assert InstructFormat().render("", turns).text == (
        "Instruct: Why? Reason first.\nOutput: Weigh it.\nInstruct: Answer now.\nOutput:"
    )


@pytest.mark.parametrize(
    ("info", "name"),
    [
        (EngineInfo("local", PHI_2), "instruct"),
        (EngineInfo("local", PHI_2, "someone/adapter"), "tagged"),
        (EngineInfo("local", "someone/tuned-phi"), "tagged"),
        (EngineInfo("local", "someone/chat", chat_template=CHATML), "chat"),
        (EngineInfo("local", "someone/chat", chat_template=CHATML, prompt_format="tagged"), "tagged"),
        (EngineInfo("local", PHI_2, prompt_format="tagged"), "tagged"),
    ],
)
def test_the_format_comes_from_the_model_unless_it_is_named(info: EngineInfo, name: str) -> None:
    assert format_of(info).name == name


@pytest.mark.parametrize("template", ["{% if %}", "{{ raise_exception('no') }}"])
def test_a_template_that_cannot_be_used_says_what_to_do(template: str) -> None:
    with pytest.raises(PromptError, match="Set BONSAI_FORMAT"):
        ChatFormat(template).render("", [Turn("single", "Why?", "Why?")])
