"""The command `bench`: Bonsai beside the usual way."""

import argparse
import json
from dataclasses import replace

from bonsai.chains.prompts import choose_variant, load_variants
from bonsai.chains.questions import load_starters
from bonsai.cli.drawing import check_out, write
from bonsai.cli.output import FAILED, say, say_each
from bonsai.errors import UsageError
from bonsai.lab.bench.report import Bench, problems, table
from bonsai.lab.bench.subjects import usual_names
from bonsai.lab.bench.workloads import workloads
from bonsai.runs.limits import check_count
from bonsai.settings import ROOT, SMOLLM2, Settings


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Measure, print a table, and return 1 if the two ways did not do the same work."""
    check_out(options.out)
    check_count("--pairs", options.pairs)
    settings = replace(settings, adapter=options.adapter or settings.adapter)
    variant = choose_variant(load_variants(settings.prompts), "assistant")
    starters = load_starters(ROOT / "examples" / "questions.csv")
    names = [workload.name for workload in workloads(variant, starters)]
    for name in options.workload or ():
        if name not in names:
            raise UsageError("--workload is {name!r}; it must be one of {names}.", name=name, names=", ".join(names))
    models = options.model or ([SMOLLM2] if options.quick else usual_names())
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
    say_each(found)
    return FAILED if found else 0
