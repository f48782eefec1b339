"""What can go wrong with a server: how long to wait before it is asked again, and a sentence for the person."""

import contextlib
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Literal

from bonsai.errors import first_line

Kind = Literal["unreachable", "silent", "late", "refused", "said", "lost", "unreadable"]
_PASSING = (408, 409, 425, 429)


@dataclass(eq=False)
class ServerError(Exception):
    """Why a server did not complete a prompt.

    It could not be reached, sent nothing for long or was not done in time; it refused with a `status`, said in its
    stream what is wrong, broke the stream off, or sent what no such server sends. `message` is its own, and `wait` the
    seconds that it asks for.
    """

    kind: Kind
    status: int = 0
    message: str = ""
    wait: float = 0.0

    @property
    def passing(self) -> bool:
        """Say whether asking again may help."""
        if self.kind in ("refused", "said"):
            return self.status in _PASSING or self.status >= 500
        return self.kind in ("unreachable", "silent", "lost")

    def sentence(self, server: str, model: str) -> str:
        """Return what is wrong and what to do, for the person."""
        said = f": {self.message.rstrip('.')}" if self.message else ""
        if self.kind != "refused":
            return f"The server at {server} {_WORDS[self.kind].format(said=said)}"
        if self.status in (401, 403):
            return f"The server at {server} refuses the API key. Set BONSAI_API_KEY to one that it accepts."
        if self.status == 404 and "model" in self.message.lower():
            return f"The server at {server} has no model {model}. Set BONSAI_MODEL or BONSAI_ADAPTER to one it serves."
        if self.status == 404:
            return f"The server at {server} has no completions there. BONSAI_BASE_URL usually ends in /v1."
        if self.status == 429:
            return f"The server at {server} has too much to do{said}. Try again later, or lower BONSAI_CONCURRENCY."
        if self.status >= 500:
            return f"The server at {server} failed with {self.status}{said}. Its own log may say why."
        return f"The server at {server} does not take this prompt for the model {model}{said}."


_WORDS = {
    "unreachable": "cannot be reached. Is it running, and is BONSAI_BASE_URL right?",
    "silent": "has sent nothing for long. Is it still loading its model, or has it too much to do?",
    "late": "was not done in time. Ask for fewer new tokens, or lower BONSAI_CONCURRENCY.",
    "said": "broke off{said}.",
    "lost": "broke off before the text was complete. Its own log may say why.",
    "unreadable": "does not answer as an OpenAI-compatible one does. BONSAI_BASE_URL usually ends in /v1.",
}


@dataclass(frozen=True)
class RetryPolicy:
    """How long a completion is waited for, in seconds, and how often it is asked for.

    `silence` is how long nothing may come, `deadline` how long the whole may take, all tries included.
    """

    tries: int = 6
    first_wait: float = 0.5
    longest_wait: float = 20.0
    silence: float = 120.0
    deadline: float = 900.0

    def pause(self, trouble: ServerError, tries: int) -> float | None:
        """Return how long to wait after so many tries before the next one, or None if there is to be none."""
        if not trouble.passing or tries >= self.tries:
            return None
        # Not all who were turned away come back at the same moment.
        usual: float = min(self.longest_wait, self.first_wait * 2 ** (tries - 1)) * random.uniform(0.75, 1.25)
        return max(usual, trouble.wait)


def said(body: object, key: str) -> str:
    """Return the message in what a server answered, without the API key; "" if there is none for people."""
    while isinstance(body, Mapping):
        body = body.get("message") or body.get("detail") or body.get("error")
    text = str(body or "").strip()
    if not text or text.startswith("<"):
        return ""
    return first_line(text.replace(key, "...") if key else text)


def retry_after(headers: Mapping[str, str]) -> float:
    """Return the seconds that a server asks to wait before it is asked again, be it as a number or a date."""
    text = headers.get("retry-after", "")
    with contextlib.suppress(ValueError):
        return max(0.0, float(text))
    with contextlib.suppress(ValueError, TypeError):
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    return 0.0
