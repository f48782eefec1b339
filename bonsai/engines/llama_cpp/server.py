"""llama.cpp's HTTP server inside this process, on a free port of the loopback, for this process alone."""

import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import cached_property
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bonsai.engines.gguf.header import GgufFile
from bonsai.engines.llama_cpp.slots import Slots
from bonsai.engines.remote.shared_room import SharedRoom
from bonsai.errors import EngineError, first_line
from bonsai.machine import free_memory, good_threads
from bonsai.settings import ROOT

# Of a model that reads more at once, a text gets so much: what is kept for it takes memory from the start.
_LONGEST_CONTEXT = 8192
# llama.cpp loads no model for more texts at a time.
MOST_SLOTS = 256
# What all texts in the making have together: as many tokens as fit in so many bytes, but a whole context at least.
_MOST_KEPT_TOKENS, _MOST_KEPT_BYTES = 16_384, 2**30
_BYTES_OF_A_NUMBER = 2
# What llama.cpp computes with, beside the weights and what was read.
_WORKING_BYTES = 256 * 2**20
_SILENT, _ERRORS = -1, 1
_SECONDS_TO_FAIL_AGAIN, _SECONDS_TO_EMPTY = 120, 1.0
# A line of llama.cpp's log that tells of an error: time, E, a function, perhaps what it was doing, and what is wrong.
_ERROR = re.compile(r"^[\d.]+ E [^:]*: (?:error loading model: )?(.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Room:
    """What a model takes of this machine."""

    model: GgufFile
    parallel: int
    """How many texts are in the making at a time, at most."""

    @property
    def context_length(self) -> int:
        """Tokens that one text may have, its prompt included."""
        return min(self.model.number("context_length", 2048), _LONGEST_CONTEXT)

    @cached_property
    def kept_tokens(self) -> int:
        """Tokens that all texts in the making may have together."""
        fitting = min(_MOST_KEPT_TOKENS, _MOST_KEPT_BYTES // max(1, self._bytes_per_token))
        return max(self.context_length, min(fitting, self.context_length * self.parallel))

    @property
    def bytes(self) -> int:
        """The memory that is needed, in bytes; an estimate."""
        return self.model.weight_bytes + self.kept_tokens * self._bytes_per_token + _WORKING_BYTES

    @property
    def _bytes_per_token(self) -> int:
        heads = self.model.number("attention.head_count", 1)
        width = self.model.number("embedding_length") // max(1, heads)
        key, value = (self.model.number(f"attention.{part}_length", width) for part in ("key", "value"))
        kept_heads = self.model.number("attention.head_count_kv", heads)
        return self.model.number("block_count") * kept_heads * (key + value) * _BYTES_OF_A_NUMBER

    def check(self) -> None:
        """Raise EngineError, with both numbers, if so much memory is not free."""
        free = free_memory()
        if free < self.bytes:
            raise EngineError(
                f"The model {self.model.path.name} takes {self.bytes / 2**30:.1f} GB of memory, and "
                f"{free / 2**30:.1f} GB are free. Choose a smaller file or quantisation, or close other programs."
            )


class LlamaServer:
    """A server that has loaded a model, perhaps with a LoRA adapter; it ends with the last reference to it.

    Raises EngineError, with llama.cpp's own reason, if it cannot be had.
    """

    def __init__(self, room: Room, adapter: Path | None) -> None:
        room.check()
        self.room = room
        self.key = secrets.token_urlsafe()
        self.slots = Slots(room.parallel)
        # A server that runs out of its context breaks off every text in the making.
        self.context = SharedRoom(room.kept_tokens)
        try:
            self._server = start(room, adapter, self.key, _SILENT)
        except RuntimeError as error:
            raise _failure(room, adapter) from error
        self.address: str = self._server.listening_address

    @property
    def url(self) -> str:
        """The base URL of the API that OpenAI has, too."""
        return f"{self.address}/v1"

    def tokenise(self, text: str, *, begins: bool = False, special: bool = False) -> list[int]:
        """Return the tokens of a text.

        With `begins` they are preceded by the one that begins a text, if the model has one; with `special` the text of
        a special token is that token. Raises EngineError if the server is gone.
        """
        asked = {"content": text, "add_special": begins, "parse_special": special}
        try:
            return list(self._ask("/tokenize", asked)["tokens"])
        except (OSError, HTTPException, ValueError, KeyError) as error:
            raise EngineError(
                f"llama.cpp's server in this process has ended ({first_line(error)}). Start Bonsai again."
            ) from error

    def empty(self, slots: Iterable[int]) -> None:
        """Have slots forget what they keep, as far as the server comes to it within a moment."""
        # It is no loss if one is not emptied. If the server is gone, the next text tells of it.
        with suppress(OSError, HTTPException, ValueError):
            for slot in slots:
                self._ask(f"/slots/{slot}?action=erase", {}, _SECONDS_TO_EMPTY)

    def _ask(self, path: str, body: Mapping[str, object], seconds: float | None = None) -> Any:
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        with closing(HTTPConnection(urlsplit(self.address).netloc, timeout=seconds)) as connection:
            connection.request("POST", path, json.dumps(body), headers)
            return json.loads(connection.getresponse().read())

    @property
    def device(self) -> str:
        """What the model runs on, in words."""
        library = _library()
        cpu = library.ggml_backend_dev_type.GGML_BACKEND_DEVICE_TYPE_CPU
        others = [one for one in library.get_device_info() if one["type"] != cpu]
        return str(others[0]["description"]) if others else "CPU"


def start(room: Room, adapter: Path | None, key: str, verbosity: int) -> Any:
    """Return xllamacpp's server with a model, and perhaps an adapter; raise RuntimeError if it cannot be had."""
    params = _params(room, verbosity)
    params.api_keys = [key]
    params.ui = params.endpoint_slots = False
    # Slots share what is kept, so that a slot more costs nothing, and one text may have the whole context.
    params.n_ctx, params.n_parallel, params.kv_unified = room.kept_tokens, room.parallel, True
    # Slots can be emptied only where they could be saved as well; nobody asks for that.
    params.slot_save_path = os.devnull
    # What was read stays with its slot. What llama.cpp puts aside it finds by its tokens alone: it would bring back
    # what was read with the adapter for a text without it.
    params.cache_ram_mib, params.cache_idle_slots = 0, False
    if adapter:
        lora = _library().CommonAdapterLoraInfo()
        lora.path, lora.scale = str(adapter), 1.0
        params.lora_adapters = [lora]
    return _library().Server(params)


def start_as_usual(room: Room) -> Any:
    """Return xllamacpp's server with a model, as it is without any settings, to be measured beside ours."""
    params = _params(room, _SILENT)
    params.n_ctx = room.context_length
    return _library().Server(params)


def _params(room: Room, verbosity: int) -> Any:
    """Return what every server has: the model, a free port of the loopback, as many threads as are good."""
    params = _library().CommonParams()
    params.model.path = str(room.model.path)
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.verbosity = verbosity
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = good_threads()
    return params


def _library() -> Any:
    # A platform without it uses another engine.
    import xllamacpp

    return xllamacpp


def _failure(room: Room, adapter: Path | None) -> EngineError:
    """Return why a server cannot be had: llama.cpp says it on stderr alone, so it is begun again where that is read."""
    files = [str(file) for file in (room.model.path, adapter) if file]
    command = [sys.executable, "-c", _BEGIN_AGAIN, *files]
    try:
        told = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=_SECONDS_TO_FAIL_AGAIN).stderr
    except (OSError, subprocess.TimeoutExpired):
        told = b""
    # A path in it may be in any encoding, whatever that of this machine is.
    found = _ERROR.search(told.decode("utf-8", "replace"))
    reason = found[1] if found else "it does not say why"
    if "unknown model architecture" in reason:
        reason += "; update llama.cpp (pip install --upgrade xllamacpp), or take another model"
    what = f"the model {room.model.path}" + (f" with the adapter {adapter}" if adapter else "")
    return EngineError(f"llama.cpp cannot load {what}: {reason}.")


_BEGIN_AGAIN = f"""
import sys
from pathlib import Path
from bonsai.engines.gguf.header import read_gguf
from bonsai.engines.llama_cpp.server import Room, start
model, *adapter = map(Path, sys.argv[1:])
start(Room(read_gguf(model), 1), adapter[0] if adapter else None, "", {_ERRORS})
"""
