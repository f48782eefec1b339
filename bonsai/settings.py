"""The settings: read from the environment once, checked, and handed on as one value."""

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from bonsai.errors import SettingError, quoted

ROOT = Path(__file__).resolve().parent.parent
SMOLLM2 = "SmolLM2-135M-Instruct"
"""The model in the box: it comes with a package, as a GGUF file."""
SMOLLM2_ADAPTER = "bonsai-smollm2"
"""The adapter in the box, for that model, where it is asked for: a folder of this project."""
PHI_2 = "microsoft/phi-2"
FORMATS = ("chat", "tagged", "instruct")
"""The forms in which a model can be prompted."""
NO_ADAPTER = "none"
EMBEDDER = "sentence-transformers/all-MiniLM-L6-v2"
JAPANESE_EMBEDDER = "intfloat/multilingual-e5-small"
NO_EMBEDDER = "none"
HIGHEST_PORT = 65_535


def _setting(
    default: Any, help: str, *, choices: tuple[str, ...] = (), low: int = 1, high: int = 0, secret: bool = False
) -> Any:
    return field(
        default=default, repr=not secret, metadata={"help": help, "choices": choices, "low": low, "high": high}
    )


@dataclass(frozen=True)
class Settings:
    """Every setting of the app; each field is the environment variable BONSAI_<FIELD NAME>."""

    model: str = _setting(
        "", "Model: hub id, folder or GGUF file. Unset: `microsoft/phi-2` with a GPU, else SmolLM2-135M-Instruct"
    )
    adapter: str = _setting(
        "", "LoRA adapter: hub id, folder or GGUF file; `none`: the model alone. Unset: SmolLM2's own, `bonsai-smollm2`"
    )
    revision: str = _setting("", "Revision of the model on the hub: branch, tag or commit")
    quantization: str = _setting(
        "none",
        "Weights in 8 or 4 bits, to save memory (bitsandbytes; engines of transformers)",
        choices=("none", "8bit", "4bit"),
    )
    dtype: str = _setting(
        "auto",
        "Number format (engines of transformers); `auto` is bfloat16 on a GPU that has it, else float32",
        choices=("auto", "bfloat16", "float32", "float16"),
    )
    engine: str = _setting(
        "auto",
        "What completes the prompts; see the table of engines",
        choices=("auto", "local", "batching", "remote", "llama-cpp", "echo"),
    )
    base_url: str = _setting("", "Address of a server for the engine `remote`, as `http://host:8000/v1`")
    api_key: str = _setting("", "The server's API key, if it asks for one; it is never shown", secret=True)
    api: str = _setting(
        "auto",
        "What the server is asked for: `completions` of prompts or of a `chat`; `auto` is a chat where it has no other",
        choices=("auto", "completions", "chat"),
    )
    embedder: str = _setting(
        EMBEDDER, "Model that measures how alike questions are: hub id or folder; `none` for words"
    )
    japanese_embedder: str = _setting(
        JAPANESE_EMBEDDER,
        "The same for texts in Japanese or Chinese: hub id or folder of this model; `none` for characters",
    )
    prompts: Path = _setting(ROOT / "prompts", "Folder with the prompt variants")
    prompt: str = _setting("assistant", "Default prompt variant")
    format: str = _setting(
        "auto",
        "Form in which the model is prompted; `auto` is its chat template, else the form that it was trained on",
        choices=("auto", *FORMATS),
    )
    concurrency: int = _setting(32, "Completions in the making at a time", high=1024)
    queue_size: int = _setting(20, "Visitors that may wait; the next one is told to come back later", high=10_000)
    max_new_tokens: int = _setting(512, "The most tokens a visitor may ask for in one completion", high=4096)
    max_steps: int = _setting(20, "The most steps a visitor may ask for in one chain", high=1000)
    max_questions: int = _setting(10_000, "The most questions of one list", high=1_000_000)
    zero_gpu: bool = False

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Return the settings that `environ` holds; raise SettingError, with what is allowed, for a wrong value."""
        values: dict[str, Any] = {"zero_gpu": environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")}
        for item in fields(cls):
            text = environ.get(variable(item.name), "").strip()
            if item.metadata and text:
                values[item.name] = _parse(variable(item.name), text, type(item.default), item.metadata)
        return cls(**values)

    def models(self, gpu: bool) -> tuple[str, str]:
        """Return the ids of the model and the adapter (or "none") that are meant on a machine with or without GPU."""
        model = self.model or (PHI_2 if gpu else SMOLLM2)
        return model, self.adapter or (SMOLLM2_ADAPTER if model == SMOLLM2 else NO_ADAPTER)

    def of_weights(self) -> list[str]:
        """Return the variables that are given and say how the weights of a model are kept in memory."""
        usual = Settings()
        return [variable(name) for name in ("quantization", "dtype") if getattr(self, name) != getattr(usual, name)]

    def __post_init__(self) -> None:
        for item in fields(self):
            choices = item.metadata.get("choices")
            if choices and getattr(self, item.name) not in choices:
                raise SettingError(
                    _not_allowed(variable(item.name), getattr(self, item.name), f"one of {', '.join(choices)}")
                )
        if self.base_url and not _is_address(self.base_url):
            raise SettingError(
                _not_allowed(variable("base_url"), self.base_url, "an address like http://127.0.0.1:8000/v1")
            )
        strange = next((place for place, one in enumerate(self.api_key, 1) if not "!" <= one <= "~"), 0)
        if strange:
            raise SettingError(
                f"BONSAI_API_KEY has a character that no key has (U+{ord(self.api_key[strange - 1]):04X}, at place "
                f"{strange}); copy it again."
            )


def is_path(source: str) -> bool:
    """Say whether a model or adapter is named by a place on this machine, and not by its id on the hub."""
    return source.startswith((".", "/", "~")) or "\\" in source or source.count("/") > 1


def as_path(source: str) -> Path:
    """Return the place on this machine that a model or adapter may be named by, `~` read as the home folder."""
    # Path.expanduser raises an error for a user who is unknown here; so it is a place where nothing is.
    return Path(os.path.expanduser(source))


def variable(name: str) -> str:
    """Return the environment variable that holds the setting `name`."""
    return f"BONSAI_{name.upper()}"


def _is_address(text: str) -> bool:
    try:
        place = urlsplit(text)
        return (
            place.scheme in ("http", "https")
            and bool(place.hostname)
            and place.port != 0
            and not re.search(r"\s", text)
        )
    except ValueError:  # brackets that do not match, or a port that is none
        return False


def _parse(name: str, text: str, kind: type, metadata: Mapping[str, Any]) -> object:
    if issubclass(kind, Path):
        return Path(text)
    if kind is not int:
        return text
    low, high = metadata["low"], metadata["high"]
    if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
        raise SettingError(_not_allowed(name, text, f"a whole number from {low} to {high}"))
    return int(text)


def _not_allowed(name: str, value: str, allowed: str) -> str:
    return f"{name} is {quoted(value)}; it must be {allowed}."


def keep_torch_to_one_thread() -> None:
    """Let torch compute on one thread in this process, unless OMP_NUM_THREADS says otherwise.

    Its threads wait for each other awake, many times a text. Where a server on this machine, or in this process, has
    the cores, two take many times as long as one.
    """
    if os.environ.setdefault("OMP_NUM_THREADS", "1") == "1" and (torch := sys.modules.get("torch")):
        torch.set_num_threads(1)


def check_gradio_port(environ: Mapping[str, str] = os.environ) -> None:
    """Raise SettingError if the platform names a port for the page that is none.

    Gradio reads it when it is imported, with a traceback for what is no number.
    """
    name = "GRADIO_SERVER_PORT"
    if name in environ:
        _parse(name, environ[name].strip(), int, {"low": 1, "high": HIGHEST_PORT})


def ask_this_machine_directly() -> None:
    """Have this process ask addresses of this machine without a proxy, beside those that NO_PROXY names already.

    Gradio asks its own server, at its start and for MCP.
    """
    proxies = getproxies()
    known = proxies.pop("no", "")
    # Once a variable says anything of proxies, those that macOS and Windows have in their settings are not seen.
    for kind, address in proxies.items():
        os.environ.setdefault(f"{kind}_proxy", address)
    for name in ("no_proxy", "NO_PROXY"):
        os.environ[name] = ",".join(filter(None, (known, "127.0.0.1,localhost,0.0.0.0")))
