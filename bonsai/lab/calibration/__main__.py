"""`python -m bonsai.lab.calibration`: report how well the measures and flags do on data files, in Markdown."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from bonsai.errors import BonsaiError, UsageError
from bonsai.lab.calibration.data import Data, read_chains, read_followups, read_kinds, read_pairs
from bonsai.lab.calibration.report import report
from bonsai.measures.opening import open_measure
from bonsai.measures.similarity import WORDS
from bonsai.runs.tables.output_files import write_whole
from bonsai.settings import Settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the report and return the exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    options = _parser().parse_args(arguments)
    try:
        _check(options)
        data = Data(
            pairs={file.name: read_pairs(file) for file in options.pairs},
            chains={file.name: read_chains(file) for file in options.chains},
            rewordings=read_kinds(options.rewordings, same=True) if options.rewordings else [],
            deeper=read_kinds(options.deeper, same=False) if options.deeper else [],
            followups=read_followups(options.ratings) if options.ratings else [],
        )
        measure = open_measure(Settings.from_env())
        measures = [WORDS] if measure.name == WORDS.name else [measure, WORDS]
        _say(f"Measuring with {' and with '.join(measure.name for measure in measures)} ...")
        text = report(data, measures, options.note)
        if options.out is None:
            print(text, end="")
        else:
            write_whole(options.out, [text])
            _say(f"Written to {options.out}.")
    except BonsaiError as error:
        _say(f"bonsai: {error}")
        return 2 if isinstance(error, UsageError) else 1
    except KeyboardInterrupt:
        _say("bonsai: interrupted")
        return 130
    return 0


def _check(options: argparse.Namespace) -> None:
    """Raise UsageError for what could only be noticed once the work is done."""
    if options.out is not None and not options.out.parent.is_dir():
        raise UsageError(f"The folder {options.out.parent} does not exist; make it, or choose another for --out.")
    names = [file.name for file in (*options.pairs, *options.chains)]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UsageError(f"Two files are named {twice[0]}, which the report could not tell apart; rename one.")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bonsai.lab.calibration",
        description="Report how well the measures and flags do on data. Files are TSV or CSV, in UTF-8.",
    )
    parser.add_argument(
        "--pairs",
        type=Path,
        action="append",
        required=True,
        metavar="FILE",
        help="question_1, question_2, and similarity_0_to_5 (4: the same meaning) or duplicate (0 or 1); repeatable",
    )
    parser.add_argument(
        "--chains",
        type=Path,
        action="append",
        required=True,
        metavar="FILE",
        help="chain, question, and perhaps step and answer: chains that people asked, in order; repeatable",
    )
    parser.add_argument(
        "--rewordings", type=Path, metavar="FILE", help="kind, split, question_1, question_2: the same in other words"
    )
    parser.add_argument("--deeper", type=Path, metavar="FILE", help="the same columns: question_2 goes deeper")
    parser.add_argument(
        "--ratings",
        type=Path,
        metavar="FILE",
        help="question, answer, follow_up, new_information, reasoning, relevance: follow-ups that people rated",
    )
    parser.add_argument("--note", action="append", default=[], metavar="TEXT", help="such as a source; repeatable")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the report to a file instead of stdout")
    return parser


if __name__ == "__main__":
    sys.exit(main())
