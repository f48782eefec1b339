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
    add = command.add_argument
    add("data", type=Path, nargs="+", metavar="DATA.jsonl", help="records, or saved runs with steps marked good")
    add("--base", default=SMOLLM2, metavar="MODEL", help="hub id, folder or GGUF file (default: the model in the box)")
    add("--out", type=Path, metavar="FOLDER", help="where the adapter is saved")
    add("--check", action="store_true", help="say what is wrong with the records, line by line, and train nothing")
    add("--prompt", action="append", metavar="NAME", help="prompt variant; repeat for several (assistant)")
    add("--adapter", type=Path, metavar="FOLDER", help="go on from this adapter, at its own rank")
    add("--overwrite", action="store_true", help="replace a finished adapter in FOLDER")
    add("--report-to", choices=TRACKERS, default="none", help="draw the losses as it goes (default: %(default)s)")
    add = command.add_argument_group("learning").add_argument
    add("--epochs", type=float, default=2, metavar="N", help="default: %(default)s")
    add("--learning-rate", type=float, default=2e-4, metavar="R", help="default: %(default)s")
    add("--rank", type=int, default=16, metavar="N", help="of the adapter (default: %(default)s)")
    add("--alpha", type=int, default=0, metavar="N", help="its strength (default: twice the rank)")
    add("--dropout", type=float, default=0, metavar="P", help="default: %(default)s")
    add("--targets", default="", metavar="NAME,NAME", help="layers to change (default: all linear layers)")
    add("--last-layers", type=int, default=0, metavar="N", help="change the last N blocks alone")
    add("--batch-size", type=int, default=8, metavar="N", help="records a step (%(default)s)")
    add("--max-tokens", type=int, default=1024, metavar="N", help="of a prompt and its completion (%(default)s)")
    add(
        "--held-out", type=float, default=0.05, metavar="P", help="share of the questions to measure with (%(default)s)"
    )
    add("--patience", type=int, default=3, metavar="N", help="measures without a gain before it ends; 0: never (3)")
    add("--seed", type=int, default=0, metavar="S", help="default: %(default)s")
    memory = command.add_argument_group("memory")
    memory.add_argument("--quantization", choices=("none", "8bit", "4bit"), default="", help="of the base")
    memory.add_argument("--gradient-checkpointing", action="store_true", help="less memory, a third more time")


def evaluate(command: ArgumentParser) -> None:
    add = command.add_argument
    add("--questions", type=Path, metavar="FILE", help=".txt, .csv or .jsonl (default: 100 held-out questions)")
    add("--limit", type=int, metavar="N", help="only so many questions of each list")
    add("--facts", default="", metavar="FILE", help="plain questions and what their answers contain, or none")
    add("--model", default="", metavar="M", help="hub id or folder (default: BONSAI_MODEL)")
    add("--adapter", action="append", metavar="A", help="repeat for several (default: the model's own, if it has one)")
    add("--prompt", action="append", metavar="NAME", help="prompt variant; repeat for several")
    add(
        "--methods", nargs="+", choices=words(Method), default=[Method.QTQ, Method.TWO_STEP, Method.SINGLE], metavar="M"
    )
    add("--moves", nargs="+", default=["auto"], metavar="M", help="off, auto or both (default: auto)")
    add("--guard", nargs="+", choices=("on", "off"), default=["on"], help="or both (default: on)")
    add("--steps", type=int, default=5, metavar="N", help="of a chain (default: %(default)s)")
    add("--seed", type=int, default=DEFAULT_SAMPLING.seed, metavar="S", help="default: %(default)s")
    add("--out", type=Path, default=Path("docs/faults.md"), metavar="FILE.md", help="default: %(default)s")
    add("--journal", type=Path, metavar="FOLDER", help="default: beside --out")
    add("--resume", action="store_true", help="go on with the journals; no finished step is repeated")
    add("--blind", type=int, metavar="N", help="write a sheet of N pairs to be marked, beside --out")
    add("--judged", type=Path, metavar="SHEET.csv", help="add what a marked sheet says to --out, and ask nothing")


def merge(command: ArgumentParser) -> None:
    add_model_options(command)
    command.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="where the merged model is saved")


def bench(command: ArgumentParser) -> None:
    add = command.add_argument
    add(
        "--model",
        action="append",
        metavar="M",
        help="random-40m, phi-2-shape, a hub id, folder or GGUF file; repeat for several (default: all that fit)",
    )
    add("--adapter", default="", metavar="A", help="adapter of a hub id or folder")
    add("--workload", action="append", metavar="W", help="repeat for several (default: all)")
    engines = ("llama-cpp", "batching", "local")
    add("--engine", choices=engines, default="batching", help="default: %(default)s")
    add("--pairs", type=int, default=3, metavar="N", help="pairs of runs (default: %(default)s)")
    add("--quick", action="store_true", help="short runs, to see that it works")
    add("--out", type=output_file, metavar="FILE.json", help="write all figures to a file")
