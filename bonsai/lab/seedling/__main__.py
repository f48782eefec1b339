"""`python -m bonsai.lab.seedling`: grow the seedling anew, or print the figures of the one that ships.

The growth takes about an hour and a half on two CPU cores. It is seeded, and goes on where it was interrupted.
"""

import argparse
import json
import random
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bonsai.chains.prompts import PromptVariant, load_variants
from bonsai.chains.questions import load_starters
from bonsai.engines.base import SamplingParams
from bonsai.errors import BonsaiError
from bonsai.lab.seedling.check import figures
from bonsai.lab.seedling.corpus import HERE, training_rows
from bonsai.lab.seedling.grow import blend, grow_base
from bonsai.lab.train import Schedule, read_records, train
from bonsai.measures.embedder import open_embedder
from bonsai.measures.similarity import Measure
from bonsai.settings import EMBEDDER, ROOT


@dataclass(frozen=True)
class Course:
    """One course of the adapter's training: visits to each careful record, random chains, and how often a record
    leads on by the first of its next questions rather than by any of them."""

    visits: int
    chains: int
    main_way: float
    learning_rate: float


# First everything; then mostly the careful records, and one way on from each, since a small model cannot keep three;
# at last the records again with some random topics.
FIRST, SECOND, THIRD = Course(26, 3600, 0.0, 3e-3), Course(24, 150, 0.7, 2e-3), Course(14, 500, 0.8, 2.5e-3)
# The second course forgets some of how to carry unknown topics: the mean of both adapters does both well.
SHARE_OF_SECOND = 0.7


def main() -> int:
    """Run the command and return its exit code: 1 if a figure misses its bound."""
    parser = argparse.ArgumentParser(prog="python -m bonsai.lab.seedling", description=__doc__)
    parser.add_argument("--check", action="store_true", help="print the figures of a grown seedling, grow nothing")
    parser.add_argument(
        "--out",
        type=Path,
        default=None,
        metavar="FOLDER",
        help="where it grows (default: growth); with --check, what to check",
    )
    parser.add_argument("--seed", type=int, default=1, help="of the growth (default: %(default)s)")
    options = parser.parse_args()
    variants = load_variants(ROOT / "prompts")
    try:
        if options.check:
            return _check(options.out or HERE, variants["assistant"])
        return _grow(options.out or Path("growth"), variants, options.seed)
    except BonsaiError as error:
        print(error, file=sys.stderr)
        return 1


def _grow(out: Path, by_name: Mapping[str, PromptVariant], seed: int) -> int:
    base, variants = out / "base", list(by_name.values())
    if not (base / "tokenizer.json").exists():
        grow_base(variants, out / "work", base, seed)
    first, second, mean, adapter = (out / name for name in ("first", "second", "mean", "adapter"))
    _teach(FIRST, base, None, first, variants, seed)
    _teach(SECOND, base, first, second, variants, seed + 1)
    blend(first, second, mean, SHARE_OF_SECOND)
    _teach(THIRD, base, mean, adapter, variants, seed + 2)
    return _check(out, by_name["assistant"])


def _teach(
    course: Course, base: Path, before: Path | None, adapter: Path, variants: list[PromptVariant], seed: int
) -> None:
    if (adapter / "adapter_config.json").exists():
        return
    rows = training_rows(random.Random(seed), course.visits, course.chains, course.main_way)
    data = adapter.with_suffix(".jsonl")
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    schedule = Schedule(epochs=1, learning_rate=course.learning_rate, rank=64, batch_size=16, max_tokens=512, seed=seed)
    train(read_records(data), str(base), adapter, variants, schedule, before)


def _check(folder: Path, variant: PromptVariant) -> int:
    starters = load_starters(ROOT / "examples" / "questions.csv")
    measure = Measure(open_embedder(EMBEDDER))
    found = figures(folder, variant, starters, SamplingParams(max_new_tokens=128, seed=1), measure)
    print(*found, sep="\n")
    return 0 if all(figure.kept for figure in found) else 1


if __name__ == "__main__":
    sys.exit(main())
