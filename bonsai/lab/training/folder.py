"""The folder of an adapter in the making: what it may hold, its resumable state, and the finished adapter.

While training goes on, the folder has a subfolder `unfinished` with the plan of the run and its state. It is gone
when the adapter is finished. Files that training did not make are neither changed nor deleted.
"""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from bonsai.errors import EngineError, UsageError, first_line
from bonsai.lab.training.loop import State

NOTES = "bonsai.json"
"""What Bonsai knows of an adapter: its prompt format, its base, how it was trained."""
_ADAPTER = ("adapter_config.json", "adapter_model.safetensors")


class AdapterFolder:
    """The folder in which an adapter is made."""

    def __init__(self, path: Path, plan: Mapping[str, Any], *, overwrite: bool = False) -> None:
        """Check that an adapter can be made in the folder, and make it.

        `plan` holds all that decides what is learnt. Raises UsageError if the folder cannot be used for that.
        """
        self.path, self._plan = path, json.loads(json.dumps(plan))
        self._unfinished = path / "unfinished"
        self._check(overwrite)
        try:
            self._unfinished.mkdir(parents=True, exist_ok=True)
            _write(self._plan_file, json.dumps(self._plan, indent=2, ensure_ascii=False) + "\n")
        except OSError as error:
            raise UsageError(f"The folder {path} cannot be made: {error.strerror or error}.") from error

    def state(self) -> tuple[State, str]:
        """Return the state to go on from, and a sentence about it; a new state without one if there is none."""
        file = self._unfinished / "state.pt"
        if not file.exists():
            return State(), ""
        try:
            state = State.unpacked(torch.load(file, weights_only=True))
            return state, f"Going on after step {state.step}."
        except Exception as error:  # torch.load raises whatever a torn file leads to
            return State(), f"The state in {file} cannot be read ({first_line(error)}); training begins anew."

    def save(self, state: State) -> None:
        """Keep a state; whenever the process ends, the last one is whole."""
        file = self._unfinished / "state.pt"
        try:
            torch.save(state.packed(), file.with_suffix(".new"))
            os.replace(file.with_suffix(".new"), file)
        except (OSError, RuntimeError) as error:
            raise EngineError(f"The state of the training cannot be written to {file}: {first_line(error)}") from error

    def finish(self, model: Any, texts: Mapping[str, str], notes: Mapping[str, Any]) -> None:
        """Write the adapter with its notes and other files, and remove the state."""
        new = self._unfinished / "adapter"
        try:
            model.save_pretrained(new)
            # PEFT adds a model card that is an empty form.
            (new / "README.md").unlink(missing_ok=True)
            for name, text in texts.items():
                _write(new / name, text)
            _write(new / NOTES, json.dumps(notes, indent=2, ensure_ascii=False) + "\n")
            ours = self._ours()
            # The configuration comes last: with it the adapter is finished.
            for file in sorted(new.iterdir(), key=lambda one: one.name == _ADAPTER[0]):
                if file.name in (*_ADAPTER, NOTES) or file.name in ours or not (self.path / file.name).exists():
                    os.replace(file, self.path / file.name)
            shutil.rmtree(self._unfinished)
        except OSError as error:
            raise EngineError(f"The adapter cannot be written to {self.path}: {first_line(error)}") from error

    @property
    def _plan_file(self) -> Path:
        return self._unfinished / "plan.json"

    def _check(self, overwrite: bool) -> None:
        path = self.path
        try:
            if path.exists() and not path.is_dir():
                raise UsageError(f"{path} is a file; --out takes the name of a folder.")
            if (path / "config.json").exists():
                raise UsageError(f"{path} holds a model; give the adapter a folder of its own with --out.")
            if self._plan_file.exists():
                return self._check_plan()
            if self._unfinished.exists():
                raise UsageError(f"{self._unfinished} is not of a training run; choose another place for --out.")
            if any((path / name).exists() for name in _ADAPTER) and not overwrite:
                raise UsageError(f"{path} holds a finished adapter; choose another place, or give --overwrite.")
        except OSError as error:
            raise UsageError(f"The folder {path} cannot be looked into: {error.strerror or error}.") from error
        return None

    def _check_plan(self) -> None:
        try:
            there = json.loads(self._plan_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            there = {}
        changed = [
            f"{key} was {there.get(key)}, now {value}" for key, value in self._plan.items() if there.get(key) != value
        ]
        if there and changed:
            raise UsageError(
                f"{self.path} has a training run that is not finished, and it was begun otherwise: "
                f"{'; '.join(changed)}. Give it the same data and settings, or choose another place for --out."
            )

    def _ours(self) -> set[str]:
        """Return the files of this folder that an earlier training run made."""
        try:
            return set(json.loads((self.path / NOTES).read_text(encoding="utf-8")).get("files", []))
        except (OSError, ValueError, AttributeError, TypeError):
            return set()


def _write(file: Path, text: str) -> None:
    new = file.with_name(f"{file.name}.new")
    new.write_text(text, encoding="utf-8")
    os.replace(new, file)
