"""The command that makes PHI-2's own adapter, run with a tiny model of its shape."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bonsai.engines import open_engine
from bonsai.engines.model.merging import merge
from bonsai.lab.records import shipped_files
from bonsai.settings import ROOT, Settings

pytestmark = [pytest.mark.model, pytest.mark.process]


def make(*arguments: str) -> str:
    # The virtual environment is taken as it is.
    command = ["make", "-o", ".venv/run.stamp", "adapter-phi-2", f"BIN={Path(sys.executable).parent}", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_one_command_trains_an_adapter_in_four_bits_that_is_loaded_and_merged(
    model_folder: Path, tmp_path: Path
) -> None:
    records, adapter = tmp_path / "records.jsonl", tmp_path / "adapter"
    lines = [json.loads(line) for line in shipped_files()[0].read_text(encoding="utf-8").splitlines()[:3]]
    # The tiny model reads 256 tokens, most of which are a byte.
    short = ({"question": one["question"], "answer": one["answer"][:40]} for one in lines)
    records.write_text("".join(json.dumps(one) + "\n" for one in short), encoding="utf-8")
    how = "TRAIN=--epochs 3 --learning-rate 0.01 --quantization 4bit --gradient-checkpointing --prompt instruct"
    names = (f"BASE={model_folder}", f"ADAPTER={adapter}", f"RECORDS={records}", how)
    make(*names)
    assert json.loads((adapter / "bonsai.json").read_text())["prompt_format"] == "tagged"
    assert "Training came" not in make(*names), "a finished adapter is not made again"
    both = Settings(model=str(model_folder), adapter=str(adapter), engine="local")
    assert open_engine(both).info.prompt_format == "tagged"
    merge(both, tmp_path / "merged")
    assert (tmp_path / "merged" / "model.safetensors").is_file()


def test_the_command_uploads_the_adapter_and_sets_the_variable_of_a_space() -> None:
    told = make("-n", "HUB=me/adapter", "SPACE=me/space")
    assert "bonsai/lab/records/*.jsonl --base microsoft/phi-2 --out adapters/phi-2" in told
    assert "--quantization 4bit" in told
    assert "hf upload me/adapter adapters/phi-2" in told
    assert "hf spaces variables add me/space -e BONSAI_ADAPTER=me/adapter" in told
