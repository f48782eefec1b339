"""What can go wrong, as exceptions whose messages are written for the person at the page or the command line.

BonsaiError          anything below
├── UsageError       the person gave something that cannot be used: change it and try again (exit code 2)
│   ├── SettingError   an environment variable or option has a value that is not allowed
│   ├── PromptError    a prompt variant is missing or badly written
│   └── QuestionError  a question is blank or longer than the model can read
├── EngineError      a model cannot be loaded or cannot answer (exit code 1)
└── RunFileError     a saved run cannot be read or written (exit code 1)
"""

from collections.abc import Callable, Mapping, Sequence
from reprlib import Repr
from string import Formatter
from typing import Any, Self

Translate = Callable[[str], str]
"""Gives the sentence in another language, with the same fields, for an English one with its fields."""


class Note:
    """A sentence that tells the person of something that is no error, with values for its fields as in BonsaiError."""

    def __init__(self, template: str, **values: object) -> None:
        self.template, self.values = template, values

    def __str__(self) -> str:
        return self.translated(str)

    def __repr__(self) -> str:
        return f"Note({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        """Return whether another note, or a text, says the same."""
        return str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def translated(self, translate: Translate) -> str:
        """Return the sentence in another language."""
        return _filled_in(self.template, self.values, translate)


def together(notes: Sequence[Note]) -> Note:
    """Return notes as one that tells each after a space; it is empty for none."""
    named = {f"note{place}": note for place, note in enumerate(notes)}
    return Note("".join(f" {{{name}}}" for name in named), **named)


class BonsaiError(Exception):
    """The root of all errors that Bonsai raises on purpose; its text is shown as it is.

    It is raised with an English sentence, and with values for the fields in it:

        raise UsageError("{file} has {count:,} questions; at most {limit:,} can be run at once.", file=file, ...)

    A value may be another error, whose sentence becomes a part of this one. A sentence without values is taken as it
    is, so that text with braces from elsewhere does no harm.
    """

    def __init__(self, template: str, **values: object) -> None:
        super().__init__(template)
        self.template = template
        """The sentence with its fields: the key of its translations, which have the same fields."""
        self.values = values
        """What the fields stand for."""

    def __str__(self) -> str:
        return self.translated(str)

    def translated(self, translate: Translate) -> str:
        """Return the sentence in another language."""
        return _filled_in(self.template, self.values, translate)

    def with_values(self, **values: object) -> Self:
        """Return the same error with other values where it has these, for example with a file's name for its path."""
        kept = {name: values.get(name, value) for name, value in self.values.items()}
        return type(self)(self.template, **kept)


class UsageError(BonsaiError):
    """Something given by the person cannot be used."""


class SettingError(UsageError):
    """A setting has a value that is not allowed."""


class PromptError(UsageError):
    """A prompt variant is missing or badly written."""


class QuestionError(UsageError):
    """A question is blank or too long."""


class EngineError(BonsaiError):
    """A model cannot be loaded or cannot answer."""


class RunFileError(BonsaiError):
    """A saved run cannot be read or written."""


_QUOTES = Repr()
_QUOTES.maxstring = _QUOTES.maxother = _QUOTES.maxlong = 120


def quoted(value: object) -> str:
    """Return what a person gave as a sentence quotes it: of a long one the beginning and the end."""
    return _QUOTES.repr(value)


class _Sentence(Formatter):
    def convert_field(self, value: Any, conversion: str | None) -> Any:
        """Quote the value of a field with `!r`."""
        return quoted(value) if conversion == "r" else super().convert_field(value, conversion)


def _filled_in(template: str, values: Mapping[str, object], translate: Translate) -> str:
    template = translate(template)
    if not values:
        return template
    own = {
        name: value.translated(translate) if isinstance(value, BonsaiError | Note) else value
        for name, value in values.items()
    }
    return _Sentence().vformat(template, (), own)


def first_line(error: BaseException | str) -> str:
    """Return the first line of what a library's error says, or its kind if it says nothing, for a sentence of ours."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
