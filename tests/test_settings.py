"""Settings: read once, and wrong values refused with what is allowed."""

from pathlib import Path

import pytest

from bonsai.errors import SettingError
from bonsai.settings import NO_EMBEDDER, Settings, check_gradio_port


def test_without_variables_the_defaults_hold() -> None:
    settings = Settings.from_env({})
    assert settings == Settings()
    assert (settings.engine, settings.quantization, settings.zero_gpu) == ("auto", "none", False)
    assert settings.embedder == "sentence-transformers/all-MiniLM-L6-v2"


def test_values_are_read() -> None:
    settings = Settings.from_env(
        {
            "BONSAI_MODEL": " some/model ",
            "BONSAI_PROMPTS": "/x",
            "BONSAI_MAX_STEPS": "7",
            "BONSAI_EMBEDDER": "none",
            "SPACES_ZERO_GPU": "true",
        }
    )
    assert (settings.model, settings.prompts, settings.max_steps) == ("some/model", Path("/x"), 7)
    assert settings.zero_gpu
    assert settings.embedder == NO_EMBEDDER


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("BONSAI_QUANTIZATION", "2bit", "one of none, 8bit, 4bit"),
        ("BONSAI_ENGINE", "vllm", "one of auto, local, batching, remote, llama-cpp, echo"),
        ("BONSAI_DTYPE", "int3", "one of auto, bfloat16, float32, float16"),
        ("BONSAI_MAX_STEPS", "0", "a whole number from 1 to 1000"),
        ("BONSAI_MAX_NEW_TOKENS", "many", "a whole number from 1 to 4096"),
        ("BONSAI_QUEUE_SIZE", "-1", "a whole number"),
        ("BONSAI_CONCURRENCY", "²", "a whole number"),
        ("BONSAI_CONCURRENCY", "1025", "a whole number from 1 to 1024"),
        ("BONSAI_BASE_URL", "localhost:8000", "an address like http://127.0.0.1:8000/v1"),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_allowed(name: str, value: str, allowed: str) -> None:
    with pytest.raises(SettingError, match=f"{name} is '{value}'; it must be {allowed}"):
        Settings.from_env({name: value})


@pytest.mark.parametrize("port", ["web", "", "0", "65536"])
def test_a_port_of_the_platform_that_is_none_is_refused(port: str) -> None:
    with pytest.raises(
        SettingError, match=f"GRADIO_SERVER_PORT is '{port}'; it must be a whole number from 1 to 65535"
    ):
        check_gradio_port({"GRADIO_SERVER_PORT": port})


def test_a_port_of_the_platform_may_have_spaces_around_it_and_is_nothing_to_other_commands() -> None:
    check_gradio_port({"GRADIO_SERVER_PORT": " 7861 "})
    check_gradio_port({})
    assert Settings.from_env({"GRADIO_SERVER_PORT": "web"}) == Settings.from_env({})
