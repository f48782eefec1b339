"""The seedling's corpus: careful records about nine fields, and endless records about random topics."""

import json
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bonsai.chains.prompts import PromptVariant, join

HERE = Path(__file__).parent
_EITHER = re.compile(r"\(([^()|]*)\|([^()|]*)\)")
_OPENERS = (
    "In general",
    "As a rule",
    "In most cases",
    "For most people",
    "By and large",
    "Put simply",
    "On the whole",
    "It seems that",
    "In the end",
    "Seen closely",
)
_REPEAT_RATE = 0.12


@dataclass(frozen=True)
class Record:
    """A question, the Reasoning before its answer, the answer, and questions that lead on from there."""

    question: str
    reasoning: str
    answer: str
    next_questions: tuple[str, ...]
    field: str


@dataclass(frozen=True)
class Topic:
    """A noun phrase as it is put into a sentence, and whether its verbs are plural."""

    phrase: str
    plural: bool


def knowledge() -> list[Record]:
    """Return the careful records; each next question is another record's question or a tempting repeat."""
    records = []
    for file in sorted((HERE / "records").glob("*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            data = json.loads(line)
            following = (*data["next_questions"], *data["repeats"])
            records.append(Record(data["question"], data["reasoning"], data["answer"], following, file.stem))
    return records


def held_out() -> list[tuple[str, str]]:
    """Return fifty questions, each with its topic, about topics that the corpus does not contain."""
    lines = (HERE / "held_out.txt").read_text(encoding="utf-8").splitlines()
    return [(re.sub(r"[\[\]]", "", line), re.findall(r"\[(.*?)\]", line)[0]) for line in lines]


class Frames:
    """Makes records about random topics from sentence frames; the same `rng` state gives the same record."""

    def __init__(self) -> None:
        data: dict[str, Any] = yaml.safe_load((HERE / "frames.yaml").read_text(encoding="utf-8"))
        self.kinds: dict[str, dict[str, Any]] = data["kinds"]
        self._data = data
        lines = (HERE / "topics.tsv").read_text(encoding="utf-8").splitlines()
        self._nouns = [line.split("\t") for line in lines]
        self._plurals = {singular: plural for singular, plural, _ in self._nouns}

    def chain(self, rng: random.Random, steps: int) -> Iterator[Record]:
        """Yield `steps` records, each about the topic of the first and asked by the one before."""
        topic, second = self._topic(rng)
        kind = rng.choice([name for name in self.kinds if self._fits(name, topic)])
        question = self._spoken(rng, self._question(rng, kind, topic, second))
        for _ in range(steps):
            record, kind = self._record(rng, kind, question, topic, second)
            yield record
            question = record.next_questions[0]

    def _record(self, rng: random.Random, kind: str, question: str, topic: Topic, second: Topic) -> tuple[Record, str]:
        frames = self.kinds[kind]
        reasoning = rng.choice(frames["reasonings"])
        if rng.random() < 0.35:
            reasoning += " " + rng.choice(self._data["weighings"])
        answer = " ".join([rng.choice(frames["answers"]), *rng.sample(self._data["followers"], rng.choice((1, 1, 2)))])
        leads_to = [name for name in frames["next"] if self._fits(name, topic)]
        deeper = kind if rng.random() < _REPEAT_RATE else rng.choice(leads_to)
        asked_next = question
        while asked_next == question:
            asked_next = self._question(rng, deeper, topic, second)
        setting = next((item for item in self._data["settings"] if question.rstrip("?").endswith(item)), "")
        fill = (rng, topic, second, setting)
        return Record(question, _fill(reasoning, *fill), _fill(answer, *fill), (asked_next,), "any"), deeper

    def _fits(self, kind: str, topic: Topic) -> bool:
        return not (self.kinds[kind].get("bare") and topic.phrase.startswith(("a ", "an ", "the ")))

    def _question(self, rng: random.Random, kind: str, topic: Topic, second: Topic) -> str:
        setting = rng.choice(self._data["settings"]) if rng.random() < 0.35 else ""
        frame: str = rng.choice(self.kinds[kind]["questions"])
        frame = frame.replace("{v}", rng.choice(self._data["acts"])).replace("{w}", rng.choice(self._data["handles"]))
        return _fill(frame, rng, topic, second, setting)

    def _spoken(self, rng: random.Random, question: str) -> str:
        """Return a first question as visitors type it: now and then with a lead, in lower case, or unmarked."""
        dice = rng.random()
        if dice < 0.08:
            lead: str = rng.choice(self._data["leads"])
            return lead + question[0].lower() + question[1:]
        if dice < 0.12:
            return question.rstrip("?")
        return question[0].lower() + question[1:] if dice < 0.15 else question

    def _topic(self, rng: random.Random) -> tuple[Topic, Topic]:
        singular, plural, related = rng.choice(self._nouns)
        if rng.random() < 0.25:
            singular = invented_word(rng)
            plural = singular + "s"
        if rng.random() < 0.2:
            adjective = rng.choice(self._data["adjectives"])
            singular, plural = f"{adjective} {singular}", plural if plural == "-" else f"{adjective} {plural}"
        shape = rng.random()
        if plural == "-":
            topic = Topic(singular, False)
        elif shape < 0.12:
            topic = Topic(f"{rng.choice(self._data['activities'])} {plural}", False)
        elif shape < 0.7:
            topic = Topic(plural, True)
        else:
            article = "the" if shape > 0.85 else "an" if singular[0] in "aeiou" else "a"
            topic = Topic(f"{article} {singular}", False)
        other = rng.choice(related.split(",")) if rng.random() < 0.7 else rng.choice(self._nouns)[0]
        several = self._plurals.get(other)
        second = (
            Topic(other, False) if several == "-" else Topic(several, True) if several else Topic(f"the {other}", False)
        )
        return topic, second


def invented_word(rng: random.Random) -> str:
    """Return a pronounceable word that hardly exists, so that a topic must be copied and cannot be remembered."""
    onset = ("b br c ch cl d dr f fl g gl gr h j k l m n p pl pr r s sc sh sl sp st str t th tr v w z qu ").split(" ")
    vowel = ("a", "e", "i", "o", "u", "ai", "ea", "ee", "ia", "io", "oa", "oo", "ou", "y")
    coda = (
        "",
        "",
        "n",
        "r",
        "l",
        "s",
        "t",
        "m",
        "ck",
        "nd",
        "rm",
        "st",
        "nt",
        "x",
        "ng",
        "rd",
        "lt",
        "ph",
        "tion",
        "ment",
        "er",
        "ing",
    )
    return "".join(rng.choice(onset) + rng.choice(vowel) + rng.choice(coda) for _ in range(rng.choice((2, 2, 3))))


def plain_text(record: Record, variant: PromptVariant, rng: random.Random) -> str:
    """Return the record as question and answer without Reasoning, as the base learns it, up to the end of text.

    Where a variant marks the place of the Reasoning by a tag, that place is sometimes shown and left empty.
    """
    prompt = variant.render("single", question=record.question)
    if "<|reasoning|>" in variant.stop and rng.random() < 0.3:
        prompt = variant.render("answer", question=record.question, reasoning="")
    return join(prompt, record.answer) + "<|endoftext|>"


def training_rows(rng: random.Random, visits: int, chains: int, main_way: float = 0.0) -> list[dict[str, Any]]:
    """Return rows for `bonsai.lab.train`, shuffled: every careful record `visits` times, and `chains` random chains.

    A row leads on by the first of its record's next questions in a share `main_way` of the cases, else by any.
    """
    records = knowledge()
    before = {
        record.question: [other for other in records if record.question in other.next_questions] for record in records
    }
    rows = [_row(rng, record, _way_to(rng, record, before), main_way) for record in records for _ in range(visits)]
    frames = Frames()
    for _ in range(chains):
        asked: list[str] = []
        for record in frames.chain(rng, rng.choice((1, 1, 2, 3, 4))):
            rows.append(_row(rng, record, asked, main_way))
            asked.append(record.question)
    rng.shuffle(rows)
    return rows


def _way_to(rng: random.Random, record: Record, before: dict[str, list[Record]]) -> list[str]:
    """Return the questions, oldest first, of a random walk that leads to `record` in at most six steps."""
    way: list[str] = []
    for _ in range(rng.choice((0, 0, 1, 1, 2, 3, 4, 5, 6))):
        following = way[0] if way else record.question
        choices = [other for other in before.get(following, ()) if other.question not in (*way, record.question)]
        if not choices:
            break
        way.insert(0, rng.choice(choices).question)
    return way


def _row(rng: random.Random, record: Record, earlier: Sequence[str], main_way: float) -> dict[str, Any]:
    following = [question for question in record.next_questions if question not in earlier] or record.next_questions
    return {
        "question": record.question,
        "reasoning": record.reasoning,
        "answer": record.answer,
        "next_question": following[0] if main_way and rng.random() < main_way else rng.choice(following),
        "earlier": list(earlier),
        "category": "q_to_q",
        "language": "en",
        "field": record.field,
    }


def _fill(frame: str, rng: random.Random, topic: Topic, second: Topic, setting: str) -> str:
    """Put the topics into a frame; a sentence that begins with the topic gets an opener, so that case never changes."""
    text = _EITHER.sub(r"\2" if topic.plural else r"\1", frame)
    if text.startswith("{T}"):
        opener = rng.choice(_OPENERS)
        text = opener + (" {t}" if opener.endswith("that") else ", {t}") + text[3:]
    return text.replace("{t}", topic.phrase).replace("{u}", second.phrase).replace("{p}", setting)
