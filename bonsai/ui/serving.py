"""How the page is served: where (told to be impossible before anything waits for it), with its look, and how small."""

import contextlib
import errno
import os
import socket
import sys
from pathlib import Path

import gradio as gr
from gradio.http_server import INITIAL_PORT_VALUE, LOCALHOST_NAME
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import Receive, Scope, Send

from bonsai.errors import BonsaiError, UsageError
from bonsai.settings import HIGHEST_PORT, ask_this_machine_directly
from bonsai.ui.locales.translate import I18N

_FONTS = ("system-ui", "-apple-system", "Segoe UI", "Hiragino Sans", "Noto Sans CJK JP", "Noto Sans JP", "sans-serif")


def check_address(host: str | None, port: int | None) -> tuple[str, int]:
    """Return the host and the port; what is not given is the platform's choice, and else 127.0.0.1 and 7860.

    Raises UsageError or BonsaiError, saying what to do, if no page can be opened there.
    """
    host, port = host or LOCALHOST_NAME, INITIAL_PORT_VALUE if port is None else port
    if not 1 <= port <= HIGHEST_PORT:
        raise UsageError(
            "{name} is {value}; it must be between {low} and {high}.", name="port", value=port, low=1, high=HIGHEST_PORT
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
    return host, port


def serve(demo: gr.Blocks, host: str | None = None, port: int | None = None) -> str:
    """Open the page and return its address.

    Raises UsageError or BonsaiError if it cannot be opened there.
    """
    host, port = check_address(host, port)
    ask_this_machine_directly()
    try:
        # Gradio tells of its MCP server on stdout, which is for tables alone.
        with contextlib.redirect_stdout(sys.stderr):
            _, address, _ = demo.launch(
                server_name=host,
                server_port=port,
                prevent_thread_lock=True,
                quiet=True,
                theme=_theme(),
                css_paths=Path(__file__).with_name("page.css"),
                head=f"<script>{Path(__file__).with_name('page.js').read_text(encoding='utf-8')}</script>",
                i18n=I18N,
                mcp_server=True,
                ssr_mode=False,
                share=False,
                show_error=True,
                run_history=False,
                enable_monitoring=False,
                footer_links=["api"],
                max_file_size="40mb",
                app_kwargs={"middleware": [Middleware(_CompressedPage, compresslevel=4)]},
            )
    except OSError as error:
        # Gradio also wants the port on the usual host, and it may have been taken meanwhile.
        raise _in_use(port) from error
    print(f"Bonsai is open at {address}", file=sys.stderr, flush=True)
    return str(address)


def _theme() -> gr.themes.Base:
    # Calm greens and greys, and the fonts of the visitor's own system.
    base = gr.themes.Base(
        primary_hue="emerald",
        secondary_hue="emerald",
        neutral_hue="stone",
        font=_FONTS,
        font_mono=("ui-monospace", "monospace"),
        radius_size="md",
    )
    return base.set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        block_background_fill="white",
        block_background_fill_dark="*neutral_900",
        block_label_text_weight="500",
        block_title_text_weight="500",
        block_title_text_color="*body_text_color",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_400",
        input_background_fill="white",
        input_background_fill_dark="*neutral_950",
        input_border_color="*neutral_300",
        input_border_color_dark="*neutral_700",
        input_border_width="1px",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover_dark="*primary_600",
        button_primary_text_color="white",
        button_primary_text_color_dark="white",
        color_accent="*primary_700",
        slider_color="*primary_600",
    )


class _CompressedPage(GZipMiddleware):
    """Sends the page itself, 0.7 MB, in a ninth of its bytes; what it asks for then, Gradio compresses."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/":
            await super().__call__(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def _in_use(port: int) -> BonsaiError:
    return BonsaiError(
        "The page cannot be opened on port {port}: it is in use. Stop what uses it, or choose another port: "
        "python -m bonsai serve --port {next}",
        port=port,
        next=port + 1 if port < HIGHEST_PORT else port - 1,
    )


def _unusable(host: str, port: int, error: Exception) -> BonsaiError:
    number = getattr(error, "errno", None)
    if number == errno.EADDRINUSE:
        return _in_use(port)
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
