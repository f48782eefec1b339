"""How much memory a training run needs, before it begins."""

import psutil
import torch

from bonsai.lab.training.data.batches import Batch
from bonsai.lab.training.hyperparameters import Hyperparameters
from bonsai.lab.training.model import TrainedModel
from bonsai.machine import free_memory

# Bytes for each token and block, for each number of the hidden and the intermediate state, as measured in bfloat16.
_HIDDEN, _INTERMEDIATE = 40, 12
# A weight of the adapter, its gradient and two moments, in float32.
_ADAPTER = 16
# What the loss keeps of a logit.
_LOGIT = 12
_GB = 2**30


def memory_needed(model: TrainedModel, batch: Batch, how: Hyperparameters) -> int:
    """Return about how many bytes a step with this batch takes, the model's own weights included."""
    config = model.model.config.get_text_config()
    hidden, blocks = int(config.hidden_size), int(config.num_hidden_layers)
    intermediate = int(getattr(config, "intermediate_size", 4 * hidden) or 4 * hidden)
    of_a_block = _HIDDEN * hidden + _INTERMEDIATE * intermediate
    tokens = batch.input_ids.numel()
    kept = 2 * hidden * blocks + of_a_block if how.gradient_checkpointing else of_a_block * blocks
    wide = 1 if model.dtype == torch.bfloat16 else 2
    adapter = sum(one.numel() for one in model.parameters.values())
    return int(
        model.model.get_memory_footprint()
        + _ADAPTER * adapter
        + tokens * kept * wide
        + _LOGIT * len(batch.targets) * int(config.vocab_size)
    )


def memory_words(needed: int, model: TrainedModel) -> str:
    """Return a sentence about the memory that is needed and that is there, and what to do if it is not enough."""
    if model.model.device.type == "cuda":
        there = torch.cuda.mem_get_info()[1]
    else:
        there = free_memory() + psutil.Process().memory_info().rss
    words = f"It takes about {needed / _GB:.1f} GB of memory; there are {there / _GB:.1f} GB."
    if needed > there:
        words += " That may not be enough: try a lower --batch-size, --gradient-checkpointing or --quantization 4bit."
    return words
