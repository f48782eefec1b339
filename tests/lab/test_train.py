"""Training: what is trained, what is told, and an adapter that says what it was taught."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from bonsai.chains.formats import ChatFormat, InstructFormat, PromptFormat, TaggedFormat
from bonsai.chains.prompts import load_variants, parse_variant
from bonsai.engines import open_engine
from bonsai.engines.base import Prompt, SamplingParams
from bonsai.engines.model.loaded_model import LoadedModel
from bonsai.engines.model.loading import load_model
from bonsai.errors import EngineError, UsageError
from bonsai.lab.records import NextQuestion, Record, read_records, shipped_records
from bonsai.lab.training.data.batches import batch_order
from bonsai.lab.training.data.rows import TokenTree, rows
from bonsai.lab.training.hyperparameters import Hyperparameters
from bonsai.lab.training.model import open_trained
from bonsai.lab.training.train import TrainingJob, train
from bonsai.settings import NO_ADAPTER, ROOT, Settings
from tests.models import edit_config, make_talkative_adapter

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
RECORD = Record("Who gains?", "Trust and interest.", "Small steps.", (NextQuestion("Why check?", "cause"),))
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TAUGHT = Hyperparameters(epochs=40, learning_rate=2e-2, rank=8, batch_size=1, seed=3)


@pytest.fixture(scope="module")
def loaded(model_folder: Path) -> LoadedModel:
    return load_model(Settings(model=str(model_folder), adapter=NO_ADAPTER))


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("assistant", TaggedFormat()),
        ("assistant", InstructFormat()),
        ("assistant", ChatFormat(CHATML)),
        ("instruct", TaggedFormat()),
    ],
)
def test_only_what_the_model_writes_is_trained_and_each_text_with_its_end(
    name: str, form: PromptFormat, loaded: LoadedModel
) -> None:
    found = rows(RECORD, VARIANTS[name], form, loaded)
    end = loaded.tokenizer.eos_token
    texts = (RECORD.answer, RECORD.reasoning, RECORD.answer, "Why check?")
    assert [loaded.tokenizer.decode(row.completion).lstrip() for row in found] == [f"{text}{end}" for text in texts]
    given = {"question": RECORD.question, "reasoning": RECORD.reasoning, "answer": RECORD.answer, "move": "cause"}
    for row in found:
        prompt = VARIANTS[name].render(row.role, form, **given)
        assert list(row.prompt) == loaded.encode(prompt)


def test_a_record_without_reasoning_trains_the_single_role(loaded: LoadedModel) -> None:
    (row,) = rows(Record("Why?", "So."), VARIANTS["assistant"], TaggedFormat(), loaded)
    assert loaded.tokenizer.decode((*row.prompt, *row.completion)).endswith("<|response|>So.<|endoftext|>")


def test_the_earlier_questions_and_the_move_stand_in_the_prompt_of_the_next_question(loaded: LoadedModel) -> None:
    *_, row = rows(replace(RECORD, earlier=("What is a team?",)), VARIANTS["assistant"], TaggedFormat(), loaded)
    prompt = loaded.tokenizer.decode(row.prompt)
    assert "Asked before: What is a team?" in prompt
    assert "Ask why something in the answer is so." in prompt


def test_a_tree_has_the_loss_of_its_rows(loaded: LoadedModel, model_folder: Path) -> None:
    model = open_trained(Settings(model=str(model_folder), dtype="float32"), None, TAUGHT)
    found = rows(RECORD, VARIANTS["assistant"], TaggedFormat(), loaded)
    tree = TokenTree(found)
    assert len(tree) < 0.6 * sum(map(len, found))
    assert model.shares_prefixes(found)
    apart = model.mean_loss([[TokenTree([row])] for row in found])
    assert model.mean_loss([[tree, TokenTree(found[:1])]]) != apart
    assert model.mean_loss([[tree]]) == pytest.approx(apart, rel=1e-4)


def test_each_epoch_trains_every_record_once_and_with_records_of_like_length() -> None:
    lengths = [7 * k % 100 for k in range(100)]
    order = batch_order(lengths, 8, 2, 5)
    assert order == batch_order(lengths, 8, 2, 5) != batch_order(lengths, 8, 2, 6)
    first, second = order[:13], order[13:]
    assert sorted(k for batch in first for k in batch) == sorted(k for batch in second for k in batch)
    assert len({k for batch in first for k in batch}) == 100
    assert max(max(lengths[k] for k in batch) - min(lengths[k] for k in batch) for batch in first) < 40


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
        ('{"question": "Q?", "answer": "A \\ud83d"}', "line 2: answer has half of a character"),
        ('{"question": "Q?", "answer": "A.", "next_questions": [{"move": "x", "question": "Y?"}]}', "move is 'x'"),
        ('{"question": "Q?", "answer": "A.", "next_questions": [5]}', "line 2: each of next_questions"),
        ('{"question": "Q?", "answer": "A.", "next_questions": [""]}', "line 2: a next question is empty"),
    ],
)
def test_a_wrong_record_is_named(line: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "records.jsonl"
    file.write_text('{"question": "Q?", "answer": "A."}\n' + line)
    with pytest.raises(UsageError, match=message):
        read_records(file)


def test_next_questions_are_texts_or_objects_with_a_move(tmp_path: Path) -> None:
    file = tmp_path / "records.jsonl"
    lines = (
        {"next_questions": ["A?", {"move": "cause", "question": "B?"}], "reasoning": None},
        {"next_question": "C?", "move": "measure"},
        {"next_question": ""},
    )
    file.write_text("".join(json.dumps({"question": "Q?", "answer": "A.", **line}) + "\n" for line in lines))
    one, two, three = read_records(file)
    assert one.next_questions == (NextQuestion("A?"), NextQuestion("B?", "cause"))
    assert two.next_questions == (NextQuestion("C?", "measure"),)
    assert three.next_questions == ()


def test_the_shipped_records_can_be_read() -> None:
    records = shipped_records()
    assert len(records) > 300
    assert all(record.reasoning and record.next_questions for record in records)


def test_a_file_without_records_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("\n\n")
    with pytest.raises(UsageError, match="has no records"):
        read_records(tmp_path / "empty.jsonl")


def test_a_line_is_what_ends_with_a_newline_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "records.jsonl"
    file.write_text('{"question": "Q?", "answer": "One\u2028two."}\n', encoding="utf-8")
    assert [record.answer for record in read_records(file)] == ["One\u2028two."]


def test_a_base_that_cannot_be_loaded_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=str(tmp_path)):
        train(TrainingJob([RECORD], Settings(model=str(tmp_path)), tmp_path / "out", [VARIANTS["assistant"]]))


def test_an_adapter_that_does_not_fit_is_refused(
    model_folder: Path, bad_adapters: dict[str, Path], tmp_path: Path
) -> None:
    settings = Settings(model=str(model_folder))
    with pytest.raises(EngineError, match="does not fit"):
        train(TrainingJob([RECORD], settings, tmp_path / "o", [VARIANTS["assistant"]], adapter=bad_adapters["wider"]))


def test_the_adapter_says_what_it_was_taught(model_folder: Path, tmp_path: Path) -> None:
    variant = parse_variant("short", SHORT)
    settings = Settings(model=str(model_folder), dtype="float32")
    train(TrainingJob([RECORD], settings, tmp_path / "adapter", [variant], TAUGHT))
    engine = open_engine(replace(settings, adapter=str(tmp_path / "adapter"), engine="local"))
    prompt = variant.render("answer", TaggedFormat(), question=RECORD.question, reasoning=RECORD.reasoning).text
    *_, (_, completion) = engine.generate([prompt], SamplingParams(max_new_tokens=30, temperature=0, stop=variant.stop))
    assert (completion.text.strip(), completion.finish_reason) == (RECORD.answer, "stop")
    assert not (tmp_path / "adapter" / "unfinished").exists()


def test_training_goes_on_from_an_adapter(model_folder: Path, adapter_folder: Path, tmp_path: Path) -> None:
    still = Hyperparameters(epochs=1, learning_rate=1e-4)
    settings = Settings(model=str(model_folder), dtype="float32")
    train(TrainingJob([RECORD], settings, tmp_path / "on", [VARIANTS["assistant"]], still, adapter_folder))
    before, after = (load_file(folder / "adapter_model.safetensors") for folder in (adapter_folder, tmp_path / "on"))
    assert before.keys() == after.keys()
    assert all((before[name] - after[name]).abs().max() < 2e-4 for name in before)
    assert any((before[name] != after[name]).any() for name in before)


def test_training_goes_on_from_an_adapter_with_more_tokens(model_folder: Path, tmp_path: Path) -> None:
    before, on = tmp_path / "talkative", tmp_path / "on"
    make_talkative_adapter(model_folder, before)
    edit_config(before, base_model_name_or_path="someone/other")
    (before / "bonsai.json").write_text('{"prompt_format": "instruct"}')
    said: list[str] = []
    settings = Settings(model=str(model_folder), dtype="float32")
    still = Hyperparameters(epochs=1, learning_rate=1e-4)
    train(TrainingJob([RECORD], settings, on, [VARIANTS["assistant"]], still, before), said.append)
    assert any("was trained on someone/other, and is used with" in sentence for sentence in said)
    loaded = load_model(replace(settings, adapter=str(on)))
    assert loaded.model.get_input_embeddings().num_embeddings == 450
    assert loaded.encode(Prompt.of("<|im_end|>")) == [448] and 448 in loaded.eos_token_ids
    assert json.loads((on / "bonsai.json").read_text())["prompt_format"] == "instruct", "it is trained on as before"
    old, new = (load_file(folder / "adapter_model.safetensors") for folder in (before, on))
    assert {name.replace(".base_layer", "") for name in old} >= new.keys()
    assert any((old[name] != new[name]).any() for name in new if "lora_B" in name)


def test_a_tokenizer_takes_the_place_of_no_file_of_others(model_folder: Path, tmp_path: Path) -> None:
    make_talkative_adapter(model_folder, tmp_path / "talkative")
    (tmp_path / "on").mkdir()
    (tmp_path / "on" / "tokenizer.json").write_text("mine")
    job = TrainingJob(
        [RECORD],
        Settings(model=str(model_folder)),
        tmp_path / "on",
        [VARIANTS["assistant"]],
        adapter=tmp_path / "talkative",
    )
    with pytest.raises(UsageError, match="has a tokenizer.json that training did not make; choose another place"):
        train(job)
    assert (tmp_path / "on" / "tokenizer.json").read_text() == "mine"


def test_a_base_with_a_slow_tokenizer_is_trained_too(model_folder: Path, tmp_path: Path) -> None:
    base = shutil.copytree(model_folder, tmp_path / "bytes")
    for file in base.glob("tokenizer*"):
        file.unlink()
    (base / "tokenizer_config.json").write_text('{"tokenizer_class": "ByT5Tokenizer"}')
    settings = Settings(model=str(base), dtype="float32")
    train(TrainingJob([RECORD], settings, tmp_path / "on", [VARIANTS["assistant"]], Hyperparameters(epochs=1)))
    assert torch.count_nonzero(next(iter(load_file(tmp_path / "on" / "adapter_model.safetensors").values())))


def test_even_a_single_step_teaches_something(model_folder: Path, tmp_path: Path) -> None:
    settings = Settings(model=str(model_folder))
    train(TrainingJob([RECORD] * 8, settings, tmp_path / "one", [VARIANTS["assistant"]], Hyperparameters(epochs=1)))
    weights = load_file(tmp_path / "one" / "adapter_model.safetensors")
    assert all(torch.count_nonzero(one) for name, one in weights.items() if "lora_B" in name)
