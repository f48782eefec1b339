"""What the benchmark runs on: a model with an adapter, as any other is loaded, of random weights where need be."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from peft import LoraConfig, get_peft_model
from transformers import PhiConfig, PhiForCausalLM

from bonsai.engines.model.loading import LoadedModel, load_model, quiet
from bonsai.settings import SEEDLING, SEEDLING_FOLDER, Settings

RANDOM_40M, PHI_2_SHAPE = "random-40m", "phi-2-shape"
_SHAPES = {
    RANDOM_40M: {
        "hidden_size": 640,
        "intermediate_size": 2560,
        "num_hidden_layers": 7,
        "num_attention_heads": 8,
        "vocab_size": 4096,
    },
    PHI_2_SHAPE: {
        "hidden_size": 2560,
        "intermediate_size": 10240,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "vocab_size": 51200,
    },
}
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
    return [SEEDLING, RANDOM_40M, *([PHI_2_SHAPE] if torch.cuda.is_available() else [])]


@contextmanager
def subject(name: str, settings: Settings) -> Iterator[BenchModel]:
    """Give the model of a name: one of this module's, made for the time being, or any that can be loaded."""
    if name not in _SHAPES:
        adapter = settings.adapter or (SEEDLING if name == SEEDLING else "none")
        yield BenchModel(name, name, adapter)
        return
    with TemporaryDirectory() as folder:
        base, adapter_folder = Path(folder, "base"), Path(folder, "adapter")
        _make(name, base, adapter_folder)
        yield BenchModel(name, str(base), str(adapter_folder))


def load_endless(settings: Settings) -> LoadedModel:
    """Return the model of `settings`, none of whose tokens ends a completion, so that all have their full length."""
    return replace(load_model(settings), eos_token_ids=frozenset())


def _make(name: str, base: Path, adapter: Path) -> None:
    """Save a Phi with random weights and a random LoRA adapter, with the seedling's tokenizer."""
    torch.manual_seed(0)
    large = name == PHI_2_SHAPE
    config = PhiConfig(
        **_SHAPES[name],
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
    for file in (SEEDLING_FOLDER / "base").glob("tokenizer*"):
        shutil.copy(file, base)
