"""What the header of a GGUF file says of the model or the adapter in it, without its weights being read."""

import mmap
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from math import prod
from pathlib import Path
from typing import Any

from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType, TokenType

from bonsai.errors import EngineError, first_line

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
# struct's letters for the numbers of the format; 8 is a text, 9 an array.
_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_TEXT, _ARRAY = 8, 9
_TOKENS, _KINDS = "tokenizer.ggml.tokens", "tokenizer.ggml.token_type"


@dataclass(frozen=True)
class GgufFile:
    """A GGUF file whose header was read."""

    path: Path
    metadata: Mapping[str, Any]
    """Numbers, texts and lists by their key; the merges of a tokenizer are left out."""
    shapes: Mapping[str, tuple[int, ...]]
    """The shape of each tensor, as numpy writes it: (out, in) for a linear layer."""
    weight_bytes: int
    """What the tensors take, in the file and in memory."""

    @property
    def architecture(self) -> str:
        """The family of the model, such as llama or phi2."""
        return str(self.metadata.get("general.architecture", ""))

    def number(self, key: str, default: int = 0) -> int:
        """Return a number of the model's architecture; of a list, which has one for each layer, the largest."""
        value = self.metadata.get(f"{self.architecture}.{key}", default)
        return int(max(value, default=0) if isinstance(value, list) else value)

    @property
    def chat_template(self) -> str:
        """The chat template, in Jinja; "" if there is none."""
        return str(self.metadata.get("tokenizer.chat_template", ""))

    @property
    def eos_token(self) -> str:
        """The text of the token that ends a completion; "" if there is none."""
        place, tokens = self.metadata.get("tokenizer.ggml.eos_token_id", -1), self.metadata.get(_TOKENS, [])
        return tokens[place] if 0 <= place < len(tokens) else ""

    @property
    def special_tokens(self) -> tuple[str, ...]:
        """The tokens that have a meaning beside their text."""
        kinds = self.metadata.get(_KINDS, [])
        special = (TokenType.CONTROL, TokenType.USER_DEFINED)
        return tuple(
            token for token, kind in zip(self.metadata.get(_TOKENS, []), kinds, strict=False) if kind in special
        )


def read_gguf(path: Path) -> GgufFile:
    """Return what the header of `path` says; raise EngineError if it cannot be used, saying what to do."""
    try:
        with path.open("rb") as file:
            if file.read(4) != _MAGIC:
                raise EngineError(f"{path} is not a GGUF file. Give one, or a folder or a hub repository with one.")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _read(path, data)
    except (OSError, ValueError) as error:
        raise EngineError(f"{path} cannot be read: {first_line(error)}") from error
    except struct.error as error:
        raise _cut_off(path) from error


def _read(path: Path, data: mmap.mmap) -> GgufFile:
    cursor = _Cursor(data)
    version = cursor.number("I")
    if version not in _VERSIONS:
        raise EngineError(
            f"{path} is of GGUF version {version}; the newest known here is {_VERSIONS[-1]}. Update llama.cpp "
            "(pip install --upgrade xllamacpp gguf), or take another file."
        )
    tensors, pairs = cursor.number("Q"), cursor.number("Q")
    metadata = {}
    for _ in range(pairs):
        key = cursor.text()
        value = cursor.value(cursor.number("I"), keep=key != "tokenizer.ggml.merges")
        if value is not None:
            metadata[key] = value
    shapes, size = {}, 0
    for _ in range(tensors):
        name, shape, end = _tensor(cursor)
        shapes[name], size = shape, max(size, end)
    alignment = int(metadata.get("general.alignment", 32))
    start = -(-cursor.place // alignment) * alignment
    if start + size > len(data):
        raise _cut_off(path, len(data), start + size)
    return GgufFile(path, metadata, shapes, size)


def _tensor(cursor: "_Cursor") -> tuple[str, tuple[int, ...], int]:
    """Return the name and shape of the next tensor, and where its data end, in bytes after the header."""
    name = cursor.text()
    shape = tuple(cursor.number("Q") for _ in range(cursor.number("I")))[::-1]
    kind, offset = cursor.number("I"), cursor.number("Q")
    try:
        elements, size = GGML_QUANT_SIZES[GGMLQuantizationType(kind)]
    except ValueError:  # newer than our list: llama.cpp may know it
        elements, size = prod(shape) or 1, 0
    return name, shape, offset + prod(shape) // elements * size


def _cut_off(path: Path, size: int = 0, whole: int = 0) -> EngineError:
    there = f"{size:,} of {whole:,} bytes are there" if whole else "even its header is incomplete"
    return EngineError(f"{path} is cut off: {there}. Fetch it again.")


class _Cursor:
    """A place in the header of a GGUF file (version 2 or 3, little-endian), which moves on as values are read.

    Raises struct.error at the end of the data.
    """

    def __init__(self, data: mmap.mmap) -> None:
        self.place = len(_MAGIC)
        self._data = data

    def number(self, letter: str) -> Any:
        """Return the next number; `letter` is its type in struct's terms."""
        return self._unpack(f"<{letter}")[0]

    def text(self) -> str:
        """Return the next text."""
        length = self.number("Q")
        begin = self.place
        self._skip(length)
        return self._data[begin : self.place].decode("utf-8", "replace")

    def value(self, kind: int, *, keep: bool = True) -> Any:
        """Return the next value; None, but read past, if it need not be kept."""
        if kind == _TEXT:
            return self.text()
        if kind == _ARRAY:
            inner, count = self.number("I"), self.number("Q")
            if inner in _NUMBERS:
                return list(self._unpack(f"<{count}{_NUMBERS[inner]}"))
            values: Iterator[Any] = (self.value(inner) for _ in range(count))
            return list(values) if keep else next(islice(values, count, None), None)
        if kind not in _NUMBERS:
            raise struct.error(f"unknown type {kind}")
        return self.number(_NUMBERS[kind])

    def _unpack(self, letters: str) -> tuple[Any, ...]:
        found = struct.unpack_from(letters, self._data, self.place)
        self.place += struct.calcsize(letters)
        return found

    def _skip(self, length: int) -> None:
        if self.place + length > len(self._data):
            raise struct.error("the data end here")
        self.place += length
