"""Training records looked at before anything is trained: what is wrong with them, line by line, without a model."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bonsai.chains.formats import TaggedFormat
from bonsai.chains.outcomes import Role
from bonsai.chains.prompts import PromptVariant
from bonsai.chains.questions import is_question
from bonsai.errors import UsageError
from bonsai.lab.records import Record
from bonsai.lab.records.training_data import read_data
from bonsai.measures.reasoning import ReasoningState, state
from bonsai.measures.similarity import WORDS
from bonsai.measures.terms import content_words

# What a tokenizer makes of a text is not known without a model: in English a token has four bytes, elsewhere less.
_BYTES_A_TOKEN = 3
# Questions that share less than this of their content words are not compared closely.
_ALIKE = 0.5
_ENDS = tuple(".!?…。！？:;)]}»”\"'’`")


@dataclass
class Finding:
    """What was found in some files of records."""

    records: list[Record] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """A sentence each, which begins with file and line."""
    moves: Counter[str] = field(default_factory=Counter)
    """How many next questions have each move; "" for none."""


def check(
    files: Iterable[Path], variant: PromptVariant, max_tokens: int, say: Callable[[str], None] = lambda text: None
) -> Finding:
    """Return what is wrong with the records of some files; raise BonsaiError if one cannot be read at all.

    `variant` says what stands in the prompts, which count towards `max_tokens`; `say` as in `read_data`.
    """
    found = Finding()
    for file in files:
        for item in read_data(file, say):
            if isinstance(item, UsageError):
                found.problems.append(str(item))
                continue
            found.records.append(item)
            found.moves.update(following.move for following in item.next_questions)
            found.problems += [f"{item.where}: {one}" for one in _problems(item, variant, max_tokens)]
    found.problems += _duplicates(found.records)
    return found


def _problems(record: Record, variant: PromptVariant, max_tokens: int) -> Iterator[str]:
    yield from _reasoning_problems(record)
    for name, text in (("answer", record.answer), ("Reasoning", record.reasoning)):
        if text.strip() and not text.rstrip().endswith(_ENDS):
            yield f"the {name} does not end with a whole sentence: it may be cut."
    yield from _next_problems(record)
    tokens = _tokens(record, variant)
    if tokens > max_tokens:
        yield f"with its prompts it has about {tokens:,} tokens; at most {max_tokens:,} are trained (--max-tokens)."


def _reasoning_problems(record: Record) -> Iterator[str]:
    found = state(record.reasoning, record.question, record.answer, cut=False)
    if found == ReasoningState.EMPTY:
        yield "there is no Reasoning."
    elif found != ReasoningState.PRESENT:
        yield f"the Reasoning is {found}."


def _next_problems(record: Record) -> Iterator[str]:
    if not is_question(record.question):
        yield "the question is no question."
    asked = [*record.earlier, record.question]
    if record.earlier and WORDS.compare_with_earlier(record.question, record.earlier).repeated is not None:
        yield "the question repeats an earlier one."
    proposed: list[str] = []
    for following in record.next_questions:
        question = following.question
        if not is_question(question):
            yield f"the next question {question!r} is no question."
        elif WORDS.compare_with_earlier(question, asked).repeated is not None:
            yield f"the next question {question!r} is a tautology: it repeats one that was asked."
        elif proposed and WORDS.compare_with_earlier(question, proposed).repeated is not None:
            yield f"the next question {question!r} repeats another one."
        proposed.append(question)


def _tokens(record: Record, variant: PromptVariant) -> int:
    """Return about how many tokens the longest prompt of a record has, with what is written after it."""
    longest = max((one.question for one in record.next_questions), key=len, default="")
    prompt = variant.render(
        Role.NEXT_QUESTION,
        TaggedFormat(),
        question=record.question,
        reasoning=record.reasoning,
        answer=record.answer,
        earlier=[(asked, "") for asked in record.earlier],
    )
    return len((prompt.text + longest).encode()) // _BYTES_A_TOKEN


def _duplicates(records: Sequence[Record]) -> Iterator[str]:
    words = [content_words(record.question) for record in records]
    for place, record in enumerate(records):
        for other in range(place):
            before = records[other]
            alike = len(words[place] & words[other]) >= _ALIKE * len(words[place] | words[other])
            # The same question may come at two places of a conversation.
            if not alike or record.earlier != before.earlier:
                continue
            if WORDS.compare_with_earlier(record.question, [before.question]).repeated is not None:
                yield f"{record.where}: the question repeats that of {before.where}."
                break
