"""What callers give to an endpoint, checked by the endpoint's own annotations."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from typing import Any, TypeVar, get_type_hints

from bonsai.errors import UsageError
from bonsai.ui.api.answers import sentences

Given = TypeVar("Given")
# Numbers are not among them: what asks for one says more about it.
_CHECKS: Mapping[Any, tuple[Callable[[Any], bool], str]] = {
    str: (lambda value: isinstance(value, str), "{name} must be a text."),
    bool: (lambda value: isinstance(value, bool), "{name} must be true or false."),
    list[str]: (lambda value: _is_list(value, str), "{name} must be a list of texts, each in quotes."),
    list[str] | None: (
        lambda value: value is None or _is_list(value, str),
        "{name} must be a list of texts, each in quotes.",
    ),
    list[dict[str, Any]]: (lambda value: _is_list(value, dict), "{name} must be a list of objects."),
    dict[str, Any]: (lambda value: isinstance(value, dict), "{name} must be an object."),
}


def check_types(endpoint: Callable[..., Awaitable[Given]]) -> Callable[..., Awaitable[Given]]:
    """Return an endpoint that refuses arguments of other types than it names, with a sentence for each."""
    signature, hints = inspect.signature(endpoint), get_type_hints(endpoint)

    @wraps(endpoint)
    async def checked(*arguments: Any, **named: Any) -> Given:
        with sentences():
            for name, value in signature.bind(*arguments, **named).arguments.items():
                fits, sentence = _CHECKS.get(hints[name], (None, ""))
                if fits and not fits(value):
                    raise UsageError(sentence, name=name)
        return await endpoint(*arguments, **named)

    return checked


def _is_list(value: object, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) for item in value)
