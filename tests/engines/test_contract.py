"""The contract that every engine keeps: streams, batches, stops, fails and closes in the same way."""

import json
import threading
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, replace
from itertools import pairwise, zip_longest
from typing import Any

import pytest
import torch

from bonsai.chains.formats import TaggedFormat
from bonsai.chains.prompts import load_variants
from bonsai.engines import open_engine
from bonsai.engines.base import (
    DEFAULT_OPTIONS,
    Completion,
    Engine,
    EngineInfo,
    Prompt,
    Request,
    RequestQueue,
    SamplingParams,
)
from bonsai.engines.batching.engine import BatchingEngine
from bonsai.engines.echo import EchoEngine
from bonsai.engines.llama_cpp.engine import LlamaCppEngine
from bonsai.engines.llama_cpp.server import LlamaServer
from bonsai.engines.local.engine import LocalEngine
from bonsai.engines.remote.engine import RemoteEngine
from bonsai.errors import UsageError
from bonsai.settings import ROOT, Settings
from tests.engines.counting_proxy import CountingProxy
from tests.engines.small_server import SmallServer

PROMPTS = (
    "<|prompt|>Why do teams keep quality high?\n<|response|>",
    "Why?",
    "日本の庭では、石と水が季節を語ります。なぜですか?",
    "<|system|>You are a helpful assistant.\n<|prompt|>Who gains when exchange rates move each day?\n<|reasoning|>",
)
POISON = "§"
PARAMS = SamplingParams(max_new_tokens=12, temperature=1.0, seed=3)


@dataclass
class Subject:
    """An engine under test, which fails on prompts with POISON, and a count of the work that it has done.

    An engine with `ahead` works on between the snapshots; its work is counted in tokens, and after a call was closed it
    writes so many at most for each of its completions. `draws` is False if there is a server behind the engine that
    always takes the likeliest token, and `exact` if
    it rounds otherwise when other texts are decoded beside one, or a part of its prompt was read before.
    """

    engine: Engine
    work: Callable[[], int]
    ahead: int = 0
    draws: bool = True
    exact: bool = True

    def same(self, found: Sequence[str], wanted: Sequence[str]) -> bool:
        """Say whether texts are those that were wanted, as far as the engine promises it: at least they are there."""
        return list(found) == list(wanted) if self.exact else [*map(bool, found)] == [*map(bool, wanted)]

    def honoured(self, params: SamplingParams) -> SamplingParams:
        """Return `params` with the defaults in the place of what the engine does not honour."""
        default = SamplingParams()
        names = DEFAULT_OPTIONS - self.engine.info.options
        return replace(params, **{name: getattr(default, name) for name in names})


@contextmanager
def echo_subject(_request: pytest.FixtureRequest) -> Iterator[Subject]:
    done: list[int] = []
    yield Subject(EchoEngine(fail_on=POISON, pause=lambda: done.append(1), context_length=250), lambda: len(done))


@contextmanager
def local_subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    done: list[int] = []
    engine: LocalEngine = request.getfixturevalue("local_engine")
    poison = engine._loaded.tokenizer(POISON)["input_ids"]

    def watch(_model: object, _args: object, kwargs: dict[str, torch.Tensor]) -> None:
        done.append(1)
        ids = kwargs["input_ids"]
        if ids.shape[1] > 1 and any(ids[:, at : at + len(poison)].tolist() == [poison] for at in range(ids.shape[1])):
            raise torch.OutOfMemoryError("out of memory")

    engine._model.register_forward_pre_hook(watch, with_kwargs=True)
    yield Subject(engine, lambda: len(done))


@contextmanager
def batching_subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    done: list[int] = []
    engine: BatchingEngine = request.getfixturevalue("batching_engine")
    poison = engine._loaded.encode(Prompt.of(POISON))

    def watch(_model: object, _args: object, kwargs: dict[str, torch.Tensor], output: Any) -> None:
        ids, ends = kwargs["input_ids"][0].tolist(), kwargs["cu_seq_lens_q"].tolist()
        rows = [ids[start:end] for start, end in pairwise(ends)]
        done.extend([1] * len(rows))
        for place, last in enumerate(kwargs["logits_to_keep"].tolist()):
            row = next(row for row, end in zip(rows, ends[1:], strict=True) if last < end)
            if any(row[at : at + len(poison)] == poison for at in range(len(row))):
                output.logits[0, place] = float("nan")

    engine._loaded.model.register_forward_hook(watch, with_kwargs=True)
    yield Subject(engine, lambda: len(done), ahead=1)


@contextmanager
def remote_subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    """The remote engine with `transformers serve`; what stands between them counts the tokens and fails on POISON.

    That server has neither top_k nor a repetition penalty, and gives one completion a request. It takes a temperature
    and a seed, but with continuous batching it draws as its model's own configuration says: here, the likeliest token.
    """
    address = request.getfixturevalue("transformers_server")
    model = str(request.getfixturevalue("model_folder"))
    with SmallServer(forward_to=address, poison=POISON).running() as between:
        engine = RemoteEngine(Settings(base_url=between.url, model=model))
        assert engine.info.options == {"temperature", "top_p", "seed"}
        start = between.pieces
        yield Subject(engine, lambda: between.pieces - start, ahead=30, draws=False)


@contextmanager
def remote_echo_subject(_request: pytest.FixtureRequest) -> Iterator[Subject]:
    """The remote engine with a server that has everything, and takes its time for each word."""
    echo = EchoEngine(context_length=250, pause=lambda: threading.Event().wait(0.01))
    with SmallServer(echo, poison=POISON, counts=True, max_model_len=250).running() as server:
        engine = RemoteEngine(Settings(base_url=server.url))
        start = server.pieces
        yield Subject(engine, lambda: server.pieces - start, ahead=3)


@contextmanager
def llama_cpp_subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    """The llama.cpp engine; what stands between it and its server counts the tokens and fails on POISON."""
    server: LlamaServer = copy(request.getfixturevalue("llama_server"))
    poison = json.dumps(server.tokenise(POISON), separators=(",", ":"))[1:-1].encode()
    with CountingProxy(int(server.address.rpartition(":")[2]), poison).running() as between:
        server.address = between.address
        engine = LlamaCppEngine(server, EngineInfo("llama-cpp", "tiny", context_length=256, max_batch_size=32))
        start = between.pieces
        yield Subject(engine, lambda: between.pieces - start, ahead=30, exact=False)


SUBJECTS = {
    "echo": echo_subject,
    "local": local_subject,
    "batching": batching_subject,
    "remote": remote_subject,
    "remote-echo": remote_echo_subject,
    "llama-cpp": llama_cpp_subject,
}
# What a case needs: its fixtures cannot tell before the test runs.
NEEDS = {
    "local": (pytest.mark.model,),
    "batching": (pytest.mark.model,),
    "remote": (pytest.mark.model, pytest.mark.server),
    "llama-cpp": (pytest.mark.model,),
}


@pytest.fixture(params=[pytest.param(name, marks=NEEDS.get(name, ())) for name in SUBJECTS])
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    with SUBJECTS[request.param](request) as subject:
        yield subject


def collect(snapshots: Iterator[tuple[int, Completion]], count: int) -> list[list[Completion]]:
    """Return the snapshots of each prompt."""
    found: list[list[Completion]] = [[] for _ in range(count)]
    for index, completion in snapshots:
        found[index].append(completion)
    return found


def finals(
    engine: Engine, prompts: Sequence[str], sampling: SamplingParams | Sequence[SamplingParams]
) -> list[Completion]:
    return [snapshots[-1] for snapshots in collect(engine.generate(prompts, sampling), len(prompts))]


def texts(engine: Engine, prompts: Sequence[str], sampling: SamplingParams | Sequence[SamplingParams]) -> list[str]:
    return [completion.text for completion in finals(engine, prompts, sampling)]


def test_a_batch_streams_snapshots_that_grow_until_each_is_finished(subject: Subject) -> None:
    # A server that others asked before may have to forget that first.
    finals(subject.engine, PROMPTS[:1], PARAMS)
    # Long enough for the last to begin before the first has ended, where each is asked for by itself.
    order = list(subject.engine.generate(PROMPTS, replace(PARAMS, max_new_tokens=120)))
    for snapshots in collect(iter(order), len(PROMPTS)):
        assert [s.finished for s in snapshots] == [False] * (len(snapshots) - 1) + [True]
        assert len({s.text for s in snapshots}) > 3
        for before, after in zip(snapshots, snapshots[1:], strict=False):
            assert after.text.startswith(before.text)
            assert after.seconds >= before.seconds
    first_end = next(place for place, (_, completion) in enumerate(order) if completion.finished)
    assert {index for index, _ in order[:first_end]} == set(range(len(PROMPTS))), "the prompts advance together"


def test_each_snapshot_costs_at_most_one_piece_of_work(subject: Subject) -> None:
    prompts = ["Why do teams keep quality high? " * 8, "Who gains?"]
    before, snapshots = subject.work(), 0
    for _ in subject.engine.generate(prompts, PARAMS):
        snapshots += 1
        if not subject.ahead:
            assert subject.work() - before <= 1
            before = subject.work()
    assert subject.work() - before <= snapshots


def test_closing_ends_the_work(subject: Subject) -> None:
    snapshots = subject.engine.generate(PROMPTS, replace(PARAMS, max_new_tokens=150))
    next(completion for _, completion in snapshots if completion.text)
    done = subject.work()
    snapshots.close()  # type: ignore[attr-defined]
    assert list(snapshots) == []
    if subject.ahead:
        done = subject.work() + subject.ahead * len(PROMPTS)
    else:
        assert subject.work() == done
    last = finals(subject.engine, PROMPTS[:1], PARAMS)[0]
    assert last.finished, "the engine can be used again"
    assert subject.work() <= done + last.completion_tokens, "nothing else is worked on"


def test_same_seed_same_text_and_another_seed_another_text(subject: Subject) -> None:
    first = texts(subject.engine, PROMPTS, PARAMS)
    assert subject.same(texts(subject.engine, PROMPTS, PARAMS), first)
    if not subject.draws:
        pytest.skip("The server behind this engine does not draw, so that seeds change nothing.")
    other = texts(subject.engine, PROMPTS, replace(PARAMS, seed=4))
    assert all(one != two for one, two in zip(first, other, strict=True))


def test_candidates_of_one_prompt_differ_by_their_seeds(subject: Subject) -> None:
    found = texts(subject.engine, [PROMPTS[0]] * 4, [replace(PARAMS, seed=seed) for seed in range(4)])
    assert all(found)
    if not subject.draws:
        pytest.skip("The server behind this engine does not draw, so that seeds change nothing.")
    assert len(set(found)) == 4


def test_a_text_does_not_depend_on_what_shares_its_batch(subject: Subject) -> None:
    each = [
        PARAMS,
        replace(PARAMS, temperature=0),
        replace(PARAMS, temperature=0.8, top_k=5, repetition_penalty=1.3, max_new_tokens=5),
        replace(PARAMS, top_p=0.5, seed=8),
    ]
    each = [subject.honoured(params) for params in each]
    crowd = texts(subject.engine, PROMPTS, each)
    base_engine = [texts(subject.engine, [prompt], params)[0] for prompt, params in zip(PROMPTS, each, strict=True)]
    assert subject.same(crowd, base_engine)


def test_runs_that_take_turns_do_not_disturb_each_other(subject: Subject) -> None:
    wanted = [texts(subject.engine, PROMPTS, PARAMS), texts(subject.engine, PROMPTS[::-1], PARAMS)]
    runs = [subject.engine.generate(PROMPTS, PARAMS), subject.engine.generate(PROMPTS[::-1], PARAMS)]
    found = [["" for _ in PROMPTS] for _ in runs]
    for steps in zip_longest(*runs):
        for texts_so_far, step in zip(found, steps, strict=True):
            if step:
                texts_so_far[step[0]] = step[1].text
    assert all(map(subject.same, found, wanted))


@pytest.mark.parametrize("prompt", PROMPTS)
def test_a_stop_text_is_cut_though_it_spans_tokens(subject: Subject, prompt: str) -> None:
    params = replace(PARAMS, max_new_tokens=30)
    # The second time the prompt was read before, as it is each time below: an engine may round otherwise then.
    _, whole = (texts(subject.engine, [prompt], params)[0] for _ in range(2))
    cut = []
    for start in range(2, len(whole) - 6, 3):
        stop = whole[start : start + 5]
        snapshots = collect(subject.engine.generate([prompt], replace(params, stop=("absent", stop))), 1)[0]
        last = snapshots[-1]
        assert stop not in last.text
        assert all(last.text.startswith(s.text) for s in snapshots), "no snapshot shows part of the stop text"
        cut.append((last.text, last.finish_reason) == (whole[: whole.find(stop)].rstrip("\ufffd"), "stop"))
        if not cut[-1]:
            assert not subject.exact, f"{last} is not {whole!r} up to {stop!r}"
            # Another text was drawn, as it may be from now on.
            whole = texts(subject.engine, [prompt], params)[0].ljust(len(whole), "-")
    assert sum(cut) > len(cut) / 2


def test_max_new_tokens_ends_a_completion(subject: Subject) -> None:
    done = finals(subject.engine, PROMPTS[:1], replace(PARAMS, max_new_tokens=4))[0]
    assert (done.finish_reason, done.completion_tokens) == ("length", 4)
    longer = finals(subject.engine, PROMPTS[:1], PARAMS)[0]
    assert longer.text.startswith(done.text)


def test_counts_are_those_of_the_prompt(subject: Subject) -> None:
    for prompt, done in zip(PROMPTS, finals(subject.engine, PROMPTS, PARAMS), strict=True):
        assert done.prompt_tokens == subject.engine.count_tokens(prompt) > 0


def fill(engine: Engine, tokens: int) -> str:
    """Return a prompt of exactly so many tokens."""
    count = bisect_left(range(2 * tokens), tokens, key=lambda count: engine.count_tokens(" a" * count))
    assert engine.count_tokens(" a" * count) == tokens
    return " a" * count


def test_a_prompt_that_leaves_no_room_fails_with_both_numbers(subject: Subject) -> None:
    engine = subject.engine
    size = engine.info.context_length
    long, fine = finals(engine, [fill(engine, size), PROMPTS[1]], PARAMS)
    assert long.finish_reason == "error"
    assert long.error.count(str(size)) == 2
    assert long.prompt_tokens == size
    assert fine.finish_reason in ("stop", "length")


def test_a_prompt_that_nearly_fits_gets_the_tokens_that_are_left(subject: Subject) -> None:
    engine = subject.engine
    done = finals(engine, [fill(engine, engine.info.context_length - 2)], PARAMS)[0]
    assert (done.finish_reason, done.completion_tokens) == ("length", 2)


def test_requests_that_come_later_are_completed_in_the_same_call(subject: Subject) -> None:
    wanted = texts(subject.engine, PROMPTS, PARAMS)
    queue = RequestQueue([Request(Prompt.of(PROMPTS[0]), PARAMS)])
    found = [""] * len(PROMPTS)
    came = 1
    for number, completion in subject.engine.stream(queue):
        found[number] = completion.text
        # One in mid-stream, one at the end of another, so that nothing is in the making, and the last two at once.
        if (came == 1 and completion.text) or (came == 2 and number == 1 and completion.finished):
            last = len(PROMPTS) if came == 2 else came + 1
            for prompt in PROMPTS[came:last]:
                queue.put(Request(Prompt.of(prompt), PARAMS))
            came = last
    assert came == len(PROMPTS)
    assert subject.same(found, wanted)


def test_there_are_never_more_completions_in_the_making_than_rows(subject: Subject) -> None:
    wanted = texts(subject.engine, PROMPTS, PARAMS)
    subject.engine.info = replace(subject.engine.info, max_batch_size=2)
    begun, ended, found = set(), set(), [""] * len(PROMPTS)
    for number, completion in subject.engine.generate(PROMPTS, PARAMS):
        begun.add(number)
        assert len(begun - ended) <= 2
        found[number] = completion.text
        if completion.finished:
            ended.add(number)
    assert subject.same(found, wanted)


def test_one_prompt_that_fails_spares_the_others(subject: Subject) -> None:
    wanted = texts(subject.engine, PROMPTS, PARAMS)
    bad = f"Why {POISON}?"
    done = finals(subject.engine, [PROMPTS[0], bad, *PROMPTS[1:]], PARAMS)
    assert done[1].finish_reason == "error"
    assert done[1].error.endswith(".")
    assert subject.same([done[0].text, *(one.text for one in done[2:])], wanted)


def test_no_prompts_no_snapshots(subject: Subject) -> None:
    assert list(subject.engine.generate([], PARAMS)) == []


def test_an_empty_prompt_is_completed(subject: Subject) -> None:
    assert finals(subject.engine, [""], PARAMS)[0].finish_reason in ("stop", "length")


def test_the_number_of_samplings_must_fit_before_any_work(subject: Subject) -> None:
    with pytest.raises(UsageError, match="4 prompts came with 1"):
        subject.engine.generate(PROMPTS, [PARAMS])
    assert subject.work() == 0


@pytest.mark.parametrize("name", ["temperature", "top_p", "top_k", "repetition_penalty", "seed"])
def test_an_option_that_is_not_honoured_is_refused_by_name(subject: Subject, name: str) -> None:
    engine = subject.engine
    engine.info = replace(engine.info, options=engine.info.options - {name})
    value = 0.9 if name == "repetition_penalty" else 1
    changed = SamplingParams(**{name: value} | ({"top_p": 0.5} if name == "top_p" else {}))
    with pytest.raises(UsageError, match=f"does not honour {name}"):
        engine.generate(PROMPTS, changed)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_new_tokens", 0),
        ("temperature", -0.1),
        ("temperature", float("nan")),
        ("top_p", 0),
        ("top_k", -1),
        ("repetition_penalty", 3),
        ("seed", -1),
        ("seed", 2**31),
    ],
)
def test_sampling_outside_its_range_is_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(UsageError, match=f"{name} is {value}"):
        SamplingParams(**{name: value})


def test_open_engine_opens_what_the_settings_name(local_engine: LocalEngine) -> None:
    assert isinstance(open_engine(Settings(engine="echo")), EchoEngine)
    assert isinstance(open_engine(Settings(engine="local", model=local_engine.info.model_id)), LocalEngine)
    assert isinstance(open_engine(Settings(engine="batching", model=local_engine.info.model_id)), BatchingEngine)
    assert isinstance(open_engine(Settings(model=local_engine.info.model_id)), BatchingEngine)


@pytest.mark.parametrize("name", ["assistant", "creator", "instruct", "logician", "translator"])
def test_echo_gives_each_role_a_sensible_text(name: str) -> None:
    variant = load_variants(ROOT / "prompts")[name]
    parts = {"question": "How do rivers shape cities?", "reasoning": "Rivers bring trade.", "answer": "By trade."}
    roles = ("single", "reasoning", "answer", "next_question")
    prompts = [
        variant.render(role, TaggedFormat(), **parts, earlier=[("What is a city?", "A big town.")]) for role in roles
    ]
    found = texts(EchoEngine(), prompts, SamplingParams(stop=variant.stops(TaggedFormat())))
    assert all("rivers shape cities" in text for text in found)
    assert len(set(found)) == 4
    assert [text.endswith("?") for text in found] == [False, False, False, True]


def test_echo_gives_the_reply_that_it_was_told() -> None:
    engine = EchoEngine(replies={"rivers": "Water.\n\nAnd trade. ", "": "Something else."})
    assert texts(engine, ["Why rivers?", "Why hills?"], PARAMS) == ["Water.\n\nAnd trade. ", "Something else."]
