"""The folder of an adapter in the making: what it may hold, its resumable state, and the finished adapter.

While training goes on, the folder has a subfolder `unfinished` with the plan of the run and its state. It is gone
when the adapter is finished. Files that training did not make are neither changed nor deleted.
"""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from bonsai.engines.gguf.header import read_gguf
from bonsai.engines.hub import tokenizer_files
from bonsai.engines.llama_cpp.lora_conversion import convert
from bonsai.engines.model.adapter import is_lora_alone
from bonsai.engines.model.loading import quiet
from bonsai.errors import EngineError, UsageError, first_line
from bonsai.lab.training.loop import State

NOTES = "bonsai.json"
"""What Bonsai knows of an adapter: its prompt format, its base, how it was trained."""
_CONFIG, _WEIGHTS, _GGUF = "adapter_config.json", "adapter_model.safetensors", "adapter_model.gguf"


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
        file = self._state_file
        if not file.exists():
            return State(), ""
        try:
            state = State.unpacked(torch.load(file, weights_only=True))
            return state, f"Going on after step {state.step}."
        except Exception as error:  # torch.load raises whatever a torn file leads to
            return State(), f"The state in {file} cannot be read ({first_line(error)}); training begins anew."

    def save(self, state: State) -> None:
        """Keep a state; whenever the process ends, the last one is whole."""
        file = self._state_file
        try:
            torch.save(state.packed(), file.with_suffix(".new"))
            os.replace(file.with_suffix(".new"), file)
        except (OSError, RuntimeError) as error:
            raise EngineError(f"The state of the training cannot be written to {file}: {first_line(error)}") from error

    def check_free(self, names: Sequence[str]) -> None:
        """Raise UsageError if one of the files that are to be written is there, and training did not make it."""
        if taken := [name for name in names if (self.path / name).exists() and name not in self._ours()]:
            raise UsageError(
                f"{self.path} has a {taken[0]} that training did not make; choose another place for --out."
            )

    def finish(
        self,
        model: Any,
        texts: Mapping[str, str],
        notes: Mapping[str, Any],
        *,
        halve: bool,
        gguf_base: Path | None,
        begun_from: Path | None = None,
    ) -> None:
        """Write the adapter with its notes and other files, and remove the state.

        `halve` stores its weights in 16 bits, which is what a base in bfloat16 can make use of. Beside them it is
        written as GGUF, if `gguf_base` is the file of its base. What the adapter in `begun_from` brought beside its
        weights stays: whole embeddings, and a tokenizer.
        """
        new = self._unfinished / "adapter"
        try:
            _write_weights(model, new, begun_from, halve=halve, gguf_base=gguf_base)
            for name, text in texts.items():
                _write(new / self._free_name(name), text)
            names = sorted(file.name for file in new.iterdir()) + [NOTES]
            _write(new / NOTES, json.dumps({**notes, "files": names}, indent=2, ensure_ascii=False) + "\n")
            # The configuration comes last: with it the adapter is finished.
            for name in sorted(names, key=lambda one: one == _CONFIG):
                os.replace(new / name, self.path / name)
            shutil.rmtree(self._unfinished)
        except (OSError, SafetensorError) as error:
            raise EngineError(f"The adapter cannot be written to {self.path}: {first_line(error)}") from error

    def _free_name(self, name: str) -> str:
        """Return the name of a file to write: another one where a file is there that training did not make."""
        taken = (self.path / name).exists() and name not in self._ours()
        return f"adapter-{name}" if taken else name

    @property
    def _state_file(self) -> Path:
        return self._unfinished / "state.pt"

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
                self._check_plan()
            elif self._unfinished.exists():
                raise UsageError(f"{self._unfinished} is not of a training run; choose another place for --out.")
            elif any((path / name).exists() for name in (_CONFIG, _WEIGHTS)) and not overwrite:
                raise UsageError(f"{path} holds a finished adapter; choose another place, or give --overwrite.")
        except OSError as error:
            raise UsageError(f"The folder {path} cannot be looked into: {error.strerror or error}.") from error

    def _check_plan(self) -> None:
        if not self._state_file.exists():
            return
        try:
            there = json.loads(self._plan_file.read_text(encoding="utf-8"))
            changed = [
                f"{name} was {there.get(name)}, now {now}" for name, now in self._plan.items() if there.get(name) != now
            ]
        except (OSError, ValueError, AttributeError):
            changed = ["its plan cannot be read"]
        if changed:
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


def _write_weights(model: Any, folder: Path, begun_from: Path | None, *, halve: bool, gguf_base: Path | None) -> None:
    """Write what an adapter has learnt; see `AdapterFolder.finish`."""
    alone = begun_from is None or is_lora_alone(begun_from)
    with quiet():
        # Else PEFT would ask the hub whether embeddings are as they were.
        model.save_pretrained(folder, save_embedding_layers=not alone)
    for file in tokenizer_files(begun_from) if begun_from else ():
        shutil.copyfile(file, folder / file.name)
    if halve:
        _halve(folder / _WEIGHTS)
    if gguf_base and alone:
        convert(folder, read_gguf(gguf_base), folder / _GGUF)
    # PEFT adds a model card that is an empty form.
    (folder / "README.md").unlink(missing_ok=True)


def _halve(file: Path) -> None:
    half = {name: one.to(torch.float16) for name, one in load_file(file).items()}
    if all(bool(torch.isfinite(one).all()) for one in half.values()):
        save_file(half, file, metadata={"format": "pt"})


def _write(file: Path, text: str) -> None:
    new = file.with_name(f"{file.name}.new")
    new.write_text(text, encoding="utf-8")
    os.replace(new, file)
