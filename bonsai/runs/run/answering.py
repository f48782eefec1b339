"""How the texts of a run came about, beside what was planned: known once a model has answered."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bonsai.chains.formats import format_name
from bonsai.engines.base import Engine
from bonsai.errors import Note


@dataclass(frozen=True)
class RunNote:
    """What a person should know of the texts of a run, as that an option was not honoured."""

    sentence: str
    """In English, with its fields in braces: the key of its translations."""
    values: Mapping[str, str] = field(default_factory=dict)
    """What the fields stand for."""

    @classmethod
    def of(cls, note: Note) -> "RunNote":
        """Return a note of an engine as it is saved."""
        return cls(note.template, {name: str(value) for name, value in note.values.items()})

    @property
    def note(self) -> Note:
        """The same as it is told."""
        return Note(self.sentence, **self.values)


@dataclass(frozen=True)
class Answering:
    """The form in which a model was prompted, and what its engine left out or assumed."""

    prompt_format: str = ""
    """The name of the prompt format; of several, as with and without an adapter, joined by commas."""
    notes: tuple[RunNote, ...] = ()

    @classmethod
    def of(cls, *engines: Engine | None) -> "Answering":
        """Return what is known of the engines of a run now: nothing until their model is loaded."""
        found = cls()
        for one in engines:
            if one and one.is_ready:
                found = found.joined(cls(format_name(one.info), tuple(map(RunNote.of, one.notes))))
        return found

    def joined(self, other: "Answering") -> "Answering":
        """Return the same with what `other` has beside it."""
        names = [name for one in (self, other) for name in one.prompt_format.split(", ") if name]
        new = (note for note in other.notes if note not in self.notes)
        return Answering(", ".join(dict.fromkeys(names)), (*self.notes, *new))
