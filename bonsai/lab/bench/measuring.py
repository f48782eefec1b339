"""How the benchmark measures: pairs of runs, and the bandwidth of a GPU's memory."""

import platform
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import psutil
import torch

from bonsai.lab.bench.ways import Way
from bonsai.lab.bench.workloads import Outcome, Workload
from bonsai.machine import allowed_cores

_LIBRARIES = ("torch", "transformers", "peft", "accelerate")
_COPIED_BYTES = 2**30


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
        """What went wrong in the runs of the usual way and of Bonsai, and whether all ways wrote as many tokens."""
        others = {"usual": self.usual, "client": self.client}
        different = (
            f"the {way} way wrote {other.tokens} tokens, Bonsai {self.bonsai.tokens}"
            for way, other in others.items()
            if other and other.tokens != self.bonsai.tokens
        )
        return (*different, *self.usual.problems, *self.bonsai.problems)


def measure(ways: Mapping[str, Way], workload: Workload, subject: str, engine: str, pairs: int) -> dict[str, Any]:
    """Return the figures of a workload on a model by an engine, by name: medians over pairs of runs.

    The ways, "usual", "bonsai" and perhaps "client", take turns. Each pair of runs has prompts of its own.
    """
    marked = (workload.anew(f"{workload.name} {number}") for number in range(1, pairs + 1))
    found = [Pair(**{name: way.run(one) for name, way in ways.items()}) for one in marked]
    usual, bonsai = [pair.usual for pair in found], [pair.bonsai for pair in found]
    seconds, tokens = statistics.median(outcome.seconds for outcome in bonsai), bonsai[-1].tokens
    return {
        "name": workload.name,
        "model": subject,
        "engine": engine,
        "usual_seconds": _median(outcome.seconds for outcome in usual),
        "bonsai_seconds": round(seconds, 4),
        "ratio": _median((pair.ratio for pair in found), 3),
        "tokens": tokens,
        "tokens_per_second": round(tokens / seconds, 2),
        "usual_first_text_seconds": _median(outcome.first_text_seconds for outcome in usual),
        "first_text_seconds": _median(outcome.first_text_seconds for outcome in bonsai),
        "usual_peak_memory_bytes": max(outcome.peak_memory_bytes for outcome in usual),
        "peak_memory_bytes": max(outcome.peak_memory_bytes for outcome in bonsai),
        "step_growth": _growth(bonsai) if len(workload.chains) == 1 else None,
        "pairs": len(found),
        "client_seconds": _median(pair.client.seconds for pair in found if pair.client),
        "client_ratio": _median(pair.client_ratio for pair in found if pair.client_ratio),
        "problems": sorted({text for pair in found for text in pair.problems}),
    }


def _median(values: Iterable[float], digits: int = 4) -> float | None:
    """Return the median of some values, None of none."""
    listed = list(values)
    return round(statistics.median(listed), digits) if listed else None


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
        "cores": allowed_cores(),
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
    return _median(ratios, 3)
