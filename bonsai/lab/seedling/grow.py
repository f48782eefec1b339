"""Growing the seedling's base: its tokenizer and a small Phi trained on plain questions and answers."""

import random
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import ByteLevelBPETokenizer
from torch.utils.data import Dataset
from transformers import (
    PhiConfig,
    PhiForCausalLM,
    PreTrainedTokenizerFast,
    Trainer,
    TrainingArguments,
    set_seed,
)
from transformers.trainer_utils import get_last_checkpoint

from bonsai.chains.prompts import PromptVariant
from bonsai.lab.seedling.corpus import Frames, Record, knowledge, plain_text

END = "<|endoftext|>"
VOCABULARY = 4096
ROW_TOKENS = 256
ROWS_PER_STEP = 16
STEPS = 2800
CONTEXT = 512


class BaseRows(Dataset[dict[str, torch.Tensor]]):
    """Rows of ROW_TOKENS tokens: documents one after the other, or a copying exercise.

    A copying exercise is a random sequence of tokens, repeated. Half of the first quarter's rows and a tenth of the
    others are exercises, because carrying the topic of a question into its answer is copying, and a small model
    learns it much sooner from pure cases.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast, variants: list[PromptVariant], rows: int, seed: int) -> None:
        self.tokenizer, self.rows, self.seed = tokenizer, rows, seed
        self.documents = Documents(variants)

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        rng = random.Random(self.seed * 1_000_003 + index)
        exercise = rng.random() < (0.5 if index < self.rows // 4 else 0.1)
        ids = self._exercise(rng) if exercise else self._pack(rng)
        row = torch.tensor(ids)
        return {"input_ids": row, "labels": row}

    def _exercise(self, rng: random.Random) -> list[int]:
        ids: list[int] = []
        while len(ids) < ROW_TOKENS:
            part = [rng.randrange(1, VOCABULARY) for _ in range(rng.randint(3, 40))]
            ids += part * rng.choice((2, 2, 3))
        return ids[:ROW_TOKENS]

    def _pack(self, rng: random.Random) -> list[int]:
        ids: list[int] = []
        for text in self.documents.endless(rng):
            ids += self.tokenizer(text)["input_ids"]
            if len(ids) >= ROW_TOKENS:
                break
        return ids[:ROW_TOKENS]


class Documents:
    """The base's documents: questions and answers without Reasoning, a fifth of them from the careful records."""

    def __init__(self, variants: list[PromptVariant]) -> None:
        self.variants = variants
        self.records = knowledge()
        self.frames = Frames()

    def endless(self, rng: random.Random) -> Iterator[str]:
        """Yield document after document, each ending with END."""
        while True:
            yield plain_text(self._record(rng), _persona(rng.choice(self.variants), rng), rng)

    def _record(self, rng: random.Random) -> Record:
        if rng.random() < 0.2:
            return rng.choice(self.records)
        return next(self.frames.chain(rng, 1))


def _persona(variant: PromptVariant, rng: random.Random) -> PromptVariant:
    """Return the variant with its persona whole, cut short or left out, so that visitors may edit personas."""
    sentences = variant.persona.split(". ")
    return replace(variant, persona=". ".join(sentences[: rng.choice((0, 0, 1, len(sentences)))]))


def make_tokenizer(variants: list[PromptVariant], seed: int) -> PreTrainedTokenizerFast:
    """Return a byte-level BPE tokenizer of VOCABULARY tokens; the tags of a prompt are ordinary text to it."""
    documents = Documents(variants)
    rng = random.Random(seed)
    texts = [text for text, _ in zip(documents.endless(rng), range(30_000), strict=False)]
    texts += [f"{record.reasoning}\n{record.next_questions[0]}" for record in documents.records]
    texts += [f"{variant.persona}\n{variant.templates['next_question']}\n" for variant in variants] * 50
    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator(texts, vocab_size=VOCABULARY, special_tokens=[END], show_progress=False)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe._tokenizer, bos_token=END, eos_token=END, pad_token=END, model_max_length=CONTEXT
    )


def make_model() -> PhiForCausalLM:
    """Return an untrained Phi small enough for two CPU cores and ten megabytes."""
    return PhiForCausalLM(
        PhiConfig(
            vocab_size=VOCABULARY,
            hidden_size=192,
            intermediate_size=768,
            num_hidden_layers=4,
            num_attention_heads=6,
            partial_rotary_factor=1.0,
            hidden_act="gelu_pytorch_tanh",
            max_position_embeddings=CONTEXT,
            tie_word_embeddings=True,
            bos_token_id=0,
            eos_token_id=0,
            pad_token_id=0,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
        )
    )


def grow_base(variants: list[PromptVariant], work: Path, out: Path, seed: int, steps: int = STEPS) -> None:
    """Train the base and save it in `out`; a growth that was interrupted goes on from its last checkpoint in `work`."""
    set_seed(seed)
    tokenizer = make_tokenizer(variants, seed)
    model = make_model()
    arguments: dict[str, Any] = {
        "output_dir": str(work),
        "max_steps": steps,
        "per_device_train_batch_size": ROWS_PER_STEP,
        "learning_rate": 2e-3,
        "warmup_steps": min(100, steps // 10),
        "lr_scheduler_type": "cosine",
        "weight_decay": 0.05,
        "adam_beta2": 0.95,
        "logging_steps": 50,
        "save_steps": 250,
        "save_total_limit": 1,
        "seed": seed,
        "report_to": [],
        "disable_tqdm": True,
        "dataloader_num_workers": 0,
        "train_sampling_strategy": "sequential",
        "bf16": torch.cuda.is_available() and torch.cuda.is_bf16_supported(),
    }
    trainer = Trainer(
        model=model,
        args=TrainingArguments(**arguments),
        train_dataset=BaseRows(tokenizer, variants, steps * ROWS_PER_STEP, seed),
    )
    trainer.train(resume_from_checkpoint=get_last_checkpoint(str(work)) if work.is_dir() else None)
    model.to(torch.bfloat16).save_pretrained(out)
    tokenizer.save_pretrained(out)


def blend(first: Path, second: Path, out: Path, share: float) -> None:
    """Save in `out` the mean of two adapters' weights, the second with the weight `share` (0 to 1).

    Of two that were trained one from the other, the mean keeps most of what each has learnt (Wortsman et al. 2022,
    "Model soups").
    """
    one, two = (load_file(folder / "adapter_model.safetensors") for folder in (first, second))
    out.mkdir(parents=True, exist_ok=True)
    save_file({name: torch.lerp(one[name], two[name], share) for name in one}, out / "adapter_model.safetensors")
    shutil.copy(second / "adapter_config.json", out)
