"""How the benchmark measures: pairs of runs, and the bandwidth of a GPU's memory."""

import platform
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import psutil
import torch

from bonsai.lab.bench.ways import Way
from bonsai.lab.bench.workloads import Outcome, Workload
from bonsai.machine import allowed_cores

_COPIED_BYTES = 2**30


def measure(ways: Mapping[str, Way], workload: Workload, subject: str, engine: str, pairs: int) -> dict[str, Any]:
    """Return the figures of a workload on a model by an engine, by name: medians over pairs of runs.

    The ways, "usual", "bonsai" and perhaps "client", take turns. Each pair of runs has prompts of its own.
    """
    runs: dict[str, list[Outcome]] = {name: [] for name in ways}
    for number in range(1, pairs + 1):
        marked = workload.anew(f"{workload.name} {number}")
        for name, way in ways.items():
            runs[name].append(way.run(marked))
    usual, bonsai, client = runs["usual"], runs["bonsai"], runs.get("client", [])
    seconds, tokens = statistics.median(outcome.seconds for outcome in bonsai), bonsai[-1].tokens
    return {
        "name": workload.name,
        "model": subject,
        "engine": engine,
        "usual_seconds": _median(outcome.seconds for outcome in usual),
        "bonsai_seconds": round(seconds, 4),
        "ratio": _median(_ratios(usual, bonsai), 3),
        "tokens": tokens,
        "tokens_per_second": round(tokens / seconds, 2),
        "usual_first_text_seconds": _median(outcome.first_text_seconds for outcome in usual),
        "first_text_seconds": _median(outcome.first_text_seconds for outcome in bonsai),
        "usual_peak_memory_bytes": max(outcome.peak_memory_bytes for outcome in usual),
        "peak_memory_bytes": max(outcome.peak_memory_bytes for outcome in bonsai),
        "step_growth": _growth(bonsai) if len(workload.chains) == 1 else None,
        "pairs": pairs,
        "client_seconds": _median(outcome.seconds for outcome in client),
        "client_ratio": _median(_ratios(client, bonsai)),
        "problems": sorted(set(_problems(runs))),
    }


def _ratios(others: Sequence[Outcome], bonsai: Sequence[Outcome]) -> Iterator[float]:
    """Yield how many times as long each run of another way took as that of Bonsai beside it."""
    return (other.seconds / ours.seconds for other, ours in zip(others, bonsai, strict=False))


def _problems(runs: Mapping[str, Sequence[Outcome]]) -> Iterator[str]:
    """Yield what went wrong in the runs, and where the ways did not write as many tokens."""
    for name, outcomes in runs.items():
        for outcome, ours in zip(outcomes, runs["bonsai"], strict=True):
            if outcome.tokens != ours.tokens:
                yield f"the {name} way wrote {outcome.tokens} tokens, Bonsai {ours.tokens}"
            yield from outcome.problems


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


def _growth(outcomes: list[Outcome]) -> float | None:
    """Return how many times as long the last three steps of a chain took as the first three; None for few steps."""
    ratios = []
    for outcome in outcomes:
        times = [outcome.began, *outcome.steps]
        lengths = [later - earlier for earlier, later in zip(times, times[1:], strict=False)]
        if len(lengths) >= 20:
            ratios.append(sum(lengths[-3:]) / sum(lengths[:3]))
    return _median(ratios, 3)
