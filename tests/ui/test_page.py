"""The page without a browser: its endpoints, what it refuses, how it opens, and how work ends that nobody awaits."""

import ast
import asyncio
import gzip
import json
import logging
import os
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from bonsai.chains import outcomes
from bonsai.chains.advance import advance
from bonsai.chains.chain import Chain, branch, new_chain
from bonsai.chains.conclusion import Conclusion
from bonsai.chains.prompts import load_variants
from bonsai.engines.base import RequestQueue, SamplingParams, Snapshots
from bonsai.engines.echo import EchoEngine
from bonsai.errors import BonsaiError, UsageError
from bonsai.measures.reasoning.controls import Control
from bonsai.measures.reasoning.effect import MoreThanChance
from bonsai.reports.exports import export
from bonsai.reports.table import COLUMNS
from bonsai.runs.branch_request import BranchRequest
from bonsai.runs.journal.progress import Progress
from bonsai.settings import ROOT, SMOLLM2, SMOLLM2_ADAPTER, Settings
from bonsai.ui.context import PageContext
from bonsai.ui.locales import translate
from bonsai.ui.method_tab.events import RunState
from bonsai.ui.method_tab.step_events import StepEvents
from bonsai.ui.page import build, load_examples
from bonsai.ui.serving import serve
from bonsai.ui.views import status, step_details
from bonsai.ui.work import gpu
from bonsai.ui.work.gpu import GpuRunner
from bonsai.ui.work.lease import work_of_test
from bonsai.ui.work.streaming import reasoning_test, snapshots
from tests.ui.tabs import tabs_of

QUESTION = "Why did productivity stop growing?"
SETTINGS = Settings(engine="echo", max_steps=6, max_new_tokens=200)


@pytest.fixture(scope="module")
def address(served: Any) -> Iterator[str]:
    """The address of a page on which the echo engine answers."""
    with served(EchoEngine(fail_on="broken"), SETTINGS) as address:
        yield address


def test_a_branch_stopped_at_once_leaves_the_chain_and_the_sentence_that_says_so() -> None:
    engine = EchoEngine()
    demo = build(PageContext(engine, SETTINGS, load_variants(SETTINGS.prompts)))
    events = {number: event for number, event in demo.fns.items() if getattr(event.fn, "__name__", "") == "halt"}
    ((number, stop),) = (one for one in events.items() if one[1].fn.__self__.key == "qtq")
    tab = stop.fn.__self__
    run = tab.context.begin("qtq", QUESTION, steps=2)
    *_, chains = advance(engine, run.chains, run.sampling)
    branched = run.with_chains((*chains, branch(chains[0], number=2, keep=1, question="Who gains?")))
    shown = stop.fn(RunState(branched), None)
    for then in (event.fn for event in demo.fns.values() if event.trigger_after == number):
        shown |= then(shown[tab.run_state], None)
    assert status.NOTHING_WRITTEN in shown[tab.status]
    assert shown[tab.run_state].run.chains == tuple(chains)


def the_qtq_tab() -> Any:
    """Return the tab QtQ chain of a page, as it is used."""
    return tabs_of(build(PageContext(EchoEngine(), SETTINGS, VARIANTS)))["qtq"]


def test_a_conclusion_that_failed_is_told_as_one_whichever_chain_lacks_it() -> None:
    tab = the_qtq_tab()
    run = tab.context.begin("qtq", QUESTION, steps=1)
    *_, (done,) = advance(EchoEngine(), run.chains, run.sampling)
    failed = replace(done, conclusion=Conclusion(writing=False, error="The server is gone."))
    written = replace(done, number=2, parent=1, conclusion=Conclusion("So it is.", writing=False))
    shown = tab.end(RunState(run.with_chains((failed, written)), concludes=True), "en")
    assert "The conclusion could not be written: The server is gone." in shown[tab.status]
    assert 'class="bonsai-status bad"' in shown[tab.status]


def test_the_gpu_seconds_of_a_test_are_told_and_not_those_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    tab = the_qtq_tab()
    run = tab.context.begin("qtq", QUESTION, steps=1)
    *_, chains = advance(EchoEngine(), run.chains, run.sampling)
    run = run.with_chains(chains)
    monkeypatch.setattr(gpu, "is_leased", lambda: True)
    asked = StepEvents(tab, tab.steps)._asked_to_test({tab.run_state: RunState(run), tab.steps.choice: "1.1"})
    runner = tab.context.runner
    needed = runner.pace.seconds(work_of_test(runner.engine, run.chains[0], 1, run.sampling))
    assert tab.seconds_needed(asked) == needed > tab.seconds_needed(RunState(run))


@pytest.mark.parametrize("concludes", [False, True])
def test_what_is_stopped_beside_the_steps_is_told_as_stopped(concludes: bool) -> None:
    tab = the_qtq_tab()
    run = tab.context.begin("qtq", QUESTION, steps=1)
    *_, chains = advance(EchoEngine(), run.chains, run.sampling)
    run = run.with_chains(chains)
    shown = tab.halt(RunState(run.concluding() if concludes else run, begun=True, seconds=3.2), None)
    assert status.STOPPED in shown[tab.status] and "good" not in shown[tab.status]
    assert shown[tab.run_state].run == run


@pytest.mark.parametrize(
    ("endpoint", "options", "rows"), [("/ask", {}, 1), ("/two_step", {}, 1), ("/qtq", {}, 3), ("/qtq", {"steps": 5}, 5)]
)
def test_an_endpoint_returns_the_rows(client: Client, endpoint: str, options: dict[str, int], rows: int) -> None:
    table = client.predict(QUESTION, api_name=endpoint, **options)
    assert [row["step"] for row in table] == list(range(1, rows + 1))
    assert list(table[0]) == list(COLUMNS)
    assert table[0]["question"] == QUESTION
    assert table[0]["answer"]
    assert table[0]["similarity"] is None


def test_the_same_seed_gives_the_same_rows(client: Client) -> None:
    def answers(seed: int) -> list[str]:
        return [row["answer"] for row in client.predict(QUESTION, seed=seed, api_name="/qtq")]

    assert answers(3) == answers(3) != answers(4)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"question": " "}, "The question is empty"),
        ({"question": "word " * 3000}, "the model reads at most 2,048"),
        ({"prompt": "poet"}, "no prompt variant 'poet'; choose one of assistant"),
        ({"steps": 7}, "steps is 7; it must be between 1 and 6"),
        ({"steps": 0}, "steps is 0"),
        ({"max_new_tokens": 201}, "max_new_tokens is 201; it must be between 1 and 200"),
        ({"temperature": -1}, "temperature is -1"),
        ({"question": "broken?"}, "told to fail"),
    ],
)
def test_what_cannot_be_done_gets_a_sentence(client: Client, options: dict[str, object], sentence: str) -> None:
    with pytest.raises(AppError, match=sentence):
        client.predict(**{"question": QUESTION, "api_name": "/qtq", **options})


def test_only_the_named_endpoints_are_public_and_they_are_documented(client: Client) -> None:
    described = client.view_api(return_format="dict", print_info=False)
    assert set(described["named_endpoints"]) == {
        "/ask",
        "/two_step",
        "/qtq",
        "/compare",
        "/batch",
        "/branch",
        "/conclude",
        "/question_bank",
        "/test_reasoning",
        "/judge",
        "/score",
    }
    assert not described["unnamed_endpoints"]
    for name, endpoint in described["named_endpoints"].items():
        assert endpoint["description"]
        runs = dict.fromkeys(("/branch", "/conclude", "/question_bank", "/test_reasoning", "/judge"), "run")
        first = {**runs, "/score": "rows", "/batch": "questions"}.get(name, "question")
        assert endpoint["parameters"][0]["parameter_name"] == first


def test_the_endpoints_are_tools_for_mcp(address: str) -> None:
    with urllib.request.urlopen(f"{address}gradio_api/mcp/schema") as answer:
        tools = json.load(answer)
    named = {tool["name"].removeprefix("_"): tool for tool in tools}
    of_runs = {"branch", "conclude", "test_reasoning", "judge"}
    assert named.keys() >= {"ask", "two_step", "qtq", "compare", "batch", "score"} | of_runs
    for name, tool in named.items():
        for parameter, described in tool["inputSchema"]["properties"].items():
            told = described["description"]
            assert told.endswith("."), f"{name} tells of {parameter} no whole sentence: {told}"


def test_the_page_is_sent_in_few_bytes_to_who_can_read_them(address: str) -> None:
    with urllib.request.urlopen(address) as answer:
        plain = answer.read()
    with urllib.request.urlopen(urllib.request.Request(address, headers={"Accept-Encoding": "gzip, br"})) as answer:
        sent = answer.read()
        assert answer.headers["content-encoding"] == "gzip"
    assert len(gzip.decompress(sent)) == len(plain)
    assert len(sent) < len(plain) / 7


def test_two_visitors_at_once_each_get_their_own(address: str) -> None:
    questions = ["Why do apples fall?", "Why do rivers bend?"]
    found: dict[str, str] = {}

    def visit(question: str) -> None:
        visitor = Client(address, verbose=False)
        found[question] = visitor.predict(question, api_name="/qtq")[0]["question"]
        visitor.close()

    threads = [threading.Thread(target=visit, args=(question,)) for question in questions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == {question: question for question in questions}


@pytest.mark.parametrize(
    ("info", "said", "not_said"),
    [
        ({}, "no language model", "reads English only"),
        ({"name": "llama-cpp", "model_id": SMOLLM2}, "reads English only", "no language model"),
        ({"name": "local", "is_stand_in": False}, "local", "answers here"),
    ],
)
def test_the_page_says_what_stands_in_for_the_model(info: dict[str, Any], said: str, not_said: str) -> None:
    engine = EchoEngine()
    engine.info = replace(engine.info, **info)
    shown = json.dumps(build(PageContext(engine, SETTINGS, VARIANTS)).config["components"], default=str)
    assert said in shown
    assert not_said not in shown


def test_the_saved_examples_are_runs_of_the_model_in_the_box() -> None:
    examples = load_examples(ROOT / "examples")
    assert set(examples) == {"single", "two-step", "qtq", "compare", "batch"}
    for tab, run in examples.items():
        assert (run.model, run.adapter) == (SMOLLM2, SMOLLM2_ADAPTER)
        saved = Path(ROOT / "examples" / f"{tab}.json").read_text(encoding="utf-8")
        assert "".join(export(run, "json")) == saved
        assert all(chain.finished for chain in run.chains)


VARIANTS = load_variants(SETTINGS.prompts)


class WatchedEngine(EchoEngine):
    """An echo engine that counts its snapshots and tells when its work was cut short."""

    def __init__(self) -> None:
        super().__init__(pause=self._count)
        self.snapshots = 0
        self.cut_short, self.let_on = threading.Event(), threading.Semaphore(5)

    def _count(self) -> None:
        self.let_on.acquire()
        self.snapshots += 1

    def stream(self, queue: RequestQueue) -> Snapshots:
        try:
            yield from super().stream(queue)
        except GeneratorExit:
            self.cut_short.set()
            raise


def chain(method: str = "qtq", question: str = QUESTION) -> Chain:
    return new_chain(question, method, VARIANTS["assistant"], length=3, seed=1)


@pytest.mark.parametrize("how", ["closed", "cancelled"])
def test_work_that_nobody_awaits_any_more_ends_within_one_step(how: str) -> None:
    engine = WatchedEngine()
    runner = GpuRunner(engine)

    async def leave_early() -> None:
        async with aclosing(snapshots(runner, (chain(),), SamplingParams())) as growing:
            async for chains in growing:
                if chains[0].steps[0].reasoning:
                    break
            if how == "cancelled":
                waiting = asyncio.ensure_future(anext(growing))
                await asyncio.sleep(0)
                waiting.cancel()
                await asyncio.wait([waiting])

    asyncio.run(leave_early())
    engine.let_on.release()
    assert engine.cut_short.wait(30)
    assert engine.snapshots <= 6


def test_the_last_snapshot_is_the_end_of_the_chains() -> None:
    async def last() -> tuple[Chain, ...]:
        return [chains async for chains in snapshots(GpuRunner(EchoEngine()), (chain(),), SamplingParams())][-1]

    (grown,) = asyncio.run(last())
    *_, (expected,) = advance(EchoEngine(), [chain()], SamplingParams())
    steps = [replace(step, seconds=0.0) for step in grown.steps]
    assert steps == [replace(step, seconds=0.0) for step in expected.steps]
    assert grown.stop_reason == "done"


def test_a_test_of_the_reasoning_ends_with_its_answers() -> None:
    *_, (grown,) = advance(EchoEngine(), [chain()], SamplingParams())

    async def last() -> Chain:
        return [now async for now in reasoning_test(GpuRunner(EchoEngine()), grown, 2, SamplingParams())][-1]

    test = asyncio.run(last()).steps[1].reasoning_test
    assert test is not None
    assert test.answer and test.answer_without and test.answer_shuffled


def test_a_run_of_another_model_or_measure_is_not_branched() -> None:
    here = PageContext(EchoEngine(), SETTINGS, VARIANTS)
    run = here.begin("qtq", question=QUESTION)
    *_, chains = advance(EchoEngine(), run.chains, run.sampling)
    run = run.with_chains(chains)
    asked = BranchRequest(step=1, question="Why do apples fall?", prompt="assistant", seed=1)
    assert [len(now.steps) for now in here.branch(run, asked, 2).chains] == [1, 1]
    for other in ({"model": "phi-2"}, {"adapter": "lora"}, {"measure": "all-MiniLM-L6-v2"}):
        with pytest.raises(UsageError, match="Another model or another measure"):
            here.branch(replace(run, **other), asked, 2)
    for steps, sentence in ((7, "steps is 7"), (0, "steps is 0"), (None, "steps is empty"), (1.5, "a whole number")):
        with pytest.raises(UsageError, match=sentence):
            here.branch(run, asked, steps)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="max_new_tokens of the run is 300; it must be at most 200 here"):
        here.branch(replace(run, sampling=SamplingParams(max_new_tokens=300)), asked, 2)


def test_a_branch_gets_a_number_of_its_own() -> None:
    here = PageContext(EchoEngine(), SETTINGS, VARIANTS)
    run = here.begin("qtq", question=QUESTION, stop_without_progress=False)
    assert not run.chains[0].stop_without_progress
    *_, chains = advance(EchoEngine(), run.chains, run.sampling)
    run = run.with_chains(chains)
    for question in ("Why do apples fall?", "Why do rivers bend?"):
        run = here.branch(run, BranchRequest(step=1, question=question, prompt="creator", seed=1), 1)
    assert [now.number for now in run.chains] == [1, 2, 3]
    assert [now.prompt.name for now in run.chains] == ["assistant", "creator", "creator"]


class BrokenEngine(EchoEngine):
    """An echo engine that ends with an error which nobody expected."""

    def stream(self, queue: RequestQueue) -> Snapshots:
        raise RuntimeError("the sky fell")


def test_what_nobody_expected_is_a_plain_sentence_and_another_page_works(
    client: Client, served: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with served(BrokenEngine(), SETTINGS) as address:
        other = Client(address, verbose=False)
        with caplog.at_level(logging.ERROR, "bonsai"), pytest.raises(AppError, match="Something unexpected") as caught:
            other.predict(QUESTION, api_name="/ask")
        assert "the sky fell" not in str(caught.value)
        assert "the sky fell" in caplog.text
        assert client.predict(QUESTION, api_name="/ask")[0]["answer"], "a page opened later does not change this one"
        other.close()


@pytest.mark.parametrize("host", [None, "127.0.0.2"])
def test_a_port_in_use_is_named(address: str, host: str | None) -> None:
    port = int(address.rstrip("/").rpartition(":")[2])
    with pytest.raises(BonsaiError, match=f"port {port}.* in use.*--port {port + 1}"):
        serve(build(PageContext(EchoEngine(), SETTINGS, VARIANTS)), host, port)


@pytest.mark.process
@pytest.mark.parametrize(
    ("environment", "code", "sentence"),
    [
        ({"BONSAI_ENGINE": "steam"}, 2, "BONSAI_ENGINE is 'steam'; it must be one of"),
        ({"GRADIO_SERVER_PORT": "web"}, 2, "GRADIO_SERVER_PORT is 'web'; it must be a whole number from 1 to 65535."),
        ({"BONSAI_ENGINE": "local", "BONSAI_MODEL": "./no/such/folder"}, 1, "model ./no/such/folder is not a folder"),
    ],
)
def test_the_space_says_what_is_wrong_before_it_needs_a_port(
    environment: dict[str, str], code: int, sentence: str, address: str
) -> None:
    taken = {"GRADIO_SERVER_PORT": address.rstrip("/").rpartition(":")[2]}
    done = subprocess.run(
        [sys.executable, "app.py"], cwd=ROOT, env={**os.environ, **taken, **environment}, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (code, "")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def constants() -> Iterator[tuple[Path, ast.Module]]:
    """Yield the modules of the product."""
    for file in (ROOT / "bonsai").rglob("*.py"):
        yield file, ast.parse(file.read_text(encoding="utf-8"))


def said_on_the_page() -> set[str]:
    """Return the sentences that the page tells: literals in calls, and constants at the head of its modules."""
    said = set(step_details.REASONING.values()) | {variant.description for variant in VARIANTS.values()}
    said |= set(Control) | set(MoreThanChance)
    said |= {*outcomes.ENDINGS.values(), outcomes.REASONING_TEST, outcomes.CHANGE_BY_CHANCE} - {
        outcomes.ENDINGS[outcomes.StopReason.ERROR],
        outcomes.ENDINGS[outcomes.StopReason.STOPPED],
    }
    said |= set(outcomes.Verdict) - {outcomes.Verdict.REPEATS}
    for file, module in constants():
        if "ui" not in file.relative_to(ROOT).parts:
            continue
        for call in (node for node in ast.walk(module) if isinstance(node, ast.Call)):
            if isinstance(call.func, ast.Name) and call.func.id in ("translatable", "translate"):
                said |= {
                    text.value
                    for text in call.args[-1:] + call.args[1:2]
                    if isinstance(text, ast.Constant) and isinstance(text.value, str)
                }
        for node in (node for node in module.body if isinstance(node, ast.Assign)):
            value = node.value.value if isinstance(node.value, ast.Constant) else None
            if isinstance(value, str) and value[:1].isupper() and value.endswith("."):
                said.add(value)
    return said


def test_every_sentence_of_the_page_has_its_japanese() -> None:
    said = said_on_the_page()
    assert len(said) > 100
    assert said <= translate.JAPANESE.keys() | translate.SENTENCES.keys()


def test_no_translation_is_of_a_sentence_that_is_gone() -> None:
    found = {variant.description for variant in VARIANTS.values()} | set(outcomes.Verdict)
    found |= {
        node.value
        for _, module in constants()
        for node in ast.walk(module)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert translate.JAPANESE.keys() | translate.SENTENCES.keys() <= found


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        ("", "Writing the Reasoning."),
        ("done", "Done in 1.5 s."),
        ("tautology", "repeats one that was asked before"),
        ("off-topic", "leaves the topic"),
        ("no-progress", "added next to nothing"),
        ("no-question", "no next question"),
        ("error", "could not go on"),
        ("stopped", "Stopped."),
    ],
)
def test_each_state_has_its_own_sentence(reason: str, sentence: str) -> None:
    state = replace(chain(), stop_reason=reason)
    assert sentence in status.state_of(state, 1.5, True, "en")
    assert status.state_of(state, 1.5, True, "ja") != status.state_of(state, 1.5, True, "en")


def test_a_run_tells_how_long_it_will_take_in_the_language_of_the_visitor() -> None:
    now = Progress(chain(), 3, 0, 3000, 0.001, 45.2, 39158, kept=True)
    assert status.progress_of(now, True, "en") == "Writing: 3 of 3,000 chains, 45 s, about 10.9 h to go."
    assert "45 秒" in status.progress_of(now, True, "ja") and "残り約 10.9 時間" in status.progress_of(now, True, "ja")
