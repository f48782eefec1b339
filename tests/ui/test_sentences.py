"""Notes and errors are told in the language of the visitor: every sentence that one can meet, with its names in it."""

import ast
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bonsai import errors
from bonsai.chains.prompts import load_variants
from bonsai.engines.echo import EchoEngine
from bonsai.errors import BonsaiError, EngineError, Note, UsageError
from bonsai.runs.limits import number
from bonsai.runs.question_lists import pasted
from bonsai.runs.run import loads
from bonsai.settings import ROOT, Settings
from bonsai.ui.context import PageContext
from bonsai.ui.locales.translate import I18N, JAPANESE, SENTENCES, translatable_error, translate_error
from bonsai.ui.page import build, load_examples
from tests.ui.tabs import tabs_of

# Where visitors meet errors; those of settings, models and commands are told to who starts the program.
MET = ("chains", "measures", "reports", "runs", "ui", "engines/base", "engines/deferred.py")
# Sentences of the start of the page, which is told on the terminal.
NOT_MET = ("The {kind} {source} is not a folder", "The page cannot be opened")
KINDS = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, BonsaiError)}


def raised() -> Iterator[tuple[str, ast.expr, ast.Module]]:
    """Yield the place, the sentence and the module of every error that is made in the packages."""
    for name in MET:
        path = ROOT / "bonsai" / name
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            module = ast.parse(file.read_text(encoding="utf-8"))
            for call in ast.walk(module):
                if isinstance(call, ast.Call) and call.args and ast.unparse(call.func) in KINDS | {"Note"}:
                    yield f"{file.relative_to(ROOT)}:{call.lineno}", call.args[0], module


def sentence_of(text: ast.expr, module: ast.Module) -> str | None:
    """Return a sentence that stands in a call, or as a constant at the head of its module."""
    if isinstance(text, ast.Name):
        found = [
            item.value
            for item in module.body
            if isinstance(item, ast.Assign) and text.id in map(ast.unparse, item.targets)
        ]
        text = found[0] if found else text
    return text.value if isinstance(text, ast.Constant) and isinstance(text.value, str) else None


def fields(template: str) -> set[tuple[str, str | None, str | None]]:
    return {(name, form, kind) for _, name, form, kind in string.Formatter().parse(template) if name}


def test_every_sentence_that_a_visitor_can_meet_has_its_japanese() -> None:
    lacking = []
    for place, text, module in raised():
        sentence = sentence_of(text, module)
        if isinstance(text, ast.JoinedStr):
            lacking.append(f"{place}: values belong in fields, not in an f-string")
        elif sentence and sentence not in SENTENCES | JAPANESE and not sentence.startswith(NOT_MET):
            lacking.append(f"{place}: {sentence}")
    assert not lacking, "\n".join(lacking)


@pytest.mark.parametrize("template", SENTENCES)
def test_a_translation_has_the_fields_of_its_sentence(template: str) -> None:
    assert fields(SENTENCES[template]) == fields(template)


def test_names_numbers_and_reasons_are_told_in_japanese_too() -> None:
    error = UsageError("{name} is {value}; it must be between {low} and {high}.", name="steps", value=9, low=1, high=6)
    assert translate_error("ja", error) == "steps が 9 です。1 から 6 まででなければなりません。"
    assert translate_error("en", error) == str(error) == "steps is 9; it must be between 1 and 6."
    with pytest.raises(BonsaiError) as caught:
        loads('{"format": 1}', "/a/b/run.json")
    named = caught.value.with_values(file=Path("/a/b/run.json").name)
    assert translate_error("ja", named) == (
        "run.json は保存された実行ではありません。このファイル にキー 'chains' がありません。"
    )
    assert translate_error("en", named) == "run.json is not a saved run. The key 'chains' is missing in the file."


def test_no_english_is_left_inside_a_sentence() -> None:
    with pytest.raises(UsageError) as caught:
        pasted("# mine\n---", 3)
    assert translate_error("ja", caught.value) == (
        "一覧 に質問がありません。一行に一つずつ書くか、質問のあるファイルを選んでください。"
        " 質問のない行は読みませんでした（2 行目）。 # で始まる行は読みませんでした（1 行目）。"
    )
    assert str(caught.value).startswith("The list has no questions.")
    with pytest.raises(UsageError) as caught:
        pasted("a,b,c\nWhy?,When?,Who?\nHow?,Where?,What?".replace(",", "\t"), 1)
    assert "The list" not in translate_error("ja", caught.value)
    with pytest.raises(UsageError) as caught:
        number("seed", None, 1)
    assert (translate_error("ja", caught.value), str(caught.value)) == (
        "seed が 空 です。数でなければなりません。",
        "seed is empty; it must be a number.",
    )


def test_why_there_is_nothing_to_compare_with_stands_on_the_page_in_both_languages() -> None:
    why = EngineError(
        "The model without its adapter does not fit beside it: it takes {needed:.1f} GB more, and {free:.1f} GB are "
        "free. Compare them in two runs.",
        needed=3.0,
        free=1.5,
    )
    page = build(PageContext(EchoEngine(), Settings(), load_variants(Settings().prompts), base_engine_error=why))
    assert translatable_error(why) in {str(one["props"].get("value"))[23:-4] for one in page.config["components"]}
    told = {language: sentences[str(why)] for language, sentences in I18N.translations.items()}
    assert told == {"en": str(why), "ja": translate_error("ja", why)} and "3.0 GB 必要" in told["ja"]
    assert translatable_error(UsageError("<{name}>", name="a}")) == "&lt;a}&gt;"


def test_an_example_is_told_to_a_japanese_visitor_with_its_questions_that_were_not_asked() -> None:
    settings = Settings()
    examples = load_examples(ROOT / "examples")
    page = build(PageContext(EchoEngine(), settings, load_variants(settings.prompts), examples=examples))
    tab = tabs_of(page)["qtq"]
    shown = tab.restore("", "ja")[tab.bank.table]
    assert "Ask this next" not in shown and JAPANESE["Ask this next"] in shown
    assert tab.restore("", "en") == {}


def test_a_sentence_without_values_is_shown_as_it_is() -> None:
    assert (
        translate_error("ja", UsageError("A {strange} sentence.").with_values(strange="x")) == "A {strange} sentence."
    )


@pytest.mark.parametrize(
    "long", ["a" * 20_000, "木" * 20_000, ["a" * 5_000] * 90, 10**4_000], ids=["a", "木", "list", "number"]
)
def test_a_sentence_quotes_the_ends_of_what_is_long(long: Any) -> None:
    with pytest.raises(UsageError, match="seed is .*; it must be a number") as of_number:
        number("seed", long, 1)
    of_key = UsageError("The key {key!r} is unknown.", key=long)
    for told in (str(of_number.value), str(of_key), translate_error("ja", of_key)):
        assert len(told) < 1_000
        assert "..." in told


def test_a_note_is_told_in_the_language_of_the_visitor() -> None:
    note = Note("Blank lines, passed over: {lines}.", lines="2, 3")
    assert translate_error("ja", note) == "空の行は読みませんでした（2, 3 行目）。"
    assert translate_error("en", note) == str(note) == "Blank lines, passed over: 2, 3."
