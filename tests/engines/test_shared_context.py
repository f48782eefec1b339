"""Texts that share one context: none is begun without room for it, and none is lost where that cannot be told."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

import pytest

from bonsai.engines.base import Engine, EngineInfo, SamplingParams
from bonsai.engines.gguf.header import read_gguf
from bonsai.engines.llama_cpp.engine import LlamaCppEngine
from bonsai.engines.llama_cpp.server import LlamaServer, Room
from bonsai.engines.remote.engine import RemoteEngine
from bonsai.engines.remote.shared_room import SharedRoom
from bonsai.engines.remote.wire.server_errors import ServerError
from bonsai.settings import Settings


class Narrow(Room):
    """Room for two texts of the longest kind, whatever is free."""

    @cached_property
    def kept_tokens(self) -> int:
        """Two contexts."""
        return 2 * self.context_length


@pytest.fixture
def narrow_server(gguf_file: Path) -> LlamaServer:
    """llama.cpp's server with the tiny model and 8 slots, which share two contexts."""
    return LlamaServer(Narrow(read_gguf(gguf_file), 8), None)


def through(engine: Engine) -> None:
    """Have an engine write ten texts, with candidates for some, of which any three are more than there is room for."""
    prompts = [f"{number} Who keeps the garden in order? " * 5 for number in range(7)]
    prompts += [prompts[-1]] * 3
    assert engine.count_tokens(prompts[0]) > 100
    each = [SamplingParams(max_new_tokens=60, temperature=0.5, seed=max(0, place - 6)) for place in range(10)]
    found = dict(engine.generate(prompts, each))
    assert [found[place].error for place in range(10)] == [""] * 10


def test_texts_wait_until_there_is_room_for_them(narrow_server: LlamaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    # Else a text that was broken off would be written alone, and all would take longer.
    monkeypatch.setattr(ServerError, "is_crowded", False)
    through(LlamaCppEngine(narrow_server, EngineInfo("llama-cpp", "tiny", context_length=256, max_batch_size=8)))


def test_a_server_of_others_whose_slots_share_a_context_writes_all_texts(narrow_server: LlamaServer) -> None:
    through(RemoteEngine(Settings(base_url=narrow_server.url, api_key=narrow_server.key, concurrency=8)))


def test_who_asks_first_has_room_first() -> None:
    async def together() -> list[str]:
        context, order = SharedRoom(10), list[str]()

        async def write(name: str, tokens: int, over: asyncio.Event) -> None:
            async with context.taken(tokens):
                order.append(name)
                await over.wait()

        over = asyncio.Event()
        texts = [("six", 6), ("eight", 8), ("two", 2), ("more than there is", 99)]
        tasks = [asyncio.create_task(write(name, tokens, over)) for name, tokens in texts]
        while not order:
            await asyncio.sleep(0)
        order.append("six is over")
        over.set()
        await asyncio.gather(*tasks)
        return order

    assert asyncio.run(together()) == ["six", "six is over", "eight", "two", "more than there is"]


def test_what_is_called_off_leaves_its_room_to_the_others() -> None:
    async def together() -> bool:
        context = SharedRoom(10)

        async def hold(tokens: int) -> None:
            async with context.taken(tokens):
                await asyncio.Event().wait()

        tasks = [asyncio.create_task(hold(tokens)) for tokens in (7, 7, 10)]
        await asyncio.sleep(0)
        for task in reversed(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        async with context.taken(10):
            return True

    assert asyncio.run(together())


def test_event_loops_share_it() -> None:
    context, held = SharedRoom(10), [0]

    async def write() -> list[int]:
        most = []
        for _ in range(50):
            async with context.taken(6):
                held[0] += 1
                await asyncio.sleep(0)
                most.append(held[0])
                held[0] -= 1
        return most

    with ThreadPoolExecutor(4) as pool:
        assert [set(most) for most in pool.map(asyncio.run, [write() for _ in range(4)])] == [{1}] * 4
