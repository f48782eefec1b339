"""Training runs that can be trusted: resumed after any end, refused with a sentence, and never at others' cost."""

import gc
import json
import math
import random
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest
import torch
from safetensors.torch import load_file

from bonsai.chains.prompts import load_variants
from bonsai.cli.main import main
from bonsai.engines.base import Prompt
from bonsai.engines.gguf.header import read_gguf
from bonsai.engines.llama_cpp.adapter_file import find_adapter
from bonsai.engines.model.loading import load_model
from bonsai.errors import EngineError, UsageError
from bonsai.lab.records import NextQuestion, Record
from bonsai.lab.training.data.rows import Row, TokenTree
from bonsai.lab.training.hyperparameters import Hyperparameters
from bonsai.lab.training.loop import Loop, State
from bonsai.lab.training.model import TrainedModel, open_trained
from bonsai.lab.training.result.folder import AdapterFolder
from bonsai.lab.training.train import TrainingJob, train
from bonsai.settings import ROOT, Settings
from tests.gguf_models import write_llama
from tests.models import make_llama, make_tokenizer

pytestmark = pytest.mark.model

VARIANTS = load_variants(ROOT / "prompts")
RECORDS = [
    Record(
        f"Why is {thing} useful?",
        f"It makes {thing} easy.",
        "Think of a day.",
        (NextQuestion(f"How is {thing} made?"),),
    )
    for thing in ("a lamp", "paper", "glass", "rope", "soap", "salt")
]
HOW = Hyperparameters(epochs=5, learning_rate=5e-3, rank=4, batch_size=2)


@pytest.fixture
def job(model_folder: Path, tmp_path: Path) -> TrainingJob:
    settings = Settings(model=str(model_folder), dtype="float32", format="tagged")
    return TrainingJob(RECORDS, settings, tmp_path / "out", [VARIANTS["instruct"]], HOW)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "adapter_model.safetensors")


class Killed(BaseException):
    """The end of a process."""


def killing(times: list[int], function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that ends the process at the calls numbered in `times`, counted through all runs."""
    calls = 0

    def called(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls in times:
            raise Killed
        return function(*arguments, **options)

    return called


@pytest.mark.parametrize("seed", range(3))
def test_killed_at_random_moments_and_resumed_it_gives_the_same_adapter(
    seed: int, job: TrainingJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = replace(job, out=tmp_path / "whole", how=replace(HOW, dropout=0.2))
    train(whole)
    chance = random.Random(seed)
    for owner, name, most in ((Loop, "_step", 18), (AdapterFolder, "save", 16), (AdapterFolder, "finish", 2)):
        times = sorted(chance.sample(range(1, most), min(3, most - 1)))
        monkeypatch.setattr(owner, name, killing(times, getattr(owner, name)))
    torn = replace(whole, out=tmp_path / "torn")
    ends = 0
    while True:
        try:
            train(torn)
            break
        except Killed:
            ends += 1
    assert ends == 7
    after, straight = weights(torn.out), weights(whole.out)
    assert all((after[name] - straight[name]).abs().max() < 1e-6 for name in straight)
    assert sorted(file.name for file in torn.out.iterdir()) == sorted(file.name for file in whole.out.iterdir())


def begun(job: TrainingJob, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Loop, "_step", killing([5], Loop._step))
        train(job)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"records": RECORDS[:4]}, "data was 6 records .*, now 4 records"),
        ({"how": replace(HOW, rank=8)}, "rank was 4, now 8"),
        ({"how": replace(HOW, learning_rate=0.01, seed=5)}, "learning_rate was 0.005, now 0.01; seed was 0, now 5"),
        ({"variants": [VARIANTS["assistant"]]}, "prompts was .*instruct.*, now .*assistant"),
    ],
)
def test_other_data_or_settings_do_not_go_on_with_a_run(
    changes: dict[str, Any], message: str, job: TrainingJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(job, monkeypatch)
    with pytest.raises(UsageError, match=message):
        train(replace(job, **changes))


def test_a_state_that_is_torn_is_told(job: TrainingJob, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(job, monkeypatch)
    state = job.out / "unfinished" / "state.pt"
    state.write_bytes(state.read_bytes()[:1000])
    said: list[str] = []
    train(job, said.append)
    assert any("cannot be read" in sentence and "begins anew" in sentence for sentence in said)


def test_a_finished_adapter_is_kept_unless_it_is_to_be_overwritten(job: TrainingJob) -> None:
    train(job)
    before = weights(job.out)
    with pytest.raises(UsageError, match="holds a finished adapter; .*--overwrite"):
        train(job)
    train(replace(job, overwrite=True, how=replace(HOW, seed=7)))
    assert any((before[name] != one).any() for name, one in weights(job.out).items())
    assert not (job.out / "adapter-README.md").exists()


def test_what_others_made_stays(job: TrainingJob) -> None:
    (job.out / "checkpoints").mkdir(parents=True)
    for name in ("README.md", "loss.svg", "checkpoints/mine.txt"):
        (job.out / name).write_text("mine")
    train(job)
    assert all((job.out / name).read_text() == "mine" for name in ("README.md", "loss.svg", "checkpoints/mine.txt"))
    assert "base_model" in (job.out / "adapter-README.md").read_text()
    assert (job.out / "adapter-loss.svg").exists()


def test_the_folder_of_a_model_a_file_and_what_cannot_be_made_are_refused(job: TrainingJob, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "other" / "unfinished").mkdir(parents=True)
    for out, message in (
        (Path(job.settings.model), "holds a model"),
        (tmp_path / "file", "is a file"),
        (tmp_path / "file" / "below", "cannot be"),
        (tmp_path / ("x" * 300), "cannot be"),
        (Path("/proc/none/adapter"), "cannot be made"),
        (tmp_path / "other", "is not of a training run"),
    ):
        with pytest.raises(UsageError, match=message):
            train(replace(job, out=out))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *((name, value) for name in ("rank", "batch-size") for value in ("0", "-1")),
        *(("epochs", value) for value in ("0", "-1", "nan", "inf")),
        *(("learning-rate", value) for value in ("0", "-1", "nan", "1e9")),
        *(("max-tokens", value) for value in ("0", "-1")),
        ("seed", "-1"),
        ("held-out", "1"),
        ("dropout", "2"),
        ("last-layers", "-1"),
    ],
)
def test_an_option_that_cannot_be_is_named(
    option: str, value: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", str(tmp_path / "none.jsonl"), "--out", str(tmp_path / "out"), f"--{option}={value}"]) == 2
    assert f"--{option} is " in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_layers_that_the_base_lacks_are_named(job: TrainingJob) -> None:
    with pytest.raises(UsageError, match="--targets has q; the linear layers of .* are .*q_proj"):
        train(replace(job, how=replace(HOW, targets=("q", "v_proj"))))
    with pytest.raises(UsageError, match="--last-layers is 5; the model has 2"):
        train(replace(job, how=replace(HOW, last_layers=5)))


def test_only_what_is_named_is_changed(job: TrainingJob) -> None:
    train(replace(job, how=replace(HOW, targets=("q_proj", "v_proj"), last_layers=1, epochs=1)))
    assert {re.sub(r".*layers\.(\d)\.self_attn\.(\w+)\..*", r"\1 \2", name) for name in weights(job.out)} == {
        "1 q_proj",
        "1 v_proj",
    }


def test_the_last_blocks_are_changed_in_all_their_layers_where_none_are_named(job: TrainingJob) -> None:
    train(replace(job, how=replace(HOW, last_layers=1, epochs=1)))
    assert {re.sub(r".*layers\.(\d)\.\w+\.(\w+)\.lora_.*", r"\1 \2", name) for name in weights(job.out)} == {
        f"1 {name}" for name in ("q_proj", "k_proj", "v_proj", "dense", "fc1", "fc2")
    }


def test_what_is_too_long_is_told_by_its_line_and_nothing_to_learn_is_refused(job: TrainingJob) -> None:
    long = replace(RECORDS[0], answer="It flows. " * 60, where="records.jsonl, line 7")
    said: list[str] = []
    train(replace(job, records=[long, *RECORDS[1:]]), said.append)
    assert any(sentence.startswith("records.jsonl, line 7: the answer is left out: ") for sentence in said)
    assert any(sentence.startswith("records.jsonl, line 7: the next question is left out: ") for sentence in said)
    with pytest.raises(
        UsageError, match="There is nothing to train. records.jsonl, line 7: the single answer is left out"
    ):
        train(replace(job, records=[long], how=replace(HOW, max_tokens=20), out=job.out.with_name("none")))


def test_training_whose_loss_is_no_number_fails_and_leaves_no_adapter(
    job: TrainingJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    loss = TrainedModel.loss
    monkeypatch.setattr(TrainedModel, "loss", lambda self, batch: loss(self, batch) * math.nan)
    with pytest.raises(EngineError, match="Training failed: at step 1 of 45 the loss .* Try a lower --learning-rate"):
        train(job)
    assert not (job.out / "adapter_config.json").exists()


def test_an_adapter_without_effect_is_a_failure(job: TrainingJob) -> None:
    with pytest.raises(EngineError, match="came to nothing: the adapter changes nothing"):
        train(replace(job, how=replace(HOW, learning_rate=1e-10)))


class Scripted:
    """A model of one weight, whose held-out losses are given."""

    def __init__(self, held_out: list[float], goal: float = 1.0) -> None:
        self._goal = goal
        self.parameters = {"w": torch.nn.Parameter(torch.zeros(1))}
        self._held_out = iter(held_out)

    def batch(self, trees: list[TokenTree]) -> list[TokenTree]:
        return trees

    def loss(self, batch: list[TokenTree]) -> torch.Tensor:
        return (self.parameters["w"] - self._goal).square().sum()

    def mean_loss(self, batches: list[list[TokenTree]]) -> float:
        return next(self._held_out) if len(batches[0]) == 2 else self.loss([]).item()

    def weights(self) -> dict[str, torch.Tensor]:
        return {"w": self.parameters["w"].detach().clone()}

    def restore(self, weights: dict[str, torch.Tensor]) -> None:
        self.parameters["w"].data.copy_(weights["w"])


def test_training_ends_early_with_the_weights_of_the_lowest_held_out_loss() -> None:
    tree = TokenTree([Row("answer", (1,), (2,))])  # type: ignore[arg-type]
    model = Scripted([3.0, 2.0, 1.5, 1.6, 1.7, 1.8, 1.0])
    how = Hyperparameters(epochs=20, batch_size=1, learning_rate=0.01, patience=3)
    seen = {}
    loop = Loop(model, [tree], [tree, tree], replace(how, batch_size=2))  # type: ignore[arg-type]
    state = loop.run(State(), lambda state: None, lambda progress: seen.update({progress.step: model.weights()}))
    assert (state.step, state.best_step, state.best) == (10, 4, 1.5)
    assert model.weights() == seen[4]
    with pytest.raises(EngineError, match="the loss rose from 0.00 to"):
        Loop(Scripted([], goal=0.01), [tree], [], replace(how, learning_rate=1.0, epochs=1)).run(  # type: ignore[arg-type]
            State(), lambda state: None, lambda progress: None
        )
    with pytest.raises(EngineError, match="on held-out questions never fell below 3.000"):
        Loop(Scripted([3.0, 3.1, 3.2, 3.3]), [tree], [tree, tree], replace(how, batch_size=2)).run(  # type: ignore[arg-type]
            State(), lambda state: None, lambda progress: None
        )


def test_the_folder_says_what_the_adapter_is(job: TrainingJob) -> None:
    many = [replace(record, question=f"{record.question} ({k})", field="home") for k in range(4) for record in RECORDS]
    said: list[str] = []
    state = train(replace(job, records=many, how=replace(HOW, held_out=0.2)), said.append)
    assert re.search(r"It takes about [\d.]+ GB of memory; there are [\d.]+ GB", said[-1])
    notes = json.loads((job.out / "bonsai.json").read_text())
    assert notes["prompt_format"] == "tagged"
    assert notes["held_out_loss"] == state.best < state.points[0].loss
    card = (job.out / "README.md").read_text()
    for words in (
        "base_model: ",
        "24 records, 5 of them held out",
        "1 fields: home",
        "| learning rate | 0.005 |",
        "loss.svg",
    ):
        assert words in card
    picture = ElementTree.parse(job.out / "loss.svg").getroot()
    assert len(picture.findall("{*}polyline")) == 2
    assert {path.name for path in job.out.iterdir()} == set(notes["files"])


def test_checkpointing_gives_the_same_losses(job: TrainingJob) -> None:
    plain = train(job)
    spared = train(replace(job, out=job.out.with_name("spared"), how=replace(HOW, gradient_checkpointing=True)))
    assert spared.losses == pytest.approx(plain.losses, rel=1e-4)


@pytest.mark.parametrize("kind", ["4bit", "8bit"])
def test_a_base_in_few_bits_can_be_trained(kind: str, job: TrainingJob) -> None:
    settings = replace(job.settings, quantization=kind, dtype="bfloat16")
    state = train(replace(job, settings=settings))
    assert state.losses[-1] < state.losses[0]
    assert all(one.dtype == torch.float16 for one in weights(job.out).values())


def test_losses_go_to_a_tracker(job: TrainingJob) -> None:
    pytest.importorskip("tensorboard")
    train(replace(job, report_to="tensorboard"))
    (file,) = (job.out / "runs").iterdir()
    assert b"loss" in file.read_bytes()


def test_a_tracker_is_closed_however_training_ends(job: TrainingJob, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    trackio = SimpleNamespace(
        init=lambda **settings: told.append(settings["name"]),
        log=lambda figures, step: told.append((step, figures["loss"])),
        finish=lambda: told.append("finished"),
    )
    monkeypatch.setitem(sys.modules, "trackio", trackio)
    state = train(replace(job, report_to="trackio"))
    assert told == ["out", *enumerate(state.losses, start=1), "finished"]
    told.clear()
    with pytest.raises(EngineError):
        train(replace(job, report_to="trackio", settings=Settings(model="./no/such/base"), out=job.out / "other"))
    assert told == ["other", "finished"]


def test_a_tracker_that_is_not_installed_is_told(job: TrainingJob, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trackio", None)
    with pytest.raises(UsageError, match="--report-to trackio needs a package: pip install -r requirements-train.txt"):
        train(replace(job, report_to="trackio"))


def test_the_command_says_how_it_went(
    model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, out = tmp_path / "records.jsonl", tmp_path / "out"
    file.write_text("".join(json.dumps({"question": one.question, "answer": one.answer}) + "\n" for one in RECORDS))
    command = ["train", str(file), "--base", str(model_folder), "--out", str(out), "--learning-rate", "0.01"]
    assert main(command) == 0
    told = capsys.readouterr()
    assert not told.out
    assert re.search(r"Step 1 of 2: loss \d\.\d+, [\d,]+ tokens/s, 0:\d\d left", told.err)
    assert f"The adapter is in {out}" in told.err
    assert math.isfinite(sum(one.sum().item() for one in weights(out).values()))


@pytest.mark.parametrize("tied", [False, True])
def test_libraries_warn_of_nothing_and_tables_have_the_output_to_themselves(
    tied: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    # What earlier tests left open is told of when it is collected, which may be now.
    gc.collect()
    recwarn.clear()
    make_llama(tie_word_embeddings=tied).save_pretrained(tmp_path / "llama")
    make_tokenizer().save_pretrained(tmp_path / "llama")
    capsys.readouterr()
    settings = Settings(model=str(tmp_path / "llama"), dtype="float32", format="tagged")
    train(TrainingJob(RECORDS, settings, tmp_path / "out", [VARIANTS["instruct"]], HOW))
    load_model(replace(settings, adapter=str(tmp_path / "out")))
    assert capsys.readouterr() == ("", "")
    assert [str(one.message) for one in recwarn] == []


def test_an_adapter_for_a_gguf_model_is_written_as_gguf_too(job: TrainingJob, tmp_path: Path) -> None:
    write_llama(make_llama(), make_tokenizer(), tmp_path / "llama.gguf")
    settings = replace(job.settings, model=str(tmp_path / "llama.gguf"), dtype="bfloat16")
    train(replace(job, settings=settings))
    adapter = read_gguf(job.out / "adapter_model.gguf")
    assert adapter.metadata["general.type"] == "adapter"
    assert find_adapter(str(job.out / "adapter_model.gguf"), read_gguf(tmp_path / "llama.gguf"))
    sizes = [(job.out / f"adapter_model.{ending}").stat().st_size for ending in ("gguf", "safetensors")]
    assert max(sizes) < 1.5 * min(sizes)


def test_texts_of_people_are_no_special_tokens(job: TrainingJob) -> None:
    model = open_trained(job.settings, None, HOW)
    ids = model.loaded.encode(Prompt(("Q: ", "What does <|endoftext|> mean?")))
    assert model.loaded.tokenizer.eos_token_id not in ids
