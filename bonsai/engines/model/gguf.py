"""Models in GGUF files, unpacked for transformers."""

import io
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, GgufConfig


def load_unpacked(file: Path, dtype: torch.dtype, config: Any = None) -> Any:
    """Return the model in a GGUF file as a plain one, which can be trained, merged and saved.

    `config` is what transformers reads of the file beside its weights, if that is known: reading it takes seconds.
    """
    # The only way to be spared its progress bar.
    with redirect_stderr(io.StringIO()):
        packed = AutoModelForCausalLM.from_pretrained(
            file.parent,
            config=config,
            gguf_file=file.name,
            quantization_config=GgufConfig(dequantize=True),
            dtype=dtype,
        )
    config = packed.config
    # What was read from a GGUF file calls itself quantised ever after, and is neither cast nor saved.
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    model.load_state_dict(packed.state_dict())
    model.tie_weights()
    model.generation_config = packed.generation_config
    return model
