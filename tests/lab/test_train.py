"""Training: what is trained and what is masked, wrong records, and an adapter that says what it was taught."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file
from transformers import AutoTokenizer

from bonsai.chains.formats import TaggedFormat
from bonsai.chains.prompts import load_variants, parse_variant
from bonsai.engines import open_engine
from bonsai.engines.base import SamplingParams
from bonsai.errors import EngineError, PromptError, UsageError
from bonsai.lab.train import Schedule, TrainingRecord, read_records, tokens_and_labels, train
from bonsai.settings import ROOT, Settings

pytestmark = pytest.mark.model

VARIANTS = load_variants(ROOT / "prompts")
SHORT = """
description: "Short."
templates:
  single: "Q: $question A:"
  reasoning: "Q: $question R:"
  answer: "Q: $question R: $reasoning A:"
  next_question: "Q: $question R: $reasoning A: $answer N:"
stop: ["Q:", "A:", "N:"]
"""
RECORD = TrainingRecord("Who gains?", "Small steps.", "Trust and interest.", "Why check?")
SCHEDULE = Schedule(epochs=40, learning_rate=2e-2, rank=8, batch_size=1, seed=3)


@pytest.mark.parametrize("name", ["assistant", "instruct"])
def test_only_what_the_model_writes_is_trained(name: str, model_folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    encoded = tokens_and_labels(RECORD, VARIANTS[name], tokenizer, 1000)
    ids, labels = encoded["input_ids"], encoded["labels"]
    trained = tokenizer.decode([label for label in labels if label != -100])
    space = " " if name == "instruct" else ""
    end = tokenizer.eos_token
    assert trained == "".join(f"{space}{text}{end}" for text in (RECORD.reasoning, RECORD.answer, RECORD.next_question))
    prompt = VARIANTS[name].render("reasoning", TaggedFormat(), question=RECORD.question).text
    assert tokenizer.decode(ids).startswith(prompt)
    assert len(ids) == len(labels)


def test_a_record_without_reasoning_trains_the_single_role(model_folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    encoded = tokens_and_labels(TrainingRecord("Why?", "So."), VARIANTS["assistant"], tokenizer, 1000)
    text = tokenizer.decode(encoded["input_ids"])
    assert "<|reasoning|>" not in text
    assert text.endswith("<|response|>So.<|endoftext|>")


def test_a_long_record_is_cut(model_folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    assert len(tokens_and_labels(RECORD, VARIANTS["assistant"], tokenizer, 50)["labels"]) == 50


def test_a_variant_that_is_not_append_only_cannot_be_trained(model_folder: Path) -> None:
    variant = parse_variant(
        "loose", SHORT.replace('answer: "Q: $question R: $reasoning', 'answer: "$reasoning $question')
    )
    with pytest.raises(PromptError, match="loose: the template of answer must begin with"):
        tokens_and_labels(RECORD, variant, AutoTokenizer.from_pretrained(model_folder), 1000)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2: this is not JSON"),
        ("[]", "line 2: a record is a JSON object"),
        ('{"question": "Q?"}', "line 2: answer is missing"),
        ('{"question": " ", "answer": "A."}', "line 2: question is missing or empty"),
        ('{"question": "Q?", "answer": 5}', "line 2: answer must be text"),
        ('{"question": "Q?", "answer": "A.", "mood": "x"}', "line 2: unknown key 'mood'"),
        ('{"question": "Q?", "answer": "A.", "category": "x"}', "line 2: category is 'x'"),
        ('{"question": "Q?", "answer": "A.", "earlier": "x"}', "line 2: earlier must be a list"),
    ],
)
def test_a_wrong_record_is_named(line: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "records.jsonl"
    file.write_text('{"question": "Q?", "answer": "A."}\n' + line)
    with pytest.raises(UsageError, match=message):
        read_records(file)


def test_a_file_without_records_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("\n\n")
    with pytest.raises(UsageError, match="has no records"):
        read_records(tmp_path / "empty.jsonl")


def test_a_base_that_cannot_be_loaded_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=str(tmp_path)):
        train([RECORD], str(tmp_path), tmp_path / "out", [VARIANTS["assistant"]])


def test_an_adapter_that_does_not_fit_is_refused(
    model_folder: Path, bad_adapters: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(EngineError, match="does not fit"):
        train([RECORD], str(model_folder), tmp_path, [VARIANTS["assistant"]], adapter=bad_adapters["wider"])


def test_a_line_is_what_ends_with_a_newline_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "records.jsonl"
    file.write_text('{"question": "Q?", "answer": "One\u2028two."}\n', encoding="utf-8")
    assert [record.answer for record in read_records(file)] == ["One\u2028two."]


def test_the_adapter_says_what_it_was_taught(model_folder: Path, tmp_path: Path) -> None:
    variant = parse_variant("short", SHORT)
    train([RECORD], str(model_folder), tmp_path / "adapter", [variant], SCHEDULE)
    engine = open_engine(Settings(model=str(model_folder), adapter=str(tmp_path / "adapter"), engine="local"))
    prompt = variant.render("answer", TaggedFormat(), question=RECORD.question, reasoning=RECORD.reasoning).text
    *_, (_, completion) = engine.generate([prompt], SamplingParams(max_new_tokens=30, temperature=0, stop=variant.stop))
    assert (completion.text.strip(), completion.finish_reason) == (RECORD.answer, "stop")
    assert not (tmp_path / "adapter" / "checkpoints").exists()


def test_training_goes_on_from_an_adapter(model_folder: Path, adapter_folder: Path, tmp_path: Path) -> None:
    still = Schedule(epochs=1, learning_rate=1e-9)
    train([RECORD], str(model_folder), tmp_path / "on", [VARIANTS["assistant"]], still, adapter_folder)
    before, after = (load_file(folder / "adapter_model.safetensors") for folder in (adapter_folder, tmp_path / "on"))
    assert before.keys() == after.keys()
    assert all((before[name] - after[name]).abs().max() < 1e-6 for name in before)


@pytest.mark.process
def test_interrupted_training_goes_on_to_the_same_adapter(model_folder: Path, tmp_path: Path) -> None:
    data, torn, whole = tmp_path / "records.jsonl", tmp_path / "torn", tmp_path / "whole"
    data.write_text(json.dumps({"question": "Who gains?", "answer": "Small steps.", "reasoning": "Trust."}) + "\n")
    script = (
        "import os, sys\nfrom transformers import Trainer\nfrom bonsai.cli.main import main\n"
        "step, left = Trainer.training_step, iter(range(9))\n"
        "def training_step(*a, **k):\n"
        "    if next(left, None) is None: os._exit(9)\n"
        "    return step(*a, **k)\n"
        "Trainer.training_step = training_step\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    command = ["train", str(data), "--base", str(model_folder), "--epochs", "20", "--out"]
    ended = subprocess.run([sys.executable, "-c", script, *command, str(torn)], cwd=ROOT, timeout=120, check=False)
    assert ended.returncode == 9
    assert list((torn / "checkpoints").glob("checkpoint-*"))
    for folder in (torn, whole):
        train(read_records(data), str(model_folder), folder, [VARIANTS["assistant"]], Schedule(epochs=20))
    resumed, straight = (load_file(folder / "adapter_model.safetensors") for folder in (torn, whole))
    assert all((resumed[name] - straight[name]).abs().max() < 1e-6 for name in straight)
