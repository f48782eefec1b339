"""A plain client of llama.cpp's own server: a request for each text, one after the other, as in a script."""

import json
from contextlib import closing
from dataclasses import replace
from functools import lru_cache
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from bonsai.engines.base import EngineInfo, Prompt, Request
from bonsai.engines.llama_cpp.server import Room, start_as_usual
from bonsai.errors import EngineError
from bonsai.lab.bench.usual import OneByOneEngine


class PlainClient(OneByOneEngine):
    """What people write who ask llama.cpp's server, or Ollama, in a script.

    The server is one of its own, with llama.cpp's usual settings.
    """

    def __init__(self, info: EngineInfo, room: Room) -> None:
        """`info` is that of the engine beside which it is measured."""
        super().__init__()
        self.info = replace(info, name="plain client")
        self._server = start_as_usual(room)
        self._address = urlsplit(str(self._server.listening_address)).netloc
        # As Bonsai's engine does, so that counting costs both the same.
        self._counted = lru_cache(4096)(self._count)

    def count_tokens(self, prompt: Prompt | str) -> int:
        """Return how many tokens of the context a prompt takes."""
        return self._counted(Prompt.of(prompt).text)

    def complete(self, request: Request) -> tuple[str, int, int]:
        """Return a completion, and the tokens of prompt and completion."""
        params = request.sampling
        body = {
            "prompt": request.prompt.text,
            "max_tokens": params.max_new_tokens,
            "temperature": params.temperature,
            "top_p": params.top_p,
            "top_k": params.top_k,
            "seed": params.seed,
            "ignore_eos": True,
        }
        answer = self._post("/v1/completions", body)
        return answer["choices"][0]["text"], answer["usage"]["prompt_tokens"], answer["usage"]["completion_tokens"]

    def _count(self, text: str) -> int:
        return len(self._post("/tokenize", {"content": text, "add_special": True, "parse_special": True})["tokens"])

    def _post(self, path: str, body: dict[str, object]) -> Any:
        with closing(HTTPConnection(self._address)) as connection:
            connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read().decode()
        if answer.status != 200:
            raise EngineError(f"llama.cpp's server failed with {answer.status}: {text}")
        return json.loads(text)
