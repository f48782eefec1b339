"""The workloads: what is asked of both ways."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import islice

from bonsai.chains.advance import advance_each
from bonsai.chains.chain import Chain, new_chain
from bonsai.chains.prompts import PromptVariant
from bonsai.chains.questions import Starter
from bonsai.engines.base import SamplingParams
from bonsai.lab.bench.script import ANSWER_TOKENS, ScriptedEngine
from bonsai.lab.records import shipped_records

SAMPLING = SamplingParams(max_new_tokens=ANSWER_TOKENS, seed=1)
STEPS, LONG, CANDIDATES, VARIANTS, VISITORS = 5, 20, 4, 8, (8, 32)


@dataclass(frozen=True)
class Workload:
    """Chains, and whether each belongs to a visitor of its own, all of whom ask at once."""

    name: str
    chains: tuple[Chain, ...]
    visitors: bool = False

    def anew(self, mark: str) -> "Workload":
        """Return the same with prompts that begin with `mark`: nothing that was read for other prompts serves them."""
        return replace(self, chains=tuple(_marked(chain, mark) for chain in self.chains))


@dataclass
class Outcome:
    """What a run of a workload came to. Moments are those of `time.monotonic`."""

    began: float
    ended: float = 0.0
    first_text: float = 0.0
    """The moment of the first text."""
    steps: list[float] = field(default_factory=list)
    """When steps were finished."""
    tokens: int = 0
    """Tokens that were written."""
    drawn: dict[tuple[str, int], str] = field(default_factory=dict)
    """What was drawn by (prompt, seed), before it was replaced by the script."""
    peak_memory_bytes: int = 0
    """The most memory in use; 0 where nobody looked."""
    problems: list[str] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.began

    @property
    def first_text_seconds(self) -> float:
        """How long it took to the first text."""
        return self.first_text - self.began


def workloads(variant: PromptVariant, starters: Sequence[Starter], *, quick: bool = False) -> list[Workload]:
    """Return all workloads; `quick` ones have the same shape and are short."""
    questions = [starter.question for starter in starters]
    more = [record.question for record in islice(shipped_records(), 0, None, 7)]
    steps, long = (2, 3) if quick else (STEPS, LONG)
    visitors = (2, 3) if quick else VISITORS
    variants = [
        replace(variant, name=f"variant-{k}", persona=f"{variant.persona} This is wording {k}.")
        for k in range(3 if quick else VARIANTS)
    ]
    nine = tuple(_qtq(question, variant, number, steps) for number, question in enumerate(questions, start=1))
    return [
        Workload("one-chain", nine[:1]),
        Workload("nine-chains", nine[: 3 if quick else 9]),
        Workload("eight-variants", tuple(_two_step(questions[0], one, n) for n, one in enumerate(variants, start=1))),
        *(
            Workload(f"visitors-{usual}", tuple(_two_step(more[n], variant, n + 1) for n in range(count)), True)
            for usual, count in zip(VISITORS, visitors, strict=True)
        ),
        Workload("twenty-steps", (_qtq(questions[0], variant, 1, long),)),
    ]


def _marked(chain: Chain, mark: str) -> Chain:
    return replace(chain, prompt=replace(chain.prompt, persona=f"{mark}. {chain.prompt.persona}"))


def run(engine: ScriptedEngine, workload: Workload) -> Outcome:
    """Let an engine work a workload off, and return what it came to; raise what a visitor's run raises."""
    engine.begin()
    outcome = Outcome(time.monotonic())
    groups = [(chain,) for chain in workload.chains] if workload.visitors else [workload.chains]
    with ThreadPoolExecutor(len(groups)) as visitors:
        asked = [visitors.submit(_ask, engine, group, outcome) for group in groups]
    outcome.ended = time.monotonic()
    for one in asked:
        one.result()
    outcome.first_text, outcome.tokens, outcome.drawn = engine.first_text, engine.tokens, engine.drawn
    return outcome


def _ask(engine: ScriptedEngine, chains: Sequence[Chain], outcome: Outcome) -> None:
    finished: dict[int, int] = {}
    with closing(advance_each(engine, chains, SAMPLING)) as growing:
        for place, chain in growing:
            steps = sum(step.finished for step in chain.steps)
            if steps > finished.get(place, 0):
                finished[place] = steps
                outcome.steps.append(time.monotonic())
            if chain.finished and (chain.stop_reason != "done" or len(chain.steps) < chain.length):
                outcome.problems.append(f"chain {chain.number} ended by {chain.stop_reason}: {chain.steps[-1].error}")


def _qtq(question: str, variant: PromptVariant, number: int, steps: int) -> Chain:
    chain = new_chain(question, "qtq", variant, number=number, length=steps, candidates=CANDIDATES, seed=number)
    # The script's questions come as they come: none is to end the chain, or be asked for twice.
    return replace(chain, guarded=False, stop_without_progress=False)


def _two_step(question: str, variant: PromptVariant, number: int) -> Chain:
    return new_chain(question, "two-step", variant, number=number, seed=number)
