"""Engines complete prompts; `open_engine` gives the one that the settings ask for."""

from dataclasses import replace
from importlib import import_module

from bonsai.engines.base import DEFAULT_OPTIONS, Engine, EngineInfo
from bonsai.engines.deferred import DeferredEngine
from bonsai.engines.echo import EchoEngine
from bonsai.errors import UsageError
from bonsai.settings import NO_ADAPTER, SEEDLING, Settings


def open_engine(settings: Settings) -> Engine:
    """Return the engine that `settings` ask for, ready to complete.

    Raises EngineError if its model cannot be loaded, and SettingError for settings that do not go together.
    """
    name = settings.engine if settings.engine != "auto" else _usual(settings)
    # Imported only now: torch takes seconds, and most commands need neither.
    engine: Engine = EchoEngine() if name == "echo" else import_module(f"bonsai.engines.{name}.engine").load(settings)
    if settings.format != "auto":
        engine.info = replace(engine.info, prompt_format=settings.format)
    return engine


def _usual(settings: Settings) -> str:
    """Return the engine that is meant by `auto`."""
    if settings.zero_gpu:
        return "local"
    return "remote" if settings.base_url else "batching"


def open_deferred_engine(settings: Settings) -> Engine:
    """Return the engine that `settings` ask for, perhaps before its model is loaded; see `LateEngine`.

    On ZeroGPU the model is loaded: there that has to be done before the page is opened. Raises as `open_engine` does
    for an engine that is not late.
    """
    name = settings.engine if settings.engine != "auto" else _usual(settings)
    if settings.zero_gpu or name not in ("batching", "local"):
        return open_engine(settings)
    # It takes a second or two, and tells whether there is a GPU; what else a model needs is imported when it is loaded.
    from bonsai.engines.model.device import device_words

    device = device_words(settings)
    model, adapter = settings.models(gpu=device != "CPU")
    # Whether repetition can be penalised is known when the model is there; on a GPU it seldom can.
    options = DEFAULT_OPTIONS - ({"repetition_penalty"} if name == "batching" and device != "CPU" else set())
    expected = EngineInfo(
        name,
        model,
        "" if adapter == NO_ADAPTER else adapter,
        device,
        is_stand_in=model == SEEDLING,
        options=options,
        max_batch_size=settings.concurrency,
        max_concurrent_runs=settings.concurrency if name == "batching" else 1,
    )
    return DeferredEngine(lambda: open_engine(settings), expected)


def open_base_engine(settings: Settings, engine: Engine) -> Engine:
    """Return an engine with the model of `engine` without its adapter, to be compared with it.

    Raises UsageError if no adapter answers, and EngineError, saying why not, if both do not fit beside each other.
    """
    if not engine.info.adapter_id:
        raise UsageError("No adapter answers here, so there is nothing to compare it with.")
    if isinstance(engine, DeferredEngine):
        return DeferredEngine(lambda: open_base_engine(settings, engine.wait()), replace(engine.info, adapter_id=""))
    engine.check_memory()
    return open_engine(replace(settings, model=engine.info.model_id, adapter=NO_ADAPTER))
