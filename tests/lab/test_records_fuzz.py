"""Files of training records of any content: each line is a record or is told, and what was written comes back.

`pytest --hypothesis-profile fuzz tests/lab/test_records_fuzz.py` tries 10,000 of each.
"""

import json
import re
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bonsai.chains.moves import Move
from bonsai.chains.prompts import load_variants
from bonsai.errors import BonsaiError
from bonsai.lab.records import NextQuestion, Record, read_records
from bonsai.lab.training.check import check
from bonsai.settings import ROOT

# A file is written anew for each example, in one folder.
same_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
VARIANT = load_variants(ROOT / "prompts")["assistant"]

TEXTS = st.text(max_size=30) | st.sampled_from(
    ["Why?", "なぜですか", "Weigh the cost.", "It costs too much.", "", " ", "\ud83d"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["question", "move"]), inner),
    max_leaves=6,
)
KEYS = st.sampled_from(
    ["question", "answer", "reasoning", "persona", "category", "next_question", "next_questions", "move", "earlier"]
    + ["repeats", "language", "field", "Question", "steps", "format"]
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=6)
# Half of the objects have what a record must have.
LINES = st.one_of(
    OBJECTS.map(json.dumps),
    OBJECTS.map(lambda data: json.dumps({"question": "Why?", "answer": "So.", **data}, ensure_ascii=True)),
    st.sampled_from(["{", "null", "[]", "7", "9" * 5000, "[" * 2000, '{"question": "Why?"', "\x00", "\u2028", "NaN"]),
    st.text(max_size=20),
)


@same_folder
@given(st.lists(LINES, max_size=6), st.sampled_from(["\n", "\r\n"]), st.binary(max_size=3))
def test_each_line_is_a_record_or_is_told_with_its_number(
    tmp_path: Path, lines: list[str], end: str, after: bytes
) -> None:
    file = tmp_path / "records.jsonl"
    file.write_bytes(end.join(lines).encode("utf-8", "replace") + after)
    try:
        found = check([file], VARIANT, 512)
    except BonsaiError as error:
        assert str(file) in str(error)
        return
    lines = file.read_text(encoding="utf-8-sig").split("\n")
    numbers = {number for number, line in enumerate(lines, 1) if line.strip()}
    told = {int(place) for problem in found.problems for place in re.findall(r", line (\d+)", problem)}
    assert numbers <= told | {int(one.where.rpartition(" ")[2]) for one in found.records}


WHOLE = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=30).filter(str.strip)
RECORDS = st.builds(
    Record,
    question=WHOLE,
    answer=WHOLE,
    reasoning=WHOLE | st.just(""),
    next_questions=st.lists(st.builds(NextQuestion, WHOLE, st.sampled_from(["", *Move])), max_size=3).map(tuple),
    earlier=st.lists(WHOLE, max_size=2).map(tuple),
)


def _as_json(record: Record) -> dict[str, object]:
    following = [{"question": one.question, "move": one.move} for one in record.next_questions]
    return {
        "question": record.question,
        "answer": record.answer,
        "reasoning": record.reasoning,
        "next_questions": following,
        "earlier": list(record.earlier),
    }


@same_folder
@given(records=st.lists(RECORDS, min_size=1, max_size=4), ascii_only=st.booleans())
def test_records_come_back_as_they_were_written(tmp_path: Path, records: list[Record], ascii_only: bool) -> None:
    file = tmp_path / "records.jsonl"
    file.write_text(
        "\n".join(json.dumps(_as_json(record), ensure_ascii=ascii_only) for record in records),
        encoding="utf-8",
        newline="",
    )
    assert read_records(file) == records
