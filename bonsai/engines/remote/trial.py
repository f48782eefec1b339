"""Finding out what a server takes, a token at a time."""

import asyncio

from bonsai.engines.base import Message, Prompt, Request, SamplingParams
from bonsai.engines.remote.completing import Completions
from bonsai.engines.remote.dialect import ALL_OPTIONS, BASIC_OPTIONS, FEW_STOPS, MANY_STOPS
from bonsai.engines.remote.streamed_completion import StreamedCompletion
from bonsai.engines.remote.wire.server_errors import ServerError

BUSY = (408, 425, 429, 502, 503, 504)
_PROMPT = Prompt(("Hello",), (Message("system", "Be brief."), Message("user", "Hello")))
_STOPS = tuple(f"<|{number}|>" for number in range(FEW_STOPS + 1))


async def try_out(completions: Completions, api: str) -> None:
    """Learn what a server takes: a token as every server gives it, then with all options, else with each alone.

    `api` is "completions", "chat", or "auto" for a chat where there are no plain completions. Raises ServerError if
    there are no texts to be had.
    """
    dialect = completions.dialect
    await _find_api(completions, api)
    if await _try(completions, ALL_OPTIONS | {MANY_STOPS}) is None:
        return
    options = sorted(ALL_OPTIONS - BASIC_OPTIONS - ({"system"} if dialect.api == "completions" else set()))
    basic = BASIC_OPTIONS - dialect.lacks.keys()
    found = await asyncio.gather(*(_try(completions, basic | {name}) for name in options))
    lacking = {name for name, error in zip(options, found, strict=True) if error}
    if "stop" in lacking or await _try(completions, basic | {"stop", MANY_STOPS}):
        lacking.add(MANY_STOPS)
    dialect.miss(lacking)


async def _find_api(completions: Completions, api: str) -> None:
    """Find out whether the server has plain completions or chats; raise ServerError if it has neither."""
    completions.dialect.api = "chat" if api == "chat" else "completions"
    error = await _try_basic(completions)
    if error and api == "auto" and error.may_be_another_api:
        completions.dialect.api = "chat"
        if not await _try_basic(completions):
            return
    if error:
        raise error


async def _try_basic(completions: Completions) -> ServerError | None:
    """Return why the server does not complete at all; None if it does."""
    dialect = completions.dialect
    error = await _try(completions, BASIC_OPTIONS, completions.policy.tries)
    if error and "max_completion_tokens" in error.text:
        dialect.names["max_tokens"] = "max_completion_tokens"
        error = await _try(completions, BASIC_OPTIONS)
    if error and error.refuses_request and not await _try(completions, frozenset()):
        dialect.miss([name for name in sorted(BASIC_OPTIONS) if await _try(completions, frozenset({name}))])
        return None
    return error


async def _try(completions: Completions, offered: frozenset[str], tries: int = 1) -> ServerError | None:
    """Ask for a token with these options; return why it was not to be had, None if it was."""
    tried, end = 0, completions.now() + completions.policy.deadline
    while True:
        each = [SamplingParams(max_new_tokens=1, seed=seed, stop=_STOPS) for seed in (1, 2)[: 1 + ("n" in offered)]]
        requests = [Request(_PROMPT, params) for params in each]
        error = await completions.ask_once(
            [StreamedCompletion(place, request, 1, 1, None) for place, request in enumerate(requests)], offered
        )
        tried += 1
        pause = completions.policy.pause(error, tried) if error else None
        if error is None or pause is None or completions.now() + pause >= end:
            return error
        if tried >= tries and error.status not in BUSY:
            return error
        await completions.policy.sleep(pause)
