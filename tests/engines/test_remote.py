"""What the remote engine does beyond the contract of all engines: what servers lack, what can go wrong with them."""

import gc
import itertools
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from bonsai.engines import open_engine
from bonsai.engines.base import Completion, Prompt, Request, RequestQueue, SamplingParams, Snapshots
from bonsai.engines.echo import EchoEngine
from bonsai.engines.gguf.finding import find_model
from bonsai.engines.remote import engine as remote
from bonsai.engines.remote.engine import RemoteEngine
from bonsai.engines.remote.streamed_completion import Diverged, StreamedCompletion
from bonsai.engines.remote.token_counting import KnownModel, estimate, known_model
from bonsai.engines.remote.wire.retries import RetryPolicy
from bonsai.engines.remote.wire.server_errors import ServerError, Trouble, retry_after
from bonsai.errors import EngineError, SettingError
from bonsai.settings import SMOLLM2, Settings
from tests.engines.small_server import Body, Handler, SmallServer

PARAMS = SamplingParams(max_new_tokens=9, seed=3)
PROMPT = "How do rivers shape cities?"
KEY = "sk-very-secret"
HASTY = RetryPolicy(tries=3, first_wait=0.01, longest_wait=0.02, silence=5, deadline=20)


def open_remote(server: SmallServer, patience: RetryPolicy = HASTY, **settings: Any) -> RemoteEngine:
    return RemoteEngine(Settings(base_url=server.url, **settings), patience)


def last(engine: RemoteEngine, prompts: Sequence[str] = (PROMPT,), sampling: Any = PARAMS) -> list[Completion]:
    """Return the completions, whose snapshots have taken nothing back."""
    found = [Completion() for _ in prompts]
    for index, completion in engine.generate(prompts, sampling):
        if not completion.error:
            assert completion.text.startswith(found[index].text)
        found[index] = completion
    return found


def reached(condition: Callable[[], bool]) -> None:
    """Return when the condition holds; fail if it does not within half a minute."""
    for _ in range(3000):
        if condition():
            return
        threading.Event().wait(0.01)
    pytest.fail("It did not come to this within half a minute.")


@pytest.fixture
def server() -> Iterator[SmallServer]:
    """A server that has everything and completes as the echo engine does."""
    with SmallServer(EchoEngine(), counts=True, max_model_len=250).running() as server:
        yield server


@pytest.fixture
def engine(server: SmallServer) -> RemoteEngine:
    """An engine that asks the server, and has forgotten what it asked to try it out."""
    engine = open_remote(server)
    server.asked.clear()
    return engine


WANTED = dict(EchoEngine().generate([PROMPT], PARAMS))[0].text


def drop(handler: Handler, _body: Body) -> None:
    """Close the connection without an answer."""
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def drop_in_mid_stream(handler: Handler, _body: Body) -> None:
    handler.begin()
    handler.piece(WANTED[:12])
    handler.piece(WANTED[12:20])
    drop(handler, {})


def end_in_mid_stream(handler: Handler, _body: Body) -> None:
    handler.begin()
    handler.piece(WANTED[:12])


def end_before_anything(handler: Handler, _body: Body) -> None:
    handler.begin()


def say_in_mid_stream(handler: Handler, _body: Body) -> None:
    handler.begin()
    handler.piece(WANTED[:12])
    handler.send({"error": {"message": "engine is restarting", "code": 503}})


def abort(handler: Handler, _body: Body) -> None:
    handler.begin()
    handler.piece(WANTED[:12], "abort")


def refuse(status: int, message: object = "it is tired", **headers: str) -> Callable[[Handler, Body], None]:
    return lambda handler, _body: handler.answer(status, {"error": {"message": message}}, **headers)


def send(kind: str, text: str) -> Callable[[Handler, Body], None]:
    """Answer 200 with a body that no such server sends."""
    return lambda handler, _body: handler.answer(200, text, kind)


def hang(handler: Handler, _body: Body) -> None:
    handler.small.hold.wait(20)
    handler.close_connection = True


def hang_in_mid_stream(handler: Handler, _body: Body) -> None:
    handler.begin()
    handler.piece(WANTED[:12])
    handler.small.hold.wait(20)


@pytest.mark.parametrize(
    "fault",
    [
        drop,
        drop_in_mid_stream,
        end_in_mid_stream,
        end_before_anything,
        say_in_mid_stream,
        abort,
        refuse(429, Retry_After="0"),
        refuse(500),
        refuse(502, "<html>"),
        refuse(503),
        refuse(408),
    ],
)
def test_what_fails_in_passing_is_asked_for_again(
    server: SmallServer, engine: RemoteEngine, fault: Callable[[Handler, Body], None]
) -> None:
    server.faults.extend([fault, fault])
    done = last(engine)[0]
    assert (done.text, done.finish_reason, done.error) == (WANTED, "length", "")
    assert (done.prompt_tokens, done.completion_tokens) == (5, 9)
    assert len(server.asked) == 3
    assert server.asked[0] == server.asked[1] == server.asked[2], "it is begun again"


@pytest.mark.parametrize(
    ("fault", "tries", "sentence"),
    [
        (drop, 3, "broke off before the text was complete. Its own log may say why."),
        (drop_in_mid_stream, 3, "broke off before the text was complete. Its own log may say why."),
        (end_before_anything, 3, "broke off before the text was complete. Its own log may say why."),
        (refuse(500), 3, "failed with 500: it is tired. Its own log may say why."),
        (refuse(503, ""), 3, "failed with 503. Its own log may say why."),
        (refuse(429), 3, "has too much to do: it is tired. Try again later, or lower BONSAI_CONCURRENCY."),
        (refuse(429, Retry_After="3600"), 1, "has too much to do: it is tired."),
        (refuse(401, ""), 1, "asks for an API key. Set BONSAI_API_KEY to one that it accepts."),
        (refuse(403, "it is tired"), 1, "refuses this: it is tired."),
        (refuse(404, "Not Found"), 1, "has no plain completions for the model small: Not Found."),
        (refuse(400, "This is too long."), 1, "does not take this prompt for the model small: This is too long."),
        (say_in_mid_stream, 3, "broke off: engine is restarting."),
        (send("text/html", "<html>Welcome</html>"), 1, "sent a web page in the place of a text."),
        (send("text/plain", "Welcome"), 1, "does not answer as an OpenAI-compatible one does: Welcome."),
        (send("text/event-stream", "data: {torn\n\n"), 1, "does not answer as an OpenAI-compatible one does."),
        (send("text/event-stream", 'data: {"error": "no memory"}\n\n'), 1, "broke off: no memory."),
        (send("text/event-stream", 'data: [1, "a"]\n\ndata: {"choices": [{}]}\n\n'), 3, "broke off before the text"),
    ],
)
def test_what_lasts_is_said_in_a_sentence(
    server: SmallServer, engine: RemoteEngine, fault: Callable[[Handler, Body], None], tries: int, sentence: str
) -> None:
    server.faults.extend([fault] * 9)
    done = last(engine)[0]
    assert done.finish_reason == "error"
    assert done.error.startswith(f"The server at {server.url.split('/')[2]} ")
    assert sentence in done.error
    assert len(server.asked) == tries
    server.faults.clear()
    assert last(engine)[0].text == WANTED, "the engine can be used again"


def test_a_failure_spares_the_others(server: SmallServer, engine: RemoteEngine) -> None:
    server.poison = "hills"
    done = last(engine, [PROMPT, "How do hills shape cities?", PROMPT])
    assert [completion.text for completion in done] == [WANTED, "", WANTED]
    assert done[1].error.endswith("does not take this prompt for the model small: The model cannot read this.")


def test_silence_is_not_waited_for_for_ever(server: SmallServer) -> None:
    engine = open_remote(server, replace(HASTY, silence=0.2))
    for fault in (hang, hang_in_mid_stream):
        server.faults.extend([fault, fault])
        assert last(engine)[0].text == WANTED
        server.faults.extend([fault] * 3)
        assert "has sent nothing for long." in last(engine)[0].error


def test_a_completion_has_a_deadline_all_tries_included(server: SmallServer) -> None:
    pieces: list[str] = []

    def drip(handler: Handler, _body: Body) -> None:
        handler.begin()
        while not handler.small.hold.wait(0.05):
            pieces.append("drip ")
            handler.piece(pieces[-1])

    engine = open_remote(server, replace(HASTY, deadline=0.6))
    server.faults.append(drip)
    assert "was not done in time." in last(engine, sampling=replace(PARAMS, max_new_tokens=200))[0].error
    assert len(pieces) < 5 / 0.05
    slow = open_remote(server, replace(HASTY, first_wait=5, longest_wait=5, deadline=1))
    server.faults.append(refuse(500))
    assert "failed with 500" in last(slow)[0].error, "there is no time for another try"


def test_a_server_is_left_alone_for_as_long_as_it_asks(server: SmallServer, engine: RemoteEngine) -> None:
    times: list[float] = []

    def note(handler: Handler, body: Body) -> None:
        times.append(time.monotonic())
        refuse(429, Retry_After="0.4")(handler, body)

    server.faults.append(note)
    assert last(engine)[0].text == WANTED
    assert time.monotonic() - times[0] >= 0.4


def test_a_wait_is_read_as_seconds_or_as_a_date() -> None:
    assert retry_after({"retry-after": "7"}) == 7
    assert retry_after({"retry-after": formatdate(time.time() + 60, usegmt=True)}) == pytest.approx(60, abs=3)
    assert retry_after({"retry-after": formatdate(time.time() - 60, usegmt=True)}) == 0
    assert retry_after({"retry-after": "soon"}) == retry_after({"retry-after": "-3"}) == retry_after({}) == 0


def test_waits_grow_and_differ_and_end() -> None:
    patience, trouble = RetryPolicy(tries=9, first_wait=1, longest_wait=10), ServerError(Trouble.REFUSED, 503)
    waits = [[patience.pause(trouble, tries) or 0 for tries in range(1, 9)] for _ in range(20)]
    for wait in waits:
        assert all(0.75 * 2**place <= pause <= 1.25 * 2**place for place, pause in enumerate(wait[:4]))
        assert max(wait) <= 12.5
    assert len({wait[0] for wait in waits}) > 10
    assert patience.pause(trouble, 9) is None
    assert patience.pause(ServerError(Trouble.REFUSED, 400), 1) is None
    assert (patience.pause(ServerError(Trouble.REFUSED, 429, wait=33), 1) or 0) >= 33


def test_a_text_that_becomes_another_goes_on_from_what_was_shown(server: SmallServer, engine: RemoteEngine) -> None:
    def begin_otherwise(handler: Handler, _body: Body) -> None:
        handler.begin()
        handler.piece("Rivers carve valleys, ")
        drop(handler, {})

    server.faults.append(begin_otherwise)
    done = last(engine)[0]
    assert done.text.startswith("Rivers carve valleys, ")
    assert len(done.text) > 40
    assert [body["prompt"] for body in server.asked] == [PROMPT, PROMPT, PROMPT + "Rivers carve valleys, "]
    assert server.asked[2]["max_tokens"] == 8, "one piece was written before"


def test_a_text_is_begun_again_without_taking_anything_back() -> None:
    row = StreamedCompletion(
        0, Request(Prompt.of(PROMPT), replace(PARAMS, stop=("END",))), 5, 9, lambda text: len(text.split())
    )
    for pieces in (["one", " two EN"], ["one two"], ["one", " two", " three E"]):
        row.begin()
        for piece in pieces:
            before = row.last.text
            row.take(piece)
            assert row.last.text.startswith(before)
    assert row.last.text == "one two three "
    row.begin()
    with pytest.raises(Diverged):
        row.take("one too")
    assert (row.kept, row.limit) == ("one two three ", 6)
    row.begin()
    row.take("END")
    assert (row.last.text, row.last.finish_reason, row.cut) == ("one two three ", "stop", True)


def test_candidates_are_asked_for_together_and_get_their_own_seeds(server: SmallServer, engine: RemoteEngine) -> None:
    each = [replace(PARAMS, seed=seed) for seed in (3, 4, 5, 9)]
    found = last(engine, [PROMPT] * 4, each)
    assert sorted(body.get("n", 1) for body in server.asked) == [1, 3]
    assert [completion.text for completion in found] == [
        completion.text for _, completion in sorted(dict(EchoEngine().generate([PROMPT] * 4, each)).items())
    ]
    server.asked.clear()
    last(engine, [PROMPT] * 2, [replace(PARAMS, seed=seed, temperature=0) for seed in (3, 4)])
    assert [body.get("n") for body in server.asked] == [None, None], "servers refuse several likeliest texts"


def test_candidates_that_fail_together_are_asked_for_one_by_one(server: SmallServer, engine: RemoteEngine) -> None:
    server.faults.append(drop_in_mid_stream)
    found = last(engine, [PROMPT] * 2, [PARAMS, replace(PARAMS, seed=4)])
    assert found[0].text == WANTED
    assert [body.get("n") for body in server.asked] == [2, None, None]


def test_texts_that_a_server_has_no_room_for_together_are_written_alone() -> None:
    all_begun, alone, beside = threading.Barrier(2), [], []

    class Watched(EchoEngine):
        def stream(self, queue: RequestQueue) -> Snapshots:
            others = threading.Semaphore(0)
            beside.append(others)
            for other in beside:
                other.release()
            others.acquire()
            alone.append(not others.acquire(timeout=0.1))
            yield from super().stream(queue)
            beside.remove(others)

    def run_out(handler: Handler, _body: Body) -> None:
        handler.begin()
        all_begun.wait(20)
        handler.send({"error": {"code": 500, "message": "Context size has been exceeded.", "type": "server_error"}})

    with SmallServer(Watched()).running() as server:
        engine = open_remote(server)
        alone.clear()
        server.faults.extend([run_out] * 2)
        candidates = [PARAMS, replace(PARAMS, seed=4)]
        found = last(engine, [PROMPT, "With candidates", "With candidates"], [PARAMS, *candidates])
    assert [bool(done.text and not done.error) for done in found] == [True] * 3
    assert alone == [True] * 3


def test_a_server_that_has_nothing_is_asked_for_nothing_more() -> None:
    with SmallServer(EchoEngine(), takes=frozenset()).running() as server:
        engine = open_remote(server)
        assert engine.info.options == {"temperature", "top_p"}
        server.asked.clear()
        stop = ("begin",)
        each = [SamplingParams(max_new_tokens=9, stop=stop)] * 2
        assert [done.text for done in last(engine, [PROMPT] * 2, each)] == [
            done.text for _, done in sorted(dict(EchoEngine().generate([PROMPT] * 2, each)).items())
        ], "stop texts are cut here"
        assert len(server.asked) == 2
        assert not server.asked[0].keys() & {"n", "seed", "top_k", "repetition_penalty", "stream_options", "stop"}


def test_a_server_that_gives_one_text_where_several_were_asked_for_is_asked_one_by_one() -> None:
    takes = frozenset({"n", "seed"})
    with SmallServer(EchoEngine(), takes=takes, passes_over=frozenset({"n"})).running() as server:
        engine = open_remote(server)
        assert 2 in [body.get("n") for body in server.asked], "it is found out at the start"
        server.asked.clear()
        each = [replace(PARAMS, seed=seed) for seed in (3, 4)]
        assert len({done.text for done in last(engine, [PROMPT] * 2, each)}) == 2
        assert [body.get("n") for body in server.asked] == [None, None]


def test_of_many_stop_texts_a_server_is_sent_what_it_takes() -> None:
    with SmallServer(EchoEngine(), most_stops=4).running() as server:
        engine = open_remote(server)
        done = last(engine, sampling=replace(PARAMS, stop=("a1", "b2", "c3", "d4", "begin")))[0]
        assert server.asked[-1]["stop"] == ["a1", "b2", "c3", "d4"]
        assert done.text == WANTED[: WANTED.find("begin")]
        assert done.finish_reason == "stop"


def test_counts_are_made_here_if_the_server_gives_none(server: SmallServer, engine: RemoteEngine) -> None:
    def without_counts(handler: Handler, _body: Body) -> None:
        handler.begin()
        for word in ("one ", "two ", "three"):
            handler.piece(word)
        handler.piece("", "stop")

    server.faults.append(without_counts)
    done = last(engine)[0]
    assert (done.text, done.prompt_tokens, done.completion_tokens) == ("one two three", 5, 3)


def test_all_callers_together_have_no_more_under_way_than_is_set() -> None:
    gate = threading.Barrier(3)
    with SmallServer(EchoEngine(), takes=frozenset()).running() as server:
        engine = open_remote(server, concurrency=3)
        server.most_in_flight = 0

        def meet(handler: Handler, body: Body) -> None:
            gate.wait(20)
            handler.complete(body)

        server.faults.extend([meet] * 12)
        found: list[Completion] = []

        def call() -> None:
            found.extend(last(engine, [PROMPT] * 4, SamplingParams(max_new_tokens=9)))

        threads = [threading.Thread(target=call) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [done.finish_reason for done in found] == ["length"] * 12
        assert server.most_in_flight == 3


def test_closing_a_call_closes_its_connection(server: SmallServer, engine: RemoteEngine) -> None:
    def drip(handler: Handler, _body: Body) -> None:
        handler.begin()
        while not handler.small.hold.wait(0.01):
            handler.piece("drip ")

    server.faults.append(drip)
    snapshots = engine.generate([PROMPT], replace(PARAMS, max_new_tokens=200))
    next(completion for _, completion in snapshots if completion.text)
    assert server.in_flight == 1
    snapshots.close()
    reached(lambda: server.in_flight == 0)


def test_a_stop_text_ends_what_the_server_would_go_on_with(server: SmallServer, engine: RemoteEngine) -> None:
    def never_stop(handler: Handler, _body: Body) -> None:
        handler.begin()
        for number in itertools.count():
            handler.piece(f"{number} ")

    server.faults.append(never_stop)
    done = last(engine, sampling=replace(PARAMS, max_new_tokens=200, stop=("30",)))[0]
    assert (done.text[-6:], done.finish_reason) == ("28 29 ", "stop")
    reached(lambda: server.in_flight == 0)


def test_a_waiting_call_shows_signs_of_life(server: SmallServer, engine: RemoteEngine) -> None:
    server.faults.append(hang)
    snapshots = engine.generate([PROMPT], PARAMS)
    for _ in range(2):
        assert next(snapshots) == (0, Completion(prompt_tokens=5))
    snapshots.close()


def test_a_server_wants_a_token_to_begin_with(server: SmallServer, engine: RemoteEngine) -> None:
    assert last(engine, [""])[0].finish_reason in ("stop", "length")
    assert server.asked[0]["prompt"] == "\n"


def test_the_model_and_its_context_are_what_the_server_says(server: SmallServer, model_folder: Path) -> None:
    server.models = ("first", "second", "tuned")
    engine = open_remote(server)
    assert (engine.info.model_id, engine.info.adapter_id, engine.info.context_length) == ("first", "", 250)
    assert engine.info.device == server.url.split("/")[2]
    assert not engine.info.is_stand_in
    named = open_remote(server, model="second", adapter="tuned")
    assert (named.info.model_id, named.info.adapter_id) == ("second", "tuned")
    assert server.asked[-1]["model"] == "tuned", "an adapter is served under its own name"
    server.models, server.max_model_len = (str(model_folder),), 0
    known = open_remote(server, adapter="none")
    assert (known.info.context_length, known.info.adapter_id) == (256, "")
    assert known.count_tokens("Why?") == 3, "by the tokenizer in the folder"


def test_tokens_are_counted_by_the_server_or_estimated(server: SmallServer, engine: RemoteEngine) -> None:
    assert engine.count_tokens("three words here") == 3
    server.counts = False
    other = open_remote(server)
    assert other.count_tokens("three words here") == estimate("three words here") == 3 + 3 + 2
    server.counts = True
    assert other.count_tokens("more words") == 5, "it is asked once"


@pytest.mark.model
def test_an_estimate_is_on_the_safe_side(tmp_path: Path) -> None:
    file = find_model(SMOLLM2)
    AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name).save_pretrained(tmp_path)
    known = known_model(str(tmp_path), "")
    assert known.count
    for text in (
        "Why do exchange rates move, and who gains?",
        "日本の庭では、石と水が季節を語ります。",
        "x = {1:  2}\n\n",
        "<|system|>You are a helpful assistant.\n<|prompt|>",
        "🌳 1984",
        "",
    ):
        assert known.count(text) <= estimate(text)
    assert known_model("no/such-model", "") == KnownModel()
    assert known_model("no such name", "") == KnownModel()


def test_a_tokenizer_that_cannot_be_read_is_as_none(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{")
    assert known_model(str(tmp_path), "") == KnownModel()


def test_auto_is_remote_where_there_is_an_address(server: SmallServer) -> None:
    assert isinstance(open_engine(Settings(base_url=server.url)), RemoteEngine)
    assert isinstance(open_engine(Settings(base_url=server.url, engine="echo")), EchoEngine)


def test_settings_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(SettingError, match="'remote', which asks a server: set BONSAI_BASE_URL"):
        remote.load(Settings(engine="remote"))
    with pytest.raises(SettingError, match="on ZeroGPU it must be auto or local"):
        remote.load(Settings(engine="remote", base_url="http://127.0.0.1:9/v1", zero_gpu=True))
    with pytest.raises(SettingError, match="BONSAI_BASE_URL is '127.0.0.1:8000'; it must be an address like http://"):
        Settings(base_url="127.0.0.1:8000")


def test_a_server_that_is_not_there_is_named_at_once() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(
        EngineError, match=rf"127.0.0.1:{port} cannot be reached. Is it running, and is BONSAI_BASE_URL"
    ):
        RemoteEngine(Settings(base_url=f"http://somebody:secret@127.0.0.1:{port}/v1"), HASTY)


def test_a_server_that_lists_nothing_needs_a_name(server: SmallServer) -> None:
    server.models = ()
    with pytest.raises(EngineError, match=r"does not say which models it has \(no list\). Set BONSAI_MODEL"):
        open_remote(server)
    with pytest.raises(EngineError, match="has no model other: The model `other` does not exist. Set BONSAI_MODEL"):
        open_remote(server, model="other")


def test_a_wrong_key_is_told_at_the_start_and_no_key_is_ever_shown(
    server: SmallServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    server.key = "another"
    with pytest.raises(EngineError, match="refuses the API key: Incorrect API key: Bearer .... Set BONSAI_API_KEY"):
        open_remote(server, api_key=KEY)
    server.key = KEY
    engine = open_remote(server, api_key=KEY)
    assert server.headers[-1]["authorization"] == f"Bearer {KEY}"
    assert last(engine)[0].text == WANTED
    server.faults.append(refuse(400, f"the key {KEY} may not do this"))
    error = last(engine)[0].error
    assert error.endswith("the key ... may not do this.")
    assert KEY not in repr(Settings(api_key=KEY)) + repr(engine) + str(vars(engine)) + caplog.text


def test_an_engine_that_nobody_has_any_more_ends_its_thread(server: SmallServer) -> None:
    def loops() -> int:
        return sum(thread.name == "bonsai-remote" for thread in threading.enumerate())

    gc.collect()
    before = loops()
    engine = open_remote(server)
    server.faults.append(hang)
    snapshots = engine.generate([PROMPT], PARAMS)
    next(snapshots)
    assert loops() == before + 1
    del engine, snapshots
    gc.collect()
    reached(lambda: loops() == before)


@pytest.mark.parametrize(("trouble", "estimated"), [(Trouble.UNREACHABLE, 1), (Trouble.LOST, 1), (Trouble.SILENT, 65)])
def test_a_server_that_was_away_counts_again(
    engine: RemoteEngine, monkeypatch: pytest.MonkeyPatch, trouble: Trouble, estimated: int
) -> None:
    async def fail(*_: Any, **__: Any) -> Any:
        raise ServerError(trouble)

    with monkeypatch.context() as away:
        away.setattr(engine._server._connection, "ask", fail)
        assert engine.count_tokens("three words here") == estimate("three words here")
    counts = [engine.count_tokens("three words here") for _ in range(estimated)]
    assert counts == [estimate("three words here")] * (estimated - 1) + [3]
