"""Engines complete prompts; `open_engine` gives the one that the settings ask for."""

from bonsai.engines.base import Engine
from bonsai.engines.echo import EchoEngine
from bonsai.settings import Settings


def open_engine(settings: Settings) -> Engine:
    """Return the engine that `settings` ask for, ready to complete; raise EngineError if its model cannot be loaded."""
    if settings.engine == "echo":
        return EchoEngine()
    # Only here is torch needed: whoever asks for help or for the echo engine does not wait for it.
    from bonsai.engines.local import load

    return load(settings)
