"""Engines complete prompts; `open_engine` gives the one that the settings ask for."""

from dataclasses import replace

from bonsai.engines.base import Engine
from bonsai.engines.echo import EchoEngine
from bonsai.errors import UsageError
from bonsai.settings import NO_ADAPTER, Settings


def open_engine(settings: Settings) -> Engine:
    """Return the engine that `settings` ask for, ready to complete.

    Raises EngineError if its model cannot be loaded, and SettingError for settings that do not go together.
    """
    name = settings.engine if settings.engine != "auto" else _usual(settings)
    if name == "echo":
        return EchoEngine()
    # Only here are torch and openai needed: whoever asks for help or for another engine does not wait for them.
    if name == "remote":
        from bonsai.engines import remote

        return remote.load(settings)
    if name == "batching":
        from bonsai.engines import batching

        return batching.load(settings)
    from bonsai.engines import local

    return local.load(settings)


def _usual(settings: Settings) -> str:
    """Return the engine that is meant by `auto`."""
    if settings.zero_gpu:
        return "local"
    return "remote" if settings.base_url else "batching"


def open_alone(settings: Settings, engine: Engine) -> Engine:
    """Return an engine with the model of `engine` without its adapter, to be compared with it.

    Raises UsageError if no adapter answers, and EngineError, saying why not, if both do not fit beside each other.
    """
    if not engine.adapter_id:
        raise UsageError("No adapter answers here, so there is nothing to compare it with.")
    engine.check_room()
    return open_engine(replace(settings, model=engine.model_id, adapter=NO_ADAPTER))
