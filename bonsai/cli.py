"""The command line: one subcommand per job; tables go to stdout, everything else to stderr.

What a subcommand needs is imported when it runs, so that `--help` answers at once.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from bonsai import __version__
from bonsai.engines.base import SamplingParams
from bonsai.errors import BonsaiError, EngineError, UsageError
from bonsai.settings import Settings

if TYPE_CHECKING:
    from bonsai.chain import Chain
    from bonsai.engines.base import Engine
    from bonsai.measures import Measure
    from bonsai.prompts import PromptVariant
    from bonsai.runs import Run

FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace, Settings], int] = options.command
    try:
        return command(options, Settings.from_env())
    except BonsaiError as error:
        _say(f"bonsai: {error}")
        return WRONG_USAGE if isinstance(error, UsageError) else FAILED
    except KeyboardInterrupt:
        _say("bonsai: interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of stdout has gone, for example `| head`; nothing is left to say, and no flush at exit may fail.
        sys.stdout = None
        return FAILED


def _ask(options: argparse.Namespace, settings: Settings) -> int:
    from bonsai.prompts import choose_variant, load_variants
    from bonsai.roles import check_fit

    settings = replace(
        settings, **{name: getattr(options, name) for name in ("model", "adapter") if getattr(options, name)}
    )
    variants = load_variants(settings.prompts)
    if name := options.prompt or settings.prompt:
        choose_variant(variants, name)
    _check_folder(options.out)
    begin = _begin_branch if options.run else _begin_run
    run, engine, measure = begin(options, settings, variants)
    check_fit(engine, run.chains[-1:], run.sampling)
    run, code = _grow(engine, measure, run, options.test_reasoning)
    _draw(run, options.format, options.out)
    return code


def _begin_run(
    options: argparse.Namespace, settings: Settings, variants: "dict[str, PromptVariant]"
) -> "tuple[Run, Engine, Measure]":
    """Return a run of one chain that is about to begin, and what will write and measure it."""
    from bonsai.chain import new_chain
    from bonsai.prompts import choose_variant, default_variant
    from bonsai.questions import clean_question
    from bonsai.runs import Run

    if any(value is not None for value in (options.chain, options.step, options.candidate)):
        raise UsageError("--chain, --step and --candidate say where to branch from a saved run; name it with --from.")
    if options.question is None:
        raise UsageError("There is no question; write one, or name a saved run to branch from with --from.")
    method = options.method or "qtq"
    if options.test_reasoning and method == "single":
        raise UsageError("The method single writes no Reasoning, so --test-reasoning has nothing to test.")
    question = clean_question(options.question)
    given = {name: getattr(options, name) for name in ("max_new_tokens", "temperature", "seed")}
    sampling = SamplingParams(**{"seed": 1} | {name: value for name, value in given.items() if value is not None})
    engine, measure = _open(settings)
    name = options.prompt or settings.prompt or default_variant(engine.model_id, engine.adapter_id)
    chain = new_chain(
        question, method, choose_variant(variants, name), seed=sampling.seed,
        length=3 if options.steps is None else options.steps,
        candidates=3 if options.candidates is None else options.candidates,
    )  # fmt: skip
    chain = replace(chain, guarded=not options.no_guard, stop_without_progress=not options.keep_going)
    return Run((chain,), sampling, engine.model_id, engine.adapter_id, engine.name, measure.name), engine, measure


def _begin_branch(
    options: argparse.Namespace, settings: Settings, variants: "dict[str, PromptVariant]"
) -> "tuple[Run, Engine, Measure]":
    """Return a saved run with a branch that is about to begin, and what will write and measure it."""
    from bonsai.questions import clean_question
    from bonsai.runs import branched, read_run

    for name in ("method", "candidates", "temperature", "max_new_tokens"):
        if getattr(options, name) is not None:
            raise UsageError(f"A branch is written as its run was; leave out --{name.replace('_', '-')}.")
    if options.step is None:
        raise UsageError("A branch begins at a step of the run; name it with --step, and its chain with --chain.")
    if options.candidate is not None and options.question is not None:
        raise UsageError("A branch asks either a question of yours or a candidate of the step; leave one out.")
    run = branched(
        read_run(options.run), 1 if options.chain is None else options.chain, options.step, candidate=options.candidate,
        question="" if options.question is None else clean_question(options.question),
        prompt=variants[options.prompt] if options.prompt else None,
        seed=None if options.seed is None else SamplingParams(seed=options.seed).seed, length=options.steps,
    )  # fmt: skip
    engine, measure = _open(settings)
    *others, chain = run.chains
    chain = replace(
        chain, guarded=chain.guarded and not options.no_guard,
        stop_without_progress=chain.stop_without_progress and not options.keep_going,
    )  # fmt: skip
    if (engine.model_id, engine.adapter_id) != (run.model, run.adapter):
        _say(f"bonsai: the run was answered by {_model(run.model, run.adapter)}, its branch is by "
             f"{_model(engine.model_id, engine.adapter_id)}")  # fmt: skip
        chain = replace(chain, model=engine.model_id, adapter=engine.adapter_id)
    if measure.name != run.measure:
        _say(f"bonsai: the run was measured with {run.measure}, its branch is with {measure.name}")
        run = replace(run, measure=f"{run.measure}; chain {chain.number} with {measure.name}")
    return run.with_chains((*others, chain)), engine, measure


def _open(settings: Settings) -> "tuple[Engine, Measure]":
    from bonsai.embedder import open_embedder
    from bonsai.engines import open_engine
    from bonsai.measures import Measure

    return open_engine(settings), Measure(open_embedder(settings.embedder))


def _model(model: str, adapter: str) -> str:
    return f"{model} with the adapter {adapter}" if adapter else model


def _grow(engine: "Engine", measure: "Measure", run: "Run", test: bool) -> tuple["Run", int]:
    """Return the run with its last chain as far as it came, and the exit code."""
    from bonsai.ablation import can_be_tested, test_reasoning
    from bonsai.advance import advance
    from bonsai.chain import stop

    *others, chain = run.chains
    progress, code = _Progress(chain), 0
    try:
        for grown in advance(engine, run.chains[-1:], run.sampling, measure):
            (chain,) = grown
            progress.show(chain)
        for step in filter(can_be_tested, chain.own_steps if test else ()):
            _say(f"step {step.number}: testing the Reasoning ...")
            *_, chain = test_reasoning(engine, chain, step.number, run.sampling)
    except KeyboardInterrupt:
        chain, code = stop(chain, measure), INTERRUPTED
    except EngineError as error:
        # Of a test; an answer that fails is an error in its step. What was written is still worth the table.
        _say(f"bonsai: {error}")
        code = FAILED
    failures = [step.error for step in chain.own_steps if step.error]
    for failure in failures:
        _say(f"bonsai: {failure}")
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
                _say(f"{clear}step {step.number} of {chain.length}: {step.seconds:.1f} s")
            elif self._terminal:
                _say(f"{clear}step {step.number} of {chain.length}: {step.writing.replace('_', ' ')} ...", end="")


def _show(options: argparse.Namespace, settings: Settings) -> int:
    from bonsai.runs import read_run

    _check_folder(options.out)
    _draw(read_run(options.run), options.format, options.out)
    return 0


def _score(options: argparse.Namespace, settings: Settings) -> int:
    from bonsai.embedder import open_embedder
    from bonsai.measures import Measure
    from bonsai.scoring import read_sheet, score

    _check_folder(options.out)
    sheet = read_sheet(options.file)
    measure = Measure(open_embedder(settings.embedder))
    _say(f"Similarity is measured with {measure.name}.")
    steps, all_rows = [], len(sheet.rows)
    for step in score(sheet.turns, measure):
        steps.append(step)
        if len(steps) % 1000 == 0 or len(steps) == all_rows:
            _say(f"{len(steps):,} of {all_rows:,} rows")
    _write(sheet.with_scores(steps).to_csv(), options.out)
    return 0


def _prompts(options: argparse.Namespace, settings: Settings) -> int:
    from bonsai.prompts import load_variants

    variants = load_variants(settings.prompts)
    width = max(map(len, variants))
    for name, variant in variants.items():
        print(f"{name:<{width}}  {variant.description}")
    _say(f"{len(variants)} prompt variants in {settings.prompts}, all well-formed.")
    return 0


def _serve(options: argparse.Namespace, settings: Settings) -> int:
    from bonsai.ui.page import open_page, serve

    serve(open_page(settings), options.host, options.port)
    return 0


def _train(options: argparse.Namespace, settings: Settings) -> int:
    from bonsai.prompts import choose_variant, load_variants
    from bonsai.train import Schedule, read_records, train

    variants = load_variants(settings.prompts)
    chosen = [choose_variant(variants, name) for name in options.prompt or ["assistant"]]
    schedule = Schedule(
        epochs=options.epochs, learning_rate=options.learning_rate, rank=options.rank,
        batch_size=options.batch_size, max_tokens=options.max_tokens, seed=options.seed,
    )  # fmt: skip
    train(read_records(options.data), options.base, options.out, chosen, schedule, options.adapter)
    _say(f"The adapter is in {options.out}; use it with --adapter {options.out} or BONSAI_ADAPTER={options.out}.")
    return 0


def _merge(options: argparse.Namespace, settings: Settings) -> int:
    from bonsai.engines.merging import merge

    named = {name: getattr(options, name) for name in ("model", "adapter") if getattr(options, name)}
    merge(replace(settings, **named), options.out)
    _say(f"The merged model is in {options.out}; use it with --model {options.out}, or have a server serve it.")
    return 0


def _check_folder(out: Path | None) -> None:
    if out is not None and not out.parent.is_dir():
        raise UsageError(f"The folder {out.parent} does not exist; make it, or choose another place for --out.")
    if out is not None and out.is_dir():
        raise UsageError(f"{out} is a folder; --out takes the name of a file.")


def _draw(run: "Run", form: str, out: Path | None) -> None:
    from bonsai.table import DRAWINGS

    _write(DRAWINGS[form](run), out)


def _write(text: str, out: Path | None) -> None:
    from bonsai.runs import write_whole

    if out is None:
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()
    else:
        write_whole(out, text.encode())
        _say(f"Written to {out}.")


def _say(text: str, end: str = "\n") -> None:
    print(text, end=end, file=sys.stderr, flush=True)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """End with a sentence and the exit code of wrong usage; the whole usage is a --help away."""
        self.exit(WRONG_USAGE, f"{self.prog}: {message}. See {self.prog} --help.\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="bonsai", description="Grow better questions: Reasoning, answer, next question, step by step."
    )
    parser.add_argument("--version", action="version", version=f"bonsai {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    ask = _command(commands, "ask", _ask, "ask a question and print the table of its steps")
    _question_options(ask)
    ask.add_argument("--model", default="", metavar="M", help="hub id or folder (default: BONSAI_MODEL)")
    ask.add_argument("--adapter", default="", metavar="A", help="hub id, folder or none (default: BONSAI_ADAPTER)")
    _drawing_options(ask)

    show = _command(commands, "show", _show, "draw a saved run again")
    show.add_argument("run", type=Path, metavar="RUN.json")
    _drawing_options(show)

    score = _command(commands, "score", _score, "measure and flag the steps of chains made elsewhere")
    score.add_argument(
        "file", type=Path, metavar="FILE.csv", help="columns chain and question, and answer if there is one; UTF-8"
    )
    score.add_argument("--out", type=Path, metavar="FILE", help="write the rows to a file instead of stdout")

    _command(commands, "prompts", _prompts, "list and check the prompt variants")

    train = _command(commands, "train", _train, "train a LoRA adapter on records in a JSONL file")
    train.add_argument("data", type=Path, metavar="DATA.jsonl")
    train.add_argument("--base", required=True, metavar="MODEL", help="hub id or folder of the model to adapt")
    train.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="where the adapter is saved")
    train.add_argument(
        "--prompt", action="append", metavar="NAME", help="prompt variant; repeat for several (assistant)"
    )
    train.add_argument("--adapter", type=Path, metavar="FOLDER", help="go on from this adapter, at its own rank")
    train.add_argument("--epochs", type=float, default=2, metavar="N", help="default: %(default)s")
    train.add_argument("--learning-rate", type=float, default=2e-4, metavar="R", help="default: %(default)s")
    train.add_argument("--rank", type=int, default=16, metavar="N", help="of the adapter (default: %(default)s)")
    train.add_argument("--batch-size", type=int, default=8, metavar="N", help="default: %(default)s")
    train.add_argument("--max-tokens", type=int, default=1024, metavar="N", help="of one record (default: %(default)s)")
    train.add_argument("--seed", type=int, default=0, metavar="S", help="default: %(default)s")

    merge = _command(commands, "merge", _merge, "write a model with its adapter merged, for servers")
    merge.add_argument("--model", default="", metavar="M", help="hub id or folder (default: BONSAI_MODEL)")
    merge.add_argument("--adapter", default="", metavar="A", help="hub id or folder (default: BONSAI_ADAPTER)")
    merge.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="where the merged model is saved")

    serve = _command(commands, "serve", _serve, "open the page")
    serve.add_argument("--host", default="127.0.0.1", help="default: %(default)s; 0.0.0.0 lets other machines in")
    serve.add_argument("--port", type=int, default=7860, help="default: %(default)s")
    return parser


def _question_options(ask: argparse.ArgumentParser) -> None:
    # Defaults are filled in where a run begins: a branch goes on with the values of its own run.
    ask.add_argument("question", metavar="QUESTION", nargs="?")
    ask.add_argument("--method", choices=("single", "two-step", "qtq"), help="default: qtq")
    ask.add_argument("--prompt", metavar="NAME", default="", help="prompt variant (see the command prompts)")
    ask.add_argument("--steps", type=int, metavar="N", help="steps of a qtq chain (default: 3)")
    ask.add_argument("--candidates", type=int, metavar="K", help="next questions to choose from (default: 3)")
    ask.add_argument("--seed", type=int, metavar="S", help="same seed, same table (default: 1)")
    ask.add_argument("--temperature", type=float, metavar="T", help=f"0 to 5 (default: {SamplingParams.temperature})")
    ask.add_argument(
        "--max-new-tokens", type=int, metavar="N",
        help=f"of each completion (default: {SamplingParams.max_new_tokens})",
    )  # fmt: skip
    ask.add_argument("--no-guard", action="store_true", help="ask the first question proposed, even if it repeats one")
    ask.add_argument("--keep-going", action="store_true", help="go on even if two steps running add next to nothing")
    ask.add_argument("--test-reasoning", action="store_true", help="answer again without the Reasoning, to compare")
    branch = ask.add_argument_group(
        "branches", "Go on from a step of a saved run, with another question, candidate, variant or seed."
    )
    branch.add_argument("--from", dest="run", type=Path, metavar="RUN.json", help="the run; it is kept whole")
    branch.add_argument("--chain", type=int, metavar="C", help="chain of the run (default: 1)")
    branch.add_argument("--step", type=int, metavar="N", help="step of the chain, which is asked anew")
    branch.add_argument("--candidate", type=int, metavar="K", help="keep the step and ask its candidate K next")


def _command(
    commands: "argparse._SubParsersAction[_Parser]",
    name: str,
    function: Callable[[argparse.Namespace, Settings], int],
    summary: str,
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
    command.set_defaults(command=function)
    return command


def _drawing_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--format", choices=("markdown", "csv", "json"), default="markdown", help="default: %(default)s"
    )
    command.add_argument("--out", type=Path, metavar="FILE", help="write the table to a file instead of stdout")
