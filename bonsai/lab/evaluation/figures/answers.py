"""What can be told of an answer by its letters: whether it is whole, repeats itself, and names its topic."""

import re
from collections import Counter

from bonsai.measures.segments import words_of
from bonsai.measures.terms import content_words, parse_question

RUN_LENGTH, MOST_OFTEN = 4, 3
_LABEL = re.compile(r"^(?:[-*•]|\d+[.)])\s+")
_BEGINS = re.compile(r"[\"'“‘(*_]*[A-Z0-9\u00c0-\u00de\u3040-\u30ff\u3400-\u9fff]")
_ENDS = re.compile(r"[.!?。！？][\"'”’)*_」]*$")
_MARKUP = re.compile(r"<\||\|>|\b(?:Reasoning|Answer|Question|Instruct|Output):")


def is_whole(answer: str) -> bool:
    """Say whether an answer is made of whole sentences.

    Each of its lines begins with a capital, a digit or a Japanese character, and ends with a full stop, question mark
    or exclamation mark; a line before others may end with a colon. There is no mark of a role or of a chat in it.
    """
    lines = [_LABEL.sub("", line.strip()) for line in answer.splitlines() if line.strip()]
    if not lines or _MARKUP.search(answer):
        return False
    *before, last = lines
    ends = all(line.endswith(":") or _ENDS.search(line) for line in before) and bool(_ENDS.search(last))
    return ends and all(_BEGINS.match(line) for line in lines)


def repeats_itself(answer: str) -> bool:
    """Say whether the same four words running stand in an answer three times or more."""
    words = words_of(answer)
    runs = Counter(zip(*(words[start:] for start in range(RUN_LENGTH)), strict=False))
    return max(runs.values(), default=0) >= MOST_OFTEN


def names_topic(question: str, answer: str) -> bool:
    """Say whether an answer has a word, by its stem, that its question is about; true where a question has none."""
    words = parse_question(question).words or content_words(question)
    return not words or not words.isdisjoint(content_words(answer))
