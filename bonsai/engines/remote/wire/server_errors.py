"""What can go wrong with a server, whether asking again may help, and a sentence for the person."""

import contextlib
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any

_PASSING = (408, 409, 425, 429)
# Of the failures of a server's own those that routers and services give while there is too much to do, or nobody.
_BUSY = (502, 503, 504, 520, 521, 522, 523, 524, 529)
_LONGEST_MESSAGE = 300
_MESSAGE_KEYS = ("message", "msg", "detail", "error", "errors", "error_message", "error_msg", "error_description")
_CODE_KEYS = ("code", "status", "status_code", "statusCode", "error")
_WAITS = r"try again|retry|temporar|overload|busy|timed? ?out|loading|starting|unavailable|capacity|upstream|connect"
_LASTS = (
    r"not support|unsupported|not implement|invalid|malformed|exceed|too (?:long|large|big)|template|jinja|pars[ei]"
    r"|context (?:size|length|window)|tokeniz|not found|no such|not exist|unknown (?!error)|requires? more"
    r"|cannot|can't|unable to|failed to load|must|expected|missing"
    r"|not (?:allowed|permitted|enabled|callable|available)|retryable=false"
    r"|incompatible|maximum context|empty|no models? (?:is |are )?loaded|does(?: not|n't)|undefined|denied|\bonly\b"
    r"|(?:key|value|type|attribute|index|assertion)error"
)
"""What a server says of a failure of its own that will be the same again."""
_NO_MONEY = (
    r"insufficient[ _]?(?:quota|funds|balance|credit)|\bcredits?\b|billing|balance|payment|prepaid|account|subscription"
    r"|exceeded your current|spend(?:ing)? (?:limit|cap)|budget|quota[ _](?:is )?(?:exhausted|used up)"
)


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
    should_retry: bool | None = None
    """Whether the server says that asking again helps; None if it does not say."""

    @property
    def unexplained(self) -> bool:
        """Say whether the server failed without a word on whether it passes, and without a wait that it asks for."""
        said = f"{self.codes} {self.message}".lower()
        failed = self.is_answer and self.status >= 500 and self.status not in _BUSY
        asked = self.wait or self.should_retry or re.search(_WAITS, said)
        return failed and self.passing and not asked

    @property
    def is_crowded(self) -> bool:
        """Say whether the texts in the making had no more room together, as where llama.cpp's slots share a context."""
        return self.is_answer and "context size has been exceeded" in self.message.lower()

    @property
    def passing(self) -> bool:
        """Say whether asking again may help."""
        if self.kind not in (Trouble.REFUSED, Trouble.SAID):
            return self.kind in (Trouble.UNREACHABLE, Trouble.SILENT, Trouble.LOST)
        said = f"{self.codes} {self.message}".lower()
        if self.should_retry is not None:
            return self.should_retry
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
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        with contextlib.suppress(ValueError):
            seconds = float(headers[name]) * unit if name in headers else 0.0
            if 0 < seconds < float("inf"):
                return seconds
    text = headers.get("retry-after", "")
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
