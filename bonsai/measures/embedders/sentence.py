"""The embedding model itself, on the CPU; importing this module takes the seconds that torch takes."""

import os
import re
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence
from transformers.utils import logging as reports

from bonsai.measures.embedders.base import Embedder, Encoded, Floats
from bonsai.measures.embedders.bert import read_bert
from bonsai.measures.embedders.packed_e5 import FILE, read_packed_e5
from bonsai.settings import EMBEDDER

_BATCH = 32
# The models of the E5 family are trained with one of two prefixes; this one is for what is compared both ways.
_E5, _E5_PREFIX = re.compile(r"(^|[/\\-])e5-"), "query: "


class SentenceEmbedder(Embedder):
    """A loaded model of sentence-transformers, or one that is called alike.

    `prefix` is what the model was trained to see before every text; it is no part of what a text is.
    """

    def __init__(self, name: str, model: Any, prefix: str = "") -> None:
        self.name = name
        self._model, self._prefix = model, prefix
        # Asked for once: while a model decodes, it is sparing of threads for a moment at a time.
        self._threads = torch.get_num_threads()
        self._tokenizer = model.tokenizer
        self._marks = set(self._tokenizer.all_special_ids) - {self._tokenizer.unk_token_id}
        self._skipped = len(self._kept(self._tokenizer(prefix.strip())["input_ids"]))
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
        whole = [self._prefix + text.encode("utf-8", "replace").decode() for text in texts]
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
        if len(batches) == 1 or self._threads == 1:
            return [row for batch in batches for row in self._encode_batch(batch)]
        try:
            return [row for rows in self._pool.map(self._encode_batch, batches) for row in rows]
        finally:
            # A thread of the pool that begins sets the number for all that begin after it.
            torch.set_num_threads(self._threads)

    def _encode_batch(self, batch: list[list[int]]) -> list[Encoded]:
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
        kept = self._kept(ids)[self._skipped :]
        names = tuple(self._tokenizer.convert_ids_to_tokens([ids[place] for place in kept]))
        return Encoded(_unit(vector), names, _unit(tokens[kept]))

    def _kept(self, ids: list[int]) -> list[int]:
        """Return the places of the tokens that stand for text."""
        return [place for place, token in enumerate(ids) if token not in self._marks]

    def _start_anew(self) -> None:
        """Make ready for use in a forked process, as ZeroGPU's workers are."""
        # The threads that the parent computed with are not there: waiting for them would hang.
        self._threads = 1
        torch.set_num_threads(1)
        self._lock.release()


def load(name: str, folder: Path) -> Embedder:
    """Return the embedder in a folder; raise an error, of whatever kind, if it cannot be loaded."""
    with _quiet():
        model = _model(name, folder)
    embedder = SentenceEmbedder(name, model, _E5_PREFIX if _E5.search(name) else "")
    (trial,) = embedder.encode(["Is this a question?"])
    # Without its files a tokenizer is made all the same, and knows no word.
    if not set(trial.tokens) - {model.tokenizer.unk_token} or not np.isfinite(trial.vector).all():
        raise ValueError("it cannot read a plain question, so its files are incomplete or of another kind.")
    return embedder


def _model(name: str, folder: Path) -> Any:
    if (folder / FILE).is_file():
        return read_packed_e5(folder / FILE)
    if name == EMBEDDER:
        return read_bert(folder)
    # Only now: it takes seconds to import, which the default embedders do without.
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(
        str(folder),
        device="cpu",
        local_files_only=True,
        trust_remote_code=False,
        model_kwargs={"use_safetensors": True, "dtype": "float32"},
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers' progress bars and reports off the terminal."""
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
