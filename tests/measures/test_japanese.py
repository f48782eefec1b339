"""Japanese by meaning: what its embedder makes of texts, and what guard and flags make of that."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bonsai.measures.embedders.opening import Embedder, open_embedder
from bonsai.measures.opening import open_deferred_measure, open_measure
from bonsai.measures.similarity import WORDS, Measure
from bonsai.settings import JAPANESE_EMBEDDER, NO_EMBEDDER, ROOT, Settings

ASKED = "インフレとは何ですか？"


@pytest.fixture(scope="module")
def measure(japanese_embedder: Embedder) -> Measure:
    return Measure(None, japanese_embedder)


@pytest.mark.parametrize(
    "text", ["", " ", "？", "🌱", "\x00\x07\x1b", "\ud800", "盆" * 10_000, "why " * 2500, "</s>", "Ω か 🌱 why?"]
)
def test_no_text_is_too_odd(japanese_embedder: Embedder, text: str) -> None:
    (one,) = japanese_embedder.encode([text])
    assert np.isfinite(one.vector).all()
    assert one.token_vectors.shape == (len(one.tokens), len(one.vector))
    assert len(one.tokens) <= 256


def test_texts_read_together_are_as_read_alone(japanese_embedder: Embedder) -> None:
    texts = [ASKED, "空はなぜ青いのですか？" * 5, "Why is the sky blue?"]
    for text, together in zip(texts, japanese_embedder.encode(texts), strict=True):
        (alone,) = japanese_embedder.encode([text])
        assert together.tokens == alone.tokens
        assert together.vector == pytest.approx(alone.vector, abs=1e-5)
    assert "query" not in "".join(japanese_embedder.encode([ASKED])[0].tokens)


@pytest.mark.parametrize("other", ["インフレって何？", "インフレについて教えてください。"])
def test_a_rewording_is_a_repeat(measure: Measure, other: str) -> None:
    assert measure.compare_with_earlier(other, [ASKED]).rejected == 1


@pytest.mark.parametrize(
    ("question", "other"),
    [
        (ASKED, "インフレはなぜ起きるのですか？"),
        ("在宅勤務のメリットは何ですか？", "在宅勤務のデメリットは何ですか？"),
        ("寿司はどうやって海外で人気になりましたか？", "海外の寿司は日本の寿司と味がどう違いますか？"),
        ("なぜ賃金は上がったのか？", "なぜ賃金は上がらなかったのか？"),
        ("为什么会下雨？", "为什么不会下雨？"),
        ("出口为什么增加？", "出口为什么减少？"),
    ],
)
def test_a_deeper_question_is_none(measure: Measure, question: str, other: str) -> None:
    assert measure.compare_with_earlier(other, [question]).repeated is None


def test_meaning_sees_what_characters_do_not(measure: Measure) -> None:
    question, other = "車の燃費を良くするにはどうすればよい？", "自動車のガソリン代を節約する方法は？"
    assert measure.similarity(question, other) > WORDS.similarity(question, other) + 0.2
    assert measure.closeness(question, other, "") > WORDS.closeness(question, other, "")


def test_another_topic_is_off_topic(measure: Measure) -> None:
    asked, answers = ["咽頭がんとは何ですか？"], ["喫煙などが原因で喉にできる病気です。"]
    assert measure.off_topic("三角形の内角の和はいくつですか？", asked, answers)
    assert not measure.off_topic("咽頭がんは治りますか？", asked, answers)
    assert not WORDS.off_topic("三角形の内角の和はいくつですか？", asked, answers)


def test_each_script_has_its_embedder(embedder: Embedder, japanese_embedder: Embedder) -> None:
    both, english = Measure(embedder, japanese_embedder), Measure(embedder)
    pair = ("How do you remove mold from a tent?", "How can I get mildew off my tent?")
    assert both.similarity(*pair) == english.similarity(*pair)
    assert both.name == f"{embedder.name}, {JAPANESE_EMBEDDER}"
    assert both.goes_on_from(english.name) and both.goes_on_from(both.name) and not both.goes_on_from("words")
    assert english.similarity(ASKED, "インフレって何？") == WORDS.similarity(ASKED, "インフレって何？")


def test_who_wants_no_embedder_gets_none() -> None:
    assert open_measure(Settings(embedder=NO_EMBEDDER)).name == "words"
    measure, late = open_deferred_measure(Settings())
    assert [one.name for one in late] == measure.name.split(", ")


def test_a_broken_file_is_a_sentence_and_no_embedder(tmp_path: Path) -> None:
    file = tmp_path / "e5-small-q4.bin"
    file.write_bytes(b"E5S1" + bytes(200))
    assert open_embedder(str(tmp_path)) is None


FORK = f"""
import os
from bonsai.measures.embedders.opening import open_embedder
embedder = open_embedder({JAPANESE_EMBEDDER!r})
texts = [{ASKED!r} + str(number) for number in range(70)]
before = embedder.encode(texts)[7].vector
child = os.fork()
if child == 0:
    os._exit(0 if abs(embedder.encode(texts)[7].vector - before).max() < 1e-5 else 9)
_, status = os.waitpid(child, 0)
raise SystemExit(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.process
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="There is no fork.")
def test_a_forked_process_may_read(japanese_embedder: Embedder) -> None:
    environ = os.environ | {"OMP_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", FORK], cwd=ROOT, env=environ, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr
