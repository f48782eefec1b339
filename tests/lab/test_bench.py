"""The benchmark: both ways do the same work, and what makes its figures worthless is said."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from bonsai.chains.prompts import load_variants
from bonsai.chains.questions import load_starters
from bonsai.cli.main import main
from bonsai.engines.base import SamplingParams
from bonsai.engines.echo import EchoEngine
from bonsai.lab.bench.measuring import measure
from bonsai.lab.bench.report import problems, table
from bonsai.lab.bench.script import ScriptedEngine
from bonsai.lab.bench.subjects import subject
from bonsai.lab.bench.usual import BaselineEngine
from bonsai.lab.bench.ways import Way
from bonsai.lab.bench.workloads import run, workloads
from bonsai.settings import ROOT, Settings
from tests import gguf_models, models

pytestmark = pytest.mark.model

VARIANT = load_variants(ROOT / "prompts")["assistant"]
STARTERS = load_starters(ROOT / "examples" / "questions.csv")
NAMES = ["one-chain", "nine-chains", "eight-variants", "visitors-8", "visitors-32", "twenty-steps"]


@pytest.mark.parametrize("engine", ["batching", "local"])
def test_a_quick_run_does_the_same_work_in_both_ways(
    engine: str, model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "bench.json"
    # Its texts get longer than the tiny model's configuration says; nothing else hinders it.
    base = shutil.copytree(model_folder, tmp_path / "base")
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 2048}))
    asked = ["--engine", engine, "--model", str(base)]
    assert main(["bench", "--quick", "--pairs", "1", *asked, "--out", str(out)]) == 0
    data = json.loads(out.read_text())
    assert [one["name"] for one in data["workloads"]] == NAMES
    for one in data["workloads"]:
        assert one["problems"] == []
        assert (one["model"], one["engine"]) == (str(base), engine)
        assert one["tokens"] > 0
        assert one["ratio"] == pytest.approx(one["usual_seconds"] / one["bonsai_seconds"], rel=0.02)
        assert 0 < one["first_text_seconds"] <= one["bonsai_seconds"]
        assert one["peak_memory_bytes"] > 2**20
    assert data["same_texts"][str(base)] == {
        "dtype": "float32",
        "likeliest_text_is_the_usual_ways": True,
        "texts": data["same_texts"][str(base)]["texts"],
        "texts_that_changed": 0,
    }
    assert {"torch", "transformers"} <= data["versions"].keys() and data["machine"]["cores"]
    assert table(data) in capsys.readouterr().out


def test_llama_cpp_is_measured_beside_the_usual_way_and_a_plain_client(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = models.make_llama()
    model.config.max_position_embeddings = 4096
    gguf_models.write_llama(model, models.make_tokenizer(), tmp_path / "llama.gguf")
    asked = ["--engine", "llama-cpp", "--model", str(tmp_path / "llama.gguf"), "--workload", "one-chain"]
    out = tmp_path / "bench.json"
    assert main(["bench", "--quick", "--pairs", "1", *asked, "--out", str(out)]) == 0
    data = json.loads(out.read_text())
    (one,) = data["workloads"]
    assert (one["engine"], one["problems"]) == ("llama-cpp", [])
    assert one["client_ratio"] == pytest.approx(one["client_seconds"] / one["bonsai_seconds"], rel=0.02)
    assert "the plain client:" in capsys.readouterr().out


def test_work_that_is_not_the_same_is_told() -> None:
    one = {"model": "m", "name": "one-chain", "problems": ["the usual way wrote 9 tokens, Bonsai 8"]}
    same = {"dtype": "float32", "likeliest_text_is_the_usual_ways": False, "texts": 5, "texts_that_changed": 2}
    assert problems({"workloads": [one], "same_texts": {"m": same}}) == [
        "m, one-chain: the usual way wrote 9 tokens, Bonsai 8",
        "m: the likeliest text is not that of the usual way",
        "m: 2 texts depend on what shares their batch",
    ]
    assert problems({"workloads": [], "same_texts": {"m": {**same, "dtype": "bfloat16"}}}) == []


def test_all_completions_have_their_full_length_and_are_read_from_the_script() -> None:
    scripted = ScriptedEngine(EchoEngine(replies={"": "word " * 200}))
    for workload in workloads(VARIANT, STARTERS):
        scripted.begin()
        outcome = run(scripted, workload)
        assert outcome.problems == []
        steps = sum(chain.length for chain in workload.chains)
        candidates = 4 * 32 if workload.chains[0].method == "qtq" else 0
        assert scripted.tokens == steps * (96 + 96 + candidates), workload.name
        assert len(outcome.steps) == steps
    counts = {workload.name: len(workload.chains) for workload in workloads(VARIANT, STARTERS)}
    assert list(counts.items()) == [
        ("one-chain", 1),
        ("nine-chains", 9),
        ("eight-variants", 8),
        ("visitors-8", 8),
        ("visitors-32", 32),
        ("twenty-steps", 1),
    ]


def test_a_visitor_whose_run_breaks_is_not_passed_over() -> None:
    def gone() -> None:
        raise ConnectionError("gone")

    visitors = next(one for one in workloads(VARIANT, STARTERS) if one.visitors)
    with pytest.raises(ConnectionError, match="gone"):
        run(ScriptedEngine(EchoEngine(pause=gone)), visitors)


def test_the_usual_way_is_transformers_own(model_folder: Path, adapter_folder: Path) -> None:
    usual = BaselineEngine(str(model_folder), str(adapter_folder), torch.device("cpu"), torch.float32)
    sampling = [SamplingParams(max_new_tokens=9, temperature=heat) for heat in (0, 0.7)]
    found = list(usual.generate(["Why?"] * 2, sampling))
    assert [(number, one.finish_reason, one.completion_tokens) for number, one in found] == [
        (0, "length", 9),
        (1, "length", 9),
    ]
    assert type(usual._model).__name__.startswith("PeftModel"), "the adapter stands beside the weights"


def test_every_run_reads_prompts_of_its_own() -> None:
    one, other = (workloads(VARIANT, STARTERS)[0].anew(f"one-chain {number}") for number in (1, 2))
    scripted = ScriptedEngine(EchoEngine(), 1 / 12)
    prompts = []
    for workload in (one, other):
        scripted.begin()
        run(scripted, workload)
        prompts.append({prompt for prompt, _ in scripted.drawn})
    assert all(prompt.startswith("<|system|>one-chain 1. You are") for prompt in prompts[0])
    assert not prompts[0] & prompts[1]


def test_a_workload_is_run_alone_on_a_model_of_random_weights() -> None:
    visitors = next(one for one in workloads(VARIANT, STARTERS, quick=True) if one.name == "visitors-8")
    with subject("random-40m", Settings()) as model:
        bonsai, usual = Way(), Way()
        opened = bonsai.open_bonsai("batching", model.settings(Settings()), 1 / 12)
        usual.open_usual(model, opened, 1 / 12)
        found = measure({"usual": usual, "bonsai": bonsai}, visitors, model.name, "batching", 1)
        assert bonsai.likeliest() == usual.likeliest()
    assert (found["model"], found["name"], found["problems"]) == ("random-40m", "visitors-8", [])
    assert 35e6 < opened.weight_bytes / 4 < 45e6


def test_a_model_that_cannot_be_loaded_is_told_as_by_any_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--quick", "--model", "./no/such/folder"]) == 1
    assert "bonsai: The model ./no/such/folder is not a folder" in capsys.readouterr().err


def test_an_unknown_workload_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--workload", "tea"]) == 2
    assert "--workload is 'tea'; it must be one of one-chain, nine-chains" in capsys.readouterr().err


def test_no_pairs_are_no_measurement(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--pairs", "0"]) == 2
    assert "--pairs is 0" in capsys.readouterr().err
