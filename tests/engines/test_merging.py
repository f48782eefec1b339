"""The merged checkpoint: what it holds, that it answers as model and adapter do, and what is refused."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from bonsai.cli.main import main
from bonsai.engines.base import SamplingParams
from bonsai.engines.local import engine as local
from bonsai.engines.model.merging import merge
from bonsai.errors import EngineError, SettingError, UsageError
from bonsai.settings import Settings

pytestmark = pytest.mark.model

PROMPTS = ["Why do exchange rates move?", "<|prompt|>Who gains?\n<|reasoning|>"]
PARAMS = SamplingParams(max_new_tokens=40, temperature=1.0, seed=5)


def texts(settings: Settings) -> list[str]:
    found = dict(local.load(settings).generate(PROMPTS, PARAMS))
    return [found[index].text for index in range(len(PROMPTS))]


def test_a_merged_model_answers_as_the_model_with_its_adapter(
    model_folder: Path, adapter_folder: Path, merged_weight: torch.Tensor, tmp_path: Path
) -> None:
    both = Settings(model=str(model_folder), adapter=str(adapter_folder))
    out = tmp_path / "merged"
    merge(both, out)
    files = {file.name for file in out.iterdir()}
    assert files >= {"model.safetensors", "config.json", "generation_config.json", "tokenizer.json"}
    assert [folder.name for folder in tmp_path.iterdir()] == ["merged"]
    weights = load_file(out / "model.safetensors")
    assert torch.equal(weights["model.layers.0.self_attn.q_proj.weight"], merged_weight)
    assert texts(Settings(model=str(out))) == texts(both) != texts(Settings(model=str(model_folder)))


def test_a_model_is_merged_in_the_format_that_it_is_stored_in(
    model_folder: Path, adapter_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = tmp_path / "base"
    AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.bfloat16).save_pretrained(base)
    AutoTokenizer.from_pretrained(model_folder).save_pretrained(base)
    out = tmp_path / "merged"
    out.mkdir()
    capsys.readouterr()
    assert main(["merge", "--model", str(base), "--adapter", str(adapter_folder), "--out", str(out)]) == 0
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert f"use it with --model {out}" in said.err
    assert json.loads((out / "config.json").read_text())["dtype"] == "bfloat16"
    assert all(weight.dtype == torch.bfloat16 for weight in load_file(out / "model.safetensors").values())
    brief = Settings(model=str(base), adapter=str(adapter_folder), dtype="bfloat16")
    assert texts(replace(brief, model=str(out), adapter="")) == texts(brief)


def test_a_half_precision_base_is_merged_in_bfloat16_unless_asked(
    model_folder: Path, adapter_folder: Path, tmp_path: Path
) -> None:
    base = shutil.copytree(model_folder, tmp_path / "base")
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | {"dtype": "float16"}))
    both = Settings(model=str(base), adapter=str(adapter_folder))
    for dtype, wanted in (("auto", torch.bfloat16), ("float32", torch.float32)):
        merge(replace(both, dtype=dtype), tmp_path / dtype)
        weights = load_file(tmp_path / dtype / "model.safetensors")
        assert {weight.dtype for weight in weights.values()} == {wanted}


def test_what_cannot_be_merged_gets_a_sentence(
    model_folder: Path, adapter_folder: Path, bad_adapters: dict[str, Path], tmp_path: Path
) -> None:
    both = Settings(model=str(model_folder), adapter=str(adapter_folder))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("keep me")
    with pytest.raises(UsageError, match=r"full is not empty; choose another place for --out, or empty it\."):
        merge(both, tmp_path / "full")
    with pytest.raises(UsageError, match=r"notes\.txt is a file; --out takes the name of a folder\."):
        merge(both, tmp_path / "full" / "notes.txt")
    with pytest.raises(UsageError, match=r"The folder .*nowhere does not exist; make it"):
        merge(both, tmp_path / "nowhere" / "merged")
    with pytest.raises(UsageError, match=r"no adapter to merge into .*; name one with --adapter\."):
        merge(replace(both, adapter=""), tmp_path / "out")
    with pytest.raises(SettingError, match="BONSAI_QUANTIZATION is '4bit'; to merge an adapter it must be none"):
        merge(replace(both, quantization="4bit"), tmp_path / "out")
    with pytest.raises(EngineError, match="has no layers called gate_proj, up_proj"):
        merge(replace(both, adapter=str(bad_adapters["other"])), tmp_path / "out")
    with pytest.raises(EngineError, match="is not a folder"):
        merge(replace(both, model="./absent"), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["full"]


def test_a_merge_that_cannot_be_written_leaves_nothing(
    model_folder: Path, adapter_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "merged"
    # In the place of what is being written stands what cannot be removed or written into: a file.
    (tmp_path / "merged.unfinished").write_text("")
    with pytest.raises(EngineError, match=r"The merged model cannot be written to .*merged: "):
        merge(Settings(model=str(model_folder), adapter=str(adapter_folder)), out)
    assert not out.exists()


def test_the_folder_that_one_is_in_can_be_named_with_a_dot(
    model_folder: Path, adapter_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "merged").mkdir()
    monkeypatch.chdir(tmp_path / "merged")
    merge(Settings(model=str(model_folder), adapter=str(adapter_folder)), Path("."))
    assert (tmp_path / "merged" / "model.safetensors").is_file()
    assert Path("model.safetensors").is_file(), "seen by who stands in it"
    assert [folder.name for folder in tmp_path.iterdir()] == ["merged"]
