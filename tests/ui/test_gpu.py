"""ZeroGPU on a CPU: the real wrappers of `spaces` around the real `grow`, forked worker and all.

The simulation patches torch for good, so it is this file run as a script; the tests read what it reports.
"""

import json
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import repeat
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from bonsai.chains import reasoning_test as reasoning_tests
from bonsai.chains.advance import advance
from bonsai.chains.advance import advance_each as advance_each
from bonsai.chains.chain import Chain, branch, new_chain
from bonsai.chains.prompts import load_variants
from bonsai.chains.roles import check_context
from bonsai.engines.base import RequestQueue, SamplingParams, Snapshots
from bonsai.engines.echo import EchoEngine
from bonsai.runs.json_values import as_json
from bonsai.settings import ROOT, Settings
from bonsai.ui.work.lease import PaceEstimate, work_of

VARIANT = load_variants(ROOT / "prompts")["assistant"]
SAMPLING = SamplingParams(max_new_tokens=60)
CHAINS = (
    new_chain("Why does rain smell?", "single", VARIANT, number=1),
    new_chain("Why does tea calm?", "two-step", VARIANT, number=2),
    new_chain("Why does salt keep food?", "qtq", VARIANT, number=3, length=2, candidates=3),
)
ENDLESS = (new_chain("Why go on?", "single", VARIANT),)
SHORT = SamplingParams(max_new_tokens=8, temperature=0)
TINY = (new_chain("Why?", "single", VARIANT, number=1), new_chain("How?", "two-step", VARIANT, number=2))


class WatchedEngine(EchoEngine):
    """An echo engine that tells, from whatever process it runs in, where it ran and how many of its calls ended.

    It never ends a completion of the question of ENDLESS. `seconds` is a clock by which each pass takes as long.
    """

    def __init__(self, pass_seconds: float = 0, **options: Any) -> None:
        super().__init__(**options)
        self.pid, self.ended = multiprocessing.Value("i", 0), multiprocessing.Value("i", 0)
        self.pass_seconds, self._passes = pass_seconds, multiprocessing.Value("i", 0)

    def seconds(self) -> float:
        return self._passes.value * self.pass_seconds

    def stream(self, queue: RequestQueue) -> Snapshots:
        self.pid.value = os.getpid()
        endless = bool(queue) and ENDLESS[0].questions[0] in queue.peek().prompt.text
        snapshots = super().stream(queue)
        try:
            for snapshot in repeat(next(snapshots)) if endless else snapshots:
                self._passes.value += 1
                yield snapshot
        finally:
            self.ended.value += 1


class Platform:
    """Stands for the machine that a Space on ZeroGPU finds itself on: the device API, and a GPU that is none."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, list[str]]]] = []
        self.idle = False
        platform = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                url = urlsplit(self.path)
                platform.calls.append((url.path, parse_qs(url.query)))
                answer = {"idle": platform.idle, "nvidiaIndex": 0, "nvidiaUUID": "GPU-0", "allowToken": "token"}
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(answer).encode())

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        os.environ["SPACES_ZERO_DEVICE_API_URL"] = f"http://127.0.0.1:{server.server_port}"
        self._make_torch_look_like_cuda()

    def _make_torch_look_like_cuda(self) -> None:
        import torch

        def not_in_bad_fork() -> bool:
            return False

        not_in_bad_fork.__module__, not_in_bad_fork.__qualname__ = "torch.cuda", "_is_in_bad_fork"
        torch.cuda._is_in_bad_fork = not_in_bad_fork
        torch._C._cuda_init = lambda: None
        torch._C._cuda_getCurrentRawStream = lambda device: 0
        torch.cuda._exchange_device = torch.cuda._maybe_exchange_device = lambda device: device
        torch.version.cuda = "12.8"
        import spaces.zero.config
        import spaces.zero.torch as zero_torch
        import spaces.zero.utils
        from spaces.zero.torch.patching import cuda_aliases

        def move(callback: Callable[[int], None] | None = None) -> None:
            for fake, original in list(cuda_aliases.items()):
                fake.data = original

        torch.version.cuda = None
        zero_torch.init, zero_torch.move = (lambda uuid: None), move
        spaces.zero.utils.self_cgroup_device_path = lambda: "/"
        spaces.zero.config._read_gpu_information = lambda: "Model: NVIDIA RTX PRO 6000 Blackwell Server Edition"
        spaces.zero.config.get_config.cache_clear()
        self.duration_factor = spaces.zero.config.get_config()["duration_factor"]

    def called(self, path: str) -> list[dict[str, list[str]]]:
        return [query for called, query in self.calls if called == path]


def tell(chains: Sequence[Chain]) -> str:
    """Return all that the chains hold, but for the prompt variant and the seconds."""
    plain = [
        replace(chain, prompt="", steps=tuple(replace(step, seconds=0) for step in chain.steps)) for chain in chains
    ]
    return json.dumps([as_json(chain) for chain in plain], sort_keys=True)


def click(engine: Any, chains: tuple[Chain, ...] = CHAINS, sampling: SamplingParams = SAMPLING) -> list[Any]:
    from bonsai.ui.work.gpu import GpuRunner

    return list(GpuRunner(engine).grow(chains, sampling))


def two_clicks(platform: Platform) -> dict[str, Any]:
    from bonsai.ui.work.gpu import GpuRunner

    engine = WatchedEngine()
    runner = GpuRunner(engine)
    expected = [tell(chains) for chains in advance(EchoEngine(), CHAINS, SAMPLING)]
    snapshots, pids = [], []
    for platform.idle in (False, True):
        snapshots.append(list(runner.grow(CHAINS, SAMPLING)))
        pids.append(engine.pid.value)
    return {
        "expected": expected,
        "first": [tell(chains) for chains in snapshots[0]],
        "second": [tell(chains) for chains in snapshots[1]],
        "pickled": all(pickle.loads(pickle.dumps(chains)) == chains for chains in snapshots[0]),
        "pids": pids,
        "page": os.getpid(),
        "workers": len(platform.called("/allow")),
        "asked": [int(query["durationSeconds"][0]) for query in platform.called("/schedule")],
        "needed": runner.seconds_needed(CHAINS, SAMPLING),
        "factor": platform.duration_factor,
    }


def many_chains(platform: Platform, home: Path) -> dict[str, Any]:
    """Return what a run of many chains, with and without the adapter, comes to in a worker, and without one."""
    from bonsai.runs.journal import begin_journal
    from bonsai.runs.journal.progress import record
    from bonsai.runs.plan import Grid, Plan
    from bonsai.ui.work.gpu import GpuRunner

    platform.idle = False
    engine, base_engine = WatchedEngine(), WatchedEngine(replies={"<|reasoning|>": ""})
    engine.info = replace(engine.info, adapter_id="a/b")
    runner = GpuRunner(engine, base_engine=base_engine)
    grid = Grid(("Why does rain smell?", "Why does tea calm?"), (VARIANT,), ("qtq",), ("a/b", ""), length=2)
    plan = Plan(grid, SAMPLING, "echo", "a/b", "echo", "words")
    before = len(platform.called("/schedule"))
    journal = begin_journal(home / "journal.jsonl", plan)
    *_, last = record(journal, runner.grow_each(tuple(journal.unfinished()), SAMPLING))
    expected = dict(
        advance_each(EchoEngine(), list(plan.chains()), SAMPLING, base_engine=EchoEngine(replies=base_engine.replies))
    )
    return {
        "last": tell(list(journal)),
        "expected": tell([expected[place] for place in range(4)]),
        "finished": last.finished,
        "leases": len(platform.called("/schedule")) - before,
        "workers": [engine.pid.value, base_engine.pid.value],
        "page": os.getpid(),
    }


def seconds_of_leases(platform: Platform) -> dict[str, Any]:
    """Return, for one click after another on a GPU of a steady pace, the seconds asked for and those used."""
    from bonsai.errors import EngineError
    from bonsai.ui.work.gpu import GpuRunner
    from bonsai.ui.work.lease import PaceEstimate

    engine = WatchedEngine(pass_seconds=0.004)
    runner = GpuRunner(engine, clock=engine.seconds)
    platform.idle = False
    chain = (new_chain("Why does salt keep food?", "qtq", VARIANT, length=6, candidates=1),)
    clicks = []
    for _ in range(5):
        asked, began = runner.seconds_needed(chain, SAMPLING), engine.seconds()
        *_, (last,) = runner.grow(chain, SAMPLING)
        clicks.append((asked, engine.seconds() - began, len(last.steps)))
        platform.idle = True
    runner.pace = PaceEstimate(start=0.5, each_pass=0)
    began, told, reached = engine.seconds(), "", 0
    try:
        for (last,) in runner.grow(ENDLESS, SAMPLING):
            reached = len(last.steps[0].answer)
    except EngineError as error:
        told = str(error)
    used = engine.seconds() - began
    return {"clicks": clicks, "told": told, "used": used, "reached": reached, "workers_ended": engine.ended.value}


def stop_and_go_on(platform: Platform) -> dict[str, Any]:
    from bonsai.ui.work.gpu import GpuRunner

    platform.idle = False
    engine = WatchedEngine()
    # By its clock, which stands still, the lease never ends: what ends the work is Stop.
    runner = GpuRunner(engine, clock=engine.seconds)
    growing = runner.grow(ENDLESS, SAMPLING)
    for _ in range(20):
        next(growing)
    ended = [engine.ended.value]
    growing.close()
    worker = engine.pid.value
    ended.append(engine.ended.value)
    platform.idle = True
    *_, again = runner.grow(CHAINS, SAMPLING)
    return {
        "ended": ended,
        "workers": [worker, engine.pid.value],
        "again": tell(again),
        "failed_releases": [query for query in platform.called("/release") if query["fail"] != ["false"]],
    }


def failing_prompt(platform: Platform) -> list[list[str]]:
    platform.idle = False
    last = click(WatchedEngine(fail_on="tea"))[-1]
    return [[chain.stop_reason, chain.steps[-1].error] for chain in last]


def reasoning_test(platform: Platform) -> dict[str, Any]:
    """Return what the test of a Reasoning tells, on the GPU and without one, and the seconds asked for."""
    from bonsai.errors import UsageError
    from bonsai.ui.work.gpu import GpuRunner

    platform.idle = False
    engine = WatchedEngine()
    *_, (chain,) = advance(EchoEngine(), CHAINS[1:2], SAMPLING)
    runner = GpuRunner(engine)
    *_, tested = runner.test_reasoning(chain, 1, SAMPLING)
    *_, expected = reasoning_tests.test_reasoning(EchoEngine(), chain, 1, SAMPLING)
    try:
        refused = str(list(runner.test_reasoning(chain, 2, SAMPLING)))
    except UsageError as error:
        refused = str(error)
    asked = int(platform.called("/schedule")[-1]["durationSeconds"][0])
    return {
        "tested": tell([tested]),
        "expected": tell([expected]),
        "refused": refused,
        "asked": asked,
        "worker": engine.pid.value,
        "page": os.getpid(),
    }


def measured_by_meaning(platform: Platform) -> dict[str, Any]:
    """Return a chain measured by meaning in a worker, and in this process, whose embedder has been at work before."""
    from bonsai.measures.embedders.opening import open_embedder
    from bonsai.measures.similarity import Measure
    from bonsai.settings import EMBEDDER
    from bonsai.ui.work.gpu import GpuRunner

    platform.idle = False
    engine, embedder = WatchedEngine(), open_embedder(EMBEDDER)
    *_, expected = advance(EchoEngine(), CHAINS[2:], SAMPLING, Measure(embedder))
    # One that has read nothing yet, so that the worker has to.
    runner = GpuRunner(engine, Measure(embedder))
    *_, last = runner.grow(CHAINS[2:], SAMPLING)
    return {"last": tell(last), "expected": tell(expected), "worker": engine.pid.value, "page": os.getpid()}


def page(platform: Platform) -> dict[str, str]:
    """Return what visitors are told by pages whose engine works, refuses what it is asked, or breaks."""
    from gradio_client import Client

    from bonsai.ui.context import PageContext
    from bonsai.ui.page import build

    platform.idle = False
    works, refuses, breaks = EchoEngine(), EchoEngine(), EchoEngine(pause=lambda: {}["a detail"])
    refuses.info = replace(refuses.info, options=refuses.info.options - {"temperature"})
    clients, told = {}, {}
    for engine in (works, refuses, breaks):
        page = build(PageContext(engine, Settings(), {VARIANT.name: VARIANT}))
        _, address, _ = page.launch(prevent_thread_lock=True, quiet=True)
        clients[engine] = Client(address, verbose=False)
    for name, engine in {"works": works, "refuses": refuses, "breaks": breaks, "works again": works}.items():
        try:
            told[name] = clients[engine].predict("Why does rain smell?", temperature=0.1, api_name="/ask")[0]["answer"]
        except Exception as error:
            told[name] = str(error)
    return told


def local_engine(platform: Platform, folder: str) -> dict[str, Any]:
    from bonsai.engines import open_engine

    platform.idle = False
    engine = open_engine(Settings(model=folder, zero_gpu=True))
    check_context(engine, TINY, SHORT)
    return {
        "device": engine.info.device,
        "place": str(engine._model.device),
        "last": tell(click(engine, TINY, SHORT)[-1]),
    }


def simulate(folder: str, report: str) -> None:
    platform = Platform()
    found = {
        "two_clicks": two_clicks(platform),
        "many_chains": many_chains(platform, Path(report).parent),
        "seconds": seconds_of_leases(platform),
        "stop": stop_and_go_on(platform),
        "failing_prompt": failing_prompt(platform),
        "reasoning_test": reasoning_test(platform),
        "measured_by_meaning": measured_by_meaning(platform),
        "page": page(platform),
        "local": local_engine(platform, folder),
    }
    Path(report).write_text(json.dumps(found))
    for worker in multiprocessing.active_children():
        worker.kill()


@pytest.fixture(scope="module")
def report(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home = tmp_path_factory.mktemp("home")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "GRADIO_ANALYTICS_ENABLED": "False",
        "SPACES_ZERO_GPU": "true",
    }
    command = [sys.executable, __file__, str(model_folder), str(home / "report.json")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((home / "report.json").read_text())


def test_chains_come_back_as_without_zerogpu(report: dict[str, Any]) -> None:
    clicks = report["two_clicks"]
    assert clicks["first"] == clicks["expected"] == clicks["second"]
    assert clicks["pickled"]


def test_the_work_is_done_by_one_worker_that_is_used_again(report: dict[str, Any]) -> None:
    clicks = report["two_clicks"]
    first, second = clicks["pids"]
    assert first == second != clicks["page"]
    assert clicks["workers"] == 1


def test_the_seconds_needed_are_asked_for(report: dict[str, Any]) -> None:
    clicks = report["two_clicks"]
    assert clicks["factor"] > 1
    assert clicks["asked"] == [round(clicks["needed"] * clicks["factor"])] * 2


def test_a_lease_is_asked_for_at_the_pace_seen_and_is_not_exceeded(report: dict[str, Any]) -> None:
    clicks = report["seconds"]["clicks"]
    assert all(used <= 1.1 * asked for asked, used, _ in clicks)
    assert all(steps == 6 for _, _, steps in clicks)
    asked = [seconds for seconds, _, _ in clicks]
    assert asked == sorted(asked, reverse=True) and asked[-1] < 0.5 * asked[0]


def test_a_lease_ends_when_its_seconds_are_over_and_keeps_what_was_written(report: dict[str, Any]) -> None:
    told = report["seconds"]
    assert told["told"].startswith("The 1 GPU seconds that were asked for are over. What was written is kept")
    assert 0.9 < told["used"] < 1.1
    assert told["workers_ended"] == 6


def test_many_chains_take_one_lease_and_are_kept_as_without_zerogpu(report: dict[str, Any]) -> None:
    many = report["many_chains"]
    assert many["last"] == many["expected"]
    assert (many["finished"], many["leases"]) == (4, 1)
    first, second = many["workers"]
    assert first == second != many["page"]


def test_stop_frees_the_worker_at_once(report: dict[str, Any]) -> None:
    stop = report["stop"]
    assert stop["ended"] == [0, 1]
    first, second = stop["workers"]
    assert first == second
    assert stop["again"] == report["two_clicks"]["expected"][-1]
    assert stop["failed_releases"] == []


def test_a_reasoning_is_tested_in_the_worker(report: dict[str, Any]) -> None:
    told = report["reasoning_test"]
    assert told["worker"] != told["page"]
    assert told["tested"] == told["expected"]
    assert "change_without" in told["tested"]
    assert told["refused"] == "Chain 2 has no step 2 to test; its last is step 1."
    assert 0 < told["asked"] < report["two_clicks"]["asked"][0]


def test_a_worker_measures_by_meaning_too(report: dict[str, Any]) -> None:
    told = report["measured_by_meaning"]
    assert told["worker"] != told["page"]
    assert told["last"] == told["expected"]
    assert '"similarity": 0.' in told["last"]


def seconds_needed(chains: Sequence[Chain], sampling: SamplingParams) -> int:
    return PaceEstimate().seconds(work_of(EchoEngine(), chains, sampling))


def test_only_steps_that_are_still_to_be_written_need_seconds() -> None:
    *_, (chain,) = advance(EchoEngine(), CHAINS[2:], SAMPLING)
    # Only the time to start is left of a chain that is finished.
    least = seconds_needed((chain,), SAMPLING)
    new = branch(chain, number=4, keep=1, question="Who sells salt?", length=3)
    whole = new_chain("Why does salt keep food?", "qtq", VARIANT, length=3)
    assert least < seconds_needed((chain, new), SAMPLING) < seconds_needed((whole,), SAMPLING)
    assert seconds_needed((chain, new), SAMPLING) == seconds_needed((replace(whole, length=2),), SAMPLING)


def test_a_failing_prompt_is_data(report: dict[str, Any]) -> None:
    first, failed, third = report["failing_prompt"]
    assert first == third == ["done", ""]
    assert failed == ["error", "The echo engine was told to fail on this prompt."]


def test_an_error_in_the_worker_reaches_the_page_as_a_sentence(report: dict[str, Any]) -> None:
    told = report["page"]
    assert told["works"] == told["works again"]
    assert told["works"].startswith("For rain smell, begin with ")
    assert told["refuses"] == "The echo engine does not honour temperature; leave it at its default."
    assert told["breaks"].startswith("Something ") and told["breaks"].endswith(".")


def test_a_model_placed_on_the_gpu_answers_in_the_worker(report: dict[str, Any], model_folder: Path) -> None:
    import torch

    from bonsai.engines import open_engine

    local = report["local"]
    assert local["device"] == "ZeroGPU" and local["place"] == "cuda:0"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        engine = open_engine(Settings(model=str(model_folder), dtype="bfloat16"))
        *_, expected = advance(engine, TINY, SHORT)
    finally:
        torch.set_num_threads(threads)
    assert local["last"] == tell(expected)


if __name__ == "__main__":
    simulate(*sys.argv[1:])
