"""The command `score`: measures and flags for chains made elsewhere."""

import argparse
from pathlib import Path

from bonsai.cli.output import check_out, say, write
from bonsai.settings import Settings


def add_options(command: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    command.add_argument(
        "file", type=Path, metavar="FILE.csv", help="columns chain and question, and answer if there is one"
    )
    command.add_argument("--out", type=Path, metavar="FILE", help="write the rows to a file instead of stdout")


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Write the rows of a file with their measures and flags."""
    from bonsai.measures.embedder import open_embedder
    from bonsai.measures.similarity import Measure
    from bonsai.runs.scoring import read_turns, score, turns, with_scores

    check_out(options.out)
    sheet = read_turns(options.file)
    measure = Measure(open_embedder(settings.embedder))
    say(f"Similarity is measured with {measure.name}.")
    steps, all_rows = [], len(sheet.rows)
    for step in score(turns(sheet), measure):
        steps.append(step)
        if len(steps) % 1000 == 0 or len(steps) == all_rows:
            say(f"{len(steps):,} of {all_rows:,} rows")
    write([with_scores(sheet, steps).to_csv()], options.out)
    return 0
