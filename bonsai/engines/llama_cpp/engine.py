"""The llama.cpp engine: a GGUF model in this process, through the server that xllamacpp brings."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from bonsai.engines.base import Engine, EngineInfo, Prompt, Request, RequestQueue
from bonsai.engines.gguf.finding import find_model
from bonsai.engines.gguf.header import read_gguf
from bonsai.engines.llama_cpp.adapter_file import adapter_place, base_notes, find_adapter
from bonsai.engines.llama_cpp.requantising import in_fastest_form
from bonsai.engines.llama_cpp.server import MOST_SLOTS, LlamaServer, Room
from bonsai.engines.llama_cpp.shared_prefix import SharedPrefix
from bonsai.engines.remote.dialect import Dialect
from bonsai.engines.remote.engine import RemoteEngine
from bonsai.engines.remote.streamed_completion import StreamedCompletion
from bonsai.errors import EngineError, Note, SettingError
from bonsai.settings import NO_ADAPTER, SMOLLM2, Settings, as_path, is_path, keep_torch_to_one_thread

NAME = "llama-cpp"
# llama.cpp has more ways to sample than are asked for, and they are on by default. To keep the most likely tokens
# before the temperature is applied comes to the same as after it, and takes less time.
_SAMPLERS = ["penalties", "top_k", "temperature", "top_p"]
_LEFT_OUT = "llama.cpp computes with the weights that a GGUF file has, so {setting} was left out."
# Each is kept as a list of up to thousands of numbers.
_COUNTED_PROMPTS = 256


def load(settings: Settings) -> "LlamaCppEngine":
    """Return an engine with the GGUF model of `settings`; raise SettingError or EngineError, saying what to do."""
    if not find_spec("xllamacpp"):
        raise EngineError(
            "llama.cpp is not installed, or has no wheel for this platform: pip install xllamacpp, or set "
            "BONSAI_ENGINE to batching."
        )
    if settings.zero_gpu:
        raise SettingError(f"BONSAI_ENGINE is {NAME!r}, which uses no leased GPU; on ZeroGPU it must be auto or local.")
    # It shares OpenMP with llama.cpp: once the threads of both are more than the cores, OpenMP has each sleep between
    # two pieces of work, of which a token has hundreds, and a token took 1.5 times as long.
    keep_torch_to_one_thread()
    return LlamaCppEngine(*open_server(settings))


def open_server(settings: Settings) -> tuple[LlamaServer, EngineInfo]:
    """Return llama.cpp's server with the model and the adapter of `settings`, and what an engine with it is."""
    model, adapter = settings.models(gpu=False)
    file = find_model(model, settings.revision)
    room = _room(in_fastest_form(file) if model == SMOLLM2 else file, settings)
    info = _info(settings, room)
    if adapter == NO_ADAPTER:
        return LlamaServer(room, None), info
    place = adapter_place(adapter)
    file = find_adapter(str(place), room.model)
    notes = *info.notes, *base_notes(adapter, place, room.model, model)
    return LlamaServer(room, file), replace(info, notes=notes)


def expected_info(settings: Settings) -> EngineInfo:
    """Return what can be told of the engine that `load` gives, before its model is loaded or fetched from the hub.

    Raises EngineError for a file that is here and cannot be used, and for a place on this machine where nothing is.
    """
    model, adapter = settings.models(gpu=False)
    if is_path(adapter):
        adapter_place(adapter)
    here = model == SMOLLM2 or is_path(model) or as_path(model).exists()
    return _info(settings, _room(find_model(model, settings.revision), settings) if here else None)


def _room(file: Path, settings: Settings) -> Room:
    model = read_gguf(file)
    if model.metadata.get("general.type") == "adapter":
        raise EngineError(f"{file} is an adapter, not a model; set BONSAI_ADAPTER to it, and BONSAI_MODEL to its base.")
    return Room(model, _parallel(settings))


def _parallel(settings: Settings) -> int:
    """Return how many texts are in the making at a time: what is asked for, as far as llama.cpp can."""
    return min(settings.concurrency, MOST_SLOTS)


def _info(settings: Settings, room: Room | None) -> EngineInfo:
    model, adapter = settings.models(gpu=False)
    info = EngineInfo(
        NAME,
        model,
        "" if adapter == NO_ADAPTER else adapter,
        device="CPU",
        is_stand_in=model == SMOLLM2,
        max_batch_size=_parallel(settings),
        max_concurrent_runs=_parallel(settings),
        notes=tuple(Note(_LEFT_OUT, setting=name) for name in settings.of_weights()),
    )
    if room is None:
        return info
    return replace(
        info,
        context_length=room.context_length,
        chat_template=room.model.chat_template,
        eos_token=room.model.eos_token,
        memory_bytes=room.bytes,
    )


class LlamaCppEngine(RemoteEngine):
    """An engine that asks llama.cpp's server in this process.

    With an adapter it is asked for at `scale` 1, without it at 0, from the same server.
    """

    def __init__(
        self, server: LlamaServer, info: EngineInfo, scale: float = 1.0, more: Mapping[str, object] | None = None
    ) -> None:
        """`more` is what is sent with every request beside what is asked of an engine."""
        room = server.room
        fields: dict[str, object] = {"samplers": _SAMPLERS, "repeat_last_n": room.context_length, **(more or {})}
        if info.adapter_id:
            fields["lora"] = [{"id": 0, "scale": scale}]
        settings = Settings(base_url=server.url, api_key=server.key, concurrency=room.parallel)
        super().__init__(settings, dialect=Dialect(fields=fields, more=self._slot, encode=self._encode))
        self._llama, self._special, self._scale = server, room.model.special_tokens, scale
        self._tokenised = lru_cache(_COUNTED_PROMPTS)(self._tokenise)
        self._shared = SharedPrefix()
        self._slots: dict[StreamedCompletion, int | None] = {}
        self._server.turn = self._turn
        self.info = replace(info if scale else replace(info, adapter_id="", notes=()), device=server.device)

    def count_tokens(self, prompt: Prompt | str) -> int:
        """Return how many tokens of the context a prompt takes."""
        return len(self._tokenised(Prompt.of(prompt)))

    def without_adapter(self) -> Engine:
        """Return an engine that asks the same server, with the adapter left out."""
        return LlamaCppEngine(self._llama, self.info, scale=0.0)

    def _count_ahead(self, prompts: Sequence[Prompt]) -> None:
        """Leave prompts to be counted as they begin: that takes no time here."""

    def _take_all(self, queue: RequestQueue, room: int) -> list[list[Request]]:
        """Take as many requests out of the queue as the shared context has room for; one, if none is in the making.

        What is left in the queue stays in its order, which the caller may change.
        """
        batches: list[list[Request]] = []
        must, held = room == self.info.max_batch_size, 0
        while room > 0 and (first := queue.peek()):
            tokens, most = self.count_tokens(first.prompt), first.sampling.max_new_tokens
            if not must and not self._llama.context.is_free(held + tokens + most):
                break
            batches.append(self._take(queue, min(room, max(1, (self._llama.room.kept_tokens - tokens) // most))))
            room, must = room - len(batches[-1]), False
            held += tokens + len(batches[-1]) * most
        return batches

    @asynccontextmanager
    async def _turn(self, rows: Sequence[StreamedCompletion]) -> AsyncIterator[None]:
        """Hold the rows' turn among those whose prompts begin as theirs, room, and a slot for the first of them."""
        row = rows[0]
        tokens, most = self._tokenised(row.request.prompt), row.limit
        async with self._shared.turn(tokens, most), self._llama.context.taken(len(tokens) + len(rows) * most):
            with self._llama.slots.taken(tokens, most, self._scale) as slot:
                # First, so that the text is not kept behind what is forgotten.
                if surplus := self._llama.slots.surplus():
                    await asyncio.to_thread(self._llama.empty, surplus)
                self._slots[row] = slot
                try:
                    yield
                finally:
                    del self._slots[row]

    def _slot(self, row: StreamedCompletion) -> Mapping[str, int]:
        """Return the field that tells in which slot a row is to be written, if that was chosen."""
        slot = self._slots.get(row)
        return {} if slot is None else {"id_slot": slot}

    def _encode(self, row: StreamedCompletion) -> list[int]:
        """Return the tokens that are to be completed: those of the prompt, and of what was written of the text."""
        return self._tokenised(row.request.prompt) + (self._llama.tokenise(row.kept) if row.kept else [])

    def _tokenise(self, prompt: Prompt) -> list[int]:
        """Return the tokens of a prompt, at least one; what looks like a special token in a text stays text."""
        if not any(token in text for text in prompt.parts[1::2] for token in self._special):
            ids = self._llama.tokenise(prompt.text, begins=True, special=True)
        else:
            ids = []
            for number, part in enumerate(prompt.parts):
                ids += self._llama.tokenise(part, begins=not number, special=not number % 2)
        return ids or self._llama.tokenise("\n")
