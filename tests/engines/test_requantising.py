"""A GGUF model in the form that llama.cpp computes fastest: what it keeps, and where there is none."""

import multiprocessing
import tempfile
from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFReader, GGUFWriter
from gguf.constants import GGMLQuantizationType
from gguf.quants import dequantize, quantize

from bonsai.engines.gguf.header import read_gguf
from bonsai.engines.llama_cpp import requantising
from bonsai.engines.llama_cpp.kept_files import made_once
from bonsai.engines.llama_cpp.requantising import in_fastest_form

WEIGHTS = {"blk.0.attn_q.weight": (64, 96), "blk.0.ffn_down.weight": (32, 64)}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own, on a machine like those that were measured."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(requantising.platform, "machine", lambda: "x86_64")
    return tmp_path / "home"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A file with weights in Q4_1, one in Q8_0, a vector, and values of several types."""
    file = tmp_path / "tiny.Q4_1.gguf"
    writer = GGUFWriter(file, "llama")
    writer.add_string("general.name", "盆栽")
    writer.add_uint32("llama.context_length", 64)
    writer.add_float32("llama.rope.freq_base", 1e4)
    writer.add_bool("tokenizer.ggml.add_bos_token", False)
    writer.add_array("tokenizer.ggml.tokens", ["a", "|", "<|end|>"])
    writer.add_array("tokenizer.ggml.token_type", [1, 1, 3])
    chance = np.random.default_rng(7)
    for name, shape in WEIGHTS.items():
        values = chance.normal(0.1, 1, shape).astype(np.float32)
        writer.add_tensor(name, quantize(values, GGMLQuantizationType.Q4_1), raw_dtype=GGMLQuantizationType.Q4_1)
    others = quantize(np.ones((3, 64), np.float32), GGMLQuantizationType.Q8_0)
    writer.add_tensor("token_embd.weight", others, raw_dtype=GGMLQuantizationType.Q8_0)
    writer.add_tensor("output_norm.weight", np.arange(64, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def values(file: Path) -> dict[str, np.ndarray]:
    return {tensor.name: dequantize(tensor.data, tensor.tensor_type) for tensor in GGUFReader(file).tensors}


def test_the_copy_says_and_weighs_the_same(model: Path) -> None:
    copy = in_fastest_form(model)
    assert copy.name.startswith("tiny.Q4_1-") and copy.name.endswith(".Q8_0.gguf")
    before, after = read_gguf(model), read_gguf(copy)
    assert (after.metadata, after.shapes) == (before.metadata, before.shapes)
    kinds = {tensor.name: tensor.tensor_type.name for tensor in GGUFReader(copy).tensors}
    assert kinds == {**dict.fromkeys(WEIGHTS, "Q8_0"), "token_embd.weight": "Q8_0", "output_norm.weight": "F32"}
    found = values(copy)
    for name, wanted in values(model).items():
        largest = np.abs(wanted.reshape(-1, 32)).max(axis=1, keepdims=True)
        assert (np.abs(found[name] - wanted).reshape(-1, 32) <= largest / 200).all(), name


def test_a_model_is_copied_once_and_another_one_anew(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = in_fastest_form(model)
    with model.open("ab") as file:
        file.write(bytes(32))
    assert in_fastest_form(model) != copy
    monkeypatch.setattr(requantising, "GGUFReader", None)
    assert in_fastest_form(model).is_file()


def test_the_file_itself_is_used_where_it_cannot_be_copied_or_is_no_slower(
    model: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.write_text("not a folder")
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(home))
    assert in_fastest_form(model) == model
    home.unlink()
    monkeypatch.setattr(requantising.platform, "machine", lambda: "arm64")
    assert in_fastest_form(model) == model
    assert not home.exists()


def test_what_breaks_off_leaves_nothing(home: Path) -> None:
    def half(path: Path) -> None:
        path.write_text("half")
        raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        made_once("models", "a.gguf", half)
    assert list((home / ".cache" / "bonsai" / "models").iterdir()) == []


def test_who_has_no_home_or_may_not_write_there_keeps_files_among_temporary_ones(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mkstemp = tempfile.mkstemp

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    def refused(suffix: str, prefix: str, folder: Path) -> tuple[int, str]:
        if folder.is_relative_to(home):
            raise PermissionError("not yours")
        return mkstemp(suffix, prefix, folder)

    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path / "temporary"))
    monkeypatch.setattr(tempfile, "mkstemp", refused)
    assert len(_make("a.gguf")) == 1_000_000
    monkeypatch.setattr(Path, "home", homeless)
    assert len(_make("b.gguf")) == 1_000_000
    kept = tmp_path / "temporary" / ".cache" / "bonsai" / "models"
    assert sorted(file.name for file in kept.iterdir()) == ["a.gguf", "b.gguf"]


def _make(name: str) -> bytes:
    return made_once("models", name, lambda path: path.write_bytes(b"w" * 1_000_000) and None).read_bytes()


@pytest.mark.process
def test_processes_that_begin_at_once_all_get_a_whole_file() -> None:
    with multiprocessing.get_context("fork").Pool(8) as pool:
        assert {len(data) for data in pool.map(_make, ["a.gguf"] * 16, chunksize=1)} == {1_000_000}
