"""Where a model of this machine runs."""

import torch

from bonsai.settings import Settings

ZERO_GPU = "ZeroGPU"


def device_words(settings: Settings) -> str:
    """Return the name of the GPU, or CPU."""
    if settings.zero_gpu:
        return ZERO_GPU
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
