"""What stands between an engine and a server in a test: it counts the pieces of text, and refuses some requests."""

import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from socketserver import BaseRequestHandler, ThreadingTCPServer

_SECONDS_FOR_A_PIECE = 0.01
_ABOUT_A_PIECE = 256
_REFUSAL = json.dumps({"error": {"code": 400, "message": "The model cannot read this."}}).encode()


@dataclass
class CountingProxy:
    """A way to the server at `port` of this machine."""

    port: int
    poison: bytes
    """Requests with these bytes are refused."""
    pieces: int = 0
    """How many pieces of text have come back."""
    read: int = 0
    """How many tokens of prompts were read, and not found in a slot."""
    address: str = ""

    @contextmanager
    def running(self) -> Iterator["CountingProxy"]:
        """Take connections on a free port for as long as the context lasts."""
        proxy = self

        class Handler(BaseRequestHandler):
            def handle(self) -> None:
                proxy._connect(self.request)

        with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
            server.daemon_threads = True
            self.address = f"http://127.0.0.1:{server.server_address[1]}"
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()

    def _connect(self, client: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", self.port)) as server:
            back = threading.Thread(target=self._bring_back, args=(server, client), daemon=True)
            back.start()
            with suppress(OSError):
                while data := client.recv(65536):
                    if self.poison in data:
                        head = (
                            f"HTTP/1.1 400 Bad Request\r\nContent-Length: {len(_REFUSAL)}\r\nConnection: close\r\n\r\n"
                        )
                        client.sendall(head.encode() + _REFUSAL)
                        break
                    server.sendall(data)
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            back.join()

    def _bring_back(self, server: socket.socket, client: socket.socket) -> None:
        unread = b""
        with suppress(OSError):
            while data := server.recv(_ABOUT_A_PIECE):
                self.pieces += data.count(b'"text":')
                # A number may come in two pieces.
                *counts, unread = re.split(rb'"prompt_n":(\d+)[,}]', unread + data)
                self.read += sum(map(int, counts[1::2]))
                # A tiny model would have written its text before the next request is there.
                threading.Event().wait(_SECONDS_FOR_A_PIECE)
                client.sendall(data)
            client.shutdown(socket.SHUT_RDWR)
