"""The replies of servers as they really are: one case a reply, and what becomes of it.

Each server here lists the model `small`, completes what the engine tries out as all servers do, and gives the reply of
the case to all prompts about rivers.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest

from bonsai.engines.base import Completion, Message, Prompt, Request, RequestQueue, SamplingParams
from bonsai.engines.echo import EchoEngine
from bonsai.engines.remote.dialect import Dialect
from bonsai.engines.remote.engine import RemoteEngine
from bonsai.engines.remote.streamed_completion import StreamedCompletion
from bonsai.engines.remote.wire.proxies import proxy_for
from bonsai.engines.remote.wire.retries import RetryPolicy
from bonsai.engines.remote.wire.server_errors import ServerError, Trouble
from bonsai.errors import EngineError, SettingError
from bonsai.settings import Settings
from tests.engines.small_server import OPTIONAL, Body, Handler, SmallServer

STOPS = ("<|system|>", "<|prompt|>", "<|reasoning|>", "<|response|>", "<|endoftext|>")
PARAMS = SamplingParams(max_new_tokens=20, seed=1, stop=STOPS)
TEXT = " Because water is heavy."
SSE = "text/event-stream"
WAITS: list[float] = []


async def no_wait(seconds: float) -> None:
    """Note how long would have been waited."""
    WAITS.append(seconds)


POLICY = RetryPolicy(silence=5, deadline=20, grace=0.2, sleep=no_wait)


def chunk(text: str | None = TEXT, finish: str | None = "stop", **more: Any) -> str:
    choice = {"index": 0, "text": text, "finish_reason": finish}
    return f"data: {json.dumps({'object': 'text_completion', 'choices': [choice], **more})}\n\n"


DONE = "data: [DONE]\n\n"


def choices(*given: dict[str, Any]) -> str:
    """Return the frames of a stream, one for each choice, and its end."""
    return "".join(f"data: {json.dumps({'choices': [choice]})}\n\n" for choice in given) + DONE


Reply = Callable[[Handler, Body], None]


def body(text: str | bytes, kind: str | None = SSE, status: int = 200, **headers: str) -> Reply:
    data = text.encode() if isinstance(text, str) else text
    return lambda handler, _body: handler.answer_bytes(status, data, kind, **headers)


def error(status: int, message: object, **headers: str) -> Reply:
    return body(json.dumps(message), "application/json", status, **headers)


def breaks_off(text: str) -> Reply:
    """Promise more than is sent."""

    def reply(handler: Handler, _body: Body) -> None:
        handler.send_response(200)
        handler.send_header("content-length", "9999")
        handler.end_headers()
        handler.wfile.write(text.encode())
        handler.wfile.flush()
        handler.close_connection = True

    return reply


def stops_short(text: str) -> Reply:
    """Send a text whose end is that of the connection."""

    def reply(handler: Handler, _body: Body) -> None:
        handler.begin()
        handler.wfile.write(text.encode())

    return reply


def hangs(text: str) -> Reply:
    """Send a text and keep the connection open."""

    def reply(handler: Handler, _body: Body) -> None:
        handler.begin()
        handler.wfile.write(text.encode())
        handler.wfile.flush()
        handler.small.hold.wait(20)

    return reply


def usual(handler: Handler, asked: Body) -> None:
    """Complete as all servers do: plain prompts only."""
    if not handler.path.endswith("/v1/completions"):
        handler.answer(404, {"detail": "Not Found"})
        return
    count = asked.get("n", 1)
    handler.begin()
    for index in range(count):
        handler.piece(TEXT, "stop", index)
    handler.send("[DONE]")


@contextmanager
def serving(reply: Reply, *, always: bool = False, **traits: Any) -> Iterator[SmallServer]:
    """Run a server that gives the reply to prompts about rivers, or always."""

    def about_rivers(handler: Handler, asked: Body) -> None:
        (reply if always or "rivers" in json.dumps(asked) else usual)(handler, asked)

    with SmallServer(instead=about_rivers, **traits).running() as server:
        yield server


def open_engine(server: SmallServer, **settings: Any) -> RemoteEngine:
    engine = RemoteEngine(Settings(base_url=server.url, **settings), POLICY)
    server.asked.clear()
    WAITS.clear()
    return engine


def ask(engine: RemoteEngine, *prompts: str, params: SamplingParams = PARAMS) -> list[Completion]:
    """Return the completions of the prompts, with one seed after the other."""
    queue = RequestQueue(
        Request(Prompt.of(prompt), replace(params, seed=params.seed + place)) for place, prompt in enumerate(prompts)
    )
    return [completion for _, completion in sorted(dict(engine.stream(queue)).items())]


def told(engine: RemoteEngine) -> list[str]:
    """Return what an engine notes of its server, but for the context that was assumed."""
    return [str(note) for note in engine.notes if "tokens were assumed" not in str(note)]


def test_what_was_assumed_of_a_server_is_told() -> None:
    def chats(handler: Handler, _asked: Body) -> None:
        if handler.path.endswith("/chat/completions"):
            handler.begin()
            handler.piece(TEXT, "stop")
            handler.send("[DONE]")
        else:
            handler.answer(404, {"detail": "Not Found"})

    with serving(chats, always=True, models=("small", "large")) as server:
        engine = open_engine(server)
        place = engine.info.device
        assert [str(note) for note in engine.notes[:3]] == [
            "No model was named, so the first was asked that the server lists: small.",
            f"The server at {place} has no plain completions, so it was asked in a chat.",
            f"The server at {place} does not say how much its model reads, so 2048 tokens were assumed.",
        ]
        assert not any("was asked" in note for note in told(open_engine(server, model="large", api="chat")))
    with serving(usual, max_model_len=4096) as server:
        assert open_engine(server).notes == ()
        engine = open_engine(server, quantization="4bit")
        assert [str(note) for note in engine.notes] == [
            f"The server at {engine.info.device} has its weights loaded, so BONSAI_QUANTIZATION was left out."
        ]


QUESTION = "Why do rivers bend?"


def moved(status: int) -> Reply:
    """Redirect to another path of the same server."""

    def reply(handler: Handler, asked: Body) -> None:
        if handler.path.startswith("/moved"):
            handler.path = handler.path.removeprefix("/moved")
            usual(handler, asked)
        else:
            handler.answer(status, "", location="/moved/v1/completions")

    return reply


READ: dict[str, Reply] = {
    "usual": body(chunk() + DONE),
    "ping before": body("event: ping\n\n" + chunk() + DONE),
    "comments": body(": ping\n\n" + chunk(finish=None) + ": ping\n\n" + chunk("") + DONE),
    "frame without data": body("data:\n\n" + chunk(finish=None) + "data: \n\n" + chunk("") + DONE),
    "frames without objects": body('data: null\n\ndata: 1\n\ndata: "a"\n\ndata: {}\n\n' + chunk() + DONE),
    "ping with data": body("event: ping\ndata: ping\n\n" + chunk() + DONE),
    "ids and retries": body("id: 1\nretry: 10\n" + chunk() + DONE),
    "CR": body((chunk() + DONE).replace("\n", "\r")),
    "CR LF": body((chunk() + DONE).replace("\n", "\r\n")),
    "one line end a frame": body((chunk(finish=None) + chunk("") + DONE).replace("\n\n", "\n")),
    "no space after the colon": body((chunk() + DONE).replace("data: ", "data:")),
    "JSON over several lines": body(chunk().replace(", ", ",\ndata: ") + DONE),
    "byte order mark": body("\ufeff" + chunk() + DONE),
    "no content type": body(chunk() + DONE, None),
    "text/plain": body(chunk() + DONE, "text/plain"),
    "octets": body(chunk() + DONE, "application/octet-stream"),
    "Text/Event-Stream": body(chunk() + DONE, "Text/Event-Stream"),
    "JSON lines": body(chunk(finish=None)[6:] + chunk("")[6:], "application/x-ndjson"),
    "whole completion": body(chunk()[6:].strip(), "application/json"),
    "whole completion, indented": body(json.dumps({"choices": [{"text": TEXT, "finish_reason": None}]}, indent=2)),
    "whole chat": body(json.dumps({"choices": [{"message": {"content": TEXT}, "finish_reason": "stop"}]})),
    "[done]": body(chunk() + "data: [done]\n\n"),
    "no end": body(chunk()),
    "end only by [DONE]": body(chunk(finish=None) + DONE),
    "finish_reason is empty": body(chunk(finish="") + DONE),
    "finish_reason says null": body(chunk(" Because", "null") + chunk(" water is heavy.", "None") + DONE),
    "[DONE] alone": body(chunk(finish=None) + "[DONE]\n"),
    "[DONE] in quotes": body(chunk(finish=None) + 'data: "[DONE]"\n\n'),
    "event done": body(chunk(finish=None) + "event: done\n\n"),
    "end only by counts": body(chunk(finish=None) + 'data: {"choices": [], "usage": {"prompt_tokens": 3}}\n\n'),
    "finish_reason is true": body(chunk().replace('"stop"', "true") + DONE),
    "finish_reason of another name": body(chunk(finish="eos_token") + DONE),
    "index counts up": body(choices({"index": 0, "text": TEXT[:9]}, {"index": 1, "text": TEXT[9:]})),
    "index from 1": body(choices({"index": 1, "text": TEXT[:9]}, {"index": 1, "text": TEXT[9:]})),
    "no index": body(choices({"text": TEXT[:9]}, {"text": TEXT[9:], "finish_reason": "stop"})),
    "index is null": body(choices({"index": None, "text": TEXT[:9]}, {"index": None, "text": TEXT[9:]})),
    "index is a text": body(choices({"index": "0", "text": TEXT[:9]}, {"index": "0", "text": TEXT[9:]})),
    "text is null": body(chunk(None, None) + chunk() + DONE),
    "choices is null": body('data: {"choices": null}\n\n' + chunk() + DONE),
    "chunks of a chat": body(choices({"delta": {"role": "assistant"}}, {"delta": {"content": TEXT}})),
    "parts of a content": body(choices({"delta": {"content": [{"type": "text", "text": TEXT}]}})),
    "error is null": body(chunk(error=None) + DONE),
    "breaks off after the end": breaks_off(chunk()),
    "hangs after the end": hangs(chunk()),
    "error after the end": body(chunk() + 'data: {"error": {"message": "too late"}}\n\n'),
    "torn after the end": body(chunk() + "data: {torn\n\n" + DONE),
    "empty frame after the end": body(chunk() + "data:\n\n" + DONE),
    "more text after the end": body(chunk() + chunk(" And more.") + DONE),
    "usage is empty": body(chunk(usage={}) + DONE),
    "usage is a text": body(chunk() + 'data: {"choices": [], "usage": "many"}\n\n' + DONE),
    "redirect that keeps what is asked": moved(307),
}


@pytest.mark.parametrize("name", READ)
def test_what_servers_send_is_read(name: str) -> None:
    with serving(READ[name]) as server:
        done = ask(open_engine(server), QUESTION)[0]
        assert (done.text, done.finish_reason, done.error) == (TEXT, "stop", "")
        assert len(server.asked) == (2 if "redirect" in name else 1), "it is asked once"


GIVEN_UP: dict[str, tuple[Reply, str]] = {
    "error": (error(200, {"error": "Unexpected endpoint"}), "broke off: Unexpected endpoint."),
    "object error": (
        body('data: {"object":"error","message":"The prompt is too long","code":400}\n\n'),
        "broke off: The prompt is too long.",
    ),
    "detail": (body('data: {"detail": "No room"}\n\n' + DONE), "broke off: No room."),
    "event error": (body('event: error\ndata: {"message": "No room"}\n\n'), "broke off: No room."),
    "event error, text in quotes": (body('event: error\ndata: "No room"\n\n'), "broke off: No room."),
    "event error, text": (body("event: error\ndata: No room\n\n"), "broke off: No room."),
    "error text": (body('data: {"error": "No room"}\n\n'), "broke off: No room."),
    "error without data": (body('{"error": {"message": "No room", "type": "invalid_request_error"}}'), ": No room."),
    "errors": (body('data: {"errors": [{"message": "No room"}]}\n\n'), "broke off: No room."),
    "type error": (body('data: {"type": "error", "error": {"message": "No room"}}\n\n'), "broke off: No room."),
    "error of a choice": (body(choices({"error": {"message": "No room", "code": 400}})), "broke off: No room."),
    "error text in a frame": (body("data: Error: no room\n\n"), "broke off: Error: no room."),
    "error after a piece": (body(chunk(finish=None) + 'data: {"message": "No room"}\n\n'), "broke off: No room."),
    "withheld": (body(chunk(finish="content_filter") + DONE), "withholds this text"),
    "page": (
        body("<!doctype html><title>Sign in</title>", "text/html"),
        "sent a web page in the place of a text: Sign in",
    ),
    "no JSON": (body("Hello there", "text/plain"), "does not answer as an OpenAI-compatible one does: Hello there."),
    "torn": (body("data: {torn\n\n" + DONE), "does not answer as an OpenAI-compatible one does."),
    "404, chat model": (
        error(404, {"error": {"message": "small is a chat model"}}),
        "no plain completions for the model small: small is a chat model.",
    ),
    "404": (body("Not Found", "text/plain", 404), "no plain completions for the model small: Not Found."),
    "404, no model": (
        error(404, {"error": {"message": "model not found"}}),
        "no plain completions for the model small: model not found.",
    ),
    "403": (
        error(403, {"error": {"message": "The input was flagged by moderation"}}),
        "refuses this: The input was flagged by moderation.",
    ),
    "401": (
        error(401, {"error": {"message": "Your account is not active"}}),
        "refuses this: Your account is not active.",
    ),
    "401, key": (
        error(401, {"message": "Invalid API key"}),
        "asks for an API key: Invalid API key. Set BONSAI_API_KEY",
    ),
    "402": (error(402, {"error": "Pay first"}), "wants to be paid: Pay first."),
    "413": (
        body("<html><title>413 Request Entity Too Large</title>", "text/html", 413),
        "finds the prompt too long: 413",
    ),
    "quota": (
        error(429, {"error": {"message": "You have no credit left", "code": "insufficient_quota"}}),
        "gives no more: You have no credit left.",
    ),
    "balance": (
        error(429, {"error": {"message": "Insufficient balance, please recharge"}}),
        "gives no more: Insufficient balance",
    ),
    "400": (
        error(400, {"error": {"message": "Too long.\n  Really.", "code": "x"}}),
        "does not take this prompt for the model small: Too long. Really.",
    ),
    "422": (
        error(422, {"detail": [{"loc": ["body", "prompt"], "msg": "too long", "input": "a" * 999}]}),
        "for the model small: too long.",
    ),
    "500, template": (
        error(500, {"error": {"code": 500, "message": "Jinja: Value is not callable", "type": "server_error"}}),
        "failed with 500: Jinja: Value is not callable.",
    ),
    "500, model": (
        error(500, {"error": "model requires more system memory (8 GiB) than is available (2 GiB)"}),
        "failed with 500: model requires more system memory",
    ),
    "501": (
        error(501, {"error": {"message": "This server has no completions", "type": "not_supported_error"}}),
        "failed with 501: This server has no completions.",
    ),
    "500, of roles": (
        error(500, {"error": {"message": "Only user and assistant roles are supported!"}}),
        "failed with 500: Only user and assistant roles are supported! Its own log may say why.",
    ),
    "500, undefined": (error(500, {"error": "'dict object' is undefined"}), "failed with 500: 'dict object' is undef"),
    "500, said to be final": (error(500, {"error": "tired"}, x_should_retry="false"), "failed with 500: tired."),
    "301": (moved(301), "redirects to http://127.0.0.1:"),
    "302": (moved(302), "/moved/v1. Set BONSAI_BASE_URL to where it is now."),
}


@pytest.mark.parametrize("name", GIVEN_UP)
def test_what_is_final_is_told_at_once_in_a_sentence(name: str) -> None:
    reply, sentence = GIVEN_UP[name]
    with serving(reply) as server:
        engine = open_engine(server)
        done = ask(engine, QUESTION)[0]
        assert done.finish_reason == "error"
        assert sentence in done.error
        assert done.error.startswith(f"The server at {engine.info.device} ")
        assert done.error.endswith(".")
        assert done.error.count("\n") == 0
        assert (len(server.asked), WAITS) == (1, [])
        assert ask(engine, "Why do hills bend?")[0].text == TEXT, "the engine can be used again"


PASSING: dict[str, Reply] = {
    "503": error(503, {"error": {"message": "Loading model", "code": 503}}),
    "500": error(500, {"error": "tired"}),
    "429": error(429, {"error": {"message": "Rate limit reached for requests per min on this account"}}),
    "529": error(529, {"error": {"message": "Overloaded"}}),
    "502": body("<html><title>502 Bad Gateway</title></html>", "text/html", 502),
    "says 503": body('data: {"error": {"message": "restarting", "code": 503}}\n\n'),
    "says that it is overloaded": body('data: {"error": {"type": "overloaded_error", "message": "x"}}\n\n'),
    "breaks off": breaks_off(chunk(finish=None)),
    "ends before its end": stops_short(chunk(finish=None)),
    "torn in the middle": body(chunk(" Because", None) + "data: {torn\n\n" + chunk(" heavy.") + DONE),
}


@pytest.mark.parametrize("name", PASSING)
def test_what_passes_is_asked_for_again(name: str) -> None:
    with serving(usual) as server:
        engine = open_engine(server)
        server.faults.extend([PASSING[name]] * 2)
        assert [done.text for done in ask(engine, QUESTION)] == [TEXT]
        assert (len(server.asked), len(WAITS)) == (3, 2)


UNEXPLAINED: dict[str, Reply] = {
    "nothing": body("", None, 500),
    "text": body("Internal Server Error", "text/plain", 500),
    "page": body("<html><title>500 Internal Server Error</title></html>", "text/html", 500),
    "error": error(500, {"error": {"message": "Unknown error", "type": "server_error", "code": 500}}),
    "apology": error(500, {"error": {"message": "The server had an error processing your request. Sorry about that!"}}),
    "in the stream": body('data: {"error": {"message": "Compute error.", "code": 500}}\n\n'),
    "507": error(507, {"detail": "Insufficient storage"}),
}


@pytest.mark.parametrize("name", UNEXPLAINED)
def test_a_failure_without_a_reason_is_not_asked_for_long(name: str) -> None:
    with serving(UNEXPLAINED[name]) as server:
        done = ask(open_engine(server), QUESTION)[0]
        assert done.finish_reason == "error"
        assert (len(server.asked), len(WAITS)) == (3, 2)
        assert sum(WAITS) < 2


@pytest.mark.parametrize(
    "reply",
    [
        error(500, {"error": "tired"}, Retry_After="2"),
        error(500, {"error": "tired"}, retry_after_ms="2000"),
        error(503, {"error": "tired"}, Retry_After="2"),
        error(429, {"error": "tired"}, Retry_After="2"),
    ],
)
def test_a_server_that_asks_to_wait_is_asked_again_when_it_says(reply: Reply) -> None:
    with serving(reply) as server:
        assert ask(open_engine(server), QUESTION)[0].error
        assert (len(server.asked), len(WAITS)) == (6, 5)
        assert all(wait >= 2 for wait in WAITS)


def test_a_wait_beyond_the_deadline_is_not_begun() -> None:
    with serving(error(503, {"error": "tired"}, Retry_After="86400"), always=True) as server:
        with pytest.raises(EngineError, match="failed with 503: tired"):
            open_engine(server)
        assert len(server.asked) == 1


def test_a_text_that_ends_at_the_same_place_twice_is_taken_for_whole() -> None:
    with serving(body(chunk(finish=None))) as server:
        done = ask(open_engine(server), QUESTION)[0]
        assert (done.text, done.finish_reason, len(server.asked)) == (TEXT, "stop", 2)


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        ({"prompt_tokens": 7, "completion_tokens": 3}, (7, 3)),
        ({"prompt_tokens": "7", "completion_tokens": "3"}, (7, 3)),
        ({"prompt_tokens": 7, "completion_tokens": 10**30}, (7, 1)),
        ({}, (0, 1)),
        ({"prompt_tokens": 0, "completion_tokens": 5, "total_tokens": 5}, (0, 5)),
        ({"prompt_tokens": -1, "completion_tokens": 3.5}, (0, 1)),
        ({"prompt_tokens": None, "completion_tokens": True}, (0, 1)),
        ({"prompt_tokens_details": {"cached_tokens": 3}}, (0, 1)),
        ([7, 3], (0, 1)),
        ("many", (0, 1)),
    ],
)
def test_counts_are_the_servers_where_it_counts_and_else_ours(usage: object, counts: tuple[int, int]) -> None:
    with serving(body(chunk(usage=usage) + DONE)) as server:
        engine = open_engine(server)
        done = ask(engine, QUESTION)[0]
        assert (done.prompt_tokens, done.completion_tokens) == (counts[0] or engine.count_tokens(QUESTION), counts[1])


def refuses(condition: Callable[[Body], bool], message: object, status: int = 400) -> Reply:
    """Refuse what the condition holds for, and complete all else."""
    reply = error(status, message)
    return lambda handler, asked: (reply if condition(asked) else usual)(handler, asked)


STOPS_OF_VLLM = {
    "error": {
        "message": "2 validation errors:\n  {'type': 'too_long', 'loc': ('body', 'stop', 'list'), 'msg': "
        "'List should have at most 4 items after validation, not 5', 'input': ['<|0|>']}\n  {'loc': 'body.stop'}",
        "type": "BadRequestError",
        "param": "body.stop",
        "code": 400,
    }
}
LACKING: dict[str, tuple[Reply, set[str]]] = {
    "one choice, not named": (
        refuses(lambda asked: asked.get("n", 1) > 1, "Only a single choice can be produced"),
        {"n"},
    ),
    "param": (
        refuses(lambda asked: "top_k" in asked, {"error": {"message": "Unsupported parameter", "param": "top_k"}}),
        {"top_k"},
    ),
    "four stop texts": (refuses(lambda asked: len(asked.get("stop", ())) > 4, STOPS_OF_VLLM), {"many stops"}),
    "no stop texts": (refuses(lambda asked: "stop" in asked, {"detail": "no"}, 422), {"stop", "many stops"}),
    "failure of its own": (refuses(lambda asked: "seed" in asked, {"error": "KeyError"}, 500), {"seed"}),
    "no stream": (refuses(lambda asked: "stream" in asked, {"error": "Streaming is off"}), {"stream"}),
    "temperature": (
        refuses(lambda asked: "temperature" in asked, {"error": {"param": "temperature"}}),
        {"temperature"},
    ),
    "all": (
        refuses(lambda asked: len(asked) > 3, {"error": "Extra inputs"}),
        {
            "n",
            "seed",
            "top_p",
            "top_k",
            "stop",
            "many stops",
            "repetition_penalty",
            "stream_options",
            "temperature",
            "stream",
        },
    ),
}


@pytest.mark.parametrize("name", LACKING)
def test_what_a_server_does_not_take_is_found_out_by_asking(name: str) -> None:
    reply, lacking = LACKING[name]
    with serving(reply, always=True) as server:
        engine = open_engine(server)
        assert engine.info.options == {"temperature", "top_p", "top_k", "repetition_penalty", "seed"} - lacking
        done = ask(engine, QUESTION, QUESTION, QUESTION)
        assert [one.text for one in done] == [TEXT] * 3
        asked = server.asked[-1]
        assert not asked.keys() & (lacking - {"many stops"})
        if "stop" not in lacking:
            assert asked["stop"] == list(STOPS[: 4 if "many stops" in lacking else None])
        assert len(server.asked) == (3 if "n" in lacking else 1)


ASKED_ABOUT = (
    "When should I stop watering a seed on rivers?",
    "Is the parameter seed not supported by rivers?",
    "Why is an unsupported parameter: 'stop' of rivers?",
)


@pytest.mark.parametrize("question", ASKED_ABOUT)
@pytest.mark.parametrize(
    "message",
    [
        lambda asked: f"Flagged: {asked['prompt']!r}",
        lambda asked: f"Flagged: {asked['prompt'].upper()}",
        lambda asked: f"Bad request {json.dumps(asked)}",
        lambda asked: [{"loc": ["body", "prompt"], "msg": "no", "input": asked}],
    ],
)
def test_what_a_person_wrote_says_nothing_of_what_a_server_takes(
    question: str, message: Callable[[Body], object]
) -> None:
    def reply(handler: Handler, asked: Body) -> None:
        handler.answer(400, {"error": {"message": message(asked)}})

    with serving(reply) as server:
        engine = open_engine(server)
        failed, fine = ask(engine, question, "Why do hills bend?")
        assert failed.error
        assert fine.text == TEXT
        assert len(server.asked) == 2
        ask(engine, "Why?")
        assert (server.asked[-1]["seed"], server.asked[-1]["stop"]) == (1, list(STOPS))
        assert told(engine) == []


@pytest.mark.parametrize(
    "refusal",
    [
        {"error": {"message": "Unsupported parameter", "param": "top_k"}},
        {"error": {"message": "Unrecognized request argument supplied: top_k"}},
        {"error": {"message": "Unsupported value: 'top_k' does not support 50 with this model."}},
        {"error": 'json: unknown field "top_k"'},
        {"detail": [{"type": "extra_forbidden", "loc": ["body", "top_k"], "msg": "Extra inputs are not permitted"}]},
        {"message": "[{'type': 'extra_forbidden', 'loc': ('body', 'top_k'), 'msg': 'Extra inputs are not permitted'}]"},
        {"error": {"message": "top_k is not supported by this model"}},
        {"error": {"message": "This model does not support the parameter `top_k`."}},
        {"error": {"message": "Argument not supported: top_k"}},
        {"error": {"message": "create() got an unexpected keyword argument 'top_k'"}},
    ],
)
def test_what_goes_missing_in_a_run_is_left_out_and_told(refusal: object) -> None:
    refusing = [False]
    reply = refuses(lambda asked: refusing[0] and "top_k" in asked, refusal)
    with serving(reply, always=True) as server:
        engine = open_engine(server)
        refusing[0] = True
        assert ask(engine, QUESTION)[0].text == TEXT
        assert [("top_k" in asked, "seed" in asked) for asked in server.asked] == [(True, True), (False, True)]
        assert told(engine) == [f"The server at {engine.info.device} does not take top_k, so it was left out."]
        server.asked.clear()
        ask(engine, QUESTION)
        assert [("top_k" in asked, "seed" in asked) for asked in server.asked] == [(False, True)]


def test_what_went_missing_is_tried_again_in_one_request_after_ever_more() -> None:
    dialect = Dialect()
    dialect.miss({"seed"})
    tried = []
    for number in range(300):
        offered = dialect.offered()
        if "seed" in offered:
            tried.append(number)
            assert dialect.blamed(ServerError(Trouble.REFUSED, 500), {}, "") == {"seed"}
            dialect.miss({"seed"})
    assert tried == [64, 193]
    dialect.learn({"seed"}, ())
    assert "seed" in dialect.offered()


def test_an_option_is_not_missed_because_of_a_refusal_that_has_another_reason() -> None:
    with serving(error(400, {"error": {"message": "Unsupported parameter: seed", "param": "seed"}})) as server:
        engine = open_engine(server)
        assert "Unsupported parameter: seed" in ask(engine, QUESTION)[0].error
        assert len(server.asked) == 2, "it was tried without the seed"
        ask(engine, "Why?")
        assert server.asked[-1]["seed"] == 1


@contextmanager
def refusing_several() -> Iterator[tuple[SmallServer, RemoteEngine, list[bool]]]:
    """Run a server that, once the engine has tried it out, gives one text a request, while the list holds True."""
    refusing = [False]
    reply = refuses(lambda asked: refusing[0] and asked.get("n", 1) > 1, {"error": "One at a time"})
    with serving(reply, always=True) as server:
        engine = open_engine(server)
        refusing[0] = True
        yield server, engine, refusing


def test_several_texts_that_are_refused_together_are_asked_for_one_by_one() -> None:
    with refusing_several() as (server, engine, _):
        assert [done.text for done in ask(engine, QUESTION, QUESTION)] == [TEXT] * 2
        assert [asked.get("n") for asked in server.asked] == [2, None, None]
        assert told(engine) == [
            f"The server at {engine.info.device} gives one text a request, so candidates were asked for one by one."
        ]


def test_one_place_is_enough() -> None:
    with serving(usual) as server:
        engine = open_engine(server, concurrency=1)
        assert [done.text for done in ask(engine, QUESTION, QUESTION)] == [TEXT] * 2


@pytest.mark.parametrize(
    ("setting", "value", "sentence"),
    [
        ("base_url", "http://[bad/v1", "it must be an address like http"),
        ("base_url", "http://host:abc/v1", "it must be an address like http"),
        ("base_url", "http://host:99999/v1", "it must be an address like http"),
        ("base_url", "http://two words/v1", "it must be an address like http"),
        ("api_key", "key\u201d", r"a character that no key has \(U\+201D, at place 4\); copy it again."),
        ("api_key", "cl\u00e9", r"U\+00E9, at place 3"),
        ("api_key", "two\nlines", r"U\+000A, at place 4"),
    ],
)
def test_what_is_no_address_or_key_is_refused_at_once(setting: str, value: str, sentence: str) -> None:
    with pytest.raises(SettingError, match=sentence):
        Settings(**{setting: value})


PROXY = "http://proxy.example:3128"


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that names no proxy."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return monkeypatch


def proxy_of(address: str) -> str:
    proxy = proxy_for(httpx.URL(address))
    return str(proxy.url) if proxy else ""


@pytest.mark.parametrize("case", [str.upper, str.lower])
@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "localhost", "my.localhost", "[::1]", "0.0.0.0"])
def test_a_server_of_this_machine_is_asked_without_a_proxy(
    no_proxies: pytest.MonkeyPatch, case: Callable[[str], str], host: str
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        no_proxies.setenv(case(name), PROXY)
    assert proxy_of(f"http://{host}:8000/v1") == proxy_of(f"https://{host}/v1") == ""
    assert proxy_of("http://models.example:8000/v1") == proxy_of("https://models.example/v1") == PROXY


def test_an_engine_reaches_its_server_whatever_proxy_is_set(no_proxies: pytest.MonkeyPatch) -> None:
    no_proxies.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    no_proxies.setenv("all_proxy", "socks5://127.0.0.1:9")
    with serving(usual) as server:
        assert ask(open_engine(server), QUESTION)[0].text == TEXT


@pytest.mark.parametrize("case", [str.upper, str.lower])
@pytest.mark.parametrize(
    ("excepted", "host", "past"),
    [
        ("models.example", "models.example", True),
        ("models.example:8000", "models.example", True),
        ("models.example:9000", "models.example", False),
        (".example", "models.example", True),
        ("ample", "models.example", False),
        ("a.example, models.example", "models.example", True),
        ("*", "models.example", True),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("fd00::/8", "[fd00::7]", True),
        ("", "models.example", False),
    ],
)
def test_no_proxy_names_what_is_asked_directly(
    no_proxies: pytest.MonkeyPatch, case: Callable[[str], str], excepted: str, host: str, past: bool
) -> None:
    no_proxies.setenv(case("http_proxy"), "proxy.example:3128")
    no_proxies.setenv(case("no_proxy"), excepted)
    assert proxy_of(f"http://{host}:8000/v1") == ("" if past else PROXY)


def test_a_proxy_that_cannot_be_used_is_named(no_proxies: pytest.MonkeyPatch) -> None:
    no_proxies.setenv("ALL_PROXY", "socks5://proxy.example:1080")
    with pytest.raises(
        SettingError, match=r"\(socks5\), and only HTTP proxies can be used. Set NO_PROXY to models.example"
    ):
        RemoteEngine(Settings(base_url="http://models.example/v1"), POLICY)


def test_certificates_that_are_not_there_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file")
    with pytest.raises(SettingError, match="that SSL_CERT_FILE or SSL_CERT_DIR names cannot be read"):
        RemoteEngine(Settings(base_url="https://127.0.0.1:9/v1"), POLICY)


@pytest.mark.parametrize(
    ("listed", "model", "length"),
    [
        ({"data": [{"id": "bad", "max_model_len": "unknown"}, {"id": "small"}]}, "small", 2048),
        ({"data": [{"id": "bad", "max_model_len": -1}, {"id": "small", "max_model_len": 99}]}, "small", 99),
        ([{"id": "small", "context_length": 77}], "small", 77),
        ({"data": [{"id": "small", "max_model_len": "99"}, {"id": "b"}]}, "small", 99),
        ({"models": [{"name": "small"}]}, "small", 2048),
        ({"data": ["small"]}, "small", 2048),
        ({"data": [{"id": "nomic-embed-text"}, {"id": "small"}]}, "small", 2048),
        ({"data": [None, 3, {}, {"id": None}, {"id": "small"}]}, "small", 2048),
    ],
)
def test_models_are_read_as_servers_list_them(listed: object, model: str, length: int) -> None:
    with serving(usual, lists=listed) as server:
        info = open_engine(server).info
        assert (info.model_id, info.context_length) == (model, length)


@pytest.mark.parametrize(
    "refusal",
    [
        body("", None, 404),
        error(404, {"error": {"message": "small is a chat model"}}),
        error(405, {"detail": "Method Not Allowed"}),
        error(400, {"object": "error", "message": "The model does not support Completions API", "code": 400}),
        error(500, {"error": {"message": "completions are not supported, use chat/completions"}}),
        error(501, {}),
        error(200, {"error": "Unexpected endpoint or method. (POST /v1/completions)"}),
    ],
)
def test_a_server_that_only_chats_is_asked_in_a_chat(refusal: Reply) -> None:
    def reply(handler: Handler, asked: Body) -> None:
        if handler.path == "/v1/chat/completions":
            handler.complete(asked)
        else:
            refusal(handler, asked)

    with serving(reply, always=True, engine=EchoEngine()) as server:
        engine = open_engine(server)
        turns = (Message("system", "Be kind."), Message("user", QUESTION))
        done = dict(engine.stream(RequestQueue([Request(Prompt(("Q: ", QUESTION), turns), PARAMS)])))[0]
        assert done.text
        assert server.asked[0]["messages"] == [{"role": one.role, "content": one.content} for one in turns]
        assert "prompt" not in server.asked[0]
        ask(engine, "A whole prompt")
        assert server.asked[-1]["messages"] == [{"role": "user", "content": "A whole prompt"}]
        assert engine.info.options == {"temperature", "top_p", "top_k", "repetition_penalty", "seed"}


@pytest.mark.parametrize(
    ("refusal", "sentence"),
    [
        (
            error(400, {"error": "small makes embeddings only."}),
            "small: small makes embeddings only. Set BONSAI_MODEL or",
        ),
        (
            error(404, {"error": {"message": "model small not found"}}),
            "small: model small not found. Set BONSAI_MODEL or",
        ),
        (error(200, {"error": "Unexpected endpoint"}), "broke off: Unexpected endpoint."),
        (error(403, {"error": "Your country is not supported"}), "refuses this: Your country is not supported."),
        (error(429, {"error": "No credit"}), "gives no more: No credit."),
    ],
)
def test_a_server_that_completes_nothing_is_told_at_the_start(refusal: Reply, sentence: str) -> None:
    with serving(refusal, always=True, models=("small", "large")) as server, pytest.raises(EngineError) as raised:
        open_engine(server)
    assert sentence in str(raised.value)
    assert WAITS == []
    assert ("large" in str(raised.value)) == ("BONSAI_MODEL" in sentence), "the other models are named"


def test_a_page_is_told_with_what_may_be_wrong_about_the_address() -> None:
    page = body("<title>Welcome</title>", "text/html")
    for lists, hint in (({"data": []}, " BONSAI_BASE_URL usually ends in /v1."), (None, "")):
        with serving(page, always=True, lists=lists) as server, pytest.raises(EngineError) as raised:
            open_engine(server, model="small")
        assert str(raised.value).endswith(f"sent a web page in the place of a text: Welcome.{hint}")


def test_the_setting_says_what_is_asked_for() -> None:
    traits: dict[str, Any] = {"engine": EchoEngine(), "apis": ("completions", "chat/completions")}
    with SmallServer(**traits).running() as server:
        for api, name in (("auto", "prompt"), ("completions", "prompt"), ("chat", "messages")):
            ask(open_engine(server, api=api), QUESTION)
            assert name in server.asked[-1]
    with (
        SmallServer(engine=EchoEngine()).running() as server,
        pytest.raises(EngineError, match="no plain completions|no completions"),
    ):
        open_engine(server, api="chat")


def test_a_chat_without_a_place_for_the_persona_gets_it_in_the_first_turn() -> None:
    takes = OPTIONAL - {"system"}
    with SmallServer(engine=EchoEngine(), apis=("chat/completions",), takes=takes).running() as server:
        engine = open_engine(server)
        turns = (Message("system", "Be kind."), Message("user", QUESTION))
        queue = RequestQueue([Request(Prompt(("Q: ", QUESTION), turns), PARAMS)])
        assert dict(engine.stream(queue))[0].text
        assert server.asked[-1]["messages"] == [{"role": "user", "content": f"Be kind.\n\n{QUESTION}"}]


@pytest.mark.parametrize("token", ["<|im_end|>", "</s>", "[INST]", "<end_of_turn>", "<\uff5cend\uff5c>", "<eos>"])
def test_what_looks_like_a_special_token_in_a_text_is_no_more_than_text(token: str) -> None:
    traits: dict[str, Any] = {"engine": EchoEngine(), "apis": ("completions", "chat/completions")}
    with SmallServer(**traits).running() as server:
        for api in ("completions", "chat"):
            question = f"What does {token} mean, 1 < 2 or a<b>?"
            prompt = Prompt((f"Q{token}", question, f"{token}A"), (Message("user", question),))
            assert dict(open_engine(server, api=api).stream(RequestQueue([Request(prompt, PARAMS)])))[0].text
            asked = server.asked[-1]
            broken = question.replace(token, f"{token[0]}\u200b{token[1:]}")
            assert asked.get("prompt", broken) in (f"Q{token}{broken}{token}A", broken)
            assert asked.get("messages", [{"content": broken}])[-1]["content"] == broken


def test_an_answer_of_a_chat_that_broke_off_is_asked_for_anew() -> None:
    with SmallServer(engine=EchoEngine(), apis=("chat/completions",)).running() as server:
        engine = open_engine(server)
        server.faults.append(breaks_off(choices({"delta": {"content": "Rivers carve valleys, "}}).replace(DONE, "")))
        done = ask(engine, QUESTION)[0]
        assert done.finish_reason
        assert done.text == ask(engine, QUESTION)[0].text
        assert len({json.dumps(asked) for asked in server.asked}) == 1


def test_newer_names_of_openai_are_learnt() -> None:
    message = (
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    )
    reply = refuses(lambda asked: "max_tokens" in asked, {"error": {"message": message, "param": "max_tokens"}})
    with serving(reply, always=True) as server:
        assert ask(open_engine(server), QUESTION)[0].text == TEXT
        assert server.asked[-1]["max_completion_tokens"] == 20


def test_thoughts_that_a_server_keeps_apart_are_marked() -> None:
    reply = choices(
        {"delta": {"reasoning_content": "Water"}},
        {"delta": {"reasoning_content": " wears."}},
        {"delta": {"content": TEXT}},
    )
    with serving(body(reply)) as server:
        assert ask(open_engine(server), QUESTION)[0].text == f"<think>\nWater wears.\n</think>\n\n{TEXT}"


@pytest.mark.parametrize("word", ["a", "un", "unknown ", "not "])
def test_a_long_message_is_read_at_once(word: str) -> None:
    message = word * 30_000
    began = time.process_time()
    Dialect().blamed(ServerError(Trouble.REFUSED, 400, text=message), {}, "")
    assert time.process_time() - began < 5, "it took half a minute when each letter could begin a name"


def test_an_option_is_not_learnt_from_a_request_without_it() -> None:
    dialect = Dialect()
    plain = StreamedCompletion(0, Request(Prompt.of("Why?"), SamplingParams()), 1, 9, None)
    stops = StreamedCompletion(0, Request(Prompt.of("Why?"), PARAMS), 1, 9, None)
    every = dialect.offered()
    assert not dialect.asked(dialect.body([plain], every)) & {"n", "stop", "many stops", "system"}
    assert dialect.asked(dialect.body([stops, stops], every)) >= {"n", "stop", "many stops", "seed"}
    assert "many stops" not in dialect.asked(dialect.body([stops], every - {"many stops"}))


def test_what_is_missing_stays_missing_while_it_is_not_asked_for() -> None:
    with serving(usual) as server:
        engine = RemoteEngine(Settings(base_url=server.url), POLICY)
        dialect = engine._server.dialect
        dialect.miss({"n"})
        dialect.lacks["n"] = 0
        list(engine.generate(["How do rivers shape cities?"], PARAMS))
        assert "n" in dialect.lacks


def test_several_texts_are_asked_for_together_again_after_a_while() -> None:
    with refusing_several() as (server, engine, refusing):
        ask(engine, QUESTION, QUESTION)
        server.asked.clear()
        for _ in range(40):
            ask(engine, QUESTION, QUESTION)
        several = [place for place, asked in enumerate(server.asked) if asked.get("n", 1) > 1]
        assert several == [64], "after 64 requests for one"
        refusing[0] = False
        while told(engine):
            assert len(server.asked) < 300
            assert [done.text for done in ask(engine, QUESTION, QUESTION)] == [TEXT] * 2
        assert server.asked[-1]["n"] == 2
        assert len(server.asked) > 2 * 64 + 64, "each time it waits for longer"


def test_requests_for_one_text_leave_several_to_be_tried() -> None:
    dialect = Dialect()
    dialect.miss({"n", "seed"})
    while not dialect.gives_several:
        dialect.offered()
    asked = {"seed", "temperature"}
    assert {"n", "seed"} <= dialect.offered()
    dialect.requested(asked)
    assert "n" in dialect.offered()
    assert "seed" not in dialect.offered(), "until it is known no other request is made with it"
