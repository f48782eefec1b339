"""Where the page is to be opened: whether it can be, is told before anything waits for it."""

import errno
import os
import socket

from gradio.http_server import INITIAL_PORT_VALUE, LOCALHOST_NAME

from bonsai.errors import BonsaiError, UsageError

_HIGHEST = 65_535


def chosen_address(host: str | None, port: int | None) -> tuple[str, int]:
    """Return the host and the port; what is not given is the platform's choice, and else 127.0.0.1 and 7860."""
    return host or LOCALHOST_NAME, INITIAL_PORT_VALUE if port is None else port


def check_address(host: str, port: int) -> None:
    """Raise UsageError or BonsaiError, saying what to do, if no page can be opened at this host and port."""
    if not 1 <= port <= _HIGHEST:
        raise UsageError(
            "{name} is {value}; it must be between {low} and {high}.",
            name="port",
            value=port,
            low=1,
            high=_HIGHEST,
        )
    try:
        name = host.removeprefix("[").removesuffix("]")
        family, kind, _, _, address = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as tried:
            # As servers do: a port whose connections have just ended is free. Elsewhere it is another thing.
            if os.name == "posix":
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(address)
    except (OSError, UnicodeError) as error:
        raise _unusable(host, port, error) from error


def in_use(port: int) -> BonsaiError:
    """Return the error of a port that something else uses."""
    return BonsaiError(
        "The page cannot be opened on port {port}: it is in use. Stop what uses it, or choose another port: "
        "python -m bonsai serve --port {next}",
        port=port,
        next=port + 1 if port < _HIGHEST else port - 1,
    )


def _unusable(host: str, port: int, error: Exception) -> BonsaiError:
    number = getattr(error, "errno", None)
    if number == errno.EADDRINUSE:
        return in_use(port)
    if number in (errno.EACCES, errno.EPERM):
        return BonsaiError(
            "The page cannot be opened on port {port}: this user may not use it. Choose a port of 1024 or more.",
            port=port,
        )
    return UsageError(
        "The page cannot be opened at the host {host!r}, which is no address of this machine. Use 127.0.0.1 for this "
        "machine alone, or 0.0.0.0 to let others in.",
        host=host,
    )
