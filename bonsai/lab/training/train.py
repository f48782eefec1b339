"""From records to a finished adapter."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from bonsai.chains.formats import PromptFormat, format_of
from bonsai.chains.prompts import PromptVariant, to_yaml
from bonsai.engines.gguf.finding import find_model, is_gguf
from bonsai.engines.hub import other_base, tokenizer_files, trained_format
from bonsai.lab.records import Record
from bonsai.lab.training.data.prepare import TrainingData, prepare
from bonsai.lab.training.data.rows import Row, TokenTree
from bonsai.lab.training.hyperparameters import Hyperparameters
from bonsai.lab.training.loop import Loop, State
from bonsai.lab.training.memory import memory_needed, memory_words
from bonsai.lab.training.model import TrainedModel, open_trained
from bonsai.lab.training.result.card import CURVE, card
from bonsai.lab.training.result.curve import curve
from bonsai.lab.training.result.folder import AdapterFolder
from bonsai.lab.training.tracking import Progress, Tell, open_tracker
from bonsai.settings import SMOLLM2, Settings

_HUB_NAMES = {SMOLLM2: f"HuggingFaceTB/{SMOLLM2}"}


@dataclass(frozen=True)
class TrainingJob:
    """An adapter to be trained, and where it is saved."""

    records: Sequence[Record]
    settings: Settings
    """The base is their model; its revision, number format and quantisation count too."""
    out: Path
    variants: Sequence[PromptVariant]
    """What stands in the prompts; the records take them in turn."""
    how: Hyperparameters = Hyperparameters()  # noqa: RUF009 (frozen)
    adapter: Path | None = None
    """An adapter to train further, at its own rank; a new one begins without effect."""
    overwrite: bool = False
    """Whether a finished adapter in the folder is replaced."""
    report_to: str = "none"
    """One of TRACKERS."""

    @property
    def base(self) -> str:
        """The base as others know it: the name that was given, and not where its weights lie on this machine."""
        return _HUB_NAMES.get(self.settings.model, self.settings.model)

    def plan(self) -> dict[str, Any]:
        """Return all that decides what is learnt, with a digest for what is long."""
        return {
            "data": f"{len(self.records)} records ({_digest(repr(self.records))})",
            "base": self.settings.model,
            "revision": self.settings.revision,
            "quantization": self.settings.quantization,
            "dtype": self.settings.dtype,
            "format": self.settings.format,
            "adapter": str(self.adapter or ""),
            "prompts": {variant.name: _digest(to_yaml(variant)) for variant in self.variants},
            **asdict(self.how),
        }


def train(
    job: TrainingJob,
    say: Callable[[str], None] = lambda text: None,
    tell: Tell = lambda progress: None,
) -> State:
    """Train the adapter of a job and save it; return how it went.

    Training that was interrupted goes on from its last state, with the same data and settings. `say` is given
    sentences for the person, `tell` each step. Raises EngineError if the base or the adapter cannot be loaded or if
    training fails, and UsageError if records, settings and folder do not go together.
    """
    folder = AdapterFolder(job.out, job.plan(), overwrite=job.overwrite)
    with open_tracker(job.report_to, job.out, job.plan()) as track:

        def told(progress: Progress) -> None:
            track(progress)
            tell(progress)

        return _train(job, folder, say, told)


def _train(job: TrainingJob, folder: AdapterFolder, say: Callable[[str], None], tell: Tell) -> State:
    model = open_trained(job.settings, job.adapter, job.how)
    if model.begun_from:
        folder.check_free([file.name for file in tokenizer_files(model.begun_from)])
        for note in other_base(str(job.adapter), model.begun_from, job.base):
            say(str(note))
    model.model.peft_config["default"].base_model_name_or_path = job.base
    form = _format(job, model)
    data = prepare(job.records, job.variants, form, model.loaded, job.how)
    for sentence in data.left_out:
        say(sentence)
    loop = _loop(job, model, data, say)
    state, sentence = folder.state()
    if sentence:
        say(sentence)
    state = loop.run(state, folder.save, tell)
    _finish(job, folder, model, form, state, len(data.held_out))
    return state


def _format(job: TrainingJob, model: TrainedModel) -> PromptFormat:
    """Return the prompt format in which the adapter is trained: as the settings say, as it was, or the base's."""
    before = trained_format(str(job.adapter)) if job.adapter else ""
    named = before if job.settings.format == "auto" else job.settings.format
    return format_of(replace(model.loaded.info("training"), adapter_id="new", prompt_format=named))


def _loop(job: TrainingJob, model: TrainedModel, data: TrainingData, say: Callable[[str], None]) -> Loop:
    """Return the loop over the data: a tree for each record, or for each row where a model cannot share."""

    def trees(items: Sequence[list[Row]]) -> list[TokenTree]:
        return [TokenTree(rows) for rows in items] if shares else [TokenTree([row]) for rows in items for row in rows]

    shares = model.shares_prefixes(data.trained[0])
    trained, held_out = trees(data.trained), trees(data.held_out)
    loop = Loop(model, trained, held_out, job.how)
    tokens = sum(len(tree) for tree in trained)
    say(
        f"{len(data.trained):,} records to train ({tokens:,} tokens), {len(data.held_out):,} held out; "
        f"{loop.steps:,} steps in {'bfloat16' if model.dtype == torch.bfloat16 else 'float32'}."
    )
    longest = sorted(trained, key=len)[-job.how.batch_size :]
    say(memory_words(memory_needed(model, model.batch(longest), job.how), model))
    return loop


def _finish(
    job: TrainingJob, folder: AdapterFolder, model: TrainedModel, form: PromptFormat, state: State, held_out: int
) -> None:
    names = [variant.name for variant in job.variants]
    notes = {
        "format": 1,
        "prompt_format": form.name,
        "base": job.base,
        "prompts": names,
        "records": len(job.records),
        "hyperparameters": asdict(job.how),
        "held_out_loss": state.best if state.best_weights else None,
    }
    texts = {
        "README.md": card(job.base, form.name, names, job.records, held_out, job.how, state),
        CURVE: curve(state.points),
    }
    base = job.settings.model
    gguf_base = find_model(base, job.settings.revision) if is_gguf(base) else None
    halve = model.dtype == torch.bfloat16
    folder.finish(model.model, texts, notes, halve=halve, gguf_base=gguf_base, begun_from=model.begun_from)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
