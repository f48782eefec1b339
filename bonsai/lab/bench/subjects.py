"""What the benchmark runs on: a model with an adapter, as any other is loaded, of random weights where need be."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from peft import LoraConfig, get_peft_model
from tokenizers import ByteLevelBPETokenizer
from transformers import PhiConfig, PhiForCausalLM, PreTrainedTokenizerFast

from bonsai.engines.model.loaded_model import LoadedModel
from bonsai.engines.model.loading import load_model, quiet
from bonsai.lab.records import shipped_records
from bonsai.settings import NO_ADAPTER, SMOLLM2, Settings

RANDOM_40M, PHI_2_SHAPE = "random-40m", "phi-2-shape"
_SIZES = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "vocab_size")
_SHAPES = {RANDOM_40M: (640, 2560, 7, 8, 4096), PHI_2_SHAPE: (2560, 10240, 32, 32, 51200)}
_RANK = 16


@dataclass(frozen=True)
class BenchModel:
    """A model as both ways load it: hub id or folder, and that of its adapter, "none" for no adapter."""

    name: str
    model: str
    adapter: str

    def settings(self, settings: Settings) -> Settings:
        """Return the settings that load it."""
        return replace(settings, model=self.model, adapter=self.adapter)


def usual_names() -> list[str]:
    """Return the models that are run on when none is named: the shape of phi-2 needs a GPU."""
    return [SMOLLM2, RANDOM_40M, *([PHI_2_SHAPE] if torch.cuda.is_available() else [])]


@contextmanager
def subject(name: str, settings: Settings) -> Iterator[BenchModel]:
    """Give the model of a name: one of this module's, made for the time being, or any that can be loaded."""
    if name not in _SHAPES:
        yield BenchModel(name, name, settings.adapter or NO_ADAPTER)
        return
    with TemporaryDirectory() as folder:
        base, adapter_folder = Path(folder, "base"), Path(folder, "adapter")
        _make(name, base, adapter_folder)
        yield BenchModel(name, str(base), str(adapter_folder))


def load_endless(settings: Settings) -> LoadedModel:
    """Return the model of `settings`, none of whose tokens ends a completion, so that all have their full length."""
    return replace(load_model(settings), eos_token_ids=frozenset())


def _make(name: str, base: Path, adapter: Path) -> None:
    """Save a Phi with random weights and a random LoRA adapter, with a tokenizer of the shipped records."""
    torch.manual_seed(0)
    large = name == PHI_2_SHAPE
    config = PhiConfig(
        **dict(zip(_SIZES, _SHAPES[name], strict=True)),
        max_position_embeddings=2048,
        partial_rotary_factor=0.4,
        bos_token_id=0,
        eos_token_id=0,
        dtype=torch.bfloat16 if large else torch.float32,
    )
    with quiet():
        with torch.device("cuda" if large else "cpu"):
            model = PhiForCausalLM(config).to(torch.bfloat16 if large else torch.float32)
        model.save_pretrained(base)
        lora = LoraConfig(r=_RANK, target_modules=["q_proj", "v_proj", "fc1", "fc2"], init_lora_weights=False)
        get_peft_model(model, lora).save_pretrained(str(adapter))
        _tokenizer(_SHAPES[RANDOM_40M][-1]).save_pretrained(base)


def _tokenizer(size: int) -> PreTrainedTokenizerFast:
    bpe = ByteLevelBPETokenizer()
    texts = (text for record in shipped_records() for text in (record.question, record.answer))
    bpe.train_from_iterator(texts, vocab_size=size, special_tokens=["<|endoftext|>"], show_progress=False)
    return PreTrainedTokenizerFast(tokenizer_object=bpe._tokenizer, eos_token="<|endoftext|>")
