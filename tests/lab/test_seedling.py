"""The seedling: its corpus keeps its promises, and what ships is small, loads, and answers."""

import random
import re
from collections import Counter

import pytest

from bonsai.chains.advance import advance
from bonsai.chains.chain import new_chain
from bonsai.chains.prompts import load_variants
from bonsai.chains.questions import load_starters
from bonsai.engines import open_engine
from bonsai.engines.base import Engine, SamplingParams
from bonsai.lab.seedling.check import names, stammers, whole_sentences
from bonsai.lab.seedling.corpus import HERE, Frames, held_out, knowledge, plain_text, training_rows
from bonsai.settings import ROOT, SEEDLING, Settings

VARIANTS = load_variants(ROOT / "prompts")
STARTERS = load_starters(ROOT / "examples" / "questions.csv")
RECORDS = {record.question: record for record in knowledge()}


def test_the_careful_records_are_many_and_different() -> None:
    assert len(knowledge()) == len(RECORDS) >= 300
    assert len(Counter(record.field for record in RECORDS.values())) == 9


@pytest.mark.parametrize("starter", STARTERS, ids=lambda starter: starter.field)
def test_a_chain_can_walk_six_steps_in_known_ground_from_every_starter(starter) -> None:  # type: ignore[no-untyped-def]
    def walk(path: list[str]) -> int:
        if len(path) == 6:
            return 6
        following = [q for q in RECORDS[path[-1]].next_questions if q in RECORDS and q not in path]
        return max((walk([*path, question]) for question in following), default=len(path))

    assert walk([starter.question]) == 6


def test_every_next_question_is_a_record_or_one_of_few_tempting_repeats() -> None:
    following = [question for record in RECORDS.values() for question in record.next_questions]
    repeats = [question for question in following if question not in RECORDS]
    assert 0.05 < len(repeats) / len(following) < 0.2


def test_the_topics_held_out_are_not_in_the_corpus() -> None:
    corpus = "\n".join(
        file.read_text(encoding="utf-8") for file in HERE.rglob("*") if file.suffix in (".jsonl", ".tsv", ".yaml")
    )
    topics = [topic for _, topic in held_out()]
    assert len(set(topics)) == 50
    for topic in topics:
        assert not names(corpus, topic), topic


def test_frames_carry_the_topic_from_the_question_to_the_answer() -> None:
    rng = random.Random(0)
    frames = Frames()
    for _ in range(500):
        for record in frames.chain(rng, 2):
            assert not re.search(r"[{}()|]", " ".join((record.question, record.reasoning, record.answer)))
            shared = set(re.findall(r"\w+", record.question.lower())) & set(re.findall(r"\w+", record.answer.lower()))
            assert shared


def test_the_same_seed_gives_the_same_corpus() -> None:
    assert training_rows(random.Random(5), 1, 20) == training_rows(random.Random(5), 1, 20)


def test_the_base_learns_no_reasoning() -> None:
    rng = random.Random(0)
    record = knowledge()[0]
    texts = [plain_text(record, VARIANTS["assistant"], rng) for _ in range(20)]
    assert all(record.reasoning not in text and text.endswith(record.answer + "<|endoftext|>") for text in texts)


@pytest.mark.parametrize("part", ["base", "adapter"])
def test_what_ships_is_small(part: str) -> None:
    assert 0 < sum(file.stat().st_size for file in (HERE / part).iterdir()) < 10_000_000


@pytest.fixture(scope="module")
def seedling() -> Engine:
    return open_engine(Settings(model=SEEDLING, engine="local"))


def test_tags_are_ordinary_text_to_its_tokenizer(seedling: Engine) -> None:
    assert seedling.count_tokens("<|reasoning|>") > 1


def test_it_reasons_and_names_topics_that_its_corpus_does_not_contain(seedling: Engine) -> None:
    asked = held_out()[:12]
    chains = [new_chain(question, "two-step", VARIANTS["assistant"], seed=1) for question, _ in asked]
    *_, ended = advance(seedling, chains, SamplingParams(max_new_tokens=100))
    steps = [chain.steps[0] for chain in ended]
    assert all(step.reasoning for step in steps)
    assert sum(names(step.answer, topic) for step, (_, topic) in zip(steps, asked, strict=True)) >= 7
    assert sum(whole_sentences(step.answer) for step in steps) >= 10
    assert not any(stammers(step.answer) for step in steps)


def test_its_chain_from_a_starter_goes_on(seedling: Engine) -> None:
    chain = new_chain(STARTERS[1].question, "qtq", VARIANTS["assistant"], length=3, candidates=3, seed=1)
    *_, (ended,) = advance(seedling, [chain], SamplingParams(max_new_tokens=100))
    assert len(ended.steps) == 3
    assert len(set(ended.questions)) == 3
