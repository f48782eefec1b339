"""The sentences of the page in the visitor's language; the English sentence is the key.

What stands on the page from the start is translated by the browser (`translatable`); what is said to one visitor while
the page is used is translated here (`translate`), in the language that the visitor's browser asks for.
"""

from html import escape
from pathlib import Path

import gradio as gr
import yaml

from bonsai.errors import BonsaiError, Note
from bonsai.reports.formats import Language
from bonsai.reports.summary.engine_notes import JAPANESE as ENGINE_NOTES

ABOUT = "about"


def _file(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


JAPANESE: dict[str, str] = yaml.safe_load(_file("page.ja.yaml"))
"""What stands on the page and what it says of a run."""
SENTENCES: dict[str, str] = yaml.safe_load(_file("sentences.ja.yaml")) | ENGINE_NOTES
"""What notes and errors say; the English sentence with its fields is the key."""

I18N = gr.I18n(
    en={sentence: sentence for sentence in JAPANESE} | {ABOUT: _file("about.en.md")},
    ja=JAPANESE | {ABOUT: _file("about.ja.md")},
)


def translatable(text: str) -> str:
    """Return a mark that the browser replaces by `text` in the visitor's language; one of these to a string."""
    return str(I18N(text)) if text in I18N.translations["ja"] else text


def translatable_error(message: Note | BonsaiError) -> str:
    """Return a mark that the browser replaces by a note or an error in the visitor's language, as HTML."""
    sentence = escape(str(message))
    if "}" in sentence:
        # A mark ends there.
        return sentence
    I18N.translations["en"][sentence] = sentence
    I18N.translations["ja"][sentence] = escape(translate_error(Language.JA, message))
    return translatable(sentence)


def as_html(sentence: str) -> str:
    """Return a sentence as HTML that shows it letter by letter; a mark of `translatable` stays one."""
    # A mark that came with somebody's text would put its key into the page, as HTML: its quotes are escaped too.
    if sentence.startswith("__i18n__") and sentence in map(str, map(I18N, I18N.translations["ja"])):
        return sentence
    return escape(sentence)


def cut(text: str, longest: int) -> str:
    """Return a text, or its beginning if it is longer than so many letters."""
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def short_name(name: str) -> str:
    """Return the last part of the id or folder of a model, of each if there are several."""
    return ", ".join(part.rstrip("/").rpartition("/")[2] for part in name.split(", "))


def language_of(request: gr.Request | None) -> str:
    """Return "ja" for a visitor whose browser asks for Japanese first, else "en"."""
    asked = str(request.headers.get("accept-language", "")) if request is not None else ""
    return "ja" if asked.strip().lower().startswith("ja") else "en"


def translate(language: str, sentence: str, *values: object, **named: object) -> str:
    """Return the sentence in a visitor's language, with the values in its places."""
    told = JAPANESE.get(sentence, sentence) if language == "ja" else sentence
    # What comes from a file may have braces of its own.
    return told.format(*values, **named) if values or named else told


def translate_error(language: str, message: Note | BonsaiError) -> str:
    """Return a note or an error in the language of a visitor, or as it is where there is no translation."""
    return message.translated(_japanese) if language == Language.JA else str(message)


def _japanese(template: str) -> str:
    return SENTENCES.get(template) or JAPANESE.get(template, template)
