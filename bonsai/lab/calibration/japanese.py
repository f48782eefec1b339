"""The section of a calibration on Japanese: its pairs have thresholds of their own, by meaning and by characters."""

from collections.abc import Sequence
from dataclasses import replace

from bonsai.lab.calibration.cases import to_be_found, to_be_left
from bonsai.lab.calibration.data import Data, Pair
from bonsai.lab.calibration.figures import FALSE_ALARMS, roc_area
from bonsai.lab.calibration.markdown import caught, caught_above, table
from bonsai.measures.similarity import WORDS, Measure
from bonsai.measures.terms import has_no_word_breaks


def without_japanese(data: Data) -> Data:
    """Return the data without Japanese pairs."""
    return replace(
        data,
        pairs={name: pairs for name, pairs in data.pairs.items() if not _is_japanese(pairs)},
        rewordings=[pair for pair in data.rewordings if not has_no_word_breaks(pair.question)],
        deeper=[pair for pair in data.deeper if not has_no_word_breaks(pair.question)],
    )


def in_japanese(data: Data, measures: Sequence[Measure]) -> list[str]:
    """Return the section, nothing if no file has Japanese pairs."""
    files = {name: pairs for name, pairs in data.pairs.items() if _is_japanese(pairs)}
    if not files:
        return []
    written = replace(
        data,
        pairs=files,
        chains={},
        rewordings=[pair for pair in data.rewordings if has_no_word_breaks(pair.question)],
        deeper=[pair for pair in data.deeper if has_no_word_breaks(pair.question)],
    )
    names = ["by characters" if measure is WORDS else "by meaning" for measure in measures]
    same = {name: f"{sum(pair.same for pair in pairs):,}" for name, pairs in files.items()}
    areas = [
        [name, f"{len(pairs):,}", same[name], *(roc_area(pairs, measure) for measure in measures)]
        for name, pairs in files.items()
    ]
    return [
        "## In Japanese",
        "",
        "Questions in Japanese have thresholds of their own. The area under the ROC curve of their similarity:",
        "",
        *table(["pairs", "number", "of the same meaning", *names], areas),
        "",
        "Taken for repeats, which those of the same meaning and the reworded ones are, and the others are not:",
        "",
        *caught(to_be_found(written) | to_be_left(written), measures, names),
        "",
        *_at_false_alarms(files, measures, names),
    ]


def _at_false_alarms(files: dict[str, list[Pair]], measures: Sequence[Measure], names: Sequence[str]) -> list[str]:
    """Return the shares at a threshold that the first file sets; the other files did not have a say in it."""
    first = next(iter(files))
    others = [pair.case for pair in files[first] if not pair.same]
    pairs = Data(files, {}, [], [])
    shown, lines = caught_above(others, to_be_found(pairs) | to_be_left(pairs), measures, names)
    return [
        f"Had the threshold been put so that no more than {FALSE_ALARMS:.0%} of the pairs of another meaning in",
        f"{first} are flagged, which is a sameness above {shown}:",
        "",
        *lines,
    ]


def _is_japanese(pairs: Sequence[Pair]) -> bool:
    return 2 * sum(has_no_word_breaks(pair.question) for pair in pairs) > len(pairs)
