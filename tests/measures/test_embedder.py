"""The embedder: what it makes of texts, where it is found, and that nothing stops or waits for one that is not."""

import functools
import http.server
import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import huggingface_hub.constants
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import BertConfig, BertModel

from bonsai.measures.embedders.files import PACKAGES, PATIENCE, folder_at_hand
from bonsai.measures.embedders.opening import Embedder, open_embedder
from bonsai.settings import EMBEDDER, NO_EMBEDDER, ROOT

pytestmark = pytest.mark.model

PACKAGE = PACKAGES[EMBEDDER][0]

ASKED, REWORDED = "How do plants make sugar from light?", "In what way do plants turn light into sugar?"
ODD_TEXTS = [
    "",
    " ",
    "?",
    "🌱",
    "\x00\x07\x1b",
    "\ud800",
    "x" * 10_000,
    "why " * 2500,
    "盆栽はなぜ小さいのですか。",
    "[SEP]",
]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small untrained model that has the tokenizer and layout of the real one."""
    folder = tmp_path_factory.mktemp("embedders") / "tiny"
    torch.manual_seed(0)
    config = BertConfig(hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2)
    BertModel(config).save_pretrained(folder)
    real = folder_at_hand(EMBEDDER)
    assert real is not None
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "modules.json", "sentence_bert_config.json"):
        shutil.copy(real / name, folder)
    shutil.copytree(real / "1_Pooling", folder / "1_Pooling")
    return folder


def test_vectors_have_unit_length_and_stand_in_order(embedder: Embedder) -> None:
    texts = [REWORDED * 9, ASKED, "Why?"]
    encoded = embedder.encode(texts)
    assert encoded[1].tokens == ("how", "do", "plants", "make", "sugar", "from", "light", "?")
    for text, one in zip(texts, encoded, strict=True):
        assert one.vector.dtype == one.token_vectors.dtype == np.float32
        assert one.token_vectors.shape == (len(one.tokens), len(one.vector))
        assert np.linalg.norm(one.vector) == pytest.approx(1, abs=1e-5)
        assert np.linalg.norm(one.token_vectors, axis=1) == pytest.approx(np.ones(len(one.tokens)), abs=1e-5)
        (base_engine,) = embedder.encode([text])
        assert base_engine.tokens == one.tokens
        assert base_engine.vector == pytest.approx(one.vector, abs=1e-5)
    assert embedder.encode([]) == []


def test_the_default_embedder_is_what_sentence_transformers_makes_of_its_files(embedder: Embedder) -> None:
    from sentence_transformers import SentenceTransformer

    theirs = SentenceTransformer(str(folder_at_hand(EMBEDDER)), device="cpu", local_files_only=True)
    for text in (ASKED, "why " * 2500, "盆栽はなぜ小さいのですか。", "Pourquoi ? 🌱", "?"):
        (ours,) = embedder.encode([text])
        pieces = theirs.encode(text, output_value="token_embeddings")[1:-1].numpy()
        assert np.allclose(ours.vector, theirs.encode(text), atol=1e-5)
        assert np.allclose(ours.token_vectors, pieces / np.linalg.norm(pieces, axis=-1, keepdims=True), atol=1e-5)


def test_vectors_tell_what_is_meant(embedder: Embedder) -> None:
    asked, reworded, other = (one.vector for one in embedder.encode([ASKED, REWORDED, "Who makes sugar-free plants?"]))
    assert asked @ reworded > 0.8 > asked @ other


@pytest.mark.parametrize("text", ODD_TEXTS, ids=lambda text: ascii(text)[:12])
def test_no_text_is_too_odd(embedder: Embedder, text: str) -> None:
    (one,) = embedder.encode([text])
    assert np.isfinite(one.vector).all()
    assert np.isfinite(one.token_vectors).all()
    assert not {"[CLS]", "[SEP]", "[PAD]"} & set(one.tokens)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(st.characters()), max_size=5))
def test_any_texts_can_be_encoded(embedder: Embedder, texts: list[str]) -> None:
    assert [np.isfinite(one.vector).all() for one in embedder.encode(texts)] == [True] * len(texts)


def test_threads_share_an_embedder(embedder: Embedder) -> None:
    texts = [f"{ASKED} {'And why? ' * number}" for number in range(12)]
    base_engine = [embedder.encode([text])[0].vector for text in texts]
    with ThreadPoolExecutor(4) as pool:
        together = [found[0].vector for found in pool.map(lambda text: embedder.encode([text]), texts)]
    assert np.array_equal(base_engine, together)


@pytest.mark.process
def test_a_forked_process_can_encode() -> None:
    # As a worker of ZeroGPU does, while its parent computes with several threads.
    script = f"""
import os, threading, torch
torch.set_num_threads(2)
from bonsai.measures.embedders.opening import open_embedder
embedder = open_embedder({EMBEDDER!r})
texts = [f"Why do {{n}} small things matter for a garden that grows?" for n in range(40)]
before = embedder.encode(texts)[7].vector
over = threading.Event()

def encode_on():
    while not over.is_set():
        embedder.encode(texts)

encoding = threading.Thread(target=encode_on)
encoding.start()
ends = []
for _ in range(5):
    child = os.fork()
    if child == 0:
        os._exit(0 if abs(embedder.encode(texts)[7].vector - before).max() < 1e-5 else 9)
    ends.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
over.set()
encoding.join()
raise SystemExit(max(ends))
"""
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, timeout=300)


def test_none_is_no_embedder(caplog: pytest.LogCaptureFixture) -> None:
    assert open_embedder(NO_EMBEDDER) is None
    assert not caplog.messages


def test_a_folder_is_loaded_without_a_word(
    tiny: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    embedder = open_embedder(str(tiny))
    assert embedder is not None
    assert embedder.name == str(tiny)
    assert embedder.encode([ASKED])[0].vector.shape == (32,)
    assert not caplog.messages
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("wrong", ["missing", "empty", "torn", "bin", "no tokenizer", "file"])
def test_a_wrong_folder_is_a_sentence_and_no_embedder(
    wrong: str, tiny: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "embedder"
    if wrong in ("torn", "bin", "no tokenizer"):
        shutil.copytree(tiny, folder)
    if wrong == "empty":
        folder.mkdir()
    if wrong == "file":
        folder.write_text("not a folder")
    if wrong == "torn":
        (folder / "model.safetensors").write_bytes(b"not weights")
    if wrong == "bin":
        torch.save(BertModel.from_pretrained(tiny).state_dict(), folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()
    if wrong == "no tokenizer":
        for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
            (folder / name).unlink()
    assert open_embedder(str(folder)) is None
    assert str(folder) in caplog.messages[0]
    assert "measured by words" in caplog.messages[-1]


def test_a_package_with_other_weights_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    model = tmp_path / PACKAGE / "model"
    model.mkdir(parents=True)
    (model / "model.safetensors").write_bytes(b"other weights")
    (model.parent / "__init__.py").write_text("raise SystemExit('the code of the package was run')")
    monkeypatch.syspath_prepend(tmp_path)
    assert open_embedder(EMBEDDER) is None
    assert f"weights in the package {PACKAGE} are not those of {EMBEDDER}" in caplog.messages[0]


@pytest.fixture
def hub_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """A way to put the hub at a port of this machine; nothing is in its cache yet."""
    constants = huggingface_hub.constants
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))

    def hub_at(port: int) -> None:
        address = f"http://127.0.0.1:{port}"
        template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, address)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "ENDPOINT", address)

    huggingface_hub.close_session()
    yield hub_at
    huggingface_hub.close_session()


def downloads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "embedder download"]


def test_a_silent_hub_is_waited_for_a_second_at_most(
    hub_at: Callable[[int], None], caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hub_at(silent.getsockname()[1])
        assert open_embedder("someone/embedder") is None
        assert PATIENCE == 1 and downloads(), "it is not waited for to the end"
        assert "being fetched from the hub in the background" in caplog.messages[0]
    for thread in downloads():
        thread.join()


@pytest.mark.process
def test_a_run_neither_waits_nor_fails_for_a_silent_hub(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        environ = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
        environ |= {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path), "BONSAI_EMBEDDER": "someone/embedder"}
        done = subprocess.run(
            [sys.executable, "-m", "bonsai", "ask", ASKED, "--steps", "2"],
            cwd=ROOT,
            env=environ | {"BONSAI_ENGINE": "echo"},
            capture_output=True,
            text=True,
            timeout=30,
        )
    assert done.returncode == 0, done.stderr
    assert "being fetched from the hub in the background" in done.stderr
    assert done.stdout.count("## Step") == 2


class _Hub(http.server.SimpleHTTPRequestHandler):
    """A hub with one model, `someone/tiny`, whose files are those of the folder served."""

    def do_GET(self) -> None:
        if self.path.startswith("/api/models/someone/tiny"):
            folder = Path(self.directory)
            names = [str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()]
            body = json.dumps({"id": "someone/tiny", "siblings": [{"rfilename": name} for name in names]})
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body.encode())
        else:
            super().do_GET()

    def translate_path(self, path: str) -> str:
        return super().translate_path(path.removeprefix("/someone/tiny/resolve/main").removeprefix(f"/{'0' * 40}"))

    def end_headers(self) -> None:
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("ETag", f'"{abs(hash(self.path)):040x}"')
        super().end_headers()

    def log_message(self, *_: object) -> None:
        """Keep the terminal clean."""


def test_what_was_fetched_from_the_hub_is_loaded_at_the_next_start(
    tiny: Path, hub_at: Callable[[int], None], caplog: pytest.LogCaptureFixture
) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Hub, directory=tiny)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        hub_at(server.server_port)
        open_embedder("someone/tiny")
        for thread in downloads():
            thread.join()
        server.shutdown()
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        embedder = open_embedder("someone/tiny")
    assert embedder is not None
    assert (embedder.name, caplog.messages) == ("someone/tiny", [])
