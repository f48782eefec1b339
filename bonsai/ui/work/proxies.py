"""The proxy of the environment, which Gradio must not use when it asks its own server, at the start and for MCP."""

import os
from urllib.request import getproxies

_THIS_MACHINE = "127.0.0.1,localhost,0.0.0.0"


def ask_this_machine_directly() -> None:
    """Have this process ask addresses of this machine without a proxy, beside those that NO_PROXY names already."""
    known = getproxies().get("no", "")
    for name in ("no_proxy", "NO_PROXY"):
        os.environ[name] = ",".join(filter(None, (known, _THIS_MACHINE)))
