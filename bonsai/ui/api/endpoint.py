"""Endpoints, each made of a function and a dataclass: its fields are the endpoint's parameters."""

import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import fields
from typing import Any, TypeVar, get_type_hints

import gradio as gr

from bonsai.errors import BonsaiError, UsageError

Answer = TypeVar("Answer")
_log = logging.getLogger("bonsai")
# Numbers are not among them: what asks for one says more about it.
_CHECKS: Mapping[Any, tuple[Callable[[Any], bool], str]] = {
    str: (lambda value: isinstance(value, str), "{name} must be a text."),
    bool: (lambda value: isinstance(value, bool), "{name} must be true or false."),
    list[str]: (lambda value: _is_list(value, str), "{name} must be a list of texts, each in quotes."),
    list[str] | None: (
        lambda value: value is None or _is_list(value, str),
        "{name} must be a list of texts, each in quotes.",
    ),
    dict[str, Any]: (lambda value: isinstance(value, dict), "{name} must be an object."),
}


def endpoint(answer: Callable[..., Awaitable[Answer]], *bound: Any) -> Callable[..., Awaitable[Answer]]:
    """Return `answer` as a function of the fields of its last parameter, a dataclass; those before it are `bound`.

    A field is written as `Annotated[type, "what it is for"]`. Gradio reads parameters and their descriptions from a
    signature and a docstring, so the function has them. Values of other types, and whatever goes wrong, are refused
    with a sentence for the caller.
    """
    asked = list(get_type_hints(answer).items())[len(bound)][1]
    signature, types = inspect.signature(asked), get_type_hints(asked)
    returned = get_type_hints(answer)["return"]

    async def called(*arguments: Any, **named: Any) -> Answer:
        try:
            given = asked(*arguments, **named)
            for name, kind in types.items():
                fits, sentence = _CHECKS.get(kind, (None, ""))
                if fits and not fits(getattr(given, name)):
                    raise UsageError(sentence, name=name)
            return await answer(*bound, given)
        except BonsaiError as error:
            raise gr.Error(str(error), print_exception=False) from error
        except gr.Error:
            raise
        except Exception as error:
            _log.exception("An endpoint ended with an error that was not expected.")
            raise gr.Error("Something unexpected went wrong. Try again.", print_exception=False) from error

    called.__name__ = called.__qualname__ = answer.__name__
    called.__doc__ = f"{inspect.getdoc(answer)}\n\nArgs:\n{_described(asked)}"
    called.__annotations__ = {**types, "return": returned}
    parameters = [one.replace(annotation=types[name]) for name, one in signature.parameters.items()]
    called.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=parameters, return_annotation=returned
    )
    return called


def _described(asked: type) -> str:
    hints = get_type_hints(asked, include_extras=True)
    return "\n".join(f"    {field.name}: {hints[field.name].__metadata__[0]}" for field in fields(asked))


def _is_list(value: object, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) for item in value)
