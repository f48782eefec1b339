"""Options that several commands have."""

from argparse import ArgumentParser
from enum import StrEnum
from pathlib import Path

from bonsai.chains.outcomes import Axis
from bonsai.reports.formats import Format, Language
from bonsai.runs.limits import DEFAULT_CANDIDATES, DEFAULT_SAMPLING, DEFAULT_STEPS


def add_chain_options(command: ArgumentParser) -> None:
    """Add how a chain goes on and how its texts are sampled; what is not given is None."""
    add = command.add_argument
    add("--steps", type=int, metavar="N", help=f"steps of a qtq chain (default: {DEFAULT_STEPS})")
    add("--candidates", type=int, metavar="K", help=f"next questions to choose from (default: {DEFAULT_CANDIDATES})")
    add(
        "--moves",
        metavar="M",
        help="direction of next questions: auto (each candidate another one), off, cause, mechanism, evidence, "
        "assumption, 'other view', consequence, example or measure (default: auto)",
    )
    add("--seed", type=int, metavar="S", help=f"same seed, same table (default: {DEFAULT_SAMPLING.seed})")
    add("--temperature", type=float, metavar="T", help=f"0 to 5 (default: {DEFAULT_SAMPLING.temperature})")
    add(
        "--repetition-penalty",
        type=float,
        metavar="P",
        help=f"0.5 to 2, 1 for none (default: {DEFAULT_SAMPLING.repetition_penalty}, where the engine has it)",
    )
    add(
        "--max-new-tokens",
        type=int,
        metavar="N",
        help=f"of each completion (default: {DEFAULT_SAMPLING.max_new_tokens})",
    )
    add("--no-guard", action="store_true", help="ask the first question proposed, even if it repeats one")
    add("--keep-going", action="store_true", help="go on even if two steps running add next to nothing")
    add("--conclude", action="store_true", help="answer the first question by what the whole chain found (qtq)")


def add_grid_options(command: ArgumentParser) -> None:
    """Add the axes of a grid but for its questions and methods, how its chains go on, and how the run is drawn."""
    add = command.add_argument
    add(
        "--prompt", action="append", metavar="NAME", help="prompt variant; repeat for several (see the command prompts)"
    )
    add("--repeats", type=int, default=1, metavar="N", help="seeds to ask with (default: %(default)s)")
    add("--with-and-without-adapter", action="store_true", help="ask the model without its adapter too")
    add_chain_options(command)
    add_model_options(command)
    add_drawing_options(command)


def add_model_options(command: ArgumentParser) -> None:
    """Add which model and adapter answer."""
    add = command.add_argument
    add("--model", default="", metavar="M", help="hub id or folder (default: BONSAI_MODEL)")
    add("--adapter", default="", metavar="A", help="hub id, folder or none (default: BONSAI_ADAPTER)")


def add_drawing_options(command: ArgumentParser) -> None:
    """Add in which form, language and file a run is drawn."""
    add = command.add_argument
    add("--format", choices=words(Format), help="default: as the ending of --out says, or else markdown")
    add("--language", choices=words(Language), default=Language.EN, help="of the summary (default: %(default)s)")
    add(
        "--columns", choices=words(Axis), default="", help="what the columns of a comparison are (default: what varies)"
    )
    add("--out", type=output_file, metavar="FILE", help="write to a file instead of stdout (-)")


def output_file(name: str) -> Path | None:
    """Return a file to write, None for stdout."""
    return None if name == "-" else Path(name)


def words(closed_set: type[StrEnum]) -> list[str]:
    # Plain texts: argparse says `repr` of what can be chosen.
    return [str(word) for word in closed_set]
