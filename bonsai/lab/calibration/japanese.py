"""The section of a calibration on Japanese: its pairs have thresholds of their own, by meaning and by characters."""

from collections.abc import Sequence
from dataclasses import replace

from bonsai.lab.calibration.cases import to_be_found, to_be_left
from bonsai.lab.calibration.data import Data, Pair
from bonsai.lab.calibration.figures import FALSE_ALARMS, Named, roc_areas
from bonsai.lab.calibration.markdown import caught, caught_above, table
from bonsai.measures.similarity import WORDS, Measure
from bonsai.measures.terms import has_no_word_breaks


def in_language(data: Data, japanese: bool) -> Data:
    """Return the data with those of its pairs alone that are in Japanese, or that are not."""
    return replace(
        data,
        pairs={name: pairs for name, pairs in data.pairs.items() if _is_japanese(pairs) == japanese},
        rewordings=[pair for pair in data.rewordings if has_no_word_breaks(pair.question) == japanese],
        deeper=[pair for pair in data.deeper if has_no_word_breaks(pair.question) == japanese],
    )


def in_japanese(data: Data, measures: Sequence[Measure]) -> list[str]:
    """Return the section, nothing if no file has Japanese pairs."""
    written = replace(in_language(data, japanese=True), chains={})
    if not written.pairs:
        return []
    named = {"by characters" if measure is WORDS else "by meaning": measure for measure in measures}
    areas = [
        [name, f"{len(pairs):,}", f"{sum(pair.same for pair in pairs):,}", *roc_areas(pairs, named)]
        for name, pairs in written.pairs.items()
    ]
    return [
        "## In Japanese",
        "",
        "Questions in Japanese have thresholds of their own. The area under the ROC curve of their similarity:",
        "",
        *table(["pairs", "number", "of the same meaning", *named], areas),
        "",
        "Taken for repeats, which those of the same meaning and the reworded ones are, and the others are not:",
        "",
        *caught(to_be_found(written) | to_be_left(written), named),
        "",
        *_at_false_alarms(written.pairs, named),
    ]


def _at_false_alarms(files: dict[str, list[Pair]], measures: Named) -> list[str]:
    """Return the shares at a threshold that the first file sets; the other files did not have a say in it."""
    first = next(iter(files))
    others = [pair.case for pair in files[first] if not pair.same]
    pairs = Data(files, {}, [], [])
    shown, lines = caught_above(others, to_be_found(pairs) | to_be_left(pairs), measures)
    return [
        f"Had the threshold been put so that no more than {FALSE_ALARMS:.0%} of the pairs of another meaning in",
        f"{first} are flagged, which is a sameness above {shown}:",
        "",
        *lines,
    ]


def _is_japanese(pairs: Sequence[Pair]) -> bool:
    return 2 * sum(has_no_word_breaks(pair.question) for pair in pairs) > len(pairs)
