"""A model that is loaded while the page is there already: who asks before waits, is told so, and hears of a failure."""

import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, expect

from bonsai.engines import open_base_engine, open_deferred_engine, open_engine
from bonsai.engines.base import Engine, SamplingParams
from bonsai.engines.deferred import DeferredEngine, EngineInfo
from bonsai.engines.echo import EchoEngine
from bonsai.errors import EngineError
from bonsai.measures.embedders.opening import DeferredEmbedder, Embedder, open_deferred_embedder
from bonsai.settings import EMBEDDER, NO_ADAPTER, NO_EMBEDDER, ROOT, Settings
from tests.browser.visits import QUESTION, Visit, ask, status, table

PARAMS = SamplingParams(max_new_tokens=12, seed=3)
PROSPECT = EngineInfo("echo", "echo", device="CPU", is_stand_in=True, max_batch_size=32)


def held(there: threading.Event) -> DeferredEngine:
    """Return an engine that is being opened until `there` is set."""

    def opening() -> Engine:
        assert there.wait(60)
        return EchoEngine()

    engine = DeferredEngine(opening, PROSPECT)
    threading.Thread(target=engine.open).start()
    return engine


def test_who_asks_before_waits_with_signs_of_life_and_gets_the_same() -> None:
    there = threading.Event()
    engine = held(there)
    snapshots = engine.generate([QUESTION], PARAMS)
    number, first = next(snapshots)
    assert (number, first.text, first.finished, engine.is_ready) == (0, "", False, False)
    there.set()
    assert list(snapshots)[-1][1].text == list(EchoEngine().generate([QUESTION], PARAMS))[-1][1].text
    assert engine.is_ready
    assert engine.count_tokens(QUESTION) == EchoEngine().count_tokens(QUESTION)


def test_waiting_can_be_given_up() -> None:
    there = threading.Event()
    engine = held(there)
    snapshots = engine.generate([QUESTION], PARAMS)
    next(snapshots)
    snapshots.close()
    assert list(snapshots) == []
    there.set()
    engine.wait()


def test_everyone_who_asks_hears_why_there_is_no_model() -> None:
    def opening() -> Engine:
        raise EngineError("The folder is empty.")

    engine = DeferredEngine(opening, PROSPECT)
    engine.open()
    for ask_it in (engine.wait, lambda: list(engine.generate([QUESTION], PARAMS)), lambda: engine.count_tokens("a")):
        with pytest.raises(EngineError, match="The folder is empty"):
            ask_it()


@pytest.mark.model
@pytest.mark.parametrize("name", ["batching", "local"])
@pytest.mark.parametrize("adapter", ["", NO_ADAPTER])
def test_what_is_told_of_a_model_beforehand_is_true(
    name: str, adapter: str, model_folder: Path, adapter_folder: Path
) -> None:
    settings = Settings(engine=name, model=str(model_folder), adapter=adapter or str(adapter_folder), concurrency=5)
    soon, there = open_deferred_engine(settings), open_engine(settings)
    assert isinstance(soon, DeferredEngine)
    # How long a prompt may be and how it ends stands in the model's files, which are not read yet.
    unread = {"context_length": soon.info.context_length, "eos_token": ""}
    assert soon.info == replace(there.info, **unread)
    soon.open()
    assert soon.wait().info.context_length == soon.info.context_length == there.info.context_length


@pytest.mark.model
def test_the_model_without_its_adapter_comes_after_it(model_folder: Path, adapter_folder: Path) -> None:
    settings = Settings(engine="local", model=str(model_folder), adapter=str(adapter_folder))
    soon = open_deferred_engine(settings)
    assert isinstance(soon, DeferredEngine)
    base_engine = open_base_engine(settings, soon)
    assert isinstance(base_engine, DeferredEngine)
    soon.open()
    base_engine.open()
    assert (soon.wait().info.adapter_id, base_engine.wait().info.adapter_id) == (str(adapter_folder), "")
    assert soon.wait().info.model_id == base_engine.wait().info.model_id == str(model_folder)


def test_engines_without_a_model_of_their_own_are_opened_at_once() -> None:
    assert isinstance(open_deferred_engine(Settings(engine="echo")), EchoEngine)


def test_on_zero_gpu_the_model_is_loaded_before_the_page_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Settings] = []
    monkeypatch.setattr("bonsai.engines.open_engine", lambda settings: asked.append(settings) or EchoEngine())
    settings = Settings(engine="local", zero_gpu=True)
    assert isinstance(open_deferred_engine(settings), EchoEngine)
    assert asked == [settings]


def test_a_late_embedder_is_the_same(embedder: Embedder) -> None:
    soon = open_deferred_embedder(EMBEDDER)
    assert isinstance(soon, DeferredEmbedder)
    assert soon.name == embedder.name
    soon.open()
    for one, two in zip(soon.encode([QUESTION, "石"]), embedder.encode([QUESTION, "石"]), strict=True):
        assert np.array_equal(one.vector, two.vector)


def test_a_late_embedder_that_cannot_be_loaded_says_what_to_do(tmp_path: Path) -> None:
    soon = DeferredEmbedder(EMBEDDER, tmp_path)
    soon.open()
    with pytest.raises(EngineError, match="cannot be loaded; set BONSAI_EMBEDDER"):
        soon.encode([QUESTION])
    assert open_deferred_embedder(NO_EMBEDDER) is None


@pytest.fixture
def opened() -> Iterator[threading.Event]:
    """What the model of the page waits for."""
    opened = threading.Event()
    yield opened
    opened.set()


@pytest.mark.parametrize("tab", ["QtQ chain", "Compare"])
def test_the_page_is_there_before_the_model_and_its_visitors_wait(
    opened: threading.Event, served: Any, browser: Browser, tab: str
) -> None:
    engine = held(opened)
    with served(engine, Settings(engine="echo")) as address:
        visit = Visit(address, browser)
        page = visit(tab)
        ask(page, QUESTION)
        # Updates come all the while, and none takes the sentence away.
        expect(page.locator(".bonsai-live:visible .clock")).not_to_have_text("0.0 s")
        expect(status(page)).to_have_text("The model is being loaded. It begins by itself.")
        opened.set()
        expect(status(page)).to_contain_text("Done in")
        if tab != "Compare":
            assert len(table(page)) == 3
        visit.end()


@pytest.mark.parametrize("name", ["local", "batching"])
@pytest.mark.parametrize("opening", [open_engine, open_deferred_engine])
def test_a_folder_without_a_model_or_an_adapter_is_refused_before_anything_is_imported(
    opening: Callable[[Settings], Engine], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bonsai.engines.import_module", lambda module: pytest.fail(f"{module} was imported"))
    with pytest.raises(EngineError, match=r"has no config\.json"):
        opening(Settings(engine=name, model=str(tmp_path)))
    with pytest.raises(EngineError, match=r"has no adapter_config\.json"):
        opening(Settings(engine=name, adapter=str(tmp_path)))


@pytest.mark.parametrize("source", ["./no/such", "/no/such", "~/no such", "~nobody-here/x", "a/b/c"])
@pytest.mark.parametrize("name", ["local", "batching"])
def test_a_model_or_adapter_that_is_nowhere_is_told_of_before_there_is_a_page(name: str, source: str) -> None:
    with pytest.raises(EngineError, match=f"The model {source} is not a folder: nothing is at"):
        open_deferred_engine(Settings(engine=name, model=source))
    with pytest.raises(EngineError, match=f"The adapter {source} is not a folder: nothing is at"):
        open_deferred_engine(Settings(engine=name, adapter=source))


@pytest.mark.parametrize("source", ["./no/such", "/no/such.gguf", "~/no such", "~nobody-here/x", "a/b/c"])
def test_llama_cpp_tells_of_it_as_early(source: str) -> None:
    with pytest.raises(EngineError, match=f"There is no file {source}"):
        open_deferred_engine(Settings(engine="llama-cpp", model=source))
    with pytest.raises(EngineError, match=f"The adapter {source} is not a folder: nothing is at"):
        open_deferred_engine(Settings(engine="llama-cpp", adapter=source))


@pytest.mark.parametrize(
    "settings",
    [
        Settings(engine="batching", model="microsoft/phi-2", adapter="owner/name"),
        Settings(engine="llama-cpp", model="owner/name:Q4_K_M", adapter="owner/name"),
        Settings(engine="echo", model="a/name/of/the/server"),
    ],
)
def test_what_may_be_on_the_hub_is_not_looked_for_before_there_is_a_page(settings: Settings) -> None:
    assert open_deferred_engine(settings).info


@pytest.mark.process
def test_a_model_that_cannot_be_loaded_ends_the_page_with_a_sentence(tmp_path: Path, model_folder: Path) -> None:
    shutil.copytree(model_folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / "model.safetensors").write_bytes(b"not weights")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    done = subprocess.run(
        [sys.executable, "-m", "bonsai", "serve", "--port", port],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "BONSAI_ENGINE": "batching", "BONSAI_MODEL": str(tmp_path)},
    )
    assert done.returncode == 1
    assert "Bonsai is open at" in done.stderr
    assert done.stderr.splitlines()[-1].startswith(
        f"bonsai: The model {tmp_path} cannot be loaded from {tmp_path}: Error while deserializing header"
    )
    assert "Traceback" not in done.stderr


def test_who_waited_for_an_engine_reads_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, seen = DeferredEngine(EchoEngine, PROSPECT), []
    monkeypatch.setattr(engine._engine, "set_result", lambda _: seen.append(engine.info))
    engine.open()
    assert seen == [EchoEngine().info] != [PROSPECT]
