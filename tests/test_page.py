"""The page's endpoints, as programs use them: typed, documented, and with a sentence for what cannot be done."""

import json
import socket
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from bonsai.engines.echo import EchoEngine
from bonsai.prompts import load_variants
from bonsai.questions import load_starters
from bonsai.runs import dumps
from bonsai.settings import ROOT, Settings
from bonsai.table import COLUMNS
from bonsai.ui.page import build, load_examples, serve

QUESTION = "Why did productivity stop growing?"
SETTINGS = Settings(engine="echo", concurrency=2, max_steps=6, max_new_tokens=200)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The address of a page on which the echo engine answers."""
    variants, starters = load_variants(SETTINGS.prompts), load_starters(ROOT / "examples" / "questions.csv")
    demo = build(EchoEngine(fail_on="broken"), SETTINGS, variants, starters)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    yield serve(demo, port=port, wait=False)
    demo.close(verbose=False)


@pytest.fixture(scope="module")
def client(address: str) -> Iterator[Client]:
    """A client of the page."""
    client = Client(address, verbose=False)
    yield client
    client.close()


@pytest.mark.parametrize(
    ("endpoint", "options", "rows"), [("/ask", {}, 1), ("/two_step", {}, 1), ("/qtq", {}, 3), ("/qtq", {"steps": 5}, 5)]
)
def test_an_endpoint_returns_the_rows(client: Client, endpoint: str, options: dict[str, int], rows: int) -> None:
    table = client.predict(QUESTION, api_name=endpoint, **options)
    assert [row["step"] for row in table] == list(range(1, rows + 1))
    assert list(table[0]) == list(COLUMNS)
    assert table[0]["question"] == QUESTION
    assert table[0]["answer"]
    assert table[0]["similarity"] is None


def test_the_same_seed_gives_the_same_rows(client: Client) -> None:
    def answers(seed: int) -> list[str]:
        return [row["answer"] for row in client.predict(QUESTION, seed=seed, api_name="/qtq")]

    assert answers(3) == answers(3) != answers(4)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"question": " "}, "The question is empty"),
        ({"question": "word " * 3000}, "the model reads at most 2,048"),
        ({"prompt": "poet"}, "no prompt variant 'poet'; choose one of assistant"),
        ({"steps": 7}, "steps is 7; it must be between 1 and 6"),
        ({"steps": 0}, "steps is 0"),
        ({"max_new_tokens": 201}, "max_new_tokens is 201; it must be between 1 and 200"),
        ({"temperature": -1}, "temperature is -1"),
        ({"question": "broken?"}, "told to fail"),
    ],
)
def test_what_cannot_be_done_gets_a_sentence(client: Client, options: dict[str, object], sentence: str) -> None:
    with pytest.raises(AppError, match=sentence):
        client.predict(**{"question": QUESTION, "api_name": "/qtq", **options})


def test_only_the_named_endpoints_are_public_and_they_are_documented(client: Client) -> None:
    described = client.view_api(return_format="dict", print_info=False)
    assert set(described["named_endpoints"]) == {"/ask", "/two_step", "/qtq"}
    assert not described["unnamed_endpoints"]
    for endpoint in described["named_endpoints"].values():
        assert endpoint["description"]
        assert endpoint["parameters"][0]["parameter_name"] == "question"


def test_the_endpoints_are_tools_for_mcp(address: str) -> None:
    with urllib.request.urlopen(f"{address}gradio_api/mcp/schema") as answer:
        tools = json.load(answer)
    assert {tool["name"].removeprefix("_") for tool in tools} >= {"ask", "two_step", "qtq"}


def test_two_visitors_at_once_each_get_their_own(address: str) -> None:
    questions = ["Why do apples fall?", "Why do rivers bend?"]
    found: dict[str, str] = {}

    def visit(question: str) -> None:
        visitor = Client(address, verbose=False)
        found[question] = visitor.predict(question, api_name="/qtq")[0]["question"]
        visitor.close()

    threads = [threading.Thread(target=visit, args=(question,)) for question in questions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == {question: question for question in questions}


def test_the_saved_examples_are_runs_of_the_seedling() -> None:
    examples = load_examples(ROOT / "examples")
    assert set(examples) == {"single", "two-step", "qtq"}
    for run in examples.values():
        assert (run.model, run.adapter) == ("seedling", "seedling")
        assert dumps(run) == Path(ROOT / "examples" / f"{run.chains[0].method}.json").read_text(encoding="utf-8")
