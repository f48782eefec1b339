"""The command `ask`: one question by one method, or a branch of a saved run."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bonsai.cli.options import (
    CANDIDATES,
    STEPS,
    add_chain_options,
    add_drawing_options,
    add_model_options,
    open_all,
    or_default,
    sampling_of,
    with_model,
)
from bonsai.cli.output import FAILED, INTERRUPTED, check_out, draw, say
from bonsai.engines.base import SamplingParams
from bonsai.errors import EngineError, UsageError
from bonsai.settings import Settings

if TYPE_CHECKING:
    from bonsai.chains.chain import Chain
    from bonsai.chains.prompts import PromptVariant
    from bonsai.engines.base import Engine
    from bonsai.measures.similarity import Measure
    from bonsai.runs.run import Run


def add_options(command: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    # Defaults are filled in where a run begins: a branch goes on with the values of its own run.
    command.add_argument("question", metavar="QUESTION", nargs="?")
    command.add_argument("--method", choices=("single", "two-step", "qtq"), help="default: qtq")
    command.add_argument("--prompt", metavar="NAME", default="", help="prompt variant (see the command prompts)")
    add_chain_options(command)
    command.add_argument("--test-reasoning", action="store_true", help="answer again without the Reasoning, to compare")
    branch = command.add_argument_group(
        "branches", "Go on from a step of a saved run, with another question, candidate, variant or seed."
    )
    branch.add_argument("--from", dest="run", type=Path, metavar="RUN.json", help="the run; it is kept whole")
    branch.add_argument("--chain", type=int, metavar="C", help="chain of the run (default: 1)")
    branch.add_argument("--step", type=int, metavar="N", help="step of the chain, which is asked anew")
    branch.add_argument("--candidate", type=int, metavar="K", help="keep the step and ask its candidate K next")
    add_model_options(command)
    add_drawing_options(command)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Ask a question, or branch from a saved run; draw the run and return the exit code."""
    from bonsai.chains.prompts import choose_variant, load_variants
    from bonsai.chains.roles import check_context

    settings = with_model(options, settings)
    variants = load_variants(settings.prompts)
    choose_variant(variants, options.prompt or settings.prompt)
    check_out(options.out)
    begin = _begin_branch if options.run else _begin_run
    begun, engine, measure = begin(options, settings, variants)
    check_context(engine, begun.chains[-1:], begun.sampling)
    ended, code = _grow(engine, measure, begun, options.test_reasoning)
    draw(ended, options)
    return code


def _begin_run(
    options: argparse.Namespace, settings: Settings, variants: "dict[str, PromptVariant]"
) -> "tuple[Run, Engine, Measure]":
    """Return a run of one chain that is about to begin, and what will write and measure it."""
    from bonsai.chains.chain import new_chain
    from bonsai.chains.prompts import choose_variant
    from bonsai.chains.questions import clean_question
    from bonsai.runs.run import Run

    if any(value is not None for value in (options.chain, options.step, options.candidate)):
        raise UsageError("--chain, --step and --candidate say where to branch from a saved run; name it with --from.")
    if options.question is None:
        raise UsageError("There is no question; write one, or name a saved run to branch from with --from.")
    method = options.method or "qtq"
    if options.test_reasoning and method == "single":
        raise UsageError("The method single writes no Reasoning, so --test-reasoning has nothing to test.")
    question = clean_question(options.question)
    sampling = sampling_of(options)
    engine, measure = open_all(settings)
    name = options.prompt or settings.prompt
    chain = new_chain(
        question,
        method,
        choose_variant(variants, name),
        seed=sampling.seed,
        length=or_default(options.steps, STEPS),
        candidates=or_default(options.candidates, CANDIDATES),
    )
    chain = replace(chain, guarded=not options.no_guard, stop_without_progress=not options.keep_going)
    return (
        Run((chain,), sampling, engine.info.model_id, engine.info.adapter_id, engine.info.name, measure.name),
        engine,
        measure,
    )


def _begin_branch(
    options: argparse.Namespace, settings: Settings, variants: "dict[str, PromptVariant]"
) -> "tuple[Run, Engine, Measure]":
    """Return a saved run with a branch that is about to begin, and what will write and measure it."""
    from bonsai.chains.questions import clean_question
    from bonsai.runs.run import branched, read_run

    for name in ("method", "candidates", "temperature", "max_new_tokens"):
        if getattr(options, name) is not None:
            raise UsageError(f"A branch is written as its run was; leave out --{name.replace('_', '-')}.")
    if options.step is None:
        raise UsageError("A branch begins at a step of the run; name it with --step, and its chain with --chain.")
    if options.candidate is not None and options.question is not None:
        raise UsageError("A branch asks either a question of yours or a candidate of the step; leave one out.")
    run = branched(
        read_run(options.run),
        or_default(options.chain, 1),
        options.step,
        candidate=options.candidate,
        question="" if options.question is None else clean_question(options.question),
        prompt=variants[options.prompt] if options.prompt else None,
        seed=None if options.seed is None else SamplingParams(seed=options.seed).seed,
        length=options.steps,
    )
    engine, measure = open_all(settings)
    *others, chain = run.chains
    chain = replace(
        chain,
        guarded=chain.guarded and not options.no_guard,
        stop_without_progress=chain.stop_without_progress and not options.keep_going,
    )
    if (engine.info.model_id, engine.info.adapter_id) != (run.model, run.adapter):
        say(
            f"bonsai: the run was answered by {_model(run.model, run.adapter)}, its branch is by "
            f"{_model(engine.info.model_id, engine.info.adapter_id)}"
        )
        chain = replace(chain, model=engine.info.model_id, adapter=engine.info.adapter_id)
    if measure.name != run.measure:
        say(f"bonsai: the run was measured with {run.measure}, its branch is with {measure.name}")
        run = replace(run, measure=f"{run.measure}; chain {chain.number} with {measure.name}")
    return run.with_chains((*others, chain)), engine, measure


def _model(model: str, adapter: str) -> str:
    return f"{model} with the adapter {adapter}" if adapter else model


def _grow(engine: "Engine", measure: "Measure", run: "Run", test: bool) -> tuple["Run", int]:
    """Return the run with its last chain as far as it came, and the exit code."""
    from bonsai.chains.advance import advance
    from bonsai.chains.chain import stop
    from bonsai.chains.reasoning_test import can_be_tested, test_reasoning

    *others, chain = run.chains
    progress, code = _Progress(chain), 0
    try:
        for grown in advance(engine, run.chains[-1:], run.sampling, measure):
            (chain,) = grown
            progress.show(chain)
        for step in filter(can_be_tested, chain.own_steps if test else ()):
            say(f"step {step.number}: testing the Reasoning ...")
            *_, chain = test_reasoning(engine, chain, step.number, run.sampling)
    except KeyboardInterrupt:
        chain, code = stop(chain, measure), INTERRUPTED
    except EngineError as error:
        # Of a test; an answer that fails is an error in its step. What was written is still worth the table.
        say(f"bonsai: {error}")
        code = FAILED
    failures = [step.error for step in chain.own_steps if step.error]
    for failure in failures:
        say(f"bonsai: {failure}")
    return run.with_chains((*others, chain)), code or (FAILED if failures else 0)


class _Progress:
    """Says on stderr what a chain is doing: a line for each finished step, and on a terminal also the role in hand."""

    def __init__(self, chain: "Chain") -> None:
        self._finished = chain.shared
        self._terminal = sys.stderr.isatty()

    def show(self, chain: "Chain") -> None:
        clear = "\r\033[K" if self._terminal else ""
        for step in chain.steps[self._finished :]:
            if step.finished:
                self._finished += 1
                say(f"{clear}step {step.number} of {chain.length}: {step.seconds:.1f} s")
            elif self._terminal:
                say(f"{clear}step {step.number} of {chain.length}: {step.writing.replace('_', ' ')} ...", end="")
