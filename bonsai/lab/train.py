"""LoRA fine-tuning: an adapter that writes Reasoning, answers and next questions, from records in a JSONL file."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import (
    DataCollatorForSeq2Seq,
    PreTrainedTokenizerBase,
    Trainer,
    TrainingArguments,
    set_seed,
)
from transformers.trainer_utils import get_last_checkpoint

from bonsai.chains.formats import PromptFormat, TaggedFormat
from bonsai.chains.prompts import PromptVariant, join
from bonsai.engines.model.adapter import check_adapter
from bonsai.engines.model.loading import find_folder, load_model
from bonsai.errors import PromptError, UsageError
from bonsai.settings import NO_ADAPTER, Settings

CATEGORIES = (
    "open_qa",
    "closed_qa",
    "classification",
    "creative",
    "translation",
    "reasoning",
    "brainstorm",
    "q_to_q",
)
_TEXTS = ("question", "reasoning", "answer", "next_question", "persona", "category", "language", "field")
_NOT_TRAINED = -100


@dataclass(frozen=True)
class TrainingRecord:
    """One line of the training file; `earlier` holds the questions asked before this one, oldest first."""

    question: str
    answer: str
    reasoning: str = ""
    next_question: str = ""
    persona: str = ""
    category: str = ""
    language: str = ""
    field: str = ""
    earlier: tuple[str, ...] = ()


@dataclass(frozen=True)
class Schedule:
    """How long and how strongly to train; the defaults suit phi-2 and a few thousand records."""

    epochs: float = 2
    learning_rate: float = 2e-4
    rank: int = 16
    batch_size: int = 8
    max_tokens: int = 1024
    seed: int = 0


def read_records(file: Path) -> list[TrainingRecord]:
    """Return the records of a JSONL file; raise UsageError, naming the line, for the first that is wrong."""
    try:
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read as UTF-8 text: {error}.") from error
    records = [_record(line, f"{file}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]
    if not records:
        raise UsageError(f"{file} has no records; each line is a JSON object with question, reasoning and answer.")
    return records


def train(
    records: Sequence[TrainingRecord],
    base: str,
    out: Path,
    variants: Sequence[PromptVariant],
    schedule: Schedule = Schedule(),  # noqa: B008 (frozen)
    adapter: Path | None = None,
) -> None:
    """Fine-tune `base` (hub id or folder) and save the LoRA adapter in the folder `out`.

    A new adapter begins with no effect; an `adapter` that is given is trained further, at its own rank.

    The records take the prompt variants in turn. Training that was interrupted goes on from its last checkpoint,
    kept in `out`/checkpoints until it is done. Raises EngineError if the base or the adapter cannot be loaded.
    """
    set_seed(schedule.seed)
    loaded = load_model(Settings(model=base, adapter=NO_ADAPTER))
    model, tokenizer = _adapted(base, loaded.model, adapter, schedule.rank), loaded.tokenizer
    rows = [
        tokens_and_labels(record, variants[number % len(variants)], tokenizer, schedule.max_tokens)
        for number, record in enumerate(records)
    ]
    checkpoints = out / "checkpoints"
    trainer = Trainer(
        model=model,
        args=_arguments(checkpoints, schedule),
        train_dataset=rows,
        data_collator=DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=_NOT_TRAINED),
    )
    trainer.train(resume_from_checkpoint=get_last_checkpoint(str(checkpoints)) if checkpoints.is_dir() else None)
    model.save_pretrained(out)
    # PEFT adds a model card that is an empty form.
    (out / "README.md").unlink(missing_ok=True)
    shutil.rmtree(checkpoints)


def tokens_and_labels(
    record: TrainingRecord,
    variant: PromptVariant,
    tokenizer: PreTrainedTokenizerBase,
    max_tokens: int,
    form: PromptFormat = TaggedFormat(),  # noqa: B008 (immutable)
) -> dict[str, list[int]]:
    """Return `input_ids` and `labels` (both of one length, at most `max_tokens`) for one record.

    Only what the model is to write is trained: Reasoning, answer and next question, each followed by the end of
    text, so that it learns to stop where the next role begins. The prompts between them are masked (-100).
    """
    text, spans = _text_and_spans(record, variant, form)
    encoded = tokenizer(text, return_offsets_mapping=True)
    ids = [*encoded["input_ids"], tokenizer.eos_token_id]
    labels = [_NOT_TRAINED] * len(ids)
    ends = [end for _, end in encoded["offset_mapping"]]
    for start, stop in spans:
        inside = [place for place, end in enumerate(ends) if start < end <= stop]
        for place in inside:
            labels[place] = ids[place]
        if inside:
            labels[inside[-1] + 1] = tokenizer.eos_token_id
    return {"input_ids": ids[:max_tokens], "labels": labels[:max_tokens]}


def _text_and_spans(
    record: TrainingRecord, variant: PromptVariant, form: PromptFormat
) -> tuple[str, list[tuple[int, int]]]:
    """Return the text of all roles one after the other, and the places in it that the model writes."""
    if record.persona:
        variant = replace(variant, persona=record.persona)
    fill: dict[str, Any] = {"question": record.question, "earlier": [(asked, "") for asked in record.earlier]}
    text, spans = "", []
    roles = ["single"] if not record.reasoning else ["reasoning", "answer"]
    written = {"single": record.answer, "reasoning": record.reasoning, "answer": record.answer}
    if record.reasoning and record.next_question:
        roles.append("next_question")
        written["next_question"] = record.next_question
    for role in roles:
        prompt = variant.render(role, form, **fill).text
        if not prompt.startswith(text):
            raise PromptError(f"{variant.name}: the template of {role} must begin with the role before it, filled in.")
        begin = len(prompt)
        text = join(prompt, written[role])
        spans.append((begin, len(text)))
        fill[role] = written[role]
    return text, spans


def _adapted(base: str, model: Any, adapter: Path | None, rank: int) -> Any:
    """Return the model with an adapter that can be trained: a new one of `rank`, or the one that is given."""
    if adapter is None:
        config = LoraConfig(task_type="CAUSAL_LM", r=rank, lora_alpha=2 * rank, target_modules="all-linear")
        adapted = get_peft_model(model, config)
    else:
        folder = find_folder(str(adapter), "adapter", "")
        check_adapter(str(adapter), folder, base, model.config)
        adapted = PeftModel.from_pretrained(model, str(folder), is_trainable=True)
    # The name that was given, and not where the weights happen to lie on this machine.
    adapted.peft_config["default"].base_model_name_or_path = base
    return adapted


def _arguments(checkpoints: Path, schedule: Schedule) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(checkpoints),
        num_train_epochs=schedule.epochs,
        per_device_train_batch_size=schedule.batch_size,
        learning_rate=schedule.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=0.03,
        train_sampling_strategy="group_by_length",
        logging_steps=25,
        save_steps=0.1,
        save_total_limit=1,
        seed=schedule.seed,
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=torch.cuda.is_available(),
    )


def _record(line: str, where: str) -> TrainingRecord:
    try:
        data = json.loads(line)
    except json.JSONDecodeError as error:
        raise UsageError(f"{where}: this is not JSON ({error}).") from error
    if not isinstance(data, dict):
        raise UsageError(f"{where}: a record is a JSON object with question, reasoning and answer.")
    if unknown := sorted(set(data) - {*_TEXTS, "earlier"}):
        raise UsageError(f"{where}: unknown key {unknown[0]!r}; allowed are {', '.join((*_TEXTS, 'earlier'))}.")
    for key in _TEXTS:
        if not isinstance(data.get(key, ""), str):
            raise UsageError(f"{where}: {key} must be text.")
    for key in ("question", "answer"):
        if not data.get(key, "").strip():
            raise UsageError(f"{where}: {key} is missing or empty.")
    if data.get("category") and data["category"] not in CATEGORIES:
        raise UsageError(f"{where}: category is {data['category']!r}; it must be one of {', '.join(CATEGORIES)}.")
    earlier = data.pop("earlier", [])
    if not isinstance(earlier, list) or not all(isinstance(item, str) for item in earlier):
        raise UsageError(f"{where}: earlier must be a list of questions.")
    return TrainingRecord(**data, earlier=tuple(earlier))
