"""The contract of every engine: prompts in, snapshots of completions out."""

from bonsai.engines.base.completion import Completion, FinishReason, cut_at_stop, failed, hold_back, too_long
from bonsai.engines.base.engine import Engine, EngineInfo, Snapshots, check_options
from bonsai.engines.base.requests import DEFAULT_OPTIONS, Message, Prompt, Request, RequestQueue, SamplingParams

__all__ = [
    "DEFAULT_OPTIONS",
    "Completion",
    "Engine",
    "EngineInfo",
    "FinishReason",
    "Message",
    "Prompt",
    "Request",
    "RequestQueue",
    "SamplingParams",
    "Snapshots",
    "check_options",
    "cut_at_stop",
    "failed",
    "hold_back",
    "too_long",
]
