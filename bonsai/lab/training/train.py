"""From records to a finished adapter."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from bonsai.chains.formats import format_of
from bonsai.chains.prompts import PromptVariant, to_yaml
from bonsai.lab.records import Record
from bonsai.lab.training.data import TrainingData, prepare
from bonsai.lab.training.folder import AdapterFolder
from bonsai.lab.training.hyperparameters import Hyperparameters
from bonsai.lab.training.loop import Loop, State
from bonsai.lab.training.model import TrainedModel, open_trained
from bonsai.lab.training.progress import Progress
from bonsai.lab.training.rows import Row, TokenTree
from bonsai.settings import SMOLLM2, Settings

_HUB_NAMES = {SMOLLM2: "HuggingFaceTB/SmolLM2-135M-Instruct"}


def train(
    records: Sequence[Record],
    settings: Settings,
    out: Path,
    variants: Sequence[PromptVariant],
    how: Hyperparameters = Hyperparameters(),  # noqa: B008 (frozen)
    *,
    adapter: Path | None = None,
    overwrite: bool = False,
    say: Callable[[str], None] = lambda text: None,
    tell: Callable[[Progress], None] = lambda progress: None,
) -> State:
    """Train an adapter for the model of `settings` and save it in the folder `out`; return how it went.

    A new adapter begins with no effect; an `adapter` that is given is trained further, at its own rank. Training that
    was interrupted goes on from its last state, with the same data and settings. `say` is given sentences for the
    person, `tell` each step. Raises EngineError if the base or the adapter cannot be loaded or if training fails, and
    UsageError if records, settings and folder do not go together.
    """
    folder = AdapterFolder(out, _plan(records, settings, variants, how, adapter), overwrite=overwrite)
    model = open_trained(settings, adapter, how)
    # The name that was given, and not where the weights happen to lie on this machine.
    name = _HUB_NAMES.get(settings.model, settings.model)
    model.model.peft_config["default"].base_model_name_or_path = name
    info = replace(model.loaded.info("training"), adapter_id="new")
    if settings.format != "auto":
        info = replace(info, prompt_format=settings.format)
    form = format_of(info)
    data = prepare(records, variants, form, model.loaded, how)
    for sentence in data.left_out:
        say(sentence)
    trained, held_out = _trees(model, data)
    loop = Loop(model, trained, held_out, how)
    state, sentence = folder.state()
    if sentence:
        say(sentence)
    say(_size(loop, trained, held_out))
    state = loop.run(state, folder.save, tell)
    notes = {
        "format": 1,
        "prompt_format": form.name,
        "base": name,
        "prompts": [variant.name for variant in variants],
        "hyperparameters": asdict(how),
    }
    folder.finish(model.model, {}, notes)
    return state


def _plan(
    records: Sequence[Record],
    settings: Settings,
    variants: Sequence[PromptVariant],
    how: Hyperparameters,
    adapter: Path | None,
) -> dict[str, Any]:
    """Return all that decides what is learnt, with a digest for what is long."""
    return {
        "data": f"{len(records)} records ({_digest(repr(records))})",
        "base": settings.model,
        "revision": settings.revision,
        "quantization": settings.quantization,
        "dtype": settings.dtype,
        "format": settings.format,
        "adapter": str(adapter or ""),
        "prompts": {variant.name: _digest(to_yaml(variant)) for variant in variants},
        **asdict(how),
    }


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _trees(model: TrainedModel, data: TrainingData) -> tuple[list[TokenTree], list[TokenTree]]:
    """Return the trees to train and those held out: one a record, or one a row where a model cannot share."""

    def trees(items: Sequence[list[Row]]) -> list[TokenTree]:
        return [TokenTree(rows) for rows in items] if shares else [TokenTree([row]) for rows in items for row in rows]

    shares = model.shares_prefixes(data.trained[0])
    return trees(data.trained), trees(data.held_out)


def _size(loop: Loop, trained: Sequence[TokenTree], held_out: Sequence[TokenTree]) -> str:
    tokens = sum(len(tree) for tree in trained)
    return f"{len(trained):,} records to train ({tokens:,} tokens), {len(held_out):,} held out; {loop.steps:,} steps."
