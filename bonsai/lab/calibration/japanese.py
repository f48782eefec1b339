"""The section of a calibration on Japanese: its pairs have thresholds of their own, by meaning and by characters."""

from collections.abc import Sequence
from dataclasses import replace

from bonsai.lab.calibration.cases import to_be_found, to_be_left
from bonsai.lab.calibration.data import Data, Pair
from bonsai.lab.calibration.figures import FALSE_ALARMS, roc_area, sameness, share, threshold
from bonsai.lab.calibration.markdown import caught, table
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
    limits = [threshold([sameness(measure, case) for case in others]) for measure in measures]
    rows = []
    pairs = Data(files, {}, [], [])
    for label, cases in (to_be_found(pairs) | to_be_left(pairs)).items():
        shares = (
            share(sameness(measure, case) > limit for case in cases)
            for measure, limit in zip(measures, limits, strict=True)
        )
        rows.append([label, f"{len(cases):,}", *map(str, shares)])
    shown = " and ".join(f"{limit:.3f} {name}" for limit, name in zip(limits, names, strict=True))
    return [
        f"Had the threshold been put so that no more than {FALSE_ALARMS:.0%} of the pairs of another meaning in",
        f"{first} are flagged, which is a sameness above {shown}:",
        "",
        *table(["questions", "number", *names], rows),
    ]


def _is_japanese(pairs: Sequence[Pair]) -> bool:
    return 2 * sum(has_no_word_breaks(pair.question) for pair in pairs) > len(pairs)
