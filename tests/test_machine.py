"""What this process may use of its machine, as a container's control groups and other programs leave it."""

from pathlib import Path

import pytest

from bonsai import machine

FREE = 2**40
NO_LIMIT = str(2**63 - 4096)
STAT_2 = "anon 500\nactive_file 200\ninactive_file 100\n"
STAT_1 = "cache 300\ntotal_active_file 200\ntotal_inactive_file 100\n"


class Memory:
    available = FREE


def write(folder: Path, limit: str, taken: int, version: int) -> None:
    """Make a control group whose pages of files have 300 bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    names = ("memory.max", "memory.current") if version == 2 else ("memory.limit_in_bytes", "memory.usage_in_bytes")
    texts = (f"{limit}\n", f"{taken}\n", STAT_2 if version == 2 else STAT_1)
    for name, text in zip((*names, "memory.stat"), texts, strict=True):
        (folder / name).write_text(text, encoding="ascii")


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for control groups; the process is in none until `own` beside it says so."""
    monkeypatch.setattr(machine, "_CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(machine, "_OWN_CGROUPS", tmp_path / "own")
    monkeypatch.setattr(machine.psutil, "virtual_memory", Memory)
    return tmp_path / "cgroup"


@pytest.mark.parametrize(
    ("own", "made", "free"),
    [
        ("0::/\n", [("", "1000", 900, 2)], 400),
        ("0::/\n", [("", "max", 900, 2)], FREE),
        ("0::/\n", [("", "1000", 2000, 2)], 0),
        ("0::/pod/app\n", [("", "max", 900, 2), ("pod", "2000", 900, 2), ("pod/app", "9000", 900, 2)], 1400),
        ("0::/docker/0a1b\n", [("", "1000", 900, 2)], 400),
        ("5:cpu,cpuacct:/a\n4:memory:/a/b\n0::/\n", [("memory/a/b", "1000", 900, 1), ("memory", NO_LIMIT, 9, 1)], 400),
        ("4:memory:/docker/0a1b\n", [("memory", "1000", 900, 1)], 400),
        ("4:memory:/\n", [("memory", NO_LIMIT, 900, 1)], FREE),
        ("0::/\n", [], FREE),
    ],
)  # fmt: skip
def test_free_memory_is_that_of_the_container(
    groups: Path, own: str, made: list[tuple[str, str, int, int]], free: int
) -> None:
    groups.with_name("own").write_text(own, encoding="utf-8")
    for place, limit, taken, version in made:
        write(groups / place, limit, taken, version)
    assert machine.free_memory() == free


def test_without_control_groups_the_machine_says_what_is_free(groups: Path) -> None:
    assert not groups.exists()
    assert machine.free_memory() == FREE


def test_the_memory_of_this_machine_can_be_told() -> None:
    assert 0 < machine.free_memory() <= machine.psutil.virtual_memory().total


@pytest.mark.parametrize(
    ("every", "physical", "allowed", "taken", "threads"),
    [
        (8, 8, 8, 0.5, 8),
        (16, 8, 16, 0.5, 8),
        (8, 8, 8, 6.0, 4),
        (2, 2, 2, 2.0, 1),
        (1, None, 1, 1.0, 1),
        # A container: its two cores are its own, and what the neighbours take of the machine is not taken of them.
        (64, 32, 2, 50.0, 2),
    ],
)
def test_as_many_threads_compute_as_have_a_core(
    monkeypatch: pytest.MonkeyPatch, every: int, physical: int | None, allowed: int, taken: float, threads: int
) -> None:
    monkeypatch.setattr(machine.psutil, "cpu_count", lambda logical=True: every if logical else physical)
    monkeypatch.setattr(machine.joblib, "cpu_count", lambda: allowed)
    monkeypatch.setattr(machine, "_taken_cores", lambda: taken)
    assert machine.good_threads() == threads


def test_cores_that_are_taken_for_a_moment_only_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter([4.0, 4.0, 0.0])
    monkeypatch.setattr(machine.psutil, "cpu_count", lambda logical=True: 4)
    monkeypatch.setattr(machine.joblib, "cpu_count", lambda: 4)
    monkeypatch.setattr(machine, "_taken_cores", lambda: next(looks))
    assert machine.good_threads() == 4
