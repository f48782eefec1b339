"""What a server takes of what can be asked: found out by asking, and by what it says of a parameter."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from bonsai.engines.base import DEFAULT_OPTIONS, Message
from bonsai.engines.remote.streamed_completion import StreamedCompletion
from bonsai.engines.remote.wire.server_errors import ServerError

Api = Literal["completions", "chat"]
ALL_OPTIONS = DEFAULT_OPTIONS | {"stop", "stream", "stream_options", "n", "system"}
"""What a request may have beside the model, the prompt and how long the text may be; `system` is a message."""
BASIC_OPTIONS = frozenset({"stream", "temperature"})
MANY_STOPS = "many stops"
FEW_STOPS = 4
"""OpenAI, vLLM and others take no more stop texts."""
_REQUESTS_WITHOUT = 64
# In tokens: older versions of llama.cpp take -1 for all of the context, newer ones refuse it.
_FAR_BACK = 8192

_SPECIAL = re.compile(
    r"<[|\uff5c][^<>|\uff5c]{1,40}[|\uff5c]>|</?s>|\[/?INST\]|<(?:start|end)_of_turn>|<(?:bos|eos|pad|unk)>"
)
"""What the special tokens of today's models look like."""
_OPTION = r"[\s:=,'\"`(\[]*(?:body\.)?(?P<name>\w+)"
_KIND = r"(?:argument|param\w*|field|option|property|properties|keyword|key|input|value)s?"
_REFUSED = r"(?:support|allow|permit|implement|recogni|availab|accept|valid|known)"
_OWN_WORDS = (
    rf"(?:un\w{{1,40}}|invalid|additional|extra|forbidden|disallowed) (?:request |keyword )?{_KIND}"
    rf"(?: supplied| name| provided| for)?{_OPTION}",
    r"\b(?P<name>\w+)['\"`]?(?: parameter| option| argument| field)?(?: is| are)?(?: currently)? (?:not|un)"
    rf"[ -]?(?:yet )?{_REFUSED}",
    rf"(?:not|n't) (?:yet )?{_REFUSED}\w*:? (?:the )?(?:{_KIND})?{_OPTION}",
    r"\b(?P<name>\w+)['\"`]?\s?[:=] "
    r"(?:extra inputs|unexpected|unknown|unsupported|not supported|not permitted|at most)",
    r"(?:too many|at most \d+) (?P<name>stop)",
)
"""How servers say that they do not take an option."""


def _plain(text: str) -> str:
    """Return a text of a person or model in which servers find no special token.

    They find them wherever they stand; a space without width breaks what looks like one.
    """
    return _SPECIAL.sub(lambda match: f"{match[0][0]}\u200b{match[0][1:]}", text)


def _as_text(row: StreamedCompletion) -> str:
    """Return the prompt as text, with what was shown of its completion; servers want at least one token."""
    parts = row.request.prompt.parts
    return "".join(_plain(part) if number % 2 else part for number, part in enumerate(parts)) + row.kept or "\n"


@dataclass
class Dialect:
    """What a server takes; all that it does not lack is asked for.

    What it lacks is tried again after a while, in one request: a server behind a router may be another one.
    """

    api: Api = "completions"
    model: str = ""
    """The model that is asked, by the name that the server has for it."""
    lacks: dict[str, int] = field(default_factory=dict)
    """The options that it does not take, with the number of requests after which they are tried again."""
    names: dict[str, str] = field(default_factory=dict)
    """Other names that it has for fields, as `repeat_penalty`."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """What is sent with every request beside the options, as `min_p`."""
    more: Callable[[StreamedCompletion], Mapping[str, Any]] = lambda _row: {}
    """What is sent beside that with the request for one row and those that go with it."""
    encode: Callable[[StreamedCompletion], str | list[int]] = _as_text
    """How the server is told what to complete: as text, or as tokens."""
    _patience: dict[str, int] = field(default_factory=dict)

    def speak_llama_cpp(self) -> None:
        """Use the names that llama.cpp's server has, and switch off what it does by itself and others do not."""
        self.names["repetition_penalty"] = "repeat_penalty"
        self.fields = {"min_p": 0.0, "repeat_last_n": _FAR_BACK, **self.fields}

    @property
    def path(self) -> str:
        """Where completions are asked for."""
        return "chat/completions" if self.api == "chat" else "completions"

    @property
    def continues(self) -> bool:
        """Whether the server goes on with a text that is begun."""
        return self.api == "completions"

    def miss(self, names: Iterable[str]) -> None:
        """Note that the server does not take these options; each time for longer."""
        for name in names:
            self._patience[name] = 2 * self._patience.get(name, _REQUESTS_WITHOUT // 2)
            self.lacks[name] = self._patience[name]

    @property
    def gives_several(self) -> bool:
        """Whether the next request may ask for several texts of one prompt."""
        return self.lacks.get("n", 0) <= 0

    def offered(self) -> frozenset[str]:
        """Return the options of the next request: what the server takes, and what it is to be tried with again."""
        self.lacks = {name: left - 1 for name, left in self.lacks.items()}
        return (ALL_OPTIONS | {MANY_STOPS}) - {name for name, left in self.lacks.items() if left >= 0}

    def requested(self, asked: Iterable[str]) -> None:
        """Note that a request is made with these options: until it is known no other one tries again what it tries."""
        for name in self.lacks.keys() & set(asked):
            self.lacks[name] = self._patience[name]

    def learn(self, taken: Iterable[str], missed: Iterable[str]) -> None:
        """Note that a request was taken with some options, and that it was refused before with others."""
        for name in self.lacks.keys() & set(taken):
            del self.lacks[name], self._patience[name]
        self.miss(missed)

    def body(self, rows: list[StreamedCompletion], offered: frozenset[str]) -> dict[str, Any]:
        """Return the request for the rows, of one prompt, with no more than what is offered."""
        sampling = rows[0].request.sampling
        values: dict[str, Any] = {name: getattr(sampling, name) for name in sorted(DEFAULT_OPTIONS)} | {"stream": True}
        if len(rows) > 1:
            values["n"] = len(rows)
        if sampling.stop:
            # Where there are more than the server takes, the others are cut here.
            values["stop"] = list(sampling.stop if MANY_STOPS in offered else sampling.stop[:FEW_STOPS])
        if "stream" in offered:
            # Servers tell the counts of a streamed text only if they are asked for them.
            values["stream_options"] = {"include_usage": True}
        values = {name: value for name, value in values.items() if name in offered}
        body = {"model": self.model, "max_tokens": rows[0].limit, **self.fields, **self.more(rows[0]), **values}
        body = {self.names.get(name, name): value for name, value in body.items()}
        if self.api == "completions":
            return body | {"prompt": self.encode(rows[0])}
        return body | {"messages": _messages(rows[0], "system" in offered)}

    def asked(self, body: Mapping[str, Any]) -> frozenset[str]:
        """Return the options that a request really has; of those that were offered not all are always wanted."""
        names = {name for name in ALL_OPTIONS if self.names.get(name, name) in body}
        if len(body.get("stop", ())) > FEW_STOPS:
            names.add(MANY_STOPS)
        if any(message["role"] == "system" for message in body.get("messages", ())):
            names.add("system")
        return frozenset(names)

    def blamed(self, error: ServerError, asked: Mapping[str, Any], texts: str) -> frozenset[str]:
        """Return the options that may be why a request failed: so it should be made without them.

        That are those that the server did not take before, and those that it names. Only its own words count: what it
        repeats of `texts`, which people and models wrote, says nothing.
        """
        if not error.refuses_request:
            return frozenset(self.lacks)
        fields = {self.names.get(name, name): name for name in ALL_OPTIONS}
        named = {fields.get(name, name) for name in error.params or _named(error.text, texts)}
        if re.search(r"system (?:role|message|prompt)|roles? must alternate", error.text, re.IGNORECASE):
            named.add("system")
        if "stop" in named and len(asked.get("stop", ())) > FEW_STOPS:
            named = named - {"stop"} | {MANY_STOPS}
        return frozenset(self.lacks) | named


def _named(message: str, texts: str) -> set[str]:
    repeated = _folded(texts)
    found = (match for words in _OWN_WORDS for match in re.finditer(words, message, re.IGNORECASE))
    return {match["name"].lower() for match in found if _folded(match[0]) not in repeated}


def _folded(text: str) -> str:
    """Return a text in which quoting and spaces make no difference."""
    return re.sub(r"[\W_]+", " ", re.sub(r"\\[nrt]", " ", text)).casefold().strip()


def _messages(row: StreamedCompletion, takes_system: bool) -> list[dict[str, str]]:
    prompt = row.request.prompt
    messages = list(prompt.messages) or [Message("user", prompt.text or "\n")]
    if messages[0].role == "system" and len(messages) > 1 and not takes_system:
        persona, first, *rest = messages
        messages = [Message(first.role, f"{persona.content}\n\n{first.content}"), *rest]
    return [{"role": one.role, "content": _plain(one.content)} for one in messages]
