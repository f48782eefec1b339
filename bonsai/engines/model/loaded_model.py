"""A model in memory, with its tokenizer and adapter."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from bonsai.engines.base import EngineInfo, Prompt
from bonsai.errors import EngineError, Note
from bonsai.machine import free_memory
from bonsai.settings import Settings

_ZERO_GPU = "ZeroGPU"
# Of a worker's memory what a model may have; the rest is for what it reads and writes.
_ZERO_GPU_BYTES = 40 * 2**30
# What the keys and values of texts may take.
_CPU_CACHE_BYTES = 512 * 2**20
_SHARE_OF_FREE_GPU = 0.6


def device_words(settings: Settings) -> str:
    """Return where a model of this machine runs: the name of the GPU, or CPU."""
    if settings.zero_gpu:
        return _ZERO_GPU
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"


@dataclass(frozen=True)
class LoadedModel:
    """A model that is ready to complete; for what has no words here see EngineInfo."""

    model: Any
    tokenizer: Any
    model_id: str
    adapter_id: str
    device: str
    context_length: int
    eos_token_ids: frozenset[int]
    """The tokens that end a completion."""
    is_stand_in: bool
    notes: tuple[Note, ...] = ()
    """See EngineInfo."""

    @cached_property
    def vocabulary(self) -> int:
        """How many tokens have a text: ids beyond the tokenizer's are untrained filling."""
        return min(int(max(self.tokenizer.get_vocab().values())) + 1, self._rows)

    def encode(self, prompt: Prompt) -> list[int]:
        """Return the tokens of a prompt, at least one; what looks like a special token in a text stays text."""
        if any(token in text for text in prompt.parts[1::2] for token in self._special):
            ids = [
                token for number, part in enumerate(prompt.parts) for token in self._ids(part, is_text=number % 2 == 1)
            ]
        else:
            ids = self._ids(prompt.text)
        return [*self._begin, *ids] or [self.tokenizer.eos_token_id]

    def _ids(self, text: str, *, is_text: bool = False) -> list[int]:
        ids = self.tokenizer(text, verbose=False, add_special_tokens=False, split_special_tokens=is_text)["input_ids"]
        # A token that was added to the tokenizer alone says nothing to the model.
        return [token for token in ids if token < self._rows]

    @cached_property
    def _rows(self) -> int:
        return int(self.model.get_input_embeddings().num_embeddings)

    @cached_property
    def _special(self) -> frozenset[str]:
        added = self.tokenizer.added_tokens_decoder.values()
        return frozenset((*self.tokenizer.all_special_tokens, *(token.content for token in added if token.special)))

    @cached_property
    def _begin(self) -> list[int]:
        """What the tokenizer puts before each text; what it puts after one would end a prompt, and is left out."""
        alone = self._ids("a")
        whole = self.tokenizer("a", verbose=False)["input_ids"]
        places = range(len(whole) - len(alone) + 1)
        start = next((place for place in places if whole[place : place + len(alone)] == alone), 0)
        return list(whole[:start])

    def info(self, engine: str) -> EngineInfo:
        """Return what the engine of that name is with this model."""
        return EngineInfo(
            engine,
            self.model_id,
            self.adapter_id,
            self.device,
            is_stand_in=self.is_stand_in,
            context_length=self.context_length,
            chat_template=_chat_template(self.tokenizer),
            eos_token=str(self.tokenizer.eos_token or ""),
            notes=self.notes,
        )

    @property
    def affordable_tokens(self) -> int:
        """How many tokens there is memory for to keep what was read of them."""
        config = self.model.config.get_text_config()
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        bytes_per_token = 2 * config.num_hidden_layers * heads * size * self.model.dtype.itemsize
        on_gpu = self.model.device.type == "cuda"
        return int((self._free_on_gpu() * _SHARE_OF_FREE_GPU if on_gpu else _CPU_CACHE_BYTES) / bytes_per_token)

    def _free_on_gpu(self) -> int:
        if self.device == _ZERO_GPU:
            # What a worker gets is not to be seen from here.
            return _ZERO_GPU_BYTES - int(self.model.get_memory_footprint())
        return torch.cuda.mem_get_info()[0]

    def check_memory(self) -> None:
        """Raise EngineError, with both numbers, if a second model like this one does not fit on its device."""
        needed = self.model.get_memory_footprint()
        free = free_memory() if self.model.device.type == "cpu" and self.device != _ZERO_GPU else self._free_on_gpu()
        if free < needed * 1.2:
            raise EngineError(
                "The model without its adapter does not fit beside it: it takes {needed:.1f} GB more, and "
                "{free:.1f} GB are free. Compare them in two runs.",
                needed=needed / 2**30,
                free=max(0, free) / 2**30,
            )


def _chat_template(tokenizer: Any) -> str:
    """Return the chat template of a tokenizer, the usual one if it has several; "" if it has none."""
    template = getattr(tokenizer, "chat_template", None) or ""
    return str(template.get("default", "") if isinstance(template, dict) else template)
