"""The command `score`: measures and flags for chains made elsewhere."""

import argparse

from bonsai.cli.drawing import check_out, write
from bonsai.cli.output import ProgressLine, say, say_each
from bonsai.errors import UsageError
from bonsai.measures.opening import open_measure
from bonsai.runs.scoring import ADDED, read_turns, score, turns, with_scores
from bonsai.runs.tables.excel_files import as_workbook
from bonsai.settings import Settings


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Write the rows of a file with their measures and flags."""
    check_out(options.out, options.file)
    ending = options.out.suffix.lower() if options.out else ""
    if ending not in ("", ".csv", ".xlsx"):
        raise UsageError("Scores are written as .csv or .xlsx, not as {ending}.", ending=ending)
    sheet = read_turns(options.file)
    say_each(sheet.notes, options.file)
    measure = open_measure(settings)
    say(f"Similarity is measured with {measure.name}.")
    steps = []
    with ProgressLine() as line:
        for step in score(turns(sheet), measure):
            steps.append(step)
            line.show(f"{len(steps):,} of {len(sheet.rows):,} rows")
        line.keep(f"{len(steps):,} of {len(sheet.rows):,} rows")
    scored = with_scores(sheet, steps)
    write(as_workbook(scored, ADDED) if ending == ".xlsx" else [scored.to_csv()], options.out)
    return 0
