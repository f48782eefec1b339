"""The command `ask`: one question by one method, or a branch of a saved run."""

import argparse

from bonsai.chains.advance import advance
from bonsai.chains.chain import Chain, conclude, stop
from bonsai.chains.outcomes import Axis, Method
from bonsai.chains.prompts import choose_variant, load_variants
from bonsai.chains.questions import clean_question
from bonsai.chains.reasoning_test import MOST_ANSWERS, can_be_tested, test_reasoning
from bonsai.cli.drawing import check_drawing, check_out, draw
from bonsai.cli.opening import chain_values, open_all, with_model
from bonsai.cli.output import FAILED, INTERRUPTED, ProgressLine, say, say_notes
from bonsai.engines.base import Engine
from bonsai.errors import EngineError, UsageError
from bonsai.measures.similarity import Measure
from bonsai.reports.comparison import values
from bonsai.runs.branch_request import BranchRequest
from bonsai.runs.requests import RunRequest, Variants
from bonsai.runs.run import Run, read_run
from bonsai.settings import Settings


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Ask a question, or branch from a saved run; draw the run and return the exit code."""
    settings = with_model(options, settings)
    variants = load_variants(settings.prompts)
    choose_variant(variants, settings.prompt)
    check_out(options.out)
    saved = read_run(options.run) if options.run else None
    check_drawing(options, values(saved) if saved else dict.fromkeys(Axis, ("",)))
    begin = _begin_branch if options.run else _begin_run
    begun, engine, measure = begin(options, settings, variants)
    ended, code = _advance(engine, measure, begun, options.test_reasoning)
    draw(ended, options)
    return code


def _begin_run(options: argparse.Namespace, settings: Settings, variants: Variants) -> tuple[Run, Engine, Measure]:
    """Return a run of one chain that is about to begin, and what will write and measure it."""
    if any(value is not None for value in (options.chain, options.step, options.candidate)):
        raise UsageError("--chain, --step and --candidate say where to branch from a saved run; name it with --from.")
    if options.question is None:
        raise UsageError("There is no question; write one, or name a saved run to branch from with --from.")
    method = options.method or Method.QTQ
    if options.test_reasoning and method == Method.SINGLE:
        raise UsageError("The method single writes no Reasoning, so --test-reasoning has nothing to test.")
    request = RunRequest.of(
        question=options.question, method=method, prompt=options.prompt or settings.prompt, **chain_values(options)
    )
    request.check(variants)
    engine, measure = open_all(settings)
    return request.resolve(engine, measure, variants), engine, measure


def _begin_branch(options: argparse.Namespace, settings: Settings, variants: Variants) -> tuple[Run, Engine, Measure]:
    """Return a saved run with a branch that is about to begin, and what will write and measure it."""
    for name in ("method", "candidates", "temperature", "max_new_tokens"):
        if getattr(options, name) is not None:
            option = f"--{name.replace('_', '-')}"
            raise UsageError("A branch is written as its run was; leave out {option}.", option=option)
    if options.step is None and options.conclude:
        return _begin_conclusion(options, settings)
    if options.step is None:
        raise UsageError("A branch begins at a step of the run; name it with --step, and its chain with --chain.")
    request = BranchRequest(
        chain=1 if options.chain is None else options.chain,
        step=options.step,
        question="" if options.question is None else clean_question(options.question),
        candidate=options.candidate,
        prompt=options.prompt,
        seed=options.seed,
        length=options.steps,
        moves=options.moves or "",
        guarded=not options.no_guard,
        stop_without_progress=not options.keep_going,
    )
    saved = read_run(options.run)
    request.check(saved, variants)
    engine, measure = open_all(settings)
    run = request.resolve(saved, engine, measure, variants)
    _say_differences(saved, run)
    return run, engine, measure


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


def _begin_conclusion(options: argparse.Namespace, settings: Settings) -> tuple[Run, Engine, Measure]:
    """Return a saved run in which a chain, by default the last one, is about to be concluded."""
    saved = read_run(options.run)
    number = saved.chains[-1].number if options.chain is None else options.chain
    chain, _ = saved.step_at(number, 1)
    concluding = conclude(chain)
    engine, measure = open_all(settings)
    others = [one for one in saved.chains if one.number != number]
    return saved.with_chains((*others, concluding)), engine, measure


def _advance(engine: Engine, measure: Measure, run: Run, test: bool) -> tuple[Run, int]:
    """Return the run with its last chain as far as it came, and the exit code."""
    *others, chain = run.chains
    progress, code = _Progress(chain), 0
    try:
        for (chain,) in advance(engine, run.chains[-1:], run.sampling, measure):
            progress.show(chain)
        for step in filter(can_be_tested, chain.own_steps if test else ()):
            say(f"step {step.number}: testing the Reasoning with {MOST_ANSWERS} answers ...")
            *_, chain = test_reasoning(engine, chain, step.number, run.sampling)
    except KeyboardInterrupt:
        chain, code = stop(chain, measure), INTERRUPTED
    except EngineError as error:
        # Of a test; an answer that fails is an error in its step. What was written is still worth the table.
        say(f"bonsai: {error}")
        code = FAILED
    failures = [step.error for step in chain.own_steps if step.error]
    failures += [chain.conclusion.error] if chain.conclusion and chain.conclusion.error else []
    for failure in failures:
        say(f"bonsai: {failure}")
    say_notes(engine)
    return run.with_chains(sorted((*others, chain), key=lambda one: one.number)), code or (FAILED if failures else 0)


class _Progress:
    """Says what a chain is doing: a line for each finished step, and on a terminal also the role being written."""

    def __init__(self, chain: Chain) -> None:
        self._finished = chain.shared
        self._line = ProgressLine(seconds_between_lines=None)

    def show(self, chain: Chain) -> None:
        for step in chain.steps[self._finished :]:
            place = f"step {step.number} of {chain.length}"
            if step.finished:
                self._finished += 1
                self._line.keep(f"{place}: {step.seconds:.1f} s")
            else:
                self._line.show(f"{place}: {step.writing.replace('_', ' ')} ...")
