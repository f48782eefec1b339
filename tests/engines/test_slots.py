"""Which slot of llama.cpp's server a text is written in."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from copy import copy
from pathlib import Path

import pytest

from bonsai.engines import open_base_engine, open_engine
from bonsai.engines.base import EngineInfo, SamplingParams
from bonsai.engines.llama_cpp.engine import LlamaCppEngine
from bonsai.engines.llama_cpp.server import LlamaServer
from bonsai.engines.llama_cpp.slots import Slots
from bonsai.settings import Settings
from tests.engines.counting_proxy import CountingProxy


def text(number: int, length: int = 100) -> list[int]:
    """Return a prompt that shares nothing with those of other numbers."""
    return list(range(1000 * number, 1000 * number + length))


def asked(slots: Slots, prompt: list[int], scale: float = 1.0, most: int = 10) -> int | None:
    """Return the slot of a text that is over at once."""
    with slots.taken(prompt, most, scale) as slot:
        return slot


def test_a_prompt_goes_on_where_its_beginning_was_read() -> None:
    slots = Slots(8)
    first, other = asked(slots, text(1)), asked(slots, text(2))
    assert first != other
    assert asked(slots, text(1) + [7] * 500) == first, "all of the prompt before, however long its text was"
    assert asked(slots, text(2)[:70] + [8] * 60) == other, "most of it"
    assert asked(slots, text(2)[:20] + [9] * 200) not in (first, other), "little of it"


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_what_is_idle_for_long_is_emptied_if_it_is_more_than_is_worth_it() -> None:
    clock = Clock()
    slots, emptied = Slots(32, most_idle=400, clock=clock), []
    for number, slot in enumerate([31, 30, 29, 28, 31]):
        clock.now += 11
        assert asked(slots, text(number)) == slot, "what is empty is used again"
        emptied.append(slots.surplus())
    assert emptied == [[], [], [], [31], [30]], "the fourth text of 110 tokens is more than 400"
    assert asked(slots, text(4)) == 31, "the latest are kept"


def test_chains_that_are_about_to_go_on_keep_what_was_read_for_them() -> None:
    clock = Clock()
    slots = Slots(32, most_idle=400, clock=clock)
    with ExitStack() as making:
        for number in range(20):
            making.enter_context(slots.taken(text(number), 10, 1.0))
        clock.now = 60
        assert slots.surplus() == []
    clock.now += 0.1
    assert slots.surplus() == []
    clock.now += 10
    assert slots.surplus() == list(range(31, 14, -1)), "the first that was over first"
    assert slots.surplus() == []


def test_the_latest_text_is_kept_however_long_it_is() -> None:
    clock = Clock()
    slots = Slots(4, most_idle=50, clock=clock)
    first = asked(slots, text(1))
    clock.now = 100
    assert slots.surplus() == []
    assert asked(slots, text(1) + [5] * 9) == first
    asked(slots, text(2))
    assert slots.surplus() == []
    clock.now = 200
    assert slots.surplus() == [first]


def test_what_was_read_with_the_adapter_serves_no_text_without_it() -> None:
    slots = Slots(8)
    assert asked(slots, text(1), scale=1.0) != asked(slots, text(1), scale=0.0)


def test_each_text_in_the_making_has_a_slot_and_the_server_chooses_when_there_is_none() -> None:
    slots = Slots(3, most_idle=0)
    with ExitStack() as making:
        found = [making.enter_context(slots.taken(text(1), 10, 1.0)) for _ in range(4)]
        assert sorted(found[:3], key=str) == [0, 1, 2]
        assert found[3] is None
    assert asked(slots, text(1)) is not None


def test_a_slot_is_free_again_after_a_text_that_failed() -> None:
    slots = Slots(1)
    with pytest.raises(ValueError, match="gone"), slots.taken(text(1), 10, 1.0):
        raise ValueError("gone")
    assert asked(slots, text(2)) == 0


def test_the_latest_texts_are_not_read_again(llama_server: LlamaServer) -> None:
    server = copy(llama_server)
    with CountingProxy(int(server.address.rpartition(":")[2]), b"nothing is refused").running() as between:
        server.address = between.address
        engine = LlamaCppEngine(server, EngineInfo("llama-cpp", "tiny", context_length=256))
        prompts = [f"{number} gardeners ask why their moss grows.\n" * 3 for number in range(40)]
        list(engine.generate(prompts, SamplingParams(max_new_tokens=1)))
        before = between.read
        for prompt in prompts[-4:]:
            list(engine.generate([prompt + "Why?"], SamplingParams(max_new_tokens=1)))
        assert between.read - before < engine.count_tokens(prompts[0])


@pytest.mark.model
def test_an_answer_without_the_adapter_is_that_of_the_model_alone(
    gguf_file: Path, adapter_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    settings = Settings(model=str(gguf_file), adapter=str(adapter_folder), concurrency=1)
    sampling = SamplingParams(max_new_tokens=8, temperature=0)

    def written(prompts: list[tuple[str, bool]]) -> list[str]:
        adapted = open_engine(settings)
        engines = {True: adapted, False: open_base_engine(settings, adapted)}
        return [list(engines[has].generate([prompt], sampling))[-1][1].text for prompt, has in prompts]

    prompt, other = "Who keeps the garden in order?\n" * 4, "Which teas keep their scent in a tin?\n" * 4
    (alone,) = written([(prompt, False)])
    adapted, _, after = written([(prompt, True), (other, False), (prompt, False)])
    assert after == alone != adapted


def test_a_text_is_over_when_its_slot_is_free(llama_server: LlamaServer) -> None:
    told, early = threading.Event(), []

    class WatchedSlots(Slots):
        @contextmanager
        def taken(self, prompt: Sequence[int], most: int, scale: float) -> Iterator[int | None]:
            with super().taken(prompt, most, scale) as slot:
                yield slot
                early.append(told.is_set())

    server = copy(llama_server)
    server.slots = WatchedSlots(32)
    engine = LlamaCppEngine(server, EngineInfo("llama-cpp", "tiny", context_length=256))
    for number in range(20):
        told.clear()
        for _, completion in engine.generate([f"Who keeps garden {number}?"], SamplingParams(max_new_tokens=4)):
            if completion.finished:
                told.set()
    assert early == [False] * 20, "what is asked next finds it free"
