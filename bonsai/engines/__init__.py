"""Engines complete prompts; `open_engine` gives the one that the settings ask for."""

from bonsai.engines.base import Engine
from bonsai.engines.echo import EchoEngine
from bonsai.settings import Settings


def open_engine(settings: Settings) -> Engine:
    """Return the engine that `settings` ask for, ready to complete.

    Raises EngineError if its model cannot be loaded, and SettingError for settings that do not go together.
    """
    name = settings.engine
    if name == "auto":
        name = "local" if settings.zero_gpu else "batching"
    if name == "echo":
        return EchoEngine()
    # Only here is torch needed: whoever asks for help or for the echo engine does not wait for it.
    if name == "batching":
        from bonsai.engines import batching

        return batching.load(settings)
    from bonsai.engines import local

    return local.load(settings)
