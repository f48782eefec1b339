"""What this process may use of its machine: in a container that is less than what the machine has."""

import time
from collections.abc import Iterator
from pathlib import Path

import joblib
import psutil

_CGROUPS, _OWN_CGROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
# The limit, what is taken, and in `memory.stat` what of it are pages of files, which are given back when need be.
_VERSION_1 = "memory.limit_in_bytes", "memory.usage_in_bytes", ("total_active_file", "total_inactive_file")
_VERSION_2 = "memory.max", "memory.current", ("active_file", "inactive_file")
_LOOKS, _SECONDS_TO_LOOK = 5, 0.1


def good_threads() -> int:
    """Return how many threads to compute with: the cores that this process may use, or half of them on a busy machine.

    The threads wait for each other several times a layer; where others have the cores, one thread more makes all slow.
    """
    allowed, every = allowed_cores(), psutil.cpu_count() or 1
    cores = min(allowed, psutil.cpu_count(logical=False) or allowed)
    # Of a share of the machine it is not to be seen whether others take it. What takes the cores for a moment only is
    # passed over.
    is_free = allowed < every or any(_taken_cores() <= cores / 2 for _ in range(_LOOKS))
    return max(1, cores if is_free else cores // 2)


def allowed_cores() -> int:
    """Return how many cores this process may compute on, those of hyper-threading included."""
    return int(joblib.cpu_count())


def free_memory() -> int:
    """Return how many bytes of memory are to be had, on the machine and in each control group of this process."""
    return max(0, min([int(psutil.virtual_memory().available), *_free_in_cgroups()]))


def _free_in_cgroups() -> Iterator[int]:
    """Yield what is free in the control groups of this process and those around them, of either version.

    See the kernel's documents on control groups, `cgroup-v1/memory.rst` and `cgroup-v2.rst`.
    """
    if not _OWN_CGROUPS.exists():
        return
    for line in _OWN_CGROUPS.read_text(encoding="utf-8").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        root, files = (_CGROUPS / "memory", _VERSION_1) if controllers else (_CGROUPS, _VERSION_2)
        group = root / path.lstrip("/")
        # A container may see its own group as the root, whatever its path is.
        for place in (group, *group.parents):
            if place.is_relative_to(root):
                yield from _free_in_cgroup(place, *files)


def _free_in_cgroup(place: Path, limit: str, taken: str, of_files: tuple[str, ...]) -> Iterator[int]:
    try:
        most = (place / limit).read_text(encoding="ascii").strip()
        if most != "max":
            stat = dict(line.split() for line in (place / "memory.stat").read_text(encoding="ascii").splitlines())
            given_back = sum(int(stat.get(name, 0)) for name in of_files)
            yield int(most) - int((place / taken).read_text(encoding="ascii")) + given_back
    except OSError:
        # This group has no limits, or is not to be seen from here.
        return


def _taken_cores() -> float:
    """Return how many cores other processes use now. The load average would tell of what ended a minute ago, too."""
    own, began = psutil.Process().cpu_times(), time.monotonic()
    share = float(psutil.cpu_percent(_SECONDS_TO_LOOK)) / 100
    used, seconds = psutil.Process().cpu_times(), time.monotonic() - began
    ours = float(used.user + used.system - own.user - own.system) / seconds
    return share * (psutil.cpu_count() or 1) - ours
