"""What is told of the lists that a visitor brings: each sentence is there in Japanese, with the same values."""

import ast
import string
from pathlib import Path

from bonsai.errors import Note, UsageError
from bonsai.runs import question_lists, tables
from bonsai.ui.locales.translate import JAPANESE, translate_error, translate_note

SOURCES = (Path(question_lists.__file__), *Path(tables.__file__).parent.glob("*.py"))


def fields(template: str) -> list[str]:
    return sorted(name for _, name, _, _ in string.Formatter().parse(template) if name)


def test_every_sentence_about_a_list_is_translated_with_its_fields() -> None:
    called = {"Note", "UsageError", "QuestionError"}
    templates = {
        text.value
        for source in SOURCES
        for call in ast.walk(ast.parse(source.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in called
        for text in call.args[:1]
        if isinstance(text, ast.Constant)
    }
    assert len(templates) > 20
    assert templates <= JAPANESE.keys()
    surplus = {"separator"}
    for template in templates:
        assert set(fields(template)) - surplus == set(fields(JAPANESE[template])), template


def test_a_note_and_an_error_are_told_in_the_language_of_the_visitor() -> None:
    note = Note("Blank lines, passed over: {lines}.", lines="2, 3")
    assert translate_note("ja", note) == "空の行は読みませんでした（2, 3 行目）。"
    assert translate_note("en", note) == str(note) == "Blank lines, passed over: 2, 3."
    error = UsageError("{file} cannot be read: {reason}.", file="a{b}.csv", reason="gone")
    assert translate_error("ja", error) == "a{b}.csv を読めません：gone。"
    assert translate_error("en", error) == str(error)
