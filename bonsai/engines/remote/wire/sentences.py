"""What is said to the person of a server's trouble: what is wrong, in the server's own words, and what to do."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bonsai.engines.remote.wire.server_errors import ServerError, Trouble

_ABOUT_A_KEY = r"\bkey\b|token|unauthori[sz]ed|authenticat|credential|bearer|\blog ?in\b|sign ?in"


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
        no_endpoint = trouble.kind is Trouble.SAID and "endpoint" in trouble.message.lower()
        if not self.models and (no_endpoint or trouble.kind in (Trouble.PAGE, Trouble.UNREADABLE)):
            words += f" {_USUAL_END}"
        if said.endswith(("!", "?", "。")):
            words = words.replace("{said}.", "{said}")
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
            does = "refuses the" if self.has_key else "asks for an"
            return f"{does} API key{{said}}. Set BONSAI_API_KEY to one that it accepts."
        return "refuses this{said}."

    def _of_absence(self, trouble: ServerError) -> str:
        if not self.models and "model" not in trouble.message.lower():
            return f"has no completions there{{said}}. {_USUAL_END}"
        if self.model not in self.models and "chat" not in trouble.message.lower():
            return f"has no model {self.model}{{said}}. {self._which_model()}"
        return f"has no plain completions for the model {self.model}{{said}}. {self._which_model()}"

    def _which_model(self) -> str:
        others = [name for name in self.models if name != self.model][:8]
        named = f": {', '.join(others)}" if others else ""
        return f"Set BONSAI_MODEL or BONSAI_ADAPTER to one it serves{named}."


_USUAL_END = "BONSAI_BASE_URL usually ends in /v1."
_WORDS = {
    Trouble.UNREACHABLE: "cannot be reached{said}. Is it running, and is BONSAI_BASE_URL right?",
    Trouble.SILENT: "has sent nothing for long. Is it still loading its model, or has it too much to do?",
    Trouble.LATE: "was not done in time. Ask for fewer new tokens, or lower BONSAI_CONCURRENCY.",
    Trouble.SAID: "broke off{said}.",
    Trouble.LOST: "broke off before the text was complete. Its own log may say why.",
    Trouble.PAGE: "sent a web page in the place of a text{said}.",
    Trouble.MOVED: "redirects to{said}. Set BONSAI_BASE_URL to where it is now.",
    Trouble.UNREADABLE: "does not answer as an OpenAI-compatible one does{said}.",
}
