"""The command `bench`: Bonsai beside the usual way."""

import argparse
import json
from dataclasses import replace
from pathlib import Path

from bonsai.cli.output import FAILED, check_out, say, write
from bonsai.errors import UsageError
from bonsai.settings import Settings


def add_options(command: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    command.add_argument(
        "--model",
        action="append",
        metavar="M",
        help="seedling, random-40m, phi-2-shape, a hub id or a folder; repeat for several (default: all that fit)",
    )
    command.add_argument("--adapter", default="", metavar="A", help="adapter of a hub id or folder")
    command.add_argument("--workload", action="append", metavar="W", help="repeat for several (default: all)")
    command.add_argument("--engine", choices=("batching", "local"), default="batching", help="default: %(default)s")
    command.add_argument("--pairs", type=int, default=3, metavar="N", help="pairs of runs (default: %(default)s)")
    command.add_argument("--quick", action="store_true", help="short runs of the seedling, to see that it works")
    command.add_argument("--out", type=Path, metavar="FILE.json", help="write all figures to a file")


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Measure, print a table, and return 1 if the two ways did not do the same work."""
    from bonsai.chains.prompts import choose_variant, load_variants
    from bonsai.chains.questions import load_starters
    from bonsai.lab.bench.report import Bench, problems, table
    from bonsai.lab.bench.subjects import usual_names
    from bonsai.lab.bench.workloads import workloads
    from bonsai.settings import ROOT, SEEDLING

    check_out(options.out)
    if options.pairs < 1:
        raise UsageError(f"--pairs is {options.pairs}; it must be at least 1.")
    settings = replace(settings, adapter=options.adapter or settings.adapter)
    variant = choose_variant(load_variants(settings.prompts), "assistant")
    starters = load_starters(ROOT / "examples" / "questions.csv")
    names = [workload.name for workload in workloads(variant, starters)]
    for name in options.workload or ():
        if name not in names:
            raise UsageError(f"--workload is {name!r}; it must be one of {', '.join(names)}.")
    models = options.model or ([SEEDLING] if options.quick else usual_names())
    bench = Bench(
        settings,
        options.engine,
        variant,
        starters,
        options.workload or names,
        1 if options.quick else options.pairs,
        options.quick,
    )
    data = bench.run(models, say)
    if options.out:
        write([json.dumps(data, indent=2) + "\n"], options.out)
    write([table(data)], None)
    found = problems(data)
    for problem in found:
        say(f"bonsai: {problem}")
    return FAILED if found else 0
