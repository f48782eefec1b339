"""Where a model and its adapter lie: what can be told of their folders before anything is loaded."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bonsai.engines.gguf.finding import find_model, is_gguf
from bonsai.engines.hub import find_folder
from bonsai.errors import EngineError

ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


@dataclass(frozen=True)
class ModelFiles:
    """Where a model lies: a checkpoint fills its folder, a GGUF file is one of the files in it."""

    folder: Path
    gguf: str = ""
    """The name of the GGUF file; empty for a checkpoint."""

    @property
    def arguments(self) -> dict[str, Any]:
        """What `from_pretrained` takes to read from here."""
        source = {"pretrained_model_name_or_path": self.folder, "trust_remote_code": False}
        return {**source, "gguf_file": self.gguf} if self.gguf else source


def model_files(source: str, revision: str) -> ModelFiles:
    """Return where a model lies, fetched from the hub if it is not here; raise EngineError if it cannot be used."""
    if is_gguf(source):
        file = find_model(source, revision)
        return ModelFiles(file.parent, file.name)
    folder = find_folder(source, "model", revision)
    if not (folder / "config.json").is_file():
        hint = " It is an adapter: set BONSAI_ADAPTER to it." if (folder / ADAPTER_CONFIG).is_file() else ""
        raise EngineError(f"The model {source} has no config.json in {folder}.{hint}")
    # transformers would take the adapter's word for which model to load.
    if (folder / ADAPTER_CONFIG).is_file():
        raise EngineError(f"{folder} holds a model and an adapter; move the adapter to a folder of its own.")
    if not any(folder.glob("*.safetensors")):
        raise EngineError(
            f"The model {source} has no safetensors weights in {folder}; .bin weights are not read, since they can "
            "run code. Convert it: load it with transformers and save it with save_pretrained()."
        )
    return ModelFiles(folder)


def adapter_config(adapter_id: str, folder: Path) -> dict[str, Any]:
    """Return the configuration of the LoRA adapter in a folder; raise EngineError if there is none that can be used."""
    if not (folder / ADAPTER_CONFIG).is_file():
        raise EngineError(f"The adapter {adapter_id} has no adapter_config.json in {folder}; give a LoRA adapter.")
    try:
        config = json.loads((folder / ADAPTER_CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EngineError(f"The adapter_config.json of {adapter_id} cannot be read: {error}") from error
    if (folder / "adapters.safetensors").is_file() or isinstance(config, dict) and "lora_parameters" in config:
        raise EngineError(
            f"The adapter {adapter_id} was made by MLX, whose form PEFT does not read. Fuse it with its model "
            "(mlx_lm.fuse --de-quantize), and give the folder that this writes as the model, without an adapter."
        )
    if not (folder / ADAPTER_WEIGHTS).is_file():
        raise EngineError(
            f"The adapter {adapter_id} has no {ADAPTER_WEIGHTS}; .bin weights are not read, since they can run code. "
            "Convert it: load it with PEFT and save it with save_pretrained(folder, safe_serialization=True)."
        )
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        raise EngineError(f"The adapter {adapter_id} is not a LoRA adapter; only LoRA adapters can be used.")
    return config
