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
from bonsai.errors import BonsaiError, UsageError
from bonsai.settings import Settings

if TYPE_CHECKING:
    from bonsai.chain import Chain
    from bonsai.engines.base import Engine
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
    from bonsai.chain import check_fit, new_chain
    from bonsai.engines import open_engine
    from bonsai.prompts import choose_variant, default_variant, load_variants
    from bonsai.questions import clean_question
    from bonsai.runs import Run

    question = clean_question(options.question)
    sampling = SamplingParams(max_new_tokens=options.max_new_tokens, temperature=options.temperature, seed=options.seed)
    settings = replace(
        settings, **{name: getattr(options, name) for name in ("model", "adapter") if getattr(options, name)}
    )
    variants = load_variants(settings.prompts)
    name = options.prompt or settings.prompt
    if name:
        choose_variant(variants, name)
    _check_folder(options.out)
    engine = open_engine(settings)
    variant = choose_variant(variants, name or default_variant(engine.model_id, engine.adapter_id))
    chain = new_chain(
        question, options.method, variant, length=options.steps, candidates=options.candidates, seed=options.seed
    )
    check_fit(engine, [chain], sampling)
    run = Run((chain,), sampling, engine.model_id, engine.adapter_id, engine.name)
    run, interrupted = _grow(engine, run)
    _draw(run, options.format, options.out)
    return INTERRUPTED if interrupted else _outcome(run)


def _grow(engine: "Engine", run: "Run") -> tuple["Run", bool]:
    """Return the run at its end, and whether it was interrupted; what was reached until then is kept."""
    from bonsai.chain import advance, stop

    interrupted, progress = False, _Progress()
    try:
        for chains in advance(engine, run.chains, run.sampling):
            run = run.with_chains(chains)
            progress.show(chains[0])
    except KeyboardInterrupt:
        run, interrupted = run.with_chains(tuple(stop(chain) for chain in run.chains)), True
    return run, interrupted


def _outcome(run: "Run") -> int:
    failures = [step.error for chain in run.chains for step in chain.steps if step.error]
    for failure in failures:
        _say(f"bonsai: {failure}")
    return FAILED if failures else 0


class _Progress:
    """Says on stderr what a chain is doing: a line for each finished step, and on a terminal also the role in hand."""

    def __init__(self) -> None:
        self._finished = 0
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


def _check_folder(out: Path | None) -> None:
    if out is not None and not out.parent.is_dir():
        raise UsageError(f"The folder {out.parent} does not exist; make it, or choose another place for --out.")
    if out is not None and out.is_dir():
        raise UsageError(f"{out} is a folder; --out takes the name of a file.")


def _draw(run: "Run", form: str, out: Path | None) -> None:
    from bonsai.runs import write_whole
    from bonsai.table import DRAWINGS

    data = DRAWINGS[form](run).encode()
    if out is None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    else:
        write_whole(out, data)
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
    ask.add_argument("question", metavar="QUESTION")
    ask.add_argument("--method", choices=("single", "two-step", "qtq"), default="qtq", help="default: %(default)s")
    ask.add_argument("--prompt", metavar="NAME", default="", help="prompt variant (see the command prompts)")
    ask.add_argument("--steps", type=int, default=3, metavar="N", help="steps of a qtq chain (default: %(default)s)")
    ask.add_argument(
        "--candidates", type=int, default=3, metavar="K", help="next questions to choose from (default: %(default)s)"
    )
    ask.add_argument("--seed", type=int, default=1, metavar="S", help="same seed, same table (default: %(default)s)")
    ask.add_argument(
        "--temperature",
        type=float,
        default=SamplingParams.temperature,
        metavar="T",
        help="0 to 5 (default: %(default)s)",
    )
    ask.add_argument(
        "--max-new-tokens",
        type=int,
        default=SamplingParams.max_new_tokens,
        metavar="N",
        help="of each completion (default: %(default)s)",
    )
    ask.add_argument("--model", default="", metavar="M", help="hub id or folder (default: BONSAI_MODEL)")
    ask.add_argument("--adapter", default="", metavar="A", help="hub id, folder or none (default: BONSAI_ADAPTER)")
    _drawing_options(ask)

    show = _command(commands, "show", _show, "draw a saved run again")
    show.add_argument("run", type=Path, metavar="RUN.json")
    _drawing_options(show)

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

    serve = _command(commands, "serve", _serve, "open the page")
    serve.add_argument("--host", default="127.0.0.1", help="default: %(default)s; 0.0.0.0 lets other machines in")
    serve.add_argument("--port", type=int, default=7860, help="default: %(default)s")
    return parser


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
