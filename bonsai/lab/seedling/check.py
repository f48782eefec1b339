"""The seedling's figures, measured through the product's own engine and chains."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bonsai.chains.advance import advance
from bonsai.chains.chain import Chain, new_chain
from bonsai.chains.prompts import PromptVariant
from bonsai.chains.questions import Starter
from bonsai.engines import open_engine
from bonsai.engines.base import Engine, SamplingParams
from bonsai.lab.seedling.corpus import held_out, knowledge
from bonsai.measures.similarity import WORDS, Measure
from bonsai.settings import NO_ADAPTER, Settings

_WALK = 6


@dataclass(frozen=True)
class Figure:
    """One measured share (0 to 1) and the bound that it has to keep, if there is one."""

    name: str
    value: float
    at_least: float = 0.0
    at_most: float = 1.0

    @property
    def kept(self) -> bool:
        """Say whether the share is within its bounds."""
        return self.at_least <= self.value <= self.at_most

    def __str__(self) -> str:
        if not self.at_least and self.at_most == 1:
            return f"found   {self.value:6.1%}  {self.name}"
        bound = f"at least {self.at_least:.0%}" if self.at_least else f"at most {self.at_most:.0%}"
        return f"{'kept  ' if self.kept else 'MISSED'}  {self.value:6.1%}  ({bound})  {self.name}"


def figures(
    folder: Path, variant: PromptVariant, starters: Sequence[Starter], sampling: SamplingParams, measure: Measure
) -> list[Figure]:
    """Return the figures of the seedling in `folder` on topics kept out of its corpus and on the nine starters."""
    whole = open_engine(Settings(model=str(folder / "base"), adapter=str(folder / "adapter"), engine="local"))
    base = open_engine(Settings(model=str(folder / "base"), adapter=NO_ADAPTER, engine="local"))
    asked, topics = zip(*held_out(), strict=True)
    answered = [chain.steps[0] for chain in _run(whole, asked, "two-step", variant, sampling)]
    single = [chain.steps[0] for chain in _run(base, asked, "single", variant, sampling)]
    plain = [chain.steps[0] for chain in _run(base, asked, "two-step", variant, sampling)]
    begun = [starter.question for starter in starters]
    chains = _run(whole, begun, "qtq", variant, sampling, measure)
    unguarded = _run(whole, begun, "qtq", variant, sampling, measure, guarded=False)
    known = {record.question for record in knowledge()}
    walked = [step.question for chain in chains for step in chain.steps]
    answers = [step.answer for step in answered]
    return [
        Figure("answers that name the topic (adapter, two-step)", _share(map(names, answers, topics)), at_least=0.7),
        Figure("Reasoning present (adapter, two-step)", _share(bool(step.reasoning) for step in answered), 0.95),
        Figure(
            "Reasoning that names the topic",
            _share(names(s.reasoning, t) for s, t in zip(answered, topics, strict=True)),
            0.5,
        ),
        Figure("Reasoning present (base, single)", _share(bool(step.reasoning) for step in single), at_most=0.2),
        Figure("Reasoning present (base, two-step)", _share(bool(step.reasoning) for step in plain), at_most=0.2),
        Figure("answers with a 4-gram more than three times", _share(map(stammers, answers)), at_most=0.05),
        Figure("answers made of whole sentences", _share(map(whole_sentences, answers)), at_least=0.9),
        Figure(f"starters whose chain reaches {_WALK} steps", _share(len(c.steps) >= _WALK for c in chains), 0.8),
        Figure("questions of these chains that the corpus knows", _share(q in known for q in walked), 0.7),
        Figure("starters whose chain repeats a question, guard off", _share(map(_repeats, unguarded))),
        Figure("starters whose chain repeats a question, guard on", _share(map(_repeats, chains)), at_most=0.0),
    ]


def names(text: str, topic: str) -> bool:
    """Say whether `text` names the topic, in the singular or the plural."""
    stem = re.sub(r"(?:es|s)$", "", topic) if len(topic) > 4 else topic
    return re.search(rf"\b{re.escape(stem)}(?:s|es)?\b", text, re.IGNORECASE) is not None


def stammers(text: str) -> bool:
    """Say whether four words in a row occur more than three times."""
    words = text.lower().split()
    return max(Counter(zip(words, words[1:], words[2:], words[3:], strict=False)).values(), default=0) > 3


def whole_sentences(text: str) -> bool:
    """Say whether the text begins with a capital letter, ends with a full stop, and has no stray tags."""
    return bool(re.fullmatch(r"[A-Z][^<>|]+[.?!]", text))


def _repeats(chain: Chain) -> bool:
    return any({"tautology", "circular"} & set(step.flags) for step in chain.steps)


def _run(
    engine: Engine,
    questions: Sequence[str],
    method: str,
    variant: PromptVariant,
    sampling: SamplingParams,
    measure: Measure = WORDS,
    guarded: bool = True,
) -> tuple[Chain, ...]:
    chains = [
        replace(
            new_chain(question, method, variant, number=number, length=_WALK, candidates=3, seed=sampling.seed),
            guarded=guarded,
        )
        for number, question in enumerate(questions, start=1)
    ]
    *_, last = advance(engine, chains, sampling, measure)
    return last


def _share(tests: Iterable[object]) -> float:
    found = [bool(test) for test in tests]
    return sum(found) / len(found)
