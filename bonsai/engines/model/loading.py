"""Loading a model with its tokenizer and adapter, and a sentence for everything that can be wrong with them."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
from transformers.utils import logging

from bonsai.engines.hub import find_folder, other_base
from bonsai.engines.model.adapter import add_adapter, brings_tokenizer, check_adapter
from bonsai.engines.model.fast_layers import use_fast_layers
from bonsai.engines.model.gguf import load_unpacked
from bonsai.engines.model.loaded_model import LoadedModel, device_words
from bonsai.engines.model.model_files import ModelFiles, model_files
from bonsai.errors import EngineError, SettingError, first_line
from bonsai.machine import allowed_cores, free_memory
from bonsai.settings import NO_ADAPTER, SMOLLM2, Settings

_UNREADABLE = (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError, ImportError, SafetensorError)


def load_model(settings: Settings) -> LoadedModel:
    """Return the model of `settings` with its adapter; raise EngineError or SettingError, saying what to do."""
    gpu = settings.zero_gpu or torch.cuda.is_available()
    model_id, adapter_id = settings.models(gpu)
    if settings.zero_gpu and settings.quantization != "none":
        raise SettingError(
            f"BONSAI_QUANTIZATION is {settings.quantization!r}; on ZeroGPU it must be none, "
            "since its memory holds the whole model."
        )
    files = model_files(model_id, settings.revision)
    adapter = None if adapter_id == NO_ADAPTER else find_folder(adapter_id, "adapter", "")
    with quiet():
        config = _config(model_id, files)
        _check_dtype(settings, config)
        tokens = check_adapter(adapter_id, adapter, model_id, config) if adapter else 0
        tokenizer = _tokenizer(model_id, files)
        if adapter and brings_tokenizer(adapter):
            tokenizer = _own_tokenizer(adapter_id, adapter, tokenizer)
        model = _weights(model_id, files, config, settings, gpu)
        if adapter:
            model = add_adapter(model, adapter_id, adapter, tokens=tokens, merge=settings.quantization == "none")
        model = _place(model, settings, gpu)
        use_fast_layers(model)
    # Tokens that were added to a tokenizer, and not to the model, are passed over.
    if tokenizer.vocab_size > model.get_input_embeddings().num_embeddings:
        raise EngineError(f"The tokenizer of {model_id} belongs to another model: it has more tokens than this one.")
    return LoadedModel(
        model=model,
        tokenizer=tokenizer,
        model_id=model_id,
        adapter_id="" if adapter is None else adapter_id,
        device=device_words(settings),
        context_length=int(getattr(config.get_text_config(), "max_position_embeddings", 2048)),
        eos_token_ids=_ends(model, tokenizer),
        is_stand_in=model_id == SMOLLM2,
        notes=other_base(adapter_id, adapter, model_id) if adapter else (),
    )


def with_tokenizer_of(loaded: LoadedModel, adapter_id: str, folder: Path) -> LoadedModel:
    """Return a model with the tokenizer that an adapter brings.

    Raises EngineError unless it is the model's own with more tokens.
    """
    tokenizer = _own_tokenizer(adapter_id, folder, loaded.tokenizer)
    return replace(loaded, tokenizer=tokenizer, eos_token_ids=_ends(loaded.model, tokenizer))


def _config(model_id: str, files: ModelFiles) -> Any:
    try:
        return AutoConfig.from_pretrained(**files.arguments)
    except _UNREADABLE as error:
        raise EngineError(f"The model {model_id} cannot be read from {files.folder}: {first_line(error)}") from error


def _check_dtype(settings: Settings, config: Any) -> None:
    if settings.dtype == "float16" and config.model_type == "phi":
        raise SettingError(
            "BONSAI_DTYPE is 'float16', in which the numbers of a Phi model overflow; use auto, bfloat16 or float32."
        )


def _tokenizer(model_id: str, files: ModelFiles) -> Any:
    try:
        tokenizer = AutoTokenizer.from_pretrained(**files.arguments)
    except _UNREADABLE as error:
        raise EngineError(f"The tokenizer of {model_id} cannot be read: {first_line(error)}") from error
    # Without its files a tokenizer of some kinds is loaded all the same, empty.
    if not tokenizer("a")["input_ids"]:
        raise EngineError(f"The tokenizer of {model_id} cannot be read: its files are missing from {files.folder}.")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def _own_tokenizer(adapter_id: str, folder: Path, base: Any) -> Any:
    """Return the tokenizer that an adapter brings; raise EngineError unless it is the base's with more tokens."""
    tokenizer = _tokenizer(adapter_id, ModelFiles(folder))
    known = tokenizer.get_vocab()
    if other := [token for token, number in base.get_vocab().items() if known.get(token) != number]:
        raise EngineError(
            f"The adapter {adapter_id} brings a tokenizer of another model: {len(other):,} tokens differ "
            f"({other[0]!r})."
        )
    return tokenizer


def _check_room(model_id: str, config: Any, dtype: torch.dtype) -> None:
    """Raise EngineError, with both numbers, if the weights do not fit in memory.

    The system would end the process without a word.
    """
    with torch.device("meta"):
        needed = AutoModelForCausalLM.from_config(config, dtype=dtype).get_memory_footprint()
    if needed > (free := free_memory()):
        raise EngineError(
            f"The model {model_id} takes {needed / 2**30:.1f} GB of memory in {str(dtype).removeprefix('torch.')}, and "
            f"{free / 2**30:.1f} GB are free. Choose a smaller model or a GGUF file in 4 bits, or close other programs."
        )


def _weights(model_id: str, files: ModelFiles, config: Any, settings: Settings, gpu: bool) -> Any:
    dtype = _dtype(settings)
    options: dict[str, Any] = {"dtype": dtype, "use_safetensors": True}
    if files.gguf and settings.quantization != "none":
        raise SettingError(
            f"BONSAI_QUANTIZATION is {settings.quantization!r}; with a GGUF file it must be none: such a file is "
            "quantised already."
        )
    if settings.quantization != "none":
        options["quantization_config"] = _quantization(settings.quantization, dtype)
        options["device_map"] = {"": 0 if gpu else "cpu"}
    if not gpu:
        # In a container torch takes the cores of the whole machine, and then waits for its share of them.
        torch.set_num_threads(min(torch.get_num_threads(), allowed_cores()))
    try:
        if not gpu and settings.quantization == "none":
            _check_room(model_id, config, dtype)
        if files.gguf:
            return load_unpacked(files.folder / files.gguf, dtype, config).eval()
        model, report = AutoModelForCausalLM.from_pretrained(**files.arguments, output_loading_info=True, **options)
    except torch.OutOfMemoryError as error:
        raise _too_big(model_id) from error
    except _UNREADABLE as error:
        raise EngineError(f"The model {model_id} cannot be loaded from {files.folder}: {first_line(error)}") from error
    missing = sorted(report["missing_keys"])
    if missing:
        # transformers fills such gaps with random numbers.
        raise EngineError(f"The model {model_id} is incomplete: {len(missing)} weights are missing ({missing[0]}).")
    return model.eval()


def _dtype(settings: Settings) -> torch.dtype:
    if settings.dtype != "auto":
        return {"bfloat16": torch.bfloat16, "float32": torch.float32, "float16": torch.float16}[settings.dtype]
    if settings.zero_gpu:
        return torch.bfloat16
    native = torch.cuda.is_available() and torch.cuda.get_device_capability() >= (8, 0)
    return torch.bfloat16 if native else torch.float32


def _quantization(kind: str, dtype: torch.dtype) -> BitsAndBytesConfig:
    if kind == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype)


def _place(model: Any, settings: Settings, gpu: bool) -> Any:
    if not gpu or settings.quantization != "none":
        return model
    try:
        return model.to("cuda")
    except torch.OutOfMemoryError as error:
        raise _too_big("the model") from error


def _too_big(model_id: str) -> EngineError:
    return EngineError(f"There is not enough GPU memory for {model_id}; set BONSAI_QUANTIZATION to 8bit or 4bit.")


def _ends(model: Any, tokenizer: Any) -> frozenset[int]:
    own = model.generation_config.eos_token_id
    ids = own if isinstance(own, list) else [own]
    return frozenset(int(token) for token in [*ids, tokenizer.eos_token_id] if token is not None)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers' progress bars and reports, and a warning that PEFT causes, off the terminal."""
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
