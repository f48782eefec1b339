"""The command `ask`: one question by one method, or a branch of a saved run."""

import argparse
from collections.abc import Iterator, Sequence
from typing import Any

from bonsai.chains.advance import advance
from bonsai.chains.chain import Chain, stop
from bonsai.chains.outcomes import Axis, Method
from bonsai.chains.prompts import choose_variant, load_variants
from bonsai.chains.questions import clean_question
from bonsai.chains.reasoning_test import MOST_ANSWERS, can_be_tested, test_reasoning
from bonsai.cli.drawing import check_drawing, check_out, draw, keeps_run
from bonsai.cli.opening import chain_values, open_all, switches, with_model
from bonsai.cli.output import FAILED, INTERRUPTED, ProgressLine, say, say_each
from bonsai.engines.base import Engine, SamplingParams
from bonsai.errors import EngineError, UsageError
from bonsai.measures.similarity import Measure
from bonsai.reports.comparison import values
from bonsai.reports.question_bank import question_bank
from bonsai.runs.branch_request import BranchRequest
from bonsai.runs.requests import GridRequest, Variants
from bonsai.runs.run import Run, read_run
from bonsai.runs.run.answering import Answering
from bonsai.settings import Settings

_OF_THE_RUN = ("method", "candidates", "temperature", "repetition_penalty", "max_new_tokens")
_OF_A_BRANCH = ("question", "candidate", "prompt", "seed", "steps", "moves", "no_guard", "keep_going")


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Ask a question, or branch from a saved run; draw the run and return the exit code."""
    settings = with_model(options, settings)
    variants = load_variants(settings.prompts)
    choose_variant(variants, settings.prompt)
    # A run with its branch may take the place of the run; a table of it may not.
    check_out(options.out, None if keeps_run(options) else options.run)
    saved = read_run(options.run) if options.run else None
    check_drawing(options, values(saved) if saved else dict.fromkeys(Axis, ("",)))
    if saved is None:
        begun, engine, measure = _begin_run(options, settings, variants)
    elif options.conclude and options.step is None and options.next is None:
        begun, engine, measure = _begin_conclusions(options, settings, saved)
    else:
        begun, engine, measure = _begin_branch(options, settings, variants, saved)
    ended, code = _advance(engine, measure, begun, options.test_reasoning)
    draw(ended, options)
    return code


def _begin_run(options: argparse.Namespace, settings: Settings, variants: Variants) -> tuple[Run, Engine, Measure]:
    """Return a run of one chain that is about to begin, and what will write and measure it."""
    if _given(options, "chain", "step", "candidate", "next"):
        raise UsageError(
            "--chain, --step, --candidate and --next say where to branch from a saved run; name it with --from."
        )
    if options.question is None:
        raise UsageError("There is no question; write one, or name a saved run to branch from with --from.")
    method = options.method or Method.QTQ
    if options.test_reasoning and method == Method.SINGLE:
        raise UsageError("The method single writes no Reasoning, so --test-reasoning has nothing to test.")
    prompt = options.prompt or settings.prompt
    request = GridRequest.of_one(options.question, prompt, method, **chain_values(options))
    request.check(variants)
    engine, measure = open_all(settings)
    return request.begin(engine, measure, variants), engine, measure


def _begin_branch(
    options: argparse.Namespace, settings: Settings, variants: Variants, saved: Run
) -> tuple[Run, Engine, Measure]:
    """Return a saved run with a branch that is about to begin, and what will write and measure it."""
    request = _branch_request(options, saved)
    request.check(saved, variants)
    engine, measure = open_all(settings)
    run = request.resolve(saved, engine, measure, variants)
    _say_differences(saved, run)
    return run, engine, measure


def _branch_request(options: argparse.Namespace, saved: Run) -> BranchRequest:
    """Return the branch that the options ask for."""
    if option := _given(options, *_OF_THE_RUN):
        raise UsageError("A branch is written as its run was; leave out {option}.", option=option)
    return BranchRequest(
        **(_place(options) if options.next is None else _next_question(options, saved)),
        prompt=options.prompt or "",
        seed=options.seed,
        length=options.steps,
        moves=options.moves or "",
        **switches(options),
    )


def _given(options: argparse.Namespace, *names: str) -> str:
    """Return the first of some options that is given, as it is written, "" if none is."""
    for name in names:
        value = getattr(options, name)
        if value is not None and value is not False:
            return "QUESTION" if name == "question" else f"--{name.replace('_', '-')}"
    return ""


def _place(options: argparse.Namespace) -> dict[str, Any]:
    """Return where a branch leaves its chain, and with what question."""
    if options.step is None:
        raise UsageError("A branch begins at a step of the run; name it with --step, and its chain with --chain.")
    question = "" if options.question is None else clean_question(options.question)
    chain = 1 if options.chain is None else options.chain
    return {"chain": chain, "step": options.step, "candidate": options.candidate, "question": question}


def _next_question(options: argparse.Namespace, saved: Run) -> dict[str, Any]:
    """Return the place of a question that the run did not ask, by its number among them."""
    if _given(options, "question", "chain", "step", "candidate"):
        raise UsageError(
            "--next names the question and its place; leave out QUESTION, --chain, --step and --candidate."
        )
    bank = question_bank(saved)
    if not 1 <= options.next <= len(bank):
        raise UsageError(
            "The run has {count} questions that were not asked yet, and no number {number} among them.",
            count=len(bank),
            number=options.next,
        )
    entry = bank[options.next - 1]
    say(f"bonsai: asking {entry.question!r}, after step {entry.step} of chain {entry.chain}")
    return {"chain": entry.chain, "step": entry.step, "candidate": entry.candidate}


def _say_differences(saved: Run, run: Run) -> None:
    """Say if the last chain of a run is by another model or measure than the saved run was."""
    before, now = (saved.model, saved.adapter), run.answered_by(run.chains[-1])
    if now != before:
        say(f"bonsai: the run was answered by {_model(*before)}, its branch is by {_model(*now)}")
    if run.measure != saved.measure:
        measure = run.measure.rpartition(" with ")[2]
        say(f"bonsai: the run was measured with {saved.measure}, its branch is with {measure}")


def _model(model: str, adapter: str) -> str:
    return f"{model} with the adapter {adapter}" if adapter else model


def _begin_conclusions(options: argparse.Namespace, settings: Settings, saved: Run) -> tuple[Run, Engine, Measure]:
    """Return a saved run in which a chain is about to be concluded, or each one that ended without a conclusion."""
    if option := _given(options, *_OF_THE_RUN, *_OF_A_BRANCH):
        raise UsageError(
            "Conclusions alone are written as the run was; leave out {option}, or name where to branch with --step.",
            option=option,
        )
    return saved.concluding(options.chain), *open_all(settings)


def _advance(engine: Engine, measure: Measure, run: Run, test: bool) -> tuple[Run, int]:
    """Return the run with what was asked of it, its conclusions or its last chain, and the exit code."""
    chains = tuple(chain for chain in run.chains if chain.concluding) or tuple(run.chains[-1:])
    code = 0
    try:
        with ProgressLine(seconds_between_lines=None) as line:
            progress = _Progress(chains, line)
            for now in advance(engine, chains, run.sampling, measure):
                chains = now
                progress.show(chains)
        for now in _testing(engine, chains, run.sampling) if test else ():
            chains = now
    except KeyboardInterrupt:
        chains, code = tuple(stop(chain, measure) for chain in chains), INTERRUPTED
    except EngineError as error:
        # Of a test; an answer that fails is an error in its step. What was written is still worth the table.
        say(f"bonsai: {error}")
        code = FAILED
    failures = [step.error for chain in chains for step in chain.own_steps if step.error]
    failures += [chain.conclusion.error for chain in chains if chain.conclusion and chain.conclusion.error]
    say_each([*failures, *engine.notes])
    return run.updated(chains).answered(Answering.of(engine)), code or (FAILED if failures else 0)


def _testing(engine: Engine, chains: tuple[Chain, ...], sampling: SamplingParams) -> Iterator[tuple[Chain, ...]]:
    """Yield the chains each time that the Reasoning of one of their steps is tested."""
    for place, chain in enumerate(chains):
        of_chain = f"chain {chain.number}, " if len(chains) > 1 else ""
        for step in filter(can_be_tested, chain.own_steps):
            say(f"{of_chain}step {step.number}: testing the Reasoning with {MOST_ANSWERS} answers ...")
            *_, chain = test_reasoning(engine, chain, step.number, sampling)
            chains = (*chains[:place], chain, *chains[place + 1 :])
            yield chains


class _Progress:
    """Says what chains are doing: a line for each step that is finished, and on a terminal also what is written now."""

    def __init__(self, chains: Sequence[Chain], line: ProgressLine) -> None:
        self._finished = {chain.number: sum(step.finished for step in chain.steps) for chain in chains}
        self._line = line

    def show(self, chains: Sequence[Chain]) -> None:
        for chain in chains:
            for step in chain.steps[self._finished[chain.number] :]:
                place = f"step {step.number} of {chain.length}"
                if step.finished:
                    self._finished[chain.number] += 1
                    self._line.keep(f"{place}: {step.seconds:.1f} s")
                else:
                    self._line.show(f"{place}: {step.writing.replace('_', ' ')} ...")
            if chain.concluding:
                self._line.show(f"chain {chain.number}: conclusion ...")
