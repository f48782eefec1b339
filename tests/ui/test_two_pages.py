"""Two pages in one process, with settings of their own: neither changes the other."""

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from bonsai.engines.echo import EchoEngine
from bonsai.settings import Settings

QUESTION = "Why did productivity stop growing?"
GENEROUS = Settings(max_steps=6, max_new_tokens=200, max_questions=4, prompt="assistant")
STRICT = Settings(max_steps=2, max_new_tokens=50, max_questions=1, prompt="logician")


def told(address: str) -> dict[str, Any]:
    """Return what a page tells of itself: its components, their values and its endpoints."""
    with urllib.request.urlopen(f"{address}config") as answer:
        config = json.load(answer)
    with urllib.request.urlopen(f"{address}gradio_api/info") as answer:
        endpoints = json.load(answer)["named_endpoints"]
    shown = [(one["type"], one["props"].get("value"), one["props"].get("maximum")) for one in config["components"]]
    return {"shown": shown, "names": sorted(endpoints)}


def asked(client: Client) -> tuple[set[str], list[str], str]:
    """Return the prompt variant, the answers and the question of each row that a page answers with."""
    rows = client.predict(QUESTION, steps=2, max_new_tokens=40, seed=3, api_name="/qtq")
    return {row["prompt"] for row in rows}, [row["answer"] for row in rows], rows[-1]["question"]


@pytest.fixture(scope="module")
def generous(served: Any) -> Iterator[tuple[str, Client]]:
    """The page that was opened first."""
    with served(EchoEngine(), GENEROUS) as address:
        client = Client(address, verbose=False)
        yield address, client
        client.close()


def test_a_second_page_with_other_settings_leaves_the_first_as_it_was(
    served: Any, generous: tuple[str, Client]
) -> None:
    address, first = generous
    page, answers = told(address), asked(first)
    with served(EchoEngine(fail_on="productivity"), STRICT) as other:
        second = Client(other, verbose=False)
        assert told(other) != page
        for refused, sentence in (
            ({"question": QUESTION, "steps": 2}, "told to fail"),
            ({"question": "Why do we sleep?", "steps": 6}, "between 1 and 2"),
            ({"question": "Why do we sleep?", "max_new_tokens": 200}, "between 1 and 50"),
        ):
            with pytest.raises(AppError, match=sentence):
                second.predict(**{"steps": 1, "max_new_tokens": 50, **refused}, api_name="/qtq")
        rows = second.predict("Why do we sleep?", steps=2, max_new_tokens=50, api_name="/qtq")
        assert {row["prompt"] for row in rows} == {"logician"}
        with pytest.raises(AppError, match="at most 1"):
            second.predict(["Why do we sleep?", "Why do we dream?"], max_new_tokens=50, api_name="/batch")
        assert len(first.predict(QUESTION, steps=6, max_new_tokens=200, api_name="/qtq")) > 2
        assert {row["question"] for row in first.predict(["Why do we sleep?", "Why do we dream?"], api_name="/batch")}
        assert (told(address), asked(first)) == (page, answers)
        second.close()
    assert (told(address), asked(first)) == (page, answers), "a page that closes leaves the others open"
