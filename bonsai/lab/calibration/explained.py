"""The section of a calibration that says how similarity and the flags are made, with the numbers that the code uses."""

from bonsai.lab.calibration.markdown import table
from bonsai.measures.rules import (
    BY_CHARACTERS,
    BY_MEANING,
    BY_MEANING_IN_JAPANESE,
    BY_WORDS,
    ENGLISH,
    JAPANESE,
    NO_PROGRESS,
    OPPOSED,
)

_SAID = {
    "tautology, circular: sameness at least": "flag",
    "the guard rejects: sameness at least": "guard",
    "off: they do not ask for the same": "different_intent",
    "off on top: they ask for things of two kinds (why, how; when, where)": "conflicting_kind",
    "off: opposites (hot, cold; happy, unhappy) or other numbers": "opposite",
    "off: a negation in one of them": "negated",
    "off, times the share of words that one adds to the other": "added_share",
    "off: all that they share is what most questions of their chain have": "topic_only",
}


def explained() -> list[str]:
    """Return the lines of the section."""
    rules = (BY_MEANING, BY_WORDS, BY_MEANING_IN_JAPANESE, BY_CHARACTERS)
    rows = [[text, *(f"{getattr(rule, name):.2f}" for rule in rules)] for text, name in _SAID.items()]
    return [
        "## How similarity and the flags are made",
        "",
        "A question is read without courtesy and contractions. Japanese and Chinese are read by an embedder of their",
        "own, also where only one of two texts is in them.",
        "",
        f"- **Likeness by meaning** = {ENGLISH.whole} x the cosine of the two questions' vectors + {ENGLISH.weakest} x",
        "  the cosine of the word that has the least like it in the other question. The second part sees the one word",
        "  that makes another question of it.",
        "- **Likeness by meaning in Japanese** = the mean, over all pieces of both questions, of the cosine of the",
        "  piece most like it in the other question (as BERTScore has it), counted from "
        f"{JAPANESE.unrelated} (what unrelated pieces have) to 1.",
        "- **Likeness by words** = the cosine of the two sets of content words (stems; words that say the same are one",
        "  word). It serves without an embedder; by pairs of characters for Japanese and Chinese.",
        f"- **similarity** = likeness, less {OPPOSED:.2f} for opposites, within 0 and 1. It is 1 where all letters and",
        "  signs (C++) are the same.",
        "- **sameness** = likeness, less what sets the questions apart. The thresholds are held against it:",
        "",
        *table(["", "by meaning", "by words", "in Japanese, by meaning", "by characters"], rows),
        "",
        "- **off-topic**: the cosine with every earlier question and answer is under "
        f"{ENGLISH.off_topic}; in Japanese, counted from",
        f"  {JAPANESE.unrelated}, under {JAPANESE.off_topic}. Words alone cannot tell, and never say it.",
        f"- **no-progress**: under {NO_PROGRESS} of the content words are new, two answered steps running.",
        "- **not-a-question**: no question mark at the end, no ending of a Japanese question, no request (tell me).",
    ]
