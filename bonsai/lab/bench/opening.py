"""The engines that are measured, none of whose texts ends before it has its full length."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from bonsai.engines.base import Engine
from bonsai.engines.batching.engine import BatchingEngine
from bonsai.engines.gguf.finding import find_model
from bonsai.engines.gguf.header import read_gguf
from bonsai.engines.llama_cpp.engine import LlamaCppEngine, open_server
from bonsai.engines.local.engine import LocalEngine
from bonsai.lab.bench.plain_client import PlainClient
from bonsai.lab.bench.subjects import load_endless
from bonsai.settings import Settings


@dataclass(frozen=True)
class Measurable:
    """An engine that is measured, and what the ways beside it need."""

    engine: Engine
    device: torch.device
    dtype: torch.dtype
    """The number format of the usual way."""
    weights: str
    """The number format of the engine's own weights, in words."""
    weight_bytes: int
    client: Engine | None = None
    """A plain client of llama.cpp's server with the same model."""


def _batching(settings: Settings) -> Measurable:
    loaded = load_endless(settings)
    return _measurable(BatchingEngine(loaded, settings.concurrency), loaded.model)


def _local(settings: Settings) -> Measurable:
    loaded = load_endless(settings)
    return _measurable(LocalEngine(loaded, settings.concurrency, 1), loaded.model)


def _measurable(engine: Engine, model: Any) -> Measurable:
    weights = str(model.dtype).removeprefix("torch.")
    return Measurable(engine, model.device, model.dtype, weights, model.get_memory_footprint())


def _llama_cpp(settings: Settings) -> Measurable:
    server, info = open_server(settings)
    engine = LlamaCppEngine(server, info, more={"ignore_eos": True})
    # It is given the file as it was published, whatever the engine makes of it.
    published = read_gguf(find_model(settings.models(gpu=False)[0], settings.revision))
    client = PlainClient(engine, replace(server.room, model=published))
    return Measurable(engine, torch.device("cpu"), torch.float32, "GGUF", server.room.model.weight_bytes, client)


ENGINES: Mapping[str, Callable[[Settings], Measurable]] = {
    "llama-cpp": _llama_cpp,
    "batching": _batching,
    "local": _local,
}
