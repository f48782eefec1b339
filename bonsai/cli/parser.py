"""The options of every command; nothing heavy is imported here, so that `--help` answers at once."""

import argparse
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import NoReturn

from bonsai import __version__
from bonsai.chains.outcomes import Axis, Judgement, Method
from bonsai.cli.output import WRONG_USAGE
from bonsai.lab.training.tracking import TRACKERS
from bonsai.reports.formats import Format, Language
from bonsai.runs.limits import DEFAULT_CANDIDATES, DEFAULT_SAMPLING, DEFAULT_STEPS
from bonsai.settings import SMOLLM2

Parser = argparse.ArgumentParser


class _SentenceParser(Parser):
    def error(self, message: str) -> NoReturn:
        """End with a sentence and the exit code of wrong usage; the whole usage is a --help away."""
        self.exit(WRONG_USAGE, f"{self.prog}: {message}. See {self.prog} --help.\n")


def parser() -> Parser:
    """Return the parser of the command line; what it parses has the name of a command in `command`."""
    top = _SentenceParser(
        prog="bonsai", description="Grow better questions: Reasoning, answer, next question, step by step."
    )
    top.add_argument("--version", action="version", version=f"bonsai {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, (add_options, summary) in _COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        command.set_defaults(command=name)
        add_options(command)
    return top


def _ask(command: Parser) -> None:
    # Defaults are filled in where a run begins: a branch goes on with the values of its own run.
    command.add_argument("question", metavar="QUESTION", nargs="?")
    command.add_argument("--method", choices=_words(Method), help=f"default: {Method.QTQ}")
    command.add_argument("--prompt", metavar="NAME", default="", help="prompt variant (see the command prompts)")
    _add_chain_options(command)
    command.add_argument(
        "--test-reasoning",
        action="store_true",
        help="does the answer change more than chance with other texts in place of the Reasoning?",
    )
    branch = command.add_argument_group(
        "branches", "Go on from a step of a saved run, with another question, candidate, variant or seed."
    )
    branch.add_argument("--from", dest="run", type=Path, metavar="RUN.json", help="the run; it is kept whole")
    branch.add_argument("--chain", type=int, metavar="C", help="chain of the run (default: 1)")
    branch.add_argument("--step", type=int, metavar="N", help="step of the chain, which is asked anew")
    branch.add_argument("--candidate", type=int, metavar="K", help="keep the step and ask its candidate K next")
    _add_model_options(command)
    _add_drawing_options(command)


def _compare(command: Parser) -> None:
    command.add_argument("question", metavar="QUESTION", nargs="+", help="one question, or several")
    command.add_argument(
        "--method", action="append", choices=_words(Method), help=f"repeat for several (default: {Method.QTQ})"
    )
    _add_axes(command)
    _add_chain_options(command)
    _add_model_options(command)
    _add_drawing_options(command)
    command.set_defaults(journal=None)


def _batch(command: Parser) -> None:
    command.add_argument("file", type=Path, metavar="FILE", help=".csv, .tsv, .xlsx, .json, .jsonl or .txt")
    command.add_argument("--column", default="", metavar="NAME", help="column of the questions (default: it is found)")
    command.add_argument("--method", choices=_words(Method), default=Method.QTQ, help="default: %(default)s")
    _add_axes(command)
    _add_chain_options(command)
    _add_model_options(command)
    journal = command.add_argument_group("journal", "Keep each finished step in a file, and go on with it later.")
    journal.add_argument("--journal", type=Path, metavar="FILE.jsonl", help="where finished steps are kept")
    journal.add_argument("--resume", action="store_true", help="go on with the journal; no finished step is repeated")
    journal.add_argument("--retry-failed", action="store_true", help="when resuming, ask again where a chain failed")
    _add_drawing_options(command)


def _show(command: Parser) -> None:
    command.add_argument("run", type=Path, metavar="RUN.json", help="a saved run, or the journal of one")
    _add_drawing_options(command)


def _score(command: Parser) -> None:
    command.add_argument(
        "file", type=Path, metavar="FILE", help="CSV or Excel, columns chain and question, and answer if there is one"
    )
    command.add_argument("--out", type=_file, metavar="FILE", help="a .csv or .xlsx file, instead of stdout")


def _judge(command: Parser) -> None:
    command.add_argument("run", type=Path, metavar="RUN.json", help="a saved run, or the journal of one; it is changed")
    command.add_argument(
        "--columns", choices=_words(Axis), default="", help="between what pairs are judged (default: what varies)"
    )
    step = command.add_argument_group("one step", "Say what you think of a step, instead of judging pairs blind.")
    step.add_argument("--chain", type=int, default=1, metavar="C", help="its chain (default: %(default)s)")
    step.add_argument("--step", type=int, metavar="N", help="its number in the chain")
    step.add_argument(
        "--verdict", choices=_words(Judgement), help="good or bad; with --beside better, worse or tie; none takes back"
    )
    step.add_argument("--reason", default="", metavar="TEXT", help="why")
    step.add_argument("--beside", type=int, default=0, metavar="C", help="the chain to whose step it is compared")


def _prompts(command: Parser) -> None:
    """Add no options: there are none."""


def _train(command: Parser) -> None:
    command.add_argument(
        "data", type=Path, nargs="+", metavar="DATA.jsonl", help="records, or saved runs with steps marked good"
    )
    command.add_argument(
        "--base", default=SMOLLM2, metavar="MODEL", help="hub id, folder or GGUF file (default: the model in the box)"
    )
    command.add_argument("--out", type=Path, metavar="FOLDER", help="where the adapter is saved")
    command.add_argument(
        "--check", action="store_true", help="say what is wrong with the records, line by line, and train nothing"
    )
    command.add_argument(
        "--prompt", action="append", metavar="NAME", help="prompt variant; repeat for several (assistant)"
    )
    command.add_argument("--adapter", type=Path, metavar="FOLDER", help="go on from this adapter, at its own rank")
    command.add_argument("--overwrite", action="store_true", help="replace a finished adapter in FOLDER")
    command.add_argument(
        "--report-to", choices=TRACKERS, default="none", help="draw the losses as it goes (default: %(default)s)"
    )
    learning = command.add_argument_group("learning")
    learning.add_argument("--epochs", type=float, default=2, metavar="N", help="default: %(default)s")
    learning.add_argument("--learning-rate", type=float, default=2e-4, metavar="R", help="default: %(default)s")
    learning.add_argument("--rank", type=int, default=16, metavar="N", help="of the adapter (default: %(default)s)")
    learning.add_argument("--alpha", type=int, default=0, metavar="N", help="its strength (default: twice the rank)")
    learning.add_argument("--dropout", type=float, default=0, metavar="P", help="default: %(default)s")
    learning.add_argument(
        "--targets", default="", metavar="NAME,NAME", help="layers to change (default: all linear layers)"
    )
    learning.add_argument("--last-layers", type=int, default=0, metavar="N", help="change the last N blocks alone")
    learning.add_argument("--batch-size", type=int, default=8, metavar="N", help="records a step (%(default)s)")
    learning.add_argument(
        "--max-tokens", type=int, default=1024, metavar="N", help="of a prompt and its completion (%(default)s)"
    )
    learning.add_argument(
        "--held-out", type=float, default=0.05, metavar="P", help="share of the questions to measure with (%(default)s)"
    )
    learning.add_argument(
        "--patience", type=int, default=3, metavar="N", help="measures without a gain before it ends; 0: never (3)"
    )
    learning.add_argument("--seed", type=int, default=0, metavar="S", help="default: %(default)s")
    memory = command.add_argument_group("memory")
    memory.add_argument("--quantization", choices=("none", "8bit", "4bit"), default="", help="of the base")
    memory.add_argument("--gradient-checkpointing", action="store_true", help="less memory, a third more time")


def _evaluate(command: Parser) -> None:
    command.add_argument(
        "--questions", type=Path, metavar="FILE", help=".txt, .csv or .jsonl (default: 100 held-out questions)"
    )
    command.add_argument("--limit", type=int, metavar="N", help="only so many questions of each list")
    command.add_argument(
        "--facts", default="", metavar="FILE", help="plain questions and what their answers contain, or none"
    )
    command.add_argument("--model", default="", metavar="M", help="hub id or folder (default: BONSAI_MODEL)")
    command.add_argument(
        "--adapter", action="append", metavar="A", help="repeat for several (default: the model's own, if it has one)"
    )
    command.add_argument("--prompt", action="append", metavar="NAME", help="prompt variant; repeat for several")
    command.add_argument(
        "--methods",
        nargs="+",
        choices=_words(Method),
        default=[Method.QTQ, Method.TWO_STEP, Method.SINGLE],
        metavar="M",
    )
    command.add_argument("--moves", nargs="+", default=["auto"], metavar="M", help="off, auto or both (default: auto)")
    command.add_argument("--guard", nargs="+", choices=("on", "off"), default=["on"], help="or both (default: on)")
    command.add_argument("--steps", type=int, default=5, metavar="N", help="of a chain (default: %(default)s)")
    command.add_argument("--seed", type=int, default=DEFAULT_SAMPLING.seed, metavar="S", help="default: %(default)s")
    command.add_argument(
        "--out", type=Path, default=Path("docs/faults.md"), metavar="FILE.md", help="default: %(default)s"
    )
    command.add_argument("--journal", type=Path, metavar="FOLDER", help="default: beside --out")
    command.add_argument("--resume", action="store_true", help="go on with the journals; no finished step is repeated")
    command.add_argument("--blind", type=int, metavar="N", help="write a sheet of N pairs to be marked, beside --out")
    command.add_argument(
        "--judged", type=Path, metavar="SHEET.csv", help="add what a marked sheet says to --out, and ask nothing"
    )


def _merge(command: Parser) -> None:
    _add_model_options(command)
    command.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="where the merged model is saved")


def _bench(command: Parser) -> None:
    command.add_argument(
        "--model",
        action="append",
        metavar="M",
        help="random-40m, phi-2-shape, a hub id, folder or GGUF file; repeat for several (default: all that fit)",
    )
    command.add_argument("--adapter", default="", metavar="A", help="adapter of a hub id or folder")
    command.add_argument("--workload", action="append", metavar="W", help="repeat for several (default: all)")
    engines = ("llama-cpp", "batching", "local")
    command.add_argument("--engine", choices=engines, default="batching", help="default: %(default)s")
    command.add_argument("--pairs", type=int, default=3, metavar="N", help="pairs of runs (default: %(default)s)")
    command.add_argument("--quick", action="store_true", help="short runs, to see that it works")
    command.add_argument("--out", type=_file, metavar="FILE.json", help="write all figures to a file")


def _serve(command: Parser) -> None:
    command.add_argument("--host", default="127.0.0.1", help="default: %(default)s; 0.0.0.0 lets other machines in")
    command.add_argument("--port", type=int, default=7860, help="default: %(default)s")


def _add_chain_options(command: Parser) -> None:
    """Add how a chain goes on and how its texts are sampled; what is not given is None."""
    command.add_argument("--steps", type=int, metavar="N", help=f"steps of a qtq chain (default: {DEFAULT_STEPS})")
    command.add_argument(
        "--candidates", type=int, metavar="K", help=f"next questions to choose from (default: {DEFAULT_CANDIDATES})"
    )
    command.add_argument(
        "--moves",
        metavar="M",
        help="direction of next questions: auto (each candidate another one), off, cause, mechanism, evidence, "
        "assumption, 'other view', consequence, example or measure (default: auto)",
    )
    command.add_argument(
        "--seed", type=int, metavar="S", help=f"same seed, same table (default: {DEFAULT_SAMPLING.seed})"
    )
    command.add_argument(
        "--temperature", type=float, metavar="T", help=f"0 to 5 (default: {DEFAULT_SAMPLING.temperature})"
    )
    command.add_argument(
        "--max-new-tokens",
        type=int,
        metavar="N",
        help=f"of each completion (default: {DEFAULT_SAMPLING.max_new_tokens})",
    )
    command.add_argument(
        "--no-guard", action="store_true", help="ask the first question proposed, even if it repeats one"
    )
    command.add_argument(
        "--keep-going", action="store_true", help="go on even if two steps running add next to nothing"
    )
    command.add_argument(
        "--conclude", action="store_true", help="answer the first question by what the whole chain found (qtq)"
    )


def _add_axes(command: Parser) -> None:
    """Add the axes of a grid but for its questions and methods."""
    command.add_argument(
        "--prompt", action="append", metavar="NAME", help="prompt variant; repeat for several (see the command prompts)"
    )
    command.add_argument("--repeats", type=int, default=1, metavar="N", help="seeds to ask with (default: %(default)s)")
    command.add_argument(
        "--with-and-without-adapter", action="store_true", help="ask the model without its adapter too"
    )


def _add_model_options(command: Parser) -> None:
    """Add which model and adapter answer."""
    command.add_argument("--model", default="", metavar="M", help="hub id or folder (default: BONSAI_MODEL)")
    command.add_argument("--adapter", default="", metavar="A", help="hub id, folder or none (default: BONSAI_ADAPTER)")


def _add_drawing_options(command: Parser) -> None:
    """Add in which form, language and file a run is drawn."""
    command.add_argument(
        "--format", choices=_words(Format), help="default: as the ending of --out says, or else markdown"
    )
    command.add_argument(
        "--language", choices=_words(Language), default=Language.EN, help="of the summary (default: %(default)s)"
    )
    command.add_argument(
        "--columns",
        choices=_words(Axis),
        default="",
        help="what the columns of a comparison are (default: what varies)",
    )
    command.add_argument("--out", type=_file, metavar="FILE", help="write to a file instead of stdout (-)")


def _file(name: str) -> Path | None:
    """Return a file to write, None for stdout."""
    return None if name == "-" else Path(name)


def _words(closed_set: type[StrEnum]) -> list[str]:
    # Plain texts: argparse says `repr` of what can be chosen.
    return [str(word) for word in closed_set]


_COMMANDS: dict[str, tuple[Callable[[Parser], None], str]] = {
    "ask": (_ask, "ask a question and print the table of its steps"),
    "compare": (_compare, "ask with several prompt variants and print them side by side"),
    "batch": (_batch, "ask a whole list of questions"),
    "show": (_show, "draw a saved run again"),
    "judge": (_judge, "say which answers of a saved run are better or good, names hidden"),
    "score": (_score, "measure and flag the steps of chains made elsewhere"),
    "prompts": (_prompts, "list and check the prompt variants"),
    "train": (_train, "train a LoRA adapter on records or on steps marked good"),
    "evaluate": (_evaluate, "measure the faults of chains, with and without an adapter"),
    "merge": (_merge, "write a model with its adapter merged, for servers"),
    "bench": (_bench, "measure Bonsai beside the usual way of asking a model"),
    "serve": (_serve, "open the page"),
}
