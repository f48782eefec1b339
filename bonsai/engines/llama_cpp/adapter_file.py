"""The LoRA adapter of a GGUF model: a GGUF file, or an adapter of PEFT that is converted once and kept."""

import hashlib
from pathlib import Path

from bonsai.engines.gguf.header import GgufFile, read_gguf
from bonsai.engines.hub import base_note, find_folder, other_base
from bonsai.engines.llama_cpp.kept_files import made_once
from bonsai.engines.llama_cpp.lora_conversion import check_fits, convert
from bonsai.engines.model.model_files import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from bonsai.errors import EngineError, Note, first_line
from bonsai.settings import as_path

# What llama.cpp's own converter notes of the base.
_BASE_KEYS = ("general.base_model.0.repo_url", "general.base_model.0.name")
_A, _B = ".lora_a", ".lora_b"
# Another one for each change in what is made of the same adapter: what was kept before is not used.
_CONVERSION = 2


def adapter_place(source: str) -> Path:
    """Return the file or the folder of an adapter, fetched from the hub if it is not here.

    Raises EngineError, saying what to do, if there is none.
    """
    path = as_path(source)
    return path if path.is_file() else find_folder(source, "adapter", "")


def find_adapter(source: str, base: GgufFile) -> Path:
    """Return the GGUF file of an adapter for `base`: a file, or made of a folder or a hub repository of PEFT.

    Raises EngineError, saying what to do, if it cannot be used with this model.
    """
    place = adapter_place(source)
    inside = [place] if place.is_file() else sorted(place.glob("*.gguf"))
    if len(inside) == 1 and not (place / ADAPTER_WEIGHTS).is_file():
        _check(inside[0], base)
        return inside[0]
    return _converted(place, base)


def base_notes(source: str, place: Path, base: GgufFile, model: str) -> tuple[Note, ...]:
    """Return a note if the adapter at `place` names another base than the model in use; see `other_base`."""
    names = (model, base.path.stem, str(base.metadata.get("general.name", model)))
    if not place.is_file():
        return other_base(source, place, *names)
    named = read_gguf(place).metadata
    found = next((str(named[key]) for key in _BASE_KEYS if named.get(key)), "")
    return base_note(source, found, *names)


def _converted(folder: Path, base: GgufFile) -> Path:
    """Return the file of an adapter of PEFT, as it was kept or made now."""
    try:
        return made_once(
            "adapters", f"{_fingerprint(folder, base)}.gguf", lambda unfinished: convert(folder, base, unfinished)
        )
    except OSError as error:
        raise EngineError(
            f"The adapter {folder} is converted to GGUF, which cannot be kept ({first_line(error)}). Make room, or "
            "give the adapter as a GGUF file."
        ) from error


def _fingerprint(folder: Path, base: GgufFile) -> str:
    """Return what changes with the adapter and with the layers of the model."""
    found = hashlib.sha256(repr((_CONVERSION, base.architecture, sorted(base.shapes.items()))).encode())
    for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
        if (folder / name).is_file():
            found.update((folder / name).read_bytes())
    return found.hexdigest()[:32]


def _check(path: Path, base: GgufFile) -> None:
    """Raise EngineError unless `path` is a LoRA adapter for `base`."""
    adapter = read_gguf(path)
    if adapter.metadata.get("general.type") != "adapter":
        raise EngineError(f"{path} is a model, not an adapter; set BONSAI_MODEL to it, or give a LoRA adapter.")
    if adapter.architecture != base.architecture:
        raise EngineError(
            f"The adapter {path} was made for another model than {base.path.name}: for one of {adapter.architecture}, "
            f"and this one is of {base.architecture}."
        )
    for name, shape in adapter.shapes.items():
        layer = name.removesuffix(_A)
        if name.endswith(_A) and f"{layer}{_B}" in adapter.shapes:
            if not len(shape) == len(adapter.shapes[f"{layer}{_B}"]) == 2:
                raise EngineError(f"The adapter {path} has weights that are no LoRA of a linear layer: {name}.")
            check_fits(layer, (adapter.shapes[f"{layer}{_B}"][0], shape[1]), base, str(path))
