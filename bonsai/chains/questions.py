"""Questions: the starters, and the question in what a model wrote."""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import regex

from bonsai.errors import QuestionError

# How a model names what follows: "**Deeper question 2:**", "Q1.", "[Question]", "質問：", `"question":`.
_WORD = r"(?:questions?|q(?=\s*\d*\s*[:：.)\]])|(?:次の|より|深い|新しい|別の|最後の)*(?:質問|問い|問題|問)(?:文|案)?)"
_LABEL = re.compile(
    rf"""\s*(?:
        [>|]+\s? | [-+*•・●–—]+\s | \[[ xX✓]?\]\s | \#+\s | [(（]?[0-9０-９]{{1,3}}[.)．）、](?![0-9]) | [①-⑳] | `+
      | [\[【(（]\s*(?:[\w-]+\s){{0,3}}{_WORD}\s*[0-9０-９]*\s*[\]】)）]\s*[:：]?
      | [{{"']*(?:[\w'-]+[ _]){{0,4}}(?:{_WORD}|follow-?up|deeper)\s*[#(]?[0-9０-９]{{0,3}}\)?["']?\s*
        (?:[:：]|\s[-–—]\s|(?<=[0-9０-９])[.．])
      | </?[a-z_]+>
    )\s*""",
    re.IGNORECASE | re.VERBOSE,
)
# What a model says before it: "Sure! Here is a deeper question:", "You could ask:", "もちろんです。次の質問です：".
_PREFACE = re.compile(
    r"""\s*(?:(?:sure|certainly|of\ course|ok(?:ay)?|great|good|absolutely|yes|understood|got\ it|thanks?|thank\ you)
              \b[^.!?:：。？]{0,40}[.!:,]\s*
          | here(?:'s|\ is|\ are|\ comes|\ you\ (?:go|are))\b[^.!?:：？]{0,80}?(?:[.!:]\s*|\s[-–—]+\s+)
          | [^.!?:：。？]{0,80}\b(?:questions?|ask|asking|inquire|wonder)
              (?:\s(?:is|be|are|next|now|then|this|one|instead|follows|further|would|could|might)){0,4}\s*:\s*
          | (?:how|what)\ about(?:\ this)?(?:\ (?:one|question))?\s*:\s*
          | (?:はい|もちろんです|承知しました|わかりました|分かりました|了解しました|了解です|では|それでは)
              [、。！:：]\s*
          | [^。？?：:]{0,40}(?:質問|問い)[^。？?：:「『]{0,20}[。：:]\s*)""",
    re.IGNORECASE | re.VERBOSE,
)
_SPEAKS_OF_A_QUESTION = re.compile(r"\b(?:question|ask|asking|sure|here)\b|質問|問い", re.IGNORECASE)
# Underscores within a line are names in code more often than emphasis.
_EMPHASIS = re.compile(r"(?<![\w*])(\*{1,3}|`+|(?:(?<=^)|(?=_+[^\s_]+\s))_{1,3})(?=\S)(.+?)(?<=\S)\1(?![\w*])")
_CLOSING_TAGS = re.compile(r"(?:\s*</[a-z_]+>)+$", re.IGNORECASE)
_ADDRESS = re.compile(r"(?:https?://|www\.)\S+?(?=[?？]?[\"'”’」』)）*]*(?:\s|$))")
# In "3 + ? = 7" it stands for a number.
_UNKNOWN = re.compile(r"[?？](?=\s*=)|(?<=[=+])[?？](?=\s*[a-z0-9])")
# What may stand behind a question's mark: exclamation marks, pictures and their variants.
_BEHIND = regex.compile(r"[\s!！\p{S}\p{Mn}\u200d]+$")
_PAIRS = {'"': '"', "“": "”", "‘": "’", "「": "」", "『": "』", "(": ")", "（": "）", "[": "]", "«": "»", "„": "“"}
QUESTION_MARKS = "?？؟"
"""What ends a question: as in English, Japanese and Chinese, and Arabic."""
_QUOTES = "\"'“”‘’「」『』«»„*_`"
_REQUEST = re.compile(
    r"(?:please |now |next,? )*"
    r"(?:tell|describe|explain|name|list|compare|discuss|define|give|show|outline|summari[sz]e)\b",
    re.IGNORECASE,
)
_JAPANESE_ENDING = re.compile(r"(?:か|かな|のか|でしょう|だろう|なぜ|何故|教えて|(?:教えて|説明して)ください)[。.]?$")


@dataclass(frozen=True)
class Starter:
    """A question to begin with, and the field it belongs to."""

    id: str
    question: str
    field: str


def load_starters(file: Path) -> list[Starter]:
    """Return the starters in a CSV file with the columns id, question, field."""
    with file.open(encoding="utf-8-sig", newline="") as lines:
        return [Starter(row["id"], row["question"], row["field"]) for row in csv.DictReader(lines)]


def clean_question(text: str) -> str:
    """Return a person's question without surrounding space; raise QuestionError if nothing is left."""
    # Half of a surrogate pair, which a browser may send, is no text that could be saved.
    question = text.replace("\x00", "").encode("utf-8", "replace").decode().strip()
    if not question:
        raise QuestionError("The question is empty. Write a question, or pick one of the starters.")
    return question


def first_question(text: str) -> str:
    """Return the first question that a model wrote in `text`, without what it put around it, or else its first line.

    Labels, numbers, emphasis, quotes and prefaces are left out. A labelled question is taken before one without.
    """
    found = [_bare(line) for line in _joined(text)]
    lines = [(bare, labelled) for bare, labelled in found if bare]
    asking = [(question, labelled) for bare, labelled in lines if (question := _up_to_mark(bare))]
    if asking:
        return next((question for question, labelled in asking if labelled), asking[0][0])
    sentences = [part for bare, _ in lines for part in re.split(r"(?<=。)", bare)]
    return next((part for part in sentences if _JAPANESE_ENDING.search(part)), lines[0][0] if lines else "")


def _joined(text: str) -> list[str]:
    """Return the lines of a text; one that goes on in the next, which begins with a small letter, is one with it."""
    lines: list[str] = []
    for line in re.split(r"\r\n|\n|\r", text):
        goes_on = (
            lines and lines[-1].strip() and line[:1].islower() and not re.search(r"[.!?:;。？！：]\W*$", lines[-1])
        )
        if goes_on:
            lines[-1] += f" {line}"
        else:
            lines.append(line)
    return lines


def _bare(line: str) -> tuple[str, bool]:
    """Return a line without what a model puts around a question, and whether it was labelled as one."""
    bare, labelled = _CLOSING_TAGS.sub("", " ".join(line.split())), False
    while True:
        before, bare = bare, _EMPHASIS.sub(r"\2", bare)
        if found := _LABEL.match(bare):
            labelled = labelled or bool(re.search(_WORD, found[0], re.IGNORECASE))
        elif found := _PREFACE.match(bare):
            labelled = labelled or bool(_SPEAKS_OF_A_QUESTION.search(found[0]))
        bare = bare[found.end() :].lstrip("*_ ") if found else _unwrapped(bare)
        if bare == before:
            return bare, labelled


def _up_to_mark(line: str) -> str:
    """Return a line up to the first question mark that ends a question; "" if there is none.

    One in an address, in a formula, or in quotes or brackets that stand within the question, ends none.
    """
    hidden = line
    for unasked in (_ADDRESS, _UNKNOWN):
        hidden = unasked.sub(lambda found: "x" * len(found[0]), hidden)
    inside, closing = -1, ""
    for place, letter in enumerate(hidden):
        if closing:
            within_word = letter == "'" and hidden[place + 1 : place + 2].isalnum()
            closing = "" if letter == closing and not within_word else closing
        elif other := _closing(hidden, place):
            closing, start = other, place
        if letter in QUESTION_MARKS and (
            letter != "?" or not hidden[place + 1 : place + 2].isascii() or _ends(hidden, place)
        ):
            if not closing:
                return _unwrapped(line[: place + 1])
            if inside < 0:
                inside, opened = place, start
    if inside < 0:
        return ""
    before, quoted = line[:opened], line[opened + 1 : inside + 1]
    if not before.strip() or (_SPEAKS_OF_A_QUESTION.search(before) and len(quoted) > _SHORT):
        return _unwrapped(quoted)
    end = inside + 1
    while end < len(line) and line[end] in ")]）”’」』»\"'!！" + QUESTION_MARKS:
        end += 1
    return line[:end]


_SHORT = 8


def _closing(text: str, place: int) -> str:
    """Return what closes the quote or bracket that opens at a place of a text; "" if none does or is closed."""
    if text[place] == "'":
        # Between letters it is an apostrophe.
        opens = not text[:place][-1:].isalnum() and re.search(r"\S'(?!\w)", text[place + 1 :])
        return "'" if opens else ""
    other = _PAIRS.get(text[place], "")
    return other if other and other in text[place + 1 :] else ""


def _ends(text: str, place: int) -> bool:
    """Say whether nothing of the same word follows a mark."""
    return not text[place + 1 :].lstrip(QUESTION_MARKS + "!！\"'”’」』)）]*_`»}")[:1].strip()


def _unwrapped(text: str) -> str:
    """Return a text without quotes and emphasis that stand around the whole of it, or lack their other half."""
    bare = text.strip()
    while bare and bare[0] in _QUOTES:
        other = _PAIRS.get(bare[0], bare[0])
        twice = bare[1:2] == bare[0] and bare[:1:-1].startswith(other * 2)
        if bare.endswith(other) and len(bare) > 1 and (twice or other not in bare[1:-1]):
            bare = bare[1:-1].strip()
        elif other not in bare[1:]:
            bare = bare[1:].strip()
        else:
            return bare
    while bare and bare[-1] in _QUOTES:
        opening = [one for one, other in _PAIRS.items() if other == bare[-1]] or [bare[-1]]
        if any(one in bare[:-1] for one in opening):
            return bare
        bare = bare[:-1].strip()
    return bare


def is_question(text: str) -> bool:
    """Say whether `text` reads as a question: by its question mark, its Japanese ending, or as a request (tell me)."""
    bare = _BEHIND.sub("", text).strip(_QUOTES + " )）]")
    marked = bare.endswith(tuple(QUESTION_MARKS)) and any(map(str.isalnum, bare))
    return marked or bool(_JAPANESE_ENDING.search(bare)) or bool(_REQUEST.match(bare))
