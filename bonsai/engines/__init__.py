"""Engines complete prompts; `open_engine` gives the one that the settings ask for."""

from contextlib import suppress
from ctypes import CDLL
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from bonsai.engines.base import DEFAULT_OPTIONS, Engine, EngineInfo
from bonsai.engines.deferred import DeferredEngine
from bonsai.engines.echo import EchoEngine
from bonsai.engines.gguf.finding import is_gguf
from bonsai.engines.hub import find_folder, trained_format
from bonsai.engines.model.model_files import adapter_config, model_files
from bonsai.errors import UsageError
from bonsai.settings import NO_ADAPTER, SMOLLM2, Settings, is_path

# The libraries of GPU drivers: without any of them there is no need to import torch, which takes seconds, to ask it.
_DRIVERS = ("libcuda.so.1", "nvcuda.dll", "libamdhip64.so", "amdhip64.dll")


def open_engine(settings: Settings) -> Engine:
    """Return the engine that `settings` ask for, ready to complete.

    Raises EngineError if its model cannot be loaded, and SettingError for settings that do not go together.
    """
    name = engine_name(settings)
    _check_folders(name, settings)
    engine: Engine = EchoEngine() if name == "echo" else _module(name).load(settings)
    return _prompted(engine, settings)


def _prompted(engine: Engine, settings: Settings) -> Engine:
    """Return the engine with the prompt format that the settings name, or else that its adapter was trained on."""
    asked = "" if settings.format == "auto" else settings.format
    # A server has its adapters under names of its own.
    adapter = "" if engine.info.name == "remote" else engine.info.adapter_id
    engine.info = replace(engine.info, prompt_format=asked or (trained_format(adapter) if adapter else ""))
    return engine


def engine_name(settings: Settings) -> str:
    """Return the name of the engine that `settings` ask for; if that is `auto`, of the one that fits this machine.

    Without a GPU that is llama-cpp for models that come as GGUF, if llama.cpp is installed.
    """
    if settings.engine != "auto":
        return settings.engine
    if settings.zero_gpu:
        return "local"
    if settings.base_url:
        return "remote"
    gpu = _has_gpu()
    fits_llama_cpp = (settings.model or not gpu) and find_spec("xllamacpp") and is_gguf(settings.models(gpu)[0])
    return "llama-cpp" if fits_llama_cpp else "batching"


def _has_gpu() -> bool:
    """Say whether there is a GPU that torch can use."""
    for driver in _DRIVERS:
        with suppress(OSError):
            CDLL(driver)
            # It takes seconds, which a machine without a driver need not wait for.
            import torch

            return torch.cuda.is_available()
    return False


def _module(name: str) -> Any:
    # Imported only now: torch takes seconds, and most commands need it not.
    return import_module(f"bonsai.engines.{name.replace('-', '_')}.engine")


def open_deferred_engine(settings: Settings) -> Engine:
    """Return the engine that `settings` ask for, perhaps before its model is loaded; see DeferredEngine.

    On ZeroGPU the model is loaded: there that has to be done before the page is opened. Raises as `open_engine` does
    for an engine that is not deferred.
    """
    name = engine_name(settings)
    if settings.zero_gpu or name in ("remote", "echo"):
        return open_engine(settings)
    _check_folders(name, settings)
    expected = _module(name).expected_info(settings) if name == "llama-cpp" else _expected_info(name, settings)
    return DeferredEngine(lambda: open_engine(settings), expected)


def _check_folders(name: str, settings: Settings) -> None:
    """Raise EngineError if a folder is nothing that transformers can read: at once, not when torch is imported."""
    if name not in ("local", "batching"):
        return
    if is_path(settings.model):
        model_files(settings.model, settings.revision)
    if is_path(settings.adapter):
        adapter_config(settings.adapter, find_folder(settings.adapter, "adapter", ""))


def _expected_info(name: str, settings: Settings) -> EngineInfo:
    """Return what can be told of an engine of transformers before its model is loaded."""
    # It takes a second or two, and tells whether there is a GPU; what else a model needs is imported when it is loaded.
    from bonsai.engines.model.loaded_model import device_words

    device = device_words(settings)
    model, adapter = settings.models(gpu=device != "CPU")
    # Whether repetition can be penalised is known when the model is there; on a GPU it seldom can.
    options = DEFAULT_OPTIONS - ({"repetition_penalty"} if name == "batching" and device != "CPU" else set())
    return EngineInfo(
        name,
        model,
        "" if adapter == NO_ADAPTER else adapter,
        device,
        is_stand_in=model == SMOLLM2,
        options=options,
        max_batch_size=settings.concurrency,
        max_concurrent_runs=settings.concurrency if name == "batching" else 1,
    )


def open_base_engine(settings: Settings, engine: Engine) -> Engine:
    """Return an engine with the model of `engine` without its adapter, to be compared with it.

    Raises UsageError if no adapter answers, and EngineError, saying why not, if both do not fit beside each other.
    """
    if not engine.info.adapter_id:
        raise UsageError("No adapter answers here, so there is nothing to compare it with.")
    if isinstance(engine, DeferredEngine):
        return DeferredEngine(lambda: open_base_engine(settings, engine.wait()), replace(engine.info, adapter_id=""))
    same_model = engine.without_adapter()
    if same_model:
        return _prompted(same_model, settings)
    engine.check_memory()
    return open_engine(replace(settings, model=engine.info.model_id, adapter=NO_ADAPTER))
