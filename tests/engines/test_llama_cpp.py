"""GGUF models: where they are found, what is said of those that cannot be used, and that they answer as they should."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from bonsai import engines
from bonsai.engines import engine_name, open_engine
from bonsai.engines.base import EngineInfo, Prompt, SamplingParams
from bonsai.engines.gguf import finding
from bonsai.engines.gguf.finding import find_model
from bonsai.engines.gguf.header import read_gguf
from bonsai.engines.llama_cpp import server
from bonsai.engines.llama_cpp.engine import LlamaCppEngine
from bonsai.engines.llama_cpp.server import LlamaServer, Room
from bonsai.errors import EngineError, SettingError
from bonsai.settings import SMOLLM2, Settings
from tests import gguf_models, models

QUANTISATIONS = ("phi-2.Q2_K.gguf", "phi-2.Q4_K_M.gguf", "phi-2.Q4_K_S.gguf", "README.md", "mmproj-phi-2.gguf")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[str]]:
    """The names of the files in the only repository of a hub, which gives them all."""
    names: list[str] = []

    class Api:
        def list_repo_files(self, repository: str, revision: str | None = None) -> list[str]:
            return names

    def download(repository: str, name: str, revision: str | None = None) -> str:
        assert name in names
        return str(tmp_path / repository / name)

    monkeypatch.setattr(finding, "HfApi", Api)
    monkeypatch.setattr(finding, "hf_hub_download", download)
    yield names


@pytest.mark.parametrize("wanted", ["Q4_K_M", "q4_k_m", "phi-2.Q4_K_M.gguf"])
def test_a_repository_is_asked_for_a_quantisation_or_a_file(hub: list[str], wanted: str) -> None:
    hub += QUANTISATIONS
    assert find_model(f"some/phi-2-GGUF:{wanted}").name == "phi-2.Q4_K_M.gguf"


def test_the_only_file_of_a_repository_need_not_be_named(hub: list[str]) -> None:
    hub += ["a/model-00001-of-00002.gguf", "a/model-00002-of-00002.gguf", "mmproj.gguf"]
    assert find_model("some/model").name == "model-00001-of-00002.gguf"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("some/phi", "has several GGUF files: phi-2.Q2_K.gguf, phi-2.Q4_K_M.gguf, phi-2.Q4_K_S.gguf. Name one, as in "),
        ("some/phi:Q9", "has no GGUF file Q9. It has: phi-2.Q2_K.gguf, phi-2.Q4_K_M.gguf, phi-2.Q4_K_S.gguf."),
    ],
)
def test_the_files_of_a_repository_are_listed_if_it_is_not_clear_which(hub: list[str], source: str, words: str) -> None:
    hub += QUANTISATIONS
    with pytest.raises(EngineError, match=r"BONSAI_MODEL=some/phi:phi-2.Q2_K|It has") as caught:
        find_model(source)
    assert words in str(caught.value)


def test_a_folder_has_one_model_or_says_which(tmp_path: Path) -> None:
    (tmp_path / "one.gguf").touch()
    assert find_model(str(tmp_path)) == tmp_path / "one.gguf"
    (tmp_path / "two.gguf").touch()
    with pytest.raises(
        EngineError, match=r"several GGUF files: one.gguf, two.gguf. Name one, as in BONSAI_MODEL=.*/one"
    ):
        find_model(str(tmp_path))


@pytest.mark.parametrize("source", ["missing.gguf", "./missing", "/missing/model.gguf"])
def test_a_file_that_is_not_there_is_named(source: str) -> None:
    with pytest.raises(EngineError, match=f"There is no file {source}"):
        find_model(source)


@pytest.mark.model
def test_the_model_in_the_box_is_the_one_that_was_published(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = find_model(SMOLLM2)
    assert hashlib.sha256(file.read_bytes()).hexdigest().startswith("b179c952")
    other = tmp_path / file.name
    other.write_bytes(b"GGUF")
    monkeypatch.setattr(finding, "find_spec", lambda _: None)
    monkeypatch.setattr(finding, "hf_hub_download", lambda *_, **__: str(other))
    with pytest.raises(EngineError, match="is not the model SmolLM2-135M-Instruct as it was published"):
        find_model(SMOLLM2)


@pytest.mark.parametrize(
    ("settings", "gpu", "name"),
    [
        (Settings(model=SMOLLM2), False, "llama-cpp"),
        (Settings(model="some/phi-2-GGUF:Q4_K_M"), True, "llama-cpp"),
        (Settings(model="model.gguf"), False, "llama-cpp"),
        (Settings(model="microsoft/phi-2"), False, "batching"),
        (Settings(), True, "batching"),
        (Settings(zero_gpu=True), False, "local"),
        (Settings(base_url="http://127.0.0.1:1"), False, "remote"),
        (Settings(engine="echo"), False, "echo"),
    ],
)
def test_auto_is_the_engine_that_fits_the_model_and_the_machine(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, gpu: bool, name: str
) -> None:
    monkeypatch.setattr(engines, "_has_gpu", lambda: gpu)
    assert engine_name(settings) == name


def test_without_llama_cpp_transformers_engine_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "find_spec", lambda _: None)
    assert engine_name(Settings(model=SMOLLM2)) == "batching"


def test_it_is_not_for_a_leased_gpu() -> None:
    with pytest.raises(SettingError, match="must be auto or local"):
        open_engine(Settings(engine="llama-cpp", zero_gpu=True))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda data: data[:20], "is cut off: even its header is incomplete. Fetch it again."),
        (lambda data: data[:-5000], "bytes are there. Fetch it again."),
        (lambda data: data[:4] + b"\x09" + data[5:], "is of GGUF version 9; the newest known here is 3. Update"),
        (lambda data: b"PK\3\4" + data[4:], "is not a GGUF file."),
        (lambda data: data.replace(b"phi2", b"phi9"), "unknown model architecture: 'phi9'; update llama.cpp"),
        (lambda data: data.replace(b"blk.1.ffn_up.weight", b"blk.1.ffn_xx.weight"), "'blk.1.ffn_up.weight' not found."),
    ],
)
def test_a_model_that_cannot_be_used_is_refused_with_its_reason(
    gguf_file: Path, tmp_path: Path, damage: Any, words: str
) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(damage(gguf_file.read_bytes()))
    with pytest.raises(EngineError) as caught:
        open_engine(Settings(model=str(file)))
    assert words in str(caught.value)
    assert str(file) in str(caught.value)


def test_a_model_that_takes_more_memory_than_is_free_is_not_loaded(
    gguf_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = type("Free", (), {"available": 2**27})
    monkeypatch.setattr(server.psutil, "virtual_memory", lambda: free)
    with pytest.raises(EngineError, match=r"takes 0.3 GB of memory, and 0.1 GB are free. Choose a smaller file"):
        open_engine(Settings(model=str(gguf_file)))


@pytest.mark.model
def test_many_texts_share_what_a_large_model_can_keep() -> None:
    small = Room(read_gguf(find_model(SMOLLM2)), 32)
    assert (small.context_length, small.kept_tokens) == (8192, 16384)
    assert 0.6e9 < small.bytes < 0.9e9
    assert Room(small.model, 1).kept_tokens == 8192


@pytest.mark.model
@pytest.mark.parametrize("fused", [False, True])
def test_the_likeliest_tokens_are_those_of_transformers(tmp_path: Path, fused: bool) -> None:
    model, tokenizer = models.make_model(), models.make_tokenizer()
    gguf_models.write_phi(model, tokenizer, tmp_path / "phi.gguf", fused=fused)
    engine = open_engine(Settings(model=str(tmp_path / "phi.gguf")))
    for text in ("Why do teams keep quality high?", "日本の庭では、石と水が", "<|prompt|>Who gains?\n<|response|>"):
        ids = tokenizer(text)["input_ids"]
        for _ in range(12):
            with torch.no_grad():
                ids.append(int(model(torch.tensor([ids])).logits[0, -1, : len(tokenizer)].argmax()))
        *_, (_, found) = engine.generate([text], SamplingParams(max_new_tokens=12, temperature=0))
        written = ids[len(tokenizer(text)["input_ids"]) :]
        assert found.text == tokenizer.decode(written).rstrip("\ufffd")
        assert found.completion_tokens == 12


def test_what_looks_like_a_special_token_in_a_text_stays_text(llama_server: LlamaServer) -> None:
    engine = LlamaCppEngine(llama_server, EngineInfo("llama-cpp", "tiny"))
    end = "<|endoftext|>"
    assert engine.count_tokens(end) == 1
    assert engine.count_tokens(Prompt(("", end))) > 1
    assert engine.count_tokens(Prompt((end, "Why?", end))) == 2 + engine.count_tokens("Why?")
