"""Journals: a run kept step by step in a file, so that it can be read at any time and resumed after any end."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO, overload

from bonsai.chains.chain import Chain
from bonsai.chains.outcomes import StopReason
from bonsai.chains.step import Step
from bonsai.errors import RunFileError, UsageError, first_line
from bonsai.runs.json_values import as_json
from bonsai.runs.plan import Plan, from_json, to_json
from bonsai.runs.run import Run, read_run, step_from_json

FORMAT = 1
_KIND = "bonsai journal"
_HEAD = f'{{"kind": "{_KIND}"'.encode()


class Journal(Sequence[Chain]):
    """The chains of a plan, in a JSONL file: the plan, and then a line for each finished step, oldest first.

    A line is on the disk before `keep` returns. As a sequence the journal gives the chains in the order of their
    numbers as they were kept, each read from the file when it is asked for; so the memory that a long run takes does
    not grow with its texts.
    """

    def __init__(self, file: Path, plan: Plan) -> None:
        self.file, self.plan = file, plan
        # Where the lines of each chain's steps are, and how the chains ended that did.
        self._places: dict[int, list[int]] = {}
        self._ended: dict[int, StopReason] = {}
        self._failed: set[int] = set()
        # The seeds of chains that were asked again with another one than the plan's.
        self._seeds: dict[int, int] = {}
        # Steps of chains that go on.
        self._under_way = 0

    @cached_property
    def run(self) -> Run:
        """The run, whose chains are those of the journal at any time."""
        return self.plan.run(self)

    @property
    def finished(self) -> int:
        """The number of chains that have come to their end."""
        return len(self._ended)

    @property
    def failed(self) -> list[int]:
        """The numbers of the chains that ended with an error."""
        return sorted(self._failed)

    @property
    def failures(self) -> int:
        """The number of chains that ended with an error."""
        return len(self._failed)

    @property
    def done(self) -> float:
        """How much of the plan is done, 0 to 1: a chain that ended is done as a whole, however early."""
        return (len(self._ended) + self._under_way / self.plan.grid.length) / len(self)

    @property
    def steps(self) -> int:
        """The number of steps that are kept."""
        return sum(map(len, self._places.values()))

    def __len__(self) -> int:
        """Return the number of chains in the plan."""
        return len(self.plan.grid)

    @overload
    def __getitem__(self, place: int) -> Chain: ...
    @overload
    def __getitem__(self, place: slice) -> list[Chain]: ...
    def __getitem__(self, place: int | slice) -> Chain | list[Chain]:
        """Return the chain at a place from 0 as it was kept: one that goes on is about to write its next step."""
        if isinstance(place, slice):
            return [self[at] for at in range(*place.indices(len(self)))]
        if not -len(self) <= place < len(self):
            raise IndexError(place)
        number = place % len(self) + 1
        with self._open("rb") as file:
            return self._chain(number, file)

    def __iter__(self) -> Iterator[Chain]:
        """Yield all chains, in the order of their numbers."""
        return self._chains(range(1, len(self) + 1))

    def unfinished(self) -> Iterator[Chain]:
        """Yield the chains that go on, with the steps that were kept; nothing of these is written again."""
        return self._chains(number for number in range(1, len(self) + 1) if number not in self._ended)

    def begin_again(self, numbers: Sequence[int]) -> None:
        """Let chains that ended with an error go on, from the step that failed."""
        for number in numbers:
            if number in self._failed:
                self._go_on(number)
                self._places[number].pop()
                self._under_way -= 1

    def ask_again(self, number: int, seed: int) -> None:
        """Let a chain begin anew, with a seed of its own; what it said before is no longer part of the run.

        Raises RunFileError if the file cannot be written.
        """
        self._append([{"chain": number, "seed": seed}])
        self._forget(number, seed)

    def keep(self, chain: Chain) -> int:
        """Keep the steps of a chain that were finished since it was kept last; return how many these were.

        A chain that was stopped is not kept as ended, nor is the step at which it was. Raises RunFileError if the file
        cannot be written.
        """
        before = len(self._places.get(chain.number, ()))
        if chain.stop_reason == StopReason.STOPPED or len(chain.steps) - (not chain.steps[-1].finished) <= before:
            return 0
        if chain.seed != self._begun(chain.number).seed:
            self.ask_again(chain.number, chain.seed)
        new = [step for step in chain.steps[before:] if step.finished]
        last = chain.steps[-1].number
        places = self._append(
            [
                {
                    "chain": chain.number,
                    "stop_reason": chain.stop_reason if step.number == last else "",
                    "step": as_json(step),
                }
                for step in new
            ]
        )
        self._places.setdefault(chain.number, []).extend(places)
        self._under_way += len(new)
        if chain.stop_reason:
            self._end(chain.number, chain.stop_reason)
        return len(new)

    def _end(self, number: int, reason: StopReason) -> None:
        self._ended[number] = reason
        self._under_way -= len(self._places[number])
        if reason == StopReason.ERROR:
            self._failed.add(number)

    def _go_on(self, number: int) -> None:
        if number in self._ended:
            del self._ended[number]
            self._failed.discard(number)
            self._under_way += len(self._places[number])

    def _forget(self, number: int, seed: int) -> None:
        self._go_on(number)
        self._under_way -= len(self._places.pop(number, ()))
        self._seeds[number] = seed
        # Its id tells the seeds.
        self.__dict__.pop("run", None)

    def _append(self, items: Sequence[dict[str, Any]]) -> list[int]:
        """Write lines to the end of the file, onto the disk, and return where each begins."""
        lines = [_line(item) for item in items]
        try:
            with self.file.open("ab") as file:
                file.write(b"".join(lines))
                file.flush()
                os.fsync(file.fileno())
                end = file.tell()
        except OSError as error:
            raise RunFileError(f"The journal {self.file} cannot be written: {error.strerror}.") from error
        starts = accumulate(map(len, lines), initial=end - sum(map(len, lines)))
        return list(starts)[:-1]

    def _chains(self, numbers: Iterable[int]) -> Iterator[Chain]:
        with self._open("rb") as file:
            for number in numbers:
                yield self._chain(number, file)

    def _chain(self, number: int, file: BinaryIO) -> Chain:
        chain = self._begun(number)
        steps = [self._read(place, file) for place in self._places.get(number, ())]
        if number in self._ended:
            return replace(chain, steps=tuple(steps), stop_reason=self._ended[number])
        if steps:
            question = steps[-1].next_question
            steps.append(Step(len(steps) + 1, question, chain.method.roles[0]))
            return replace(chain, steps=tuple(steps))
        return chain

    def _begun(self, number: int) -> Chain:
        chain = self.plan.grid.chain(number, self.plan.model)
        return replace(chain, seed=self._seeds.get(number, chain.seed))

    def _read(self, place: int, file: BinaryIO) -> Step:
        file.seek(place)
        return step_from_json(json.loads(file.readline())["step"])

    def _open(self, mode: str) -> Any:
        try:
            return self.file.open(mode)
        except OSError as error:
            raise RunFileError(f"The journal {self.file} cannot be read: {error.strerror}.") from error

    def find_steps(self, file: BinaryIO) -> int:
        """Find the steps in an open file behind its head, and return where the last whole line ends.

        What a torn last line holds is as if it had not been written. Raises RunFileError for a line that is no step.
        """
        end = file.tell()
        for count, line in enumerate(file, start=2):
            if not line.endswith(b"\n"):
                break
            try:
                self._take(json.loads(line), end)
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise RunFileError(
                    f"The journal {self.file} is damaged at line {count} ({first_line(error)}); remove that line and "
                    "those after it to go on from there."
                ) from error
            end += len(line)
        return end

    def _take(self, data: Mapping[str, Any], place: int) -> None:
        """Take in what a line at a place of the file says; raise KeyError, TypeError or ValueError if it is no line."""
        number = data["chain"]
        if not 1 <= number <= len(self):
            raise ValueError(f"there is no chain {number}")
        if "seed" in data:
            self._forget(number, int(data["seed"]))
            return
        step = step_from_json(data["step"])
        kept = self._places.setdefault(number, [])
        if not 1 <= step.number <= len(kept) + 1:
            raise ValueError(f"chain {number} has no step before step {step.number}")
        self._go_on(number)
        self._under_way += step.number - len(kept)
        kept[step.number - 1 :] = [place]
        if data["stop_reason"]:
            self._end(number, StopReason(data["stop_reason"]))


def begin_journal(file: Path, plan: Plan) -> Journal:
    """Return a new journal of a plan in `file`.

    Raises UsageError if the file exists already, and RunFileError if it cannot be made.
    """
    head = _line({"kind": _KIND, "format": FORMAT, "plan": to_json(plan)})
    try:
        with file.open("xb") as new:
            new.write(head)
            new.flush()
            os.fsync(new.fileno())
    except FileExistsError as error:
        raise UsageError(
            f"The journal {file} exists already; go on with its run by --resume, or choose another file."
        ) from error
    except OSError as error:
        raise RunFileError(f"The journal {file} cannot be written: {error.strerror}.") from error
    return Journal(file, plan)


def open_journal(file: Path) -> Journal | None:
    """Return the journal in `file`, or None if it was left before anything was kept.

    A last line that was torn is taken away. Raises RunFileError if the file cannot be read, is no journal, or is
    damaged in its midst.
    """
    try:
        with file.open("r+b") as opened:
            head = opened.readline()
            if not head.endswith(b"\n") and (head.startswith(_HEAD) or _HEAD.startswith(head)):
                return None
            journal = Journal(file, _plan(head, file))
            opened.truncate(journal.find_steps(opened))
            return journal
    except OSError as error:
        raise RunFileError(f"The journal {file} cannot be read: {error.strerror}.") from error


def read_saved(file: Path) -> Run:
    """Return the run that was saved in a file as JSON, or that a journal keeps; raise RunFileError if it is neither."""
    try:
        with file.open("rb") as opened:
            kept = opened.read(len(_HEAD)) == _HEAD
    except OSError as error:
        raise RunFileError(f"{file} cannot be read: {error.strerror}.") from error
    journal = open_journal(file) if kept else None
    return journal.run if journal else read_run(file)


def resume_journal(file: Path, plan: Plan) -> Journal:
    """Return the journal of a plan in `file`, as far as it came; a new one if there is none.

    Raises UsageError, naming what is different, if the file is the journal of another plan, and RunFileError if it is
    none or damaged.
    """
    journal = open_journal(file) if file.exists() else None
    if journal is None:
        file.unlink(missing_ok=True)
        return begin_journal(file, plan)
    if differences := journal.plan.differences(plan):
        listed = "".join(f"\n  {difference}" for difference in differences)
        raise UsageError(f"The journal {file} is of other settings, so it cannot be resumed with these:{listed}")
    return journal


def _plan(head: bytes, file: Path) -> Plan:
    try:
        data = json.loads(head)
        if not isinstance(data, dict) or data.get("kind") != _KIND:
            raise RunFileError(f"{file} is not a journal; --journal names the file that keeps a run while it goes on.")
        if data["format"] != FORMAT:
            raise RunFileError(f"{file} has the format {data['format']!r}; this version reads format {FORMAT}.")
        return from_json(data["plan"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, UsageError) as error:
        raise RunFileError(f"{file} is not a journal: {first_line(error)}") from error


def _line(data: dict[str, Any]) -> bytes:
    return json.dumps(data, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
