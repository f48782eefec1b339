"""Systems: what is held against what. Each is the model with one adapter or none, asked in one way."""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bonsai.chains.outcomes import Method
from bonsai.errors import UsageError
from bonsai.runs.requests import GridRequest
from bonsai.settings import NO_ADAPTER, as_path

ALONE = "model alone"


@dataclass(frozen=True)
class Way:
    """How a system is asked."""

    prompt: str
    """The name of the prompt variant."""
    method: Method
    guarded: bool = True
    moves: str = "off"

    def __str__(self) -> str:
        parts = [self.method, f"prompt {self.prompt}"]
        if self.method == Method.QTQ:
            parts += [f"guard {'on' if self.guarded else 'off'}", f"moves {self.moves}"]
        return ", ".join(parts)

    @property
    def file_name(self) -> str:
        """What its journals are called."""
        return re.sub(r"[^\w.]+", "-", str(self))

    @property
    def of_facts(self) -> "Way":
        """How plain questions are asked: a plain question needs no next one."""
        return Way(self.prompt, Method.SINGLE if self.method == Method.SINGLE else Method.TWO_STEP)


def ways(prompts: Sequence[str], methods: Sequence[Method], guarded: Sequence[bool], moves: Sequence[str]) -> list[Way]:
    """Return every way once, those of the first prompt variant first; guard and moves are of qtq alone."""
    every = (
        Way(prompt, method, guard, move) if method == Method.QTQ else Way(prompt, method)
        for prompt in prompts
        for method in methods
        for guard in guarded
        for move in moves
    )
    return list(dict.fromkeys(every))


def request_of(way: Way, base: GridRequest) -> GridRequest:
    """Return the request that asks what `base` asks in one way."""
    return replace(base, prompts=(way.prompt,), methods=(way.method,), guarded=way.guarded, moves=way.moves)


def file_name(adapter: str) -> str:
    """Return what the journals of an adapter, "" for none, are called: one that was trained anew has another name."""
    if not adapter:
        return "alone"
    place, digest = as_path(adapter), hashlib.sha256(adapter.encode())
    for file in [place] if place.is_file() else sorted(place.glob("*")):
        if file.suffix in (".safetensors", ".gguf"):
            digest.update(file.read_bytes())
    return f"{short_name(adapter)}-{digest.hexdigest()[:6]}"


def short_name(adapter: str) -> str:
    """Return what an adapter is called in a table: the last part of its folder or hub id."""
    return Path(adapter).name or "its own adapter"


def check_adapters(adapters: Sequence[str]) -> None:
    """Raise UsageError if one of the adapters is given twice, or is none."""
    for place, adapter in enumerate(adapters):
        if adapter == NO_ADAPTER:
            raise UsageError("The model alone is evaluated in any case; leave --adapter none out.")
        if adapter in adapters[:place]:
            raise UsageError("The adapter {adapter} is given twice; leave one out.", adapter=adapter)


def table_names(adapters: Mapping[str, str]) -> dict[str, str]:
    """Return the name of each adapter in the report, by what it was given as; `adapters` holds their ids.

    Two folders of the same name are told apart by their numbers.
    """
    names = {given: ALONE if given == NO_ADAPTER else short_name(found) for given, found in adapters.items()}
    seen = Counter[str]()
    for given, name in names.items():
        seen[name] += 1
        if seen[name] > 1:
            names[given] = f"{name} ({seen[name]})"
    return names
