"""How the benchmark measures: pairs of runs, the most memory in use, and the bandwidth of a GPU's memory."""

import gc
import platform
import statistics
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import psutil
import torch

from bonsai.engines.base import Engine, SamplingParams
from bonsai.errors import EngineError
from bonsai.lab.bench.script import ScriptedEngine
from bonsai.lab.bench.workloads import Outcome, Workload, run

_LIBRARIES = ("torch", "transformers", "peft", "accelerate")
_COPIED_BYTES = 2**30
_DECODED_TOKENS = 128


@dataclass(frozen=True)
class Pair:
    """One run of a workload by each way, one right after the other."""

    usual: Outcome
    bonsai: Outcome
    client: Outcome | None = None
    """That of a plain client of llama.cpp's server, where there is one."""

    @property
    def ratio(self) -> float:
        """How many times as long the usual way took."""
        return self.usual.seconds / self.bonsai.seconds

    @property
    def client_ratio(self) -> float | None:
        """How many times as long the plain client took."""
        return self.client.seconds / self.bonsai.seconds if self.client else None

    @property
    def problems(self) -> tuple[str, ...]:
        """What went wrong in the runs of the usual way and of Bonsai."""
        return (*self.usual.problems, *self.bonsai.problems)


@dataclass(frozen=True)
class Measured:
    """The figures of a workload on a model: medians over pairs of runs."""

    name: str
    model: str
    engine: str
    usual_seconds: float
    bonsai_seconds: float
    ratio: float
    tokens: int
    tokens_per_second: float
    usual_first_text_seconds: float
    first_text_seconds: float
    usual_peak_memory_bytes: int
    peak_memory_bytes: int
    step_growth: float | None
    pairs: int
    client_seconds: float | None
    client_ratio: float | None
    problems: tuple[str, ...]


class _Observed:
    """What is seen of ways as they run workloads in turn, beside the outcomes."""

    def __init__(self, ways: Mapping[str, ScriptedEngine]) -> None:
        self._ways = ways
        self.first_texts: dict[str, list[float]] = {way: [] for way in ways}
        """Seconds to the first text of each run."""
        self.peaks = dict.fromkeys(ways, 0)
        """The most memory in use, in bytes."""
        self.tokens = dict.fromkeys(ways, 0)
        """Tokens that were written in the last run."""

    def pair(self, workload: Workload) -> Pair:
        """Return the outcomes of a workload, run by each way."""
        outcomes = {}
        for way, engine in self._ways.items():
            engine.begin()
            with _Memory() as memory:
                outcomes[way] = run(engine, workload, time.monotonic)
            self.first_texts[way].append(engine.first_text - outcomes[way].began)
            self.peaks[way], self.tokens[way] = max(self.peaks[way], memory.peak), engine.tokens
        return Pair(**outcomes)

    def different_work(self) -> list[str]:
        """Return a sentence for each way that did not write as many tokens as Bonsai."""
        bonsai = self.tokens["bonsai"]
        return [
            f"the {way} way wrote {count} tokens, Bonsai {bonsai}"
            for way, count in self.tokens.items()
            if count != bonsai
        ]


def measure(ways: Mapping[str, ScriptedEngine], workload: Workload, subject: str, pairs: int) -> Measured:
    """Return the figures of a workload; the ways take turns, and each pair of runs has prompts of its own.

    `ways` are "usual", "bonsai", and perhaps "client".
    """
    seen = _Observed(ways)
    found = [seen.pair(workload.anew(f"{workload.name} {number}")) for number in range(1, pairs + 1)]
    seconds = statistics.median(pair.bonsai.seconds for pair in found)
    tokens = seen.tokens["bonsai"]
    growth = _growth([pair.bonsai for pair in found]) if len(workload.chains) == 1 else None
    return Measured(
        name=workload.name,
        model=subject,
        engine=ways["bonsai"].info.name,
        usual_seconds=round(statistics.median(pair.usual.seconds for pair in found), 4),
        bonsai_seconds=round(seconds, 4),
        ratio=round(statistics.median(pair.ratio for pair in found), 3),
        tokens=tokens,
        tokens_per_second=round(tokens / seconds, 2),
        usual_first_text_seconds=round(statistics.median(seen.first_texts["usual"]), 4),
        first_text_seconds=round(statistics.median(seen.first_texts["bonsai"]), 4),
        usual_peak_memory_bytes=seen.peaks["usual"],
        peak_memory_bytes=seen.peaks["bonsai"],
        step_growth=growth,
        pairs=len(found),
        client_seconds=_median(pair.client.seconds for pair in found if pair.client),
        client_ratio=_median(pair.client_ratio for pair in found if pair.client_ratio),
        problems=tuple(sorted({*seen.different_work(), *(text for pair in found for text in pair.problems)})),
    )


def _median(values: Iterable[float]) -> float | None:
    listed = list(values)
    return round(statistics.median(listed), 4) if listed else None


def single_stream(engine: Engine) -> float:
    """Return the tokens per second at which one completion is decoded, without the reading of its prompt.

    Raises EngineError if it cannot be decoded.
    """
    params = SamplingParams(max_new_tokens=_DECODED_TOKENS, temperature=0)
    rates = []
    for _ in range(3):
        first = last = 0.0
        tokens = 0
        for _, completion in engine.generate(["Why do cities need forests?"], params):
            if completion.error:
                raise EngineError(completion.error)
            if completion.completion_tokens:
                first, last = first or time.monotonic(), time.monotonic()
                tokens = tokens or completion.completion_tokens
        rates.append((_DECODED_TOKENS - tokens) / (last - first))
    return statistics.median(rates)


def likeliest(engine: Engine) -> str:
    """Return the text that an engine takes for the likeliest."""
    *_, (_, completion) = engine.generate(
        ["Why do cities need forests?"], SamplingParams(max_new_tokens=24, temperature=0)
    )
    return completion.text


def gpu_bandwidth() -> float:
    """Return the bytes per second that the GPU's memory reads and writes in a plain copy."""
    source = torch.empty(_COPIED_BYTES, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    begin: Any = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    end: Any = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    best = 0.0
    for _ in range(10):
        begin.record()
        target.copy_(source)
        end.record()
        torch.cuda.synchronize()
        best = max(best, 2 * _COPIED_BYTES / (begin.elapsed_time(end) / 1000))
    return best


def machine() -> dict[str, Any]:
    """Return what the figures were measured on."""
    found = {
        "platform": platform.platform(),
        "python": platform.python_version(),
        "cores": psutil.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_bytes": psutil.virtual_memory().total,
        "gpu": None,
    }
    if torch.cuda.is_available():
        found |= {"gpu": torch.cuda.get_device_name(), "gpu_bandwidth_bytes_per_second": round(gpu_bandwidth())}
    return found


def versions() -> dict[str, str]:
    """Return the versions of the libraries that the figures depend on."""
    return {name: version(name) for name in _LIBRARIES}


def _growth(outcomes: list[Outcome]) -> float | None:
    """Return how many times as long the last three steps of a chain took as the first three; None for few steps."""
    ratios = []
    for outcome in outcomes:
        times = [outcome.began, *outcome.steps]
        lengths = [later - earlier for earlier, later in zip(times, times[1:], strict=False)]
        if len(lengths) >= 20:
            ratios.append(sum(lengths[-3:]) / sum(lengths[:3]))
    return round(statistics.median(ratios), 3) if ratios else None


class _Memory:
    """The most memory in use while it is open: of the GPU if there is one, else of the process, looked at often."""

    def __enter__(self) -> "_Memory":
        gc.collect()
        self.peak = 0
        self._gpu = torch.cuda.is_available()
        if self._gpu:
            torch.cuda.reset_peak_memory_stats()
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._supervise, daemon=True)
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watcher.join()
        if self._gpu:
            self.peak = torch.cuda.max_memory_allocated()

    def _supervise(self) -> None:
        process = psutil.Process()
        while True:
            self.peak = max(self.peak, process.memory_info().rss)
            if self._over.wait(0.05):
                return
