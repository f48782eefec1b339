"""Controls of a Reasoning: other texts in its place, by which one sees what of it an answer depends on."""

import random
import re
from enum import StrEnum

from bonsai.measures.segments import content_terms, is_word, segments, sentences
from bonsai.measures.terms import has_no_word_breaks


class Control(StrEnum):
    """What stands in the place of a Reasoning."""

    OTHER = "Reasoning of another question"
    HALF = "first half"
    NEGATED = "one sentence negated"
    WITHOUT = "no Reasoning"
    SHUFFLED = "words shuffled"


_NOT = re.compile(r"\b(can)not\b|\b(\w+)n['’]t\b|\b(?:not|never) | (?:not|never)\b", re.IGNORECASE)
_WHOLE = {"ca": "can", "wo": "will", "sha": "shall"}
_VERB = re.compile(
    r"\b(?:is|are|was|were|am|can|could|will|would|shall|should|may|might|must|does|did|has|have|had)\b", re.IGNORECASE
)
# The end of a Japanese sentence, and what it becomes: the first that fits.
_JAPANESE_ENDS = (
    ("ではありません", "です"),
    ("ではない", "である"),
    ("ませんでした", "ました"),
    ("ません", "ます"),
    ("ました", "ませんでした"),
    ("ます", "ません"),
    ("でした", "ではありませんでした"),
    ("のです", "のではありません"),
    ("である", "ではない"),
    ("できない", "できる"),
    ("できる", "できない"),
    ("する", "しない"),
    ("した", "しなかった"),
    ("なる", "ならない"),
    ("だ", "ではない"),
)
_DENIED = "というのは正しくありません"


def shuffled(reasoning: str, seed: int) -> str:
    """Return a Reasoning with its words in another order, which `seed` decides; characters where there are no spaces.

    What is between the words stays where it is.
    """
    parts = segments(reasoning)
    places = [place for place, part in enumerate(parts) if is_word(part)]
    mixed = random.Random(seed).sample(places, len(places))
    moved = dict(zip(places, mixed, strict=True))
    return "".join(parts[moved.get(place, place)] for place in range(len(parts)))


def first_half(reasoning: str) -> str:
    """Return the first half of the sentences of a Reasoning, or of its only sentence; "" if nothing would be left."""
    said = sentences(reasoning)
    if len(said) > 1:
        return _joined(said[: len(said) // 2])
    parts = segments(reasoning.strip())
    places = [place for place, part in enumerate(parts) if is_word(part)]
    return "".join(parts[: places[len(places) // 2]]).strip() if places else ""


def one_negated(reasoning: str, answer: str) -> str:
    """Return a Reasoning in which one sentence says the opposite: that which shares most words with the `answer`."""
    said = sentences(reasoning)
    if not said:
        return ""
    known = set(content_terms(answer))
    place = max(range(len(said)), key=lambda at: len(known & set(content_terms(said[at]))))
    return _joined([*said[:place], negated(said[place]), *said[place + 1 :]])


def negated(sentence: str) -> str:
    """Return a sentence that says the opposite: a "not" is taken out, or put behind a verb that takes one.

    Where there is neither, the whole sentence is said to be untrue. A Japanese sentence is turned at its end.
    """
    if has_no_word_breaks(sentence):
        return _negated_japanese(sentence)
    if _NOT.search(sentence):
        return _NOT.sub(_affirmed, sentence, count=1)
    if _VERB.search(sentence):
        return _VERB.sub(lambda found: f"{found[0]} not", sentence, count=1)
    begins = sentence[:1] if sentence.startswith("I ") or sentence[1:2].isupper() else sentence[:1].lower()
    return f"It is not true that {begins}{sentence[1:]}"


def _affirmed(found: re.Match[str]) -> str:
    """Return a verb without its "not"."""
    verb = found[1] or found[2] or ""
    return _WHOLE.get(verb.lower(), verb)


def _negated_japanese(sentence: str) -> str:
    text = sentence.rstrip("。．.！!")
    mark = sentence[len(text) :]
    for end, turned in _JAPANESE_ENDS:
        if text.endswith(end):
            return text.removesuffix(end) + turned + mark
    # An adjective before です, or another form: what is said is denied as a whole.
    return text.removesuffix("です") + _DENIED + mark


def _joined(said: list[str]) -> str:
    return ("" if has_no_word_breaks("".join(said)) else " ").join(said)
