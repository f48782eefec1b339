"""The data of a training run: rows of all records, those that are held out, and what had to be left out."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from bonsai.chains.formats import PromptFormat
from bonsai.chains.outcomes import Role
from bonsai.chains.prompts import PromptVariant
from bonsai.engines.model.loaded_model import LoadedModel
from bonsai.errors import UsageError
from bonsai.lab.records import Record
from bonsai.lab.training.data.rows import Row, rows
from bonsai.lab.training.hyperparameters import Hyperparameters

_FEWEST_HELD_OUT = 20
_NAMES = {Role.SINGLE: "single answer", Role.NEXT_QUESTION: "next question", Role.REASONING: "Reasoning"}


@dataclass
class TrainingData:
    """The rows of each record: an item a record."""

    trained: list[list[Row]] = field(default_factory=list)
    held_out: list[list[Row]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    """What is not trained, a sentence each that names the line."""


def prepare(
    records: Sequence[Record],
    variants: Sequence[PromptVariant],
    form: PromptFormat,
    loaded: LoadedModel,
    how: Hyperparameters,
) -> TrainingData:
    """Return the rows of all records, which take the prompt variants in turn.

    Raises UsageError if nothing is left to train.
    """
    data = TrainingData()
    apart = held_out_questions(records, how.held_out, how.seed)
    longest = min(how.max_tokens, loaded.context_length)
    for number, record in enumerate(records):
        fitting = []
        for row in rows(record, variants[number % len(variants)], form, loaded):
            if len(row) <= longest:
                fitting.append(row)
            else:
                data.left_out.append(
                    f"{record.where}: the {_NAMES.get(row.role, row.role)} is left out: with its prompt it has "
                    f"{len(row):,} tokens, and at most {longest:,} are trained (--max-tokens)."
                )
        if fitting:
            (data.held_out if _key(record.question) in apart else data.trained).append(fitting)
    if not data.trained:
        reason = f" {data.left_out[0]}" if data.left_out else ""
        raise UsageError(f"There is nothing to train.{reason}")
    return data


def held_out_questions(records: Sequence[Record], share: float, seed: int) -> set[str]:
    """Return the questions, whitespace and case apart, that are measured and not trained: none of a few."""
    questions = sorted({_key(record.question) for record in records})
    count = round(len(questions) * share)
    if len(questions) < _FEWEST_HELD_OUT or not count:
        return set()
    return set(random.Random(seed).sample(questions, count))


def _key(question: str) -> str:
    return " ".join(question.casefold().split())
