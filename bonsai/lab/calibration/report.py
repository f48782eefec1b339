"""The report of a calibration: how well similarity ranks pairs, and how often flags and guard are right.

Pairs show how many repeats are found. Chains that people asked hardly repeat themselves, so what is flagged there are
false alarms. The same data give the same report.
"""

from collections.abc import Sequence
from dataclasses import replace

from bonsai.lab.calibration.cases import by_split, to_be_found, to_be_left, turns_of
from bonsai.lab.calibration.data import HARD, SAME_MEANING, Case, Data
from bonsai.lab.calibration.explained import explained
from bonsai.lab.calibration.figures import FALSE_ALARMS, Named, roc_areas, share
from bonsai.lab.calibration.followups import depth_section
from bonsai.lab.calibration.japanese import in_japanese, in_language
from bonsai.lab.calibration.markdown import caught, caught_above, table
from bonsai.measures.similarity import WORDS, Measure
from bonsai.runs.scoring import score


def report(data: Data, measures: Sequence[Measure], notes: Sequence[str] = ()) -> str:
    """Return the report in Markdown: the figures of each measure on the data, and how the measures are made."""
    for measure in measures:
        measure.read(data.texts)
    named = {"by words" if measure is WORDS else "by meaning": measure for measure in measures}
    english = in_language(data, japanese=False)
    parts = [
        _opening(measures[0]),
        _similarity(english, named),
        _repeats(english, named),
        _kinds(english, named),
        _at_false_alarms(english, named),
        _other_flags(english, named),
        in_japanese(data, measures),
        depth_section(data.followups, measures[0]),
        explained(),
        _measured_on(data, notes),
        _LIMITS.splitlines(),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _opening(measure: Measure) -> list[str]:
    with_embedder = f"By meaning is with {measure.name}, by words is without an embedder."
    return [
        "# How well the measures do",
        "",
        "Written by `python -m bonsai.lab.calibration` from the files named below; "
        "the same files give the same report.",
        with_embedder if measure is not WORDS else "No embedder could be opened, so all figures are by words.",
        "In brackets are 95% intervals.",
    ]


def _similarity(data: Data, measures: Named) -> list[str]:
    rows = []
    for name, pairs in data.pairs.items():
        for label, some in ((name, pairs), (f"{name}, hard", [pair for pair in pairs if pair.hard])):
            same = sum(pair.same for pair in some)
            rows.append([label, f"{len(some):,}", f"{same:,}", *roc_areas(some, measures)])
    return [
        "## Does similarity rank pairs of the same meaning first?",
        "",
        "Area under the ROC curve: how often a pair of the same meaning is more similar than one of another meaning;",
        "1 is always, 0.5 is chance. Hard pairs share topic words: the Jaccard index of their content words is",
        f"{HARD} or more.",
        "",
        *table(["pairs", "number", "of the same meaning", *measures], rows),
    ]


def _repeats(data: Data, measures: Named) -> list[str]:
    return [
        "## How often is a question taken for a repeat?",
        "",
        "The flags `tautology` and `circular` make a statement, so they are strict. The guard, which chooses among",
        "candidates, is wider: its false alarm costs one candidate. A turn is a question of a chain after the first.",
        "",
        "To be found:",
        "",
        *caught(to_be_found(data), measures),
        "",
        "To be left alone:",
        "",
        *caught(to_be_left(data), measures),
    ]


def _kinds(data: Data, measures: Named) -> list[str]:
    groups: dict[str, list[Case]] = {}
    for label, pairs in (("reworded", data.rewordings), ("deeper", data.deeper)):
        for kind in dict.fromkeys(pair.kind for pair in pairs):
            groups |= by_split(f"{label}: {kind}", [pair for pair in pairs if pair.kind == kind])
    if not groups:
        return []
    return [
        "## The same by kind",
        "",
        "Reworded questions are to be found, deeper ones left alone.",
        "",
        *caught(groups, measures),
    ]


def _at_false_alarms(data: Data, measures: Named) -> list[str]:
    turns = [case for file in data.chains.values() for case in turns_of(file)]
    if not turns:
        return []
    shown, lines = caught_above(turns, to_be_found(data) | to_be_left(data), measures)
    return [
        f"## At {FALSE_ALARMS:.0%} false alarms",
        "",
        "To compare measures: had the threshold been put so that no more than",
        f"{FALSE_ALARMS:.0%} of all turns of these chains are flagged, which is a sameness above {shown}.",
        "By words many turns have the same sameness, so that it may be far fewer.",
        "",
        *lines,
    ]


def _other_flags(data: Data, measures: Named) -> list[str]:
    # Files may use the same names for their chains.
    turns = [replace(turn, chain=f"{name}: {turn.chain}") for name, file in data.chains.items() for turn in file]
    steps = [list(score(turns, measure)) for measure in measures.values()]
    flags = {"not-a-question": 1, "off-topic": 2} | ({"no-progress": 3} if any(turn.answer for turn in turns) else {})
    rows = []
    for flag, first in flags.items():
        able = [[step for step in scored if step.number >= first] for scored in steps]
        shares = [share(flag in step.flags for step in some) for some in able]
        rows.append([f"`{flag}`", f"{len(able[0]):,}", *shares])
    without_answers = "" if "no-progress" in flags else " `no-progress` was not measured: these chains have no answers."
    return [
        "## False alarms of the other flags",
        "",
        "Share of the questions of real chains that get the flag, of those that can get it.",
        f"Words alone never say `off-topic`.{without_answers}",
        "",
        *table(["flag", "questions", *measures], rows),
    ]


def _measured_on(data: Data, notes: Sequence[str]) -> list[str]:
    rows = [[name, f"{len(pairs):,} pairs"] for name, pairs in data.pairs.items()]
    for name, turns in data.chains.items():
        rows.append([name, f"{len(turns):,} questions in {len({turn.chain for turn in turns}):,} chains"])
    for name, pairs in (("rewordings", data.rewordings), ("deeper questions", data.deeper)):
        rows += [[name, f"{len(pairs):,} pairs"]] if pairs else []
    rows += [["rated follow-up questions", f"{len(data.followups):,}"]] if data.followups else []
    lines = table(["data", "rows"], rows)
    return ["## What it was measured on", "", *lines, *([""] if notes else []), *(f"- {note}" for note in notes)]


_LIMITS = f"""\
## Limits

- The numbers of the rules were fitted to the pairs of SemEval-2016, the chains of TREC CAsT 2019, and the splits `dev`
  and `test` of the rewordings and deeper questions; words were added to the lexicon for what was missed in them.
  Figures on these flatter. The other pairs and chains were not fitted to, but were looked at on the way. The split
  `blind` was written when the numbers stood; some of what a first look at it showed was then mended in the lexicon.
- The numbers for Japanese were fitted to the first half of its pairs and the splits `dev` and `test`; what likeness is
  made of was chosen with both halves in view. Those pairs are labelled by their answers, so some of them are no
  rewordings. A Japanese question that narrows the one before it is sometimes taken for a repeat.
- Ratings are opinions. In lists of duplicates some pairs are labelled wrongly, and a pair rated {SAME_MEANING} of 5 may
  still ask for two things. Some turns of real chains do repeat an earlier one, so not every alarm is false.
- The numbers are small, above all for the hard pairs and the kinds: read the intervals. Those of shares take each
  question for independent; turns of one chain are not quite, so the true intervals are wider.
- The rewordings and deeper questions were written for this project, and the words that say the same come from a list:
  wordings and fields that it does not know are found less often."""
