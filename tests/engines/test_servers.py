"""Real servers, as docs/servers.md tells of them: what they take, and what they tell of a model."""

from dataclasses import replace
from pathlib import Path

import pytest

from bonsai.engines.base import DEFAULT_OPTIONS, Completion, Message, Prompt, Request, RequestQueue, SamplingParams
from bonsai.engines.llama_cpp.server import LlamaServer
from bonsai.engines.remote.engine import RemoteEngine
from bonsai.settings import Settings

PARAMS = SamplingParams(max_new_tokens=6, temperature=1.0, seed=3)
PROMPT = Prompt(("", "Why do rivers bend?", ""), (Message("user", "Why do rivers bend?"),))


def ask(engine: RemoteEngine, params: SamplingParams = PARAMS, count: int = 3) -> list[Completion]:
    """Return so many completions of one prompt, with one seed after the other."""
    queue = RequestQueue(Request(PROMPT, replace(params, seed=params.seed + place)) for place in range(count))
    return [completion for _, completion in sorted(dict(engine.stream(queue)).items())]


@pytest.fixture
def llama_cpp(llama_server: LlamaServer) -> Settings:
    return Settings(base_url=llama_server.url, api_key=llama_server.key)


def test_llama_cpp_takes_all_options(llama_cpp: Settings, llama_server: LlamaServer) -> None:
    engine = RemoteEngine(llama_cpp)
    assert engine.info.options == DEFAULT_OPTIONS
    assert engine._server.dialect.lacks == {}
    assert engine.notes == ()
    assert engine.info.context_length == llama_server.room.context_length
    assert engine.info.chat_template == llama_server.room.model.chat_template
    assert engine.count_tokens(PROMPT) == len(llama_server.tokenise(PROMPT.text, begins=True))
    found = ask(engine)
    assert [done.error for done in found] == [""] * 3
    assert len({done.text for done in found}) == 3, "candidates have seeds of their own"
    assert {done.prompt_tokens for done in found} == {engine.count_tokens(PROMPT)}
    alone = ask(engine, count=1)
    assert ask(engine, count=1)[0].text == alone[0].text, "the same seed gives the same text"
    assert alone[0].completion_tokens == 6


def test_llama_cpp_chats(llama_cpp: Settings) -> None:
    engine = RemoteEngine(replace(llama_cpp, api="chat"))
    assert [done.error for done in ask(engine)] == [""] * 3


def test_transformers_takes_a_temperature_top_p_and_a_seed(transformers_server: str, model_folder: Path) -> None:
    engine = RemoteEngine(Settings(base_url=transformers_server, model=str(model_folder)))
    lacking = engine._server.dialect.lacks.keys()
    assert lacking == {"n", "top_k", "repetition_penalty"}
    assert [done.error for done in ask(engine)] == [""] * 3
    assert "does not take repetition_penalty, top_k" in str(engine.notes[0])
