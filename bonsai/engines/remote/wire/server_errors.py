"""What can go wrong with a server, whether asking again may help, and a sentence for the person."""

import contextlib
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any

_PASSING = (408, 409, 425, 429)
_LONGEST_MESSAGE = 300
_MESSAGE_KEYS = ("message", "msg", "detail", "error", "errors", "error_message", "error_msg", "error_description")
_CODE_KEYS = ("code", "status", "status_code", "statusCode", "error")
_WAITS = r"try again|retry|temporar|overload|busy|timed? ?out|loading|starting|unavailable|capacity|upstream|connect"
_LASTS = (
    r"not support|unsupported|not implement|invalid|malformed|exceed|too (?:long|large|big)|template|jinja|pars[ei]"
    r"|context (?:size|length|window)|tokeniz|not found|no such|not exist|unknown|requires? more|cannot|can't|unable to"
    r"|failed to load|must|expected|missing|not (?:allowed|permitted|enabled|callable|available)|retryable=false"
    r"|incompatible|maximum context|empty|no models? (?:is |are )?loaded"
    r"|(?:key|value|type|attribute|index|assertion)error"
)
"""What a server says of a failure of its own that will be the same again."""
_NO_MONEY = (
    r"insufficient[ _]?(?:quota|funds|balance|credit)|\bcredits?\b|billing|balance|payment|prepaid|account|subscription"
    r"|exceeded your current|spend(?:ing)? (?:limit|cap)|budget|quota[ _](?:is )?(?:exhausted|used up)"
)
_ABOUT_A_KEY = r"\bkey\b|token|unauthori[sz]ed|authenticat|credential|bearer|\blog ?in\b|sign ?in"


class Trouble(StrEnum):
    """The ways in which a server fails to complete a prompt."""

    UNREACHABLE = "unreachable"
    SILENT = "silent"
    """It sent nothing for long."""
    LATE = "late"
    """It was not done in time."""
    REFUSED = "refused"
    """It answered with the status of an error."""
    SAID = "said"
    """It said in its answer what is wrong."""
    LOST = "lost"
    """Its answer broke off."""
    PAGE = "page"
    """It sent a web page."""
    MOVED = "moved"
    """It redirects elsewhere, in a way that loses what was asked."""
    UNREADABLE = "unreadable"
    """It sent what no such server sends."""


@dataclass(eq=False)
class ServerError(Exception):
    """Why a server did not complete a prompt."""

    kind: Trouble
    status: int = 0
    """The HTTP status, also where it stands in the answer; 0 if there is none."""
    message: str = ""
    """What the server says of it, shortened."""
    text: str = ""
    """The same in full."""
    wait: float = 0.0
    """The seconds that it asks to wait."""
    params: frozenset[str] = frozenset()
    """The parameters that it says are wrong."""
    codes: str = ""
    """The kind of error in the server's own terms, as `insufficient_quota`."""
    final: bool = False
    """Whether the server says that asking again does not help."""

    @property
    def passing(self) -> bool:
        """Say whether asking again may help."""
        if self.kind not in (Trouble.REFUSED, Trouble.SAID):
            return self.kind in (Trouble.UNREACHABLE, Trouble.SILENT, Trouble.LOST)
        said = f"{self.codes} {self.message}".lower()
        if self.final:
            return False
        if self.status == 429:
            return not re.search(_NO_MONEY, said) or bool(re.search(r"per[ _-](?:min|sec|hour)|rate[ _-]?limit", said))
        if self.status == 501 or "invalid_request" in said or "not_supported" in said:
            return False
        if not self.status:
            return bool(re.search(r"rate.?limit|overload|unavailable|timed? ?out", said)) and not re.search(
                _NO_MONEY, said
            )
        if self.status >= 500:
            return not re.search(_LASTS, said) or bool(re.search(_WAITS, said))
        return self.status in _PASSING

    @property
    def is_answer(self) -> bool:
        """Say whether the server itself says that something is wrong."""
        return self.kind in (Trouble.REFUSED, Trouble.SAID)

    @property
    def may_be_another_api(self) -> bool:
        """Say whether the server may complete chats, though it did not complete a prompt."""
        if self.status >= 500 and re.search(r"chat|completions|not support|not implement", self.text, re.IGNORECASE):
            return True
        answered = self.is_answer or self.kind in (Trouble.PAGE, Trouble.UNREADABLE)
        return answered and self.status not in (401, 402, 403, 429) and (self.status < 500 or self.status == 501)

    @property
    def refuses_request(self) -> bool:
        """Say whether the server finds fault with what was asked; some say so as a failure of their own."""
        return self.status in (400, 422) or (self.status >= 500 and not self.passing)


@dataclass(frozen=True)
class AskedServer:
    """What a sentence about a server's trouble should know of it."""

    address: str
    model: str
    models: Sequence[str] = ()
    """The models that it lists."""
    has_key: bool = False

    def sentence(self, trouble: ServerError) -> str:
        """Return what is wrong and what to do, for the person."""
        said = f": {re.sub(r'(?<![.])[.:]$', '', trouble.message)}" if trouble.message else ""
        words = self._of_refusal(trouble, said) if trouble.kind is Trouble.REFUSED else _WORDS[trouble.kind]
        if trouble.kind is Trouble.MOVED:
            said = f" {trouble.message}"
        if trouble.kind is Trouble.SAID and not self.models and "endpoint" in said.lower():
            words += " BONSAI_BASE_URL usually ends in /v1."
        return f"The server at {self.address} {words.replace('{said}', said)}"

    def sentence_at_start(self, trouble: ServerError) -> str:
        """Return the same for a server that completes nothing at all."""
        sentence = self.sentence(trouble)
        names_model = "BONSAI_MODEL" in sentence or not trouble.refuses_request
        return sentence if names_model else f"{sentence} {self._which_model()}"

    def _of_refusal(self, trouble: ServerError, said: str) -> str:
        status = trouble.status
        if status in (401, 403):
            return self._of_access(trouble, said)
        if status == 402:
            return "wants to be paid{said}."
        if status == 404:
            return self._of_absence(trouble)
        if status == 429 and not trouble.passing:
            return "gives no more{said}."
        if status == 429:
            return "has too much to do{said}. Try again later, or lower BONSAI_CONCURRENCY."
        if status >= 500:
            return f"failed with {status}{{said}}. Its own log may say why."
        if status == 413:
            return "finds the prompt too long{said}."
        return f"does not take this prompt for the model {self.model}{{said}}."

    def _of_access(self, trouble: ServerError, said: str) -> str:
        if not said or re.search(_ABOUT_A_KEY, trouble.message, re.IGNORECASE):
            if not self.has_key:
                return "asks for an API key{said}. Set BONSAI_API_KEY to one that it accepts."
            return "refuses the API key{said}. Set BONSAI_API_KEY to one that it accepts."
        return "refuses this{said}."

    def _of_absence(self, trouble: ServerError) -> str:
        model = self.model
        if not self.models and "model" not in trouble.message.lower():
            return "has no completions there{said}. BONSAI_BASE_URL usually ends in /v1."
        if self.model not in self.models and "chat" not in trouble.message.lower():
            return f"has no model {model}{{said}}. {self._which_model()}"
        return f"has no plain completions for the model {model}{{said}}. {self._which_model()}"

    def _which_model(self) -> str:
        others = [name for name in self.models if name != self.model][:8]
        named = f": {', '.join(others)}" if others else ""
        return f"Set BONSAI_MODEL or BONSAI_ADAPTER to one it serves{named}."


_WORDS = {
    Trouble.UNREACHABLE: "cannot be reached{said}. Is it running, and is BONSAI_BASE_URL right?",
    Trouble.SILENT: "has sent nothing for long. Is it still loading its model, or has it too much to do?",
    Trouble.LATE: "was not done in time. Ask for fewer new tokens, or lower BONSAI_CONCURRENCY.",
    Trouble.SAID: "broke off{said}.",
    Trouble.LOST: "broke off before the text was complete. Its own log may say why.",
    Trouble.PAGE: "sent a web page in the place of a text{said}. BONSAI_BASE_URL usually ends in /v1.",
    Trouble.MOVED: "redirects to{said}. Set BONSAI_BASE_URL to where it is now.",
    Trouble.UNREADABLE: "does not answer as an OpenAI-compatible one does{said}. BONSAI_BASE_URL usually ends in /v1.",
}


def refusal(kind: Trouble, body: object, key: str, status: int = 0, wait: float = 0.0) -> ServerError:
    """Return the error in what a server answered; its own code counts where there is no `status`."""
    text = message_text(body)
    return ServerError(
        kind,
        status or code_in(body),
        message_in(body, key),
        text,
        wait,
        frozenset(_params_in(body)) | frozenset(_params_in_text(text)),
        " ".join(_codes_in(body)),
    )


def message_in(body: object, key: str) -> str:
    """Return the message in what a server answered, in one line and without the API key; "" if there is none."""
    text = message_text(body).strip()
    if text.startswith("<"):
        return page_title(text)
    # What pydantic says of a request is followed by the request.
    said = re.findall(r"""['"]msg['"]: (?:'([^']+)'|"([^"]+)")""", text)
    text = "; ".join(dict.fromkeys(one or other for one, other in said)) or text
    text = " ".join((text.replace(key, "...") if key else text).split())
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE]} ..."


def message_text(body: object) -> str:
    """Return the whole message in what a server answered."""
    if isinstance(body, Mapping):
        found = (message_text(body[name]) for name in _MESSAGE_KEYS if body.get(name))
        return next((text for text in found if text), "")
    if isinstance(body, list):
        return "; ".join(filter(None, map(message_text, body)))
    return body if isinstance(body, str) else ""


def page_title(text: str) -> str:
    """Return the title of a web page; "" if it has none."""
    title = re.search(r"<title[^>]*>([^<]*)</title>", text, re.IGNORECASE)
    return " ".join(title[1].split())[:100] if title else ""


def code_in(body: object) -> int:
    """Return the HTTP status that stands in what a server answered, 0 if there is none."""
    if isinstance(body, Mapping):
        return next((code for name in _CODE_KEYS if (code := code_in(body.get(name)))), 0)
    try:
        code = int(str(body))
    except ValueError:
        return 0
    return code if 300 <= code < 600 else 0


def retry_after(headers: Mapping[str, str]) -> float:
    """Return the seconds that a server asks to wait before it is asked again, be it as a number or a date."""
    text = headers.get("retry-after", "")
    with contextlib.suppress(ValueError):
        seconds = float(text)
        return seconds if 0 < seconds < float("inf") else 0.0
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    return 0.0


def _params_in(body: object) -> Iterator[str]:
    """Yield the parameters that the fields `param` and `loc` name: `stop` for `body.stop` and `["body", "stop", 4]`."""
    if isinstance(body, list):
        for item in body:
            yield from _params_in(item)
    elif isinstance(body, Mapping):
        for name in ("param", "parameter", "loc", "field"):
            yield from _names(body.get(name))
        for name in ("error", "errors", "detail", "details"):
            yield from _params_in(body.get(name))


def _names(value: Any) -> Iterator[str]:
    parts = value if isinstance(value, list) else re.split(r"[.\[\]]", value) if isinstance(value, str) else []
    names = [part for part in parts if isinstance(part, str) and part not in ("", "body")]
    yield from names[:1]


def _params_in_text(text: str) -> Iterator[str]:
    """Yield the parameters in a list of errors that was written out as a text."""
    for match in re.finditer(r"""['"](?:loc|param)['"]: ?[\[(]?['"](?:body(?:\.|['"], ?['"]))?(\w+)""", text):
        yield match[1]


def _codes_in(body: object) -> Iterator[str]:
    if isinstance(body, Mapping):
        yield from (str(body[name]) for name in ("code", "type", "status") if isinstance(body.get(name), str))
        yield from _codes_in(body.get("error"))
