"""The engines that are measured, none of whose texts ends before it has its full length."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from bonsai.engines.base import Engine, EngineInfo
from bonsai.engines.batching.engine import BatchingEngine
from bonsai.engines.gguf.finding import find_model
from bonsai.engines.gguf.header import read_gguf
from bonsai.engines.llama_cpp.engine import LlamaCppEngine, open_server
from bonsai.engines.llama_cpp.server import Room
from bonsai.engines.local.engine import LocalEngine
from bonsai.lab.bench.plain_client import PlainClient
from bonsai.lab.bench.subjects import load_endless
from bonsai.settings import Settings


@dataclass(frozen=True)
class Opened:
    """What is told of an engine that was opened, for the ways beside it and the report."""

    info: EngineInfo
    device: torch.device
    dtype: torch.dtype
    """The number format of the usual way."""
    weights: str
    """The number format of the engine's own weights, in words."""
    weight_bytes: int
    has_client: bool = False
    """Whether a plain client of llama.cpp's server can be measured beside it."""


def _batching(settings: Settings) -> tuple[Engine, Opened]:
    loaded = load_endless(settings)
    return _opened(BatchingEngine(loaded, settings.concurrency), loaded.model)


def _local(settings: Settings) -> tuple[Engine, Opened]:
    loaded = load_endless(settings)
    return _opened(LocalEngine(loaded, settings.concurrency, 1), loaded.model)


def _opened(engine: Engine, model: Any) -> tuple[Engine, Opened]:
    weights = str(model.dtype).removeprefix("torch.")
    return engine, Opened(engine.info, model.device, model.dtype, weights, model.get_memory_footprint())


def _llama_cpp(settings: Settings) -> tuple[Engine, Opened]:
    server, info = open_server(settings)
    engine = LlamaCppEngine(server, info, more={"ignore_eos": True})
    weight_bytes = server.room.model.weight_bytes
    return engine, Opened(engine.info, torch.device("cpu"), torch.float32, "GGUF", weight_bytes, has_client=True)


ENGINES: Mapping[str, Callable[[Settings], tuple[Engine, Opened]]] = {
    "llama-cpp": _llama_cpp,
    "batching": _batching,
    "local": _local,
}


def open_client(settings: Settings, info: EngineInfo) -> PlainClient:
    """Return a plain client with the file as it was published, whatever the engine of `info` makes of it."""
    published = find_model(settings.models(gpu=False)[0], settings.revision)
    return PlainClient(info, Room(read_gguf(published), settings.concurrency))
