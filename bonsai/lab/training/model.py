"""The model that is trained: a base with its adapter, and the loss of a batch."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training

from bonsai.engines.hub import find_folder
from bonsai.engines.model.adapter import add_adapter, brings_tokenizer, check_adapter
from bonsai.engines.model.loaded_model import LoadedModel
from bonsai.engines.model.loading import load_model, quiet, with_tokenizer_of
from bonsai.errors import UsageError
from bonsai.lab.training.data.batches import Batch, collate
from bonsai.lab.training.data.rows import Row, TokenTree
from bonsai.lab.training.hyperparameters import Hyperparameters
from bonsai.settings import NO_ADAPTER, Settings

_TOLERANCE = 0.03


class TrainedModel:
    """A base whose adapter is trained; all its own weights stay as they are."""

    def __init__(self, loaded: LoadedModel, model: Any, dtype: torch.dtype, begun_from: Path | None = None) -> None:
        self.loaded = loaded
        self.model = model
        self.dtype = dtype
        """What is computed in; the adapter's own weights are float32."""
        self.begun_from = begun_from
        """The folder of the adapter whose training goes on; None for a new one."""
        self.parameters = {name: one for name, one in model.named_parameters() if one.requires_grad}
        """The weights of the adapter."""
        self._at: tuple[torch.Tensor, torch.Tensor] | None = None
        # A vocabulary of 50,000 is half of the work: it is computed only where something is to be predicted.
        model.get_output_embeddings().register_forward_pre_hook(self._select)

    def batch(self, trees: Sequence[TokenTree]) -> Batch:
        """Return trees as tensors on the model's device."""
        filler = self.loaded.tokenizer.pad_token_id
        return collate(trees, 0 if filler is None else filler, self.dtype, self.model.device)

    def loss(self, batch: Batch) -> torch.Tensor:
        """Return the mean loss of a batch over its targets, in nats."""
        self._at = batch.at
        with self._autocast():
            logits = self.model(
                input_ids=batch.input_ids,
                position_ids=batch.position_ids,
                attention_mask=batch.attention_mask,
                use_cache=False,
            ).logits
        self._at = None
        return torch.nn.functional.cross_entropy(logits.float(), batch.targets)

    @torch.no_grad()
    def mean_loss(self, batches: Sequence[Sequence[TokenTree]]) -> float:
        """Return the mean loss over all targets of some batches, which are not trained."""
        self._pause()
        total = count = 0.0
        for trees in batches:
            batch = self.batch(trees)
            total += self.loss(batch).item() * len(batch.targets)
            count += len(batch.targets)
        self.model.train()
        return total / count

    def shares_prefixes(self, rows: Sequence[Row]) -> bool:
        """Say whether rows as one tree have the loss that they have one by one, as in all models but few."""
        # Of one role each: what two rows write alike would count once in a tree.
        unlike = list({row.role: row for row in rows}.values())
        apart = self.mean_loss([[TokenTree([row])] for row in unlike])
        return abs(apart - self.mean_loss([[TokenTree(unlike)]])) < _TOLERANCE * apart

    def weights(self) -> dict[str, torch.Tensor]:
        """Return a copy of the adapter's weights."""
        return {name: one.detach().cpu().clone() for name, one in self.parameters.items()}

    @torch.no_grad()
    def restore(self, weights: dict[str, torch.Tensor]) -> None:
        """Give the adapter weights of an earlier time."""
        for name, one in self.parameters.items():
            one.copy_(weights[name])

    def _autocast(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.model.device.type, torch.bfloat16, enabled=self.dtype == torch.bfloat16)

    def _pause(self) -> None:
        """Leave training for a while: nothing is dropped out."""
        self.model.eval()
        for module in self.model.modules():
            # On a CPU bitsandbytes repacks weights that are not in training, and cannot train them any more.
            if type(module).__name__ == "Linear4bit":
                module.training = True

    def _select(self, _: Any, given: tuple[Any, ...]) -> tuple[Any, ...]:
        return given if self._at is None else (given[0][self._at], *given[1:])


def open_trained(settings: Settings, adapter: Path | None, how: Hyperparameters) -> TrainedModel:
    """Return the model of `settings` with an adapter to train: a new one without effect, or `adapter`.

    Raises EngineError if the base or the adapter cannot be loaded, UsageError if the base has no layers as asked for.
    """
    if settings.dtype == "auto":
        settings = replace(settings, dtype="bfloat16" if _has_bfloat16() else "float32")
    if settings.dtype == "float16":
        raise UsageError("BONSAI_DTYPE is 'float16', in which training overflows; use auto, bfloat16 or float32.")
    loaded = load_model(replace(settings, adapter=NO_ADAPTER))
    folder = find_folder(str(adapter), "adapter", "") if adapter else None
    if folder and brings_tokenizer(folder):
        loaded = with_tokenizer_of(loaded, str(adapter), folder)
    base = loaded.model
    # A new adapter begins at random.
    torch.manual_seed(how.seed)
    with quiet():
        if settings.quantization != "none":
            base = prepare_model_for_kbit_training(base, use_gradient_checkpointing=how.gradient_checkpointing)
        elif how.gradient_checkpointing:
            base.enable_input_require_grads()
            base.activation_checkpointing_enable({"use_reentrant": False})
        model = _adapted(settings.model, base, str(adapter), folder, how)
    model.train()
    return TrainedModel(loaded, model, torch.bfloat16 if settings.dtype == "bfloat16" else torch.float32, folder)


def _adapted(name: str, base: Any, adapter: str, folder: Path | None, how: Hyperparameters) -> Any:
    if folder is not None:
        tokens = check_adapter(adapter, folder, name, base.config)
        return add_adapter(base, adapter, folder, tokens=tokens, merge=False, trainable=True)
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=how.rank,
        lora_alpha=how.alpha or 2 * how.rank,
        lora_dropout=how.dropout,
        target_modules=_targets(name, base, how.targets),
        layers_to_transform=_last_layers(base, how.last_layers),
    )
    return get_peft_model(base, config)


def _targets(name: str, base: Any, wanted: Sequence[str]) -> list[str]:
    """Return the names of the layers to change: those wanted, or else all linear ones but for the output."""
    output = base.get_output_embeddings()
    linear = {key.rpartition(".")[2]: one for key, one in base.named_modules() if hasattr(one, "in_features")}
    if unknown := [target for target in wanted if target not in linear]:
        raise UsageError(
            f"--targets has {', '.join(unknown)}; the linear layers of {name} are {', '.join(sorted(linear))}."
        )
    return list(wanted) or sorted(target for target, one in linear.items() if one is not output)


def _last_layers(base: Any, count: int) -> list[int] | None:
    if not count:
        return None
    total = int(base.config.get_text_config().num_hidden_layers)
    if count > total:
        raise UsageError(f"--last-layers is {count}; the model has {total}.")
    return list(range(total - count, total))


def _has_bfloat16() -> bool:
    """Say whether this machine computes in bfloat16 itself."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_capability() >= (8, 0)
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
