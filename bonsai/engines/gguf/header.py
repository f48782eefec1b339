"""What the header of a GGUF file says of the model or the adapter in it, without its weights being read."""

import mmap
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from math import prod
from pathlib import Path
from typing import Any, TypeGuard

from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType, TokenType

from bonsai.errors import EngineError, first_line

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_FIRST_PART = re.compile(r"-00001-of-(\d{5})\.gguf$")
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
        value = self.metadata.get(f"{self.architecture}.{key}")
        found = value if isinstance(value, list) else [value]
        return max((one for one in found if _is_count(one)), default=default)

    @property
    def chat_template(self) -> str:
        """The chat template, in Jinja; "" if there is none."""
        return str(self.metadata.get("tokenizer.chat_template", ""))

    @property
    def eos_token(self) -> str:
        """The text of the token that ends a completion; "" if there is none."""
        place, tokens = self.metadata.get("tokenizer.ggml.eos_token_id"), self._list(_TOKENS)
        return str(tokens[place]) if _is_count(place) and place < len(tokens) else ""

    @property
    def special_tokens(self) -> tuple[str, ...]:
        """The tokens that have a meaning beside their text."""
        special = (TokenType.CONTROL, TokenType.USER_DEFINED)
        kinds = zip(self._list(_TOKENS), self._list(_KINDS), strict=False)
        return tuple(str(token) for token, kind in kinds if kind in special)

    def _list(self, key: str) -> list[Any]:
        value = self.metadata.get(key)
        return value if isinstance(value, list) else []


def read_gguf(path: Path) -> GgufFile:
    """Return what the header of `path` says, with the tensors of all parts if it is the first of several.

    Raises EngineError if one cannot be used, saying what to do.
    """
    first, *others = [_read_file(part) for part in _parts(path)]
    shapes = {name: shape for one in (first, *others) for name, shape in one.shapes.items()}
    return replace(first, shapes=shapes, weight_bytes=sum(one.weight_bytes for one in (first, *others)))


def _parts(path: Path) -> Iterator[Path]:
    """Yield the files that a model is in, its first part first."""
    yield path
    if found := _FIRST_PART.search(path.name):
        for number in range(2, int(found[1]) + 1):
            yield path.with_name(f"{path.name[: found.start()]}-{number:05}-of-{found[1]}.gguf")


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _read_file(path: Path) -> GgufFile:
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
    except RecursionError as error:  # lists in lists in lists
        raise _damaged(path) from error


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
    alignment = metadata.get("general.alignment", 32)
    if not _is_count(alignment) or not alignment:
        raise _damaged(path)
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


def _damaged(path: Path) -> EngineError:
    return EngineError(f"{path} is damaged: what its header says is of no use. Fetch it again.")


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
