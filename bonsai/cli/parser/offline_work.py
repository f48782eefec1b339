"""The options of the commands that make a model or measure one.

Each command has a function of its name, which adds them to its parser.
"""

from argparse import ArgumentParser
from pathlib import Path

from bonsai.chains.outcomes import Method
from bonsai.cli.parser.shared_options import add_model_options, output_file, words
from bonsai.lab.training.tracking import TRACKERS
from bonsai.runs.limits import DEFAULT_SAMPLING
from bonsai.settings import SMOLLM2


def train(command: ArgumentParser) -> None:
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
    _add_learning_options(command)
    memory = command.add_argument_group("memory")
    memory.add_argument("--quantization", choices=("none", "8bit", "4bit"), default="", help="of the base")
    memory.add_argument("--gradient-checkpointing", action="store_true", help="less memory, a third more time")


def _add_learning_options(command: ArgumentParser) -> None:
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


def evaluate(command: ArgumentParser) -> None:
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
        choices=words(Method),
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


def merge(command: ArgumentParser) -> None:
    add_model_options(command)
    command.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="where the merged model is saved")


def bench(command: ArgumentParser) -> None:
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
    command.add_argument("--out", type=output_file, metavar="FILE.json", help="write all figures to a file")
