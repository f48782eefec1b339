"""BERT as an embedder, made of torch's own layers: the libraries for such models take seconds to import."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

# Of a text so many pieces are read.
LONGEST = 256
Weights = Mapping[str, Tensor]


class Bert(nn.Module):
    """BERT (Devlin et al. 2019, arXiv:1810.04805); the vector of a text is the mean of those of its pieces.

    It has a tokenizer, and is called, as a model of sentence-transformers.
    """

    def __init__(
        self,
        weights: Weights,
        tokenizer: PreTrainedTokenizerFast,
        *,
        heads: int,
        epsilon: float,
        words: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        """`weights` have the names of transformers' BertModel; `words` gives the vectors of pieces instead."""
        super().__init__()
        self.tokenizer, self.max_seq_length = tokenizer, LONGEST
        layers = sum(name.endswith("intermediate.dense.bias") for name in weights)
        inner, width = weights["encoder.layer.0.intermediate.dense.weight"].shape
        self._words = words or weights["embeddings.word_embeddings.weight"].__getitem__
        # Every piece is of the first type: only the second of two texts has the other.
        kind = weights["embeddings.token_type_embeddings.weight"][0]
        self._places = weights["embeddings.position_embeddings.weight"] + kind
        with torch.device("meta"):
            self._norm = nn.LayerNorm(width, epsilon)
            layer = nn.TransformerEncoderLayer(width, heads, inner, dropout=0.0, activation="gelu", batch_first=True)
            layer.norm1.eps = layer.norm2.eps = epsilon
            self._layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self._norm.load_state_dict(_named(weights, "embeddings.LayerNorm", ""), assign=True)
        self._layers.load_state_dict(_of_layers(weights, layers), assign=True)
        # Without dropout both modes compute the same; in the other one torch takes twice as long for long texts.
        self.train()

    def forward(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the vectors of the pieces, (texts, pieces, width), and their mean for each text, (texts, width)."""
        ids, mask = features["input_ids"], features["attention_mask"]
        read = self._norm(self._words(ids) + self._places[: ids.shape[1]])
        written = self._layers(read, src_key_padding_mask=mask == 0)
        kept = mask.unsqueeze(-1)
        return {"token_embeddings": written, "sentence_embedding": (written * kept).sum(1) / kept.sum(1)}


def read_bert(folder: Path) -> Bert:
    """Return the model of a folder as transformers and sentence-transformers save it."""
    config = json.loads((folder / "config.json").read_text())
    marks = json.loads((folder / "special_tokens_map.json").read_text())
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"), **marks)
    weights = load_file(folder / "model.safetensors")
    return Bert(weights, tokenizer, heads=config["num_attention_heads"], epsilon=config["layer_norm_eps"])


def _of_layers(weights: Weights, layers: int) -> dict[str, Tensor]:
    """Return the weights of all layers by torch's names."""
    named = {}
    for number in range(layers):
        theirs, ours = f"encoder.layer.{number}", f"layers.{number}."
        for kind in ("weight", "bias"):
            parts = [weights[f"{theirs}.attention.self.{part}.{kind}"] for part in ("query", "key", "value")]
            named[f"{ours}self_attn.in_proj_{kind}"] = torch.cat(parts)
        named |= _named(weights, f"{theirs}.attention.output.dense", f"{ours}self_attn.out_proj.")
        named |= _named(weights, f"{theirs}.attention.output.LayerNorm", f"{ours}norm1.")
        named |= _named(weights, f"{theirs}.intermediate.dense", f"{ours}linear1.")
        named |= _named(weights, f"{theirs}.output.dense", f"{ours}linear2.")
        named |= _named(weights, f"{theirs}.output.LayerNorm", f"{ours}norm2.")
    return named


def _named(weights: Weights, theirs: str, ours: str) -> dict[str, Tensor]:
    return {f"{ours}{kind}": weights[f"{theirs}.{kind}"] for kind in ("weight", "bias")}
