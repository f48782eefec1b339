"""GGUF models: where they are found, what is said of those that cannot be used, and that they answer as they should."""

import asyncio
import gc
import hashlib
import shutil
import struct
import weakref
from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from huggingface_hub import snapshot_download
from peft import PeftModel
from safetensors.torch import save_file

from bonsai import engines
from bonsai.chains.advance import advance
from bonsai.chains.chain import new_chain
from bonsai.chains.outcomes import Role
from bonsai.chains.prompts import load_variants
from bonsai.chains.roles import next_prompt
from bonsai.engines import engine_name, open_base_engine, open_engine
from bonsai.engines import hub as hub_files
from bonsai.engines.base import Engine, EngineInfo, Prompt, SamplingParams
from bonsai.engines.gguf import finding
from bonsai.engines.gguf.finding import find_model
from bonsai.engines.gguf.header import GgufFile, read_gguf
from bonsai.engines.hub import find_folder, other_base
from bonsai.engines.llama_cpp import adapter_file, lora_conversion, server
from bonsai.engines.llama_cpp.adapter_file import find_adapter
from bonsai.engines.llama_cpp.engine import LlamaCppEngine
from bonsai.engines.llama_cpp.server import LlamaServer, Room
from bonsai.engines.llama_cpp.shared_prefix import SharedPrefix
from bonsai.engines.model.loading import quiet
from bonsai.errors import EngineError, SettingError
from bonsai.settings import ROOT, SMOLLM2, SMOLLM2_ADAPTER, Settings
from tests import gguf_models, models
from tests.engines.counting_proxy import CountingProxy

QUANTISATIONS = ("phi-2.Q2_K.gguf", "phi-2.Q4_K_M.gguf", "phi-2.Q4_K_S.gguf", "README.md", "mmproj-phi-2.gguf")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[str]]:
    """The names of the files in the only repository of a hub, which gives them all."""
    names: list[str] = []

    class Api:
        def list_repo_files(self, repository: str, revision: str | None = None) -> list[str]:
            return names

    def download(repository: str, name: str, revision: str | None = None) -> str:
        assert name in names
        return str(tmp_path / repository / name)

    monkeypatch.setattr(finding, "HfApi", Api)
    monkeypatch.setattr(finding, "hf_hub_download", download)
    yield names


@pytest.mark.parametrize("wanted", ["Q4_K_M", "q4_k_m", "phi-2.Q4_K_M.gguf"])
def test_a_repository_is_asked_for_a_quantisation_or_a_file(hub: list[str], wanted: str) -> None:
    hub += QUANTISATIONS
    assert find_model(f"some/phi-2-GGUF:{wanted}").name == "phi-2.Q4_K_M.gguf"


def test_the_only_file_of_a_repository_need_not_be_named(hub: list[str]) -> None:
    hub += ["a/model-00001-of-00002.gguf", "a/model-00002-of-00002.gguf", "mmproj.gguf"]
    assert find_model("some/model").name == "model-00001-of-00002.gguf"


@pytest.mark.parametrize(
    ("wanted", "names", "found"),
    [
        ("Q6_K", ["m-Q6_K.gguf", "m-Q6_K_L.gguf", "m-UD-Q6_K_XL.gguf"], "m-Q6_K.gguf"),
        ("q4_0", ["m.Q4_0.gguf", "m.Q4_0_4_4.gguf", "m.IQ4_0.gguf"], "m.Q4_0.gguf"),
        ("Q6_K", ["UD-Q6_K/m-UD-Q6_K.gguf", "m-Q6_K.gguf"], "m-Q6_K.gguf"),
        ("Q6_K", ["m-UD-Q6_K.gguf", "m-Q5_K.gguf"], "m-UD-Q6_K.gguf"),
        ("Q4_K", ["m-Q4_K_M.gguf", "m-Q5_K_M.gguf"], "m-Q4_K_M.gguf"),
        (
            "Q6_K",
            ["Q6_K/m-Q6_K-00001-of-00002.gguf", "Q6_K/m-Q6_K-00002-of-00002.gguf", "m-Q6_K_L.gguf"],
            "m-Q6_K-00001",
        ),
    ],
)
def test_a_quantisation_is_not_another_that_begins_with_its_name(
    hub: list[str], wanted: str, names: list[str], found: str
) -> None:
    hub += names
    assert find_model(f"some/model:{wanted}").name.startswith(found)


class Unreachable(Exception):
    """What the hub's client raises without a network is of no kind that Python itself has."""


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """What was fetched of the repository some/model before the hub was out of reach."""

    def fail(*_: Any, **__: Any) -> Any:
        raise Unreachable("403 Forbidden")

    def from_the_hub(*asked: Any, local_files_only: bool = False, **wanted: Any) -> str:
        return snapshot_download(*asked, local_files_only=True, **wanted) if local_files_only else fail()

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(finding.HfApi, "list_repo_files", fail)
    monkeypatch.setattr(finding, "hf_hub_download", fail)
    monkeypatch.setattr(hub_files, "snapshot_download", from_the_hub)
    home = tmp_path / "models--some--model"
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text("1" * 40)
    folder = home / "snapshots" / ("1" * 40)
    (folder / "big").mkdir(parents=True)
    for name in ("config.json", "m-Q6_K.gguf", "big/m-Q8_0-00001-of-00002.gguf", "big/m-Q8_0-00002-of-00002.gguf"):
        (folder / name).touch()
    return folder


def test_what_was_fetched_before_is_used_where_the_hub_is_out_of_reach(fetched: Path) -> None:
    assert find_model("some/model:Q6_K") == fetched / "m-Q6_K.gguf"
    assert find_model("some/model:q8_0") == fetched / "big" / "m-Q8_0-00001-of-00002.gguf"
    assert find_model("some/model:big/m-Q8_0-00001-of-00002.gguf").is_file()
    assert find_folder("some/model", "model", "") == fetched


@pytest.mark.usefixtures("fetched")
def test_what_was_not_fetched_before_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    for find in (lambda: find_model("some/other:Q6_K"), lambda: find_folder("some/other", "adapter", "")):
        with pytest.raises(EngineError, match=r"some/other.* could not be fetched from the hub.*\(403 Forbidden\)"):
            find()
    monkeypatch.setattr(finding, "find_spec", lambda _: None)
    with pytest.raises(EngineError, match=r"is not here, and the hub does not give it \(403 Forbidden\)"):
        find_model(SMOLLM2)
    monkeypatch.setattr(finding.HfApi, "list_repo_files", lambda *_, **__: ["m.gguf"])
    with pytest.raises(EngineError, match=r"could not be fetched from the hub.*\(403 Forbidden\)"):
        find_model("some/model")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("some/phi", "has several GGUF files: phi-2.Q2_K.gguf, phi-2.Q4_K_M.gguf, phi-2.Q4_K_S.gguf. Name one, as in "),
        ("some/phi:Q9", "has no GGUF file Q9. It has: phi-2.Q2_K.gguf, phi-2.Q4_K_M.gguf, phi-2.Q4_K_S.gguf."),
    ],
)
def test_the_files_of_a_repository_are_listed_if_it_is_not_clear_which(hub: list[str], source: str, words: str) -> None:
    hub += QUANTISATIONS
    with pytest.raises(EngineError, match=r"BONSAI_MODEL=some/phi:phi-2.Q2_K|It has") as caught:
        find_model(source)
    assert words in str(caught.value)


def test_a_folder_has_one_model_or_says_which(tmp_path: Path) -> None:
    (tmp_path / "one.gguf").touch()
    assert find_model(str(tmp_path)) == tmp_path / "one.gguf"
    (tmp_path / "two.gguf").touch()
    with pytest.raises(
        EngineError, match=r"several GGUF files: one.gguf, two.gguf. Name one, as in BONSAI_MODEL=.*/one"
    ):
        find_model(str(tmp_path))


@pytest.mark.parametrize("source", ["missing.gguf", "./missing", "/missing/model.gguf"])
def test_a_file_that_is_not_there_is_named(source: str) -> None:
    with pytest.raises(EngineError, match=f"There is no file {source}"):
        find_model(source)


@pytest.mark.model
def test_the_model_in_the_box_is_the_one_that_was_published(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = find_model(SMOLLM2)
    assert hashlib.sha256(file.read_bytes()).hexdigest().startswith("b179c952")
    other = tmp_path / file.name
    other.write_bytes(b"GGUF")
    monkeypatch.setattr(finding, "find_spec", lambda _: None)
    monkeypatch.setattr(finding, "hf_hub_download", lambda *_, **__: str(other))
    with pytest.raises(EngineError, match="is not the model SmolLM2-135M-Instruct as it was published"):
        find_model(SMOLLM2)


@pytest.mark.parametrize(
    ("settings", "gpu", "name"),
    [
        (Settings(model=SMOLLM2), False, "llama-cpp"),
        (Settings(model="some/phi-2-GGUF:Q4_K_M"), True, "llama-cpp"),
        (Settings(model="model.gguf"), False, "llama-cpp"),
        (Settings(model="microsoft/phi-2"), False, "batching"),
        (Settings(), True, "batching"),
        (Settings(zero_gpu=True), False, "local"),
        (Settings(base_url="http://127.0.0.1:1"), False, "remote"),
        (Settings(engine="echo"), False, "echo"),
    ],
)
def test_auto_is_the_engine_that_fits_the_model_and_the_machine(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, gpu: bool, name: str
) -> None:
    monkeypatch.setattr(engines, "_has_gpu", lambda: gpu)
    assert engine_name(settings) == name


def test_without_llama_cpp_transformers_engine_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "find_spec", lambda _: None)
    assert engine_name(Settings(model=SMOLLM2)) == "batching"


def test_it_is_not_for_a_leased_gpu() -> None:
    with pytest.raises(SettingError, match="must be auto or local"):
        open_engine(Settings(engine="llama-cpp", zero_gpu=True))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda data: data[:20], "is cut off: even its header is incomplete. Fetch it again."),
        (lambda data: data[:-5000], "bytes are there. Fetch it again."),
        (lambda data: data[:4] + b"\x09" + data[5:], "is of GGUF version 9; the newest known here is 3. Update"),
        (lambda data: b"PK\3\4" + data[4:], "is not a GGUF file."),
        (lambda data: data.replace(b"phi2", b"phi9"), "unknown model architecture: 'phi9'; update llama.cpp"),
        (lambda data: data.replace(b"blk.1.ffn_up.weight", b"blk.1.ffn_xx.weight"), "'blk.1.ffn_up.weight' not found."),
    ],
)
def test_a_model_that_cannot_be_used_is_refused_with_its_reason(
    gguf_file: Path, tmp_path: Path, damage: Any, words: str
) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(damage(gguf_file.read_bytes()))
    with pytest.raises(EngineError) as caught:
        open_engine(Settings(model=str(file)))
    assert words in str(caught.value)
    assert str(file) in str(caught.value)


def test_a_model_that_takes_more_memory_than_is_free_is_not_loaded(
    gguf_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "free_memory", lambda: 2**27)
    with pytest.raises(EngineError, match=r"takes 0.3 GB of memory, and 0.1 GB are free. Choose a smaller file"):
        open_engine(Settings(model=str(gguf_file)))


@pytest.mark.model
def test_many_texts_share_what_a_large_model_can_keep() -> None:
    small = Room(read_gguf(find_model(SMOLLM2)), 32)
    assert (small.context_length, small.kept_tokens) == (8192, 16384)
    assert 0.6e9 < small.bytes < 0.9e9
    assert Room(small.model, 1).kept_tokens == 8192


def likeliest(model: Any, tokenizer: Any, text: str) -> str:
    """Return the twelve likeliest tokens after a text, by transformers."""
    ids = tokenizer(text)["input_ids"]
    begin = len(ids)
    for _ in range(12):
        with torch.no_grad():
            ids.append(int(model(torch.tensor([ids])).logits[0, -1, : len(tokenizer)].argmax()))
    return str(tokenizer.decode(ids[begin:]).rstrip("\ufffd"))


def written(engine: Engine, text: str) -> str:
    """Return the twelve likeliest tokens after a text, by an engine."""
    *_, (_, found) = engine.generate([text], SamplingParams(max_new_tokens=12, temperature=0))
    assert found.completion_tokens == 12, found.error
    return found.text


def with_adapter(model: Any, folder: Path) -> Any:
    with quiet():
        return PeftModel.from_pretrained(model, str(folder)).eval()


TEXTS = ("Why do teams keep quality high?", "日本の庭では、石と水が", "<|prompt|>Who gains?\n<|response|>")
ALL = ["q_proj", "k_proj", "v_proj", "dense", "fc1", "fc2"]


@pytest.mark.model
@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("how", [{}, {"target_modules": ALL, "use_rslora": True, "alpha_pattern": {"k_proj": 8}}])
def test_a_phi_says_what_it_says_with_transformers_with_and_without_its_adapter(
    tmp_path: Path, fused: bool, how: dict[str, Any]
) -> None:
    model, tokenizer = models.make_model(), models.make_tokenizer()
    gguf_models.write_phi(model, tokenizer, tmp_path / "phi.gguf", fused=fused)
    models.make_adapter(models.make_model(), tmp_path / "adapter", **how)
    settings = Settings(model=str(tmp_path / "phi.gguf"), adapter=str(tmp_path / "adapter"))
    engine = open_engine(settings)
    alone = open_base_engine(settings, engine)
    assert (engine.info.adapter_id, alone.info.adapter_id) == (settings.adapter, "")
    bare = [likeliest(model, tokenizer, text) for text in TEXTS]
    adapted = [likeliest(with_adapter(models.make_model(), tmp_path / "adapter"), tokenizer, text) for text in TEXTS]
    assert [written(engine, text) for text in TEXTS] == adapted != bare
    assert [written(alone, text) for text in TEXTS] == bare
    assert [written(engine, text) for text in TEXTS] == adapted, "in turns"


@pytest.mark.model
def test_a_llama_says_what_it_says_with_transformers_with_its_adapter(tmp_path: Path) -> None:
    tokenizer = models.make_tokenizer()
    gguf_models.write_llama(models.make_llama(), tokenizer, tmp_path / "llama.gguf")
    layers = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    models.make_adapter(models.make_llama(), tmp_path / "adapter", target_modules=layers)
    engine = open_engine(Settings(model=str(tmp_path / "llama.gguf"), adapter=str(tmp_path / "adapter")))
    model = with_adapter(models.make_llama(), tmp_path / "adapter")
    for text in TEXTS:
        # The server keeps back bytes that are no character yet, here for the rest of a text.
        found = written(engine, text)
        assert len(found) > 5 and likeliest(model, tokenizer, text).startswith(found)


@pytest.fixture
def base(gguf_file: Path) -> GgufFile:
    """The header of the tiny Phi."""
    return read_gguf(gguf_file)


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home in which converted adapters are kept."""
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    return tmp_path / "home"


@pytest.mark.model
def test_an_adapter_is_converted_once(
    base: GgufFile, adapter_folder: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = find_adapter(str(adapter_folder), base)
    assert made.is_relative_to(kept)
    monkeypatch.setattr(adapter_file, "convert", None)
    assert find_adapter(str(adapter_folder), base) == made == find_adapter(str(made), base)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("wider", "was made for another model than tiny-phi.gguf: it changes blk.0.ffn_up.weight, from 96 to 192"),
        ("bin", "has no adapter_model.safetensors; .bin weights are not read"),
        ("torn", "has weights that cannot be read"),
        ("prefix", "is not a LoRA adapter"),
        ("empty", "has no adapter_config.json in"),
    ],
)
def test_an_adapter_that_cannot_be_used_is_refused(
    base: GgufFile,
    bad_adapters: dict[str, Path],
    kept: Path,
    name: str,
    words: str,
) -> None:
    with pytest.raises(EngineError) as caught:
        find_adapter(str(bad_adapters[name]), base)
    assert words in str(caught.value)
    assert not list((kept / ".cache" / "bonsai" / "adapters").glob("*")), "nothing half made is left"


@pytest.mark.model
def test_the_adapter_in_the_box_fits_the_model_in_the_box(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    base = read_gguf(find_model(SMOLLM2))
    made = find_adapter(SMOLLM2_ADAPTER, base)
    assert read_gguf(made).metadata["general.type"] == "adapter"
    assert find_adapter(str(ROOT / "adapters" / SMOLLM2_ADAPTER / "adapter_model.gguf"), base).is_file()
    assert other_base(SMOLLM2_ADAPTER, ROOT / "adapters" / SMOLLM2_ADAPTER, SMOLLM2) == ()


def test_a_gguf_adapter_of_another_model_is_refused(base: GgufFile, gguf_file: Path, tmp_path: Path) -> None:
    gguf_models.write_llama(models.make_llama(), models.make_tokenizer(), tmp_path / "llama.gguf")
    models.make_adapter(models.make_llama(), tmp_path / "adapter", target_modules=["q_proj"])
    other = find_adapter(str(tmp_path / "adapter"), read_gguf(tmp_path / "llama.gguf"))
    with pytest.raises(EngineError, match="was made for another model than tiny-phi.gguf: for one of llama, and this"):
        find_adapter(str(other), base)
    with pytest.raises(EngineError, match="is a model, not an adapter; set BONSAI_MODEL to it"):
        find_adapter(str(gguf_file), base)
    with pytest.raises(EngineError, match="is an adapter, not a model; set BONSAI_ADAPTER to it"):
        open_engine(Settings(model=str(other)))


def test_what_looks_like_a_special_token_in_a_text_stays_text(llama_server: LlamaServer) -> None:
    engine = LlamaCppEngine(llama_server, EngineInfo("llama-cpp", "tiny"))
    end = "<|endoftext|>"
    assert engine.count_tokens(end) == 1
    assert engine.count_tokens(Prompt(("", end))) > 1
    assert engine.count_tokens(Prompt((end, "Why?", end))) == 2 + engine.count_tokens("Why?")


@pytest.mark.parametrize(
    ("first", "second", "most", "waits"),
    [
        ([*range(100), 1], [*range(100), 2, 3], 30, True),
        ([*range(100), 1], [*range(100), 2, 3], 100, False),
        (list(range(20)), list(range(20)), 4, False),
        ([*range(100), 1], [*range(100), *range(500, 700)], 4, False),
        (list(range(100)), list(range(200, 300)), 4, False),
    ],
    ids=["alike", "short beside its text", "soon read", "alike but for most of it", "unlike"],
)
def test_a_prompt_waits_for_one_that_shares_more_than_is_read_meanwhile(
    first: list[int], second: list[int], most: int, waits: bool
) -> None:
    async def together() -> tuple[bool, bool]:
        shared, began = SharedPrefix(), asyncio.Event()

        async def follow() -> None:
            async with shared.turn(second, most):
                began.set()

        async with shared.turn(first, most):
            following = asyncio.create_task(follow())
            await asyncio.sleep(0)
            meanwhile = began.is_set()
        await following
        return meanwhile, began.is_set()

    assert asyncio.run(together()) == (not waits, True)


def test_a_turn_that_is_called_off_leaves_the_others_to_go_on() -> None:
    async def together() -> bool:
        shared = SharedPrefix()

        async def hold() -> None:
            async with shared.turn(list(range(100)), 4):
                await asyncio.Event().wait()

        first, second = asyncio.create_task(hold()), asyncio.create_task(hold())
        await asyncio.sleep(0)
        first.cancel()
        second.cancel()
        await asyncio.gather(first, second, return_exceptions=True)
        async with shared.turn(list(range(100)), 4):
            return True

    assert asyncio.run(together())


def test_candidates_that_differ_at_their_ends_are_read_once(llama_server: LlamaServer) -> None:
    server = copy(llama_server)
    with CountingProxy(int(server.address.rpartition(":")[2]), b"nothing is refused").running() as between:
        server.address = between.address
        engine = LlamaCppEngine(server, EngineInfo("llama-cpp", "tiny", context_length=256, max_batch_size=8))
        prompts = ["Who keeps the garden in order?\n" * 6 + end for end in ("Why?", "How?", "Who gains?")]
        tokens = engine.count_tokens(prompts[0])
        assert tokens > 64
        last = dict(engine.generate(prompts, SamplingParams(max_new_tokens=4)))
        assert all(completion.finish_reason == "length" for completion in last.values())
        assert tokens < between.read < 1.5 * tokens, "at the same time each would be read in full"


def test_a_prompt_goes_on_from_its_beginning_though_what_was_written_after_it_is_replaced(
    llama_server: LlamaServer,
) -> None:
    server = copy(llama_server)
    with CountingProxy(int(server.address.rpartition(":")[2]), b"nothing is refused").running() as between:
        server.address = between.address
        engine = LlamaCppEngine(server, EngineInfo("llama-cpp", "tiny", context_length=256))
        begin = "Which teas keep their scent in a tin?\n" * 3
        answer = begin + "So it is in the end.\n" * 6
        tokens, whole = engine.count_tokens(begin), engine.count_tokens(answer)
        assert 0.4 < tokens / whole < 0.5
        list(engine.generate([begin], SamplingParams(max_new_tokens=whole - tokens)))
        before = between.read
        list(engine.generate([answer], SamplingParams(max_new_tokens=1)))
        assert between.read - before < whole - tokens + 5


@pytest.mark.model
def test_an_answer_whose_reasoning_was_just_written_reads_no_more_than_what_is_new() -> None:
    box = LlamaServer(Room(read_gguf(find_model(SMOLLM2)), 4), None)
    info = EngineInfo("llama-cpp", SMOLLM2, chat_template=box.room.model.chat_template, context_length=1024)
    question, variant = "How do I choose a good school for my child?", load_variants(Settings().prompts)["assistant"]
    with CountingProxy(int(box.address.rpartition(":")[2]), b"nothing is refused").running() as between:
        box.address = between.address
        engine = LlamaCppEngine(box, info)
        sampling = SamplingParams(max_new_tokens=32, temperature=0)
        *_, (chain,) = advance(engine, [new_chain(question, "two-step", variant)], sampling)
        (step,) = chain.steps
        written = step.reasoning_tries * sampling.max_new_tokens
        before = replace(chain, stop_reason="", steps=(replace(step, writing=Role.ANSWER),))
        prompt = engine.count_tokens(next_prompt(engine, before, sampling)[0])
        assert step.answer and prompt > 100, "there is something to read"
        assert between.read - (prompt - written) < prompt / 10


@pytest.mark.model
def test_another_base_than_an_adapter_names_is_told(gguf_file: Path, adapter_folder: Path, tmp_path: Path) -> None:
    other = shutil.copytree(adapter_folder, tmp_path / "other")
    models.edit_config(other, base_model_name_or_path="someone/another-model")
    settings = Settings(model=str(gguf_file), adapter=str(other))
    engine = open_engine(settings)
    assert [str(note) for note in engine.notes] == [
        f"The adapter {other} was trained on someone/another-model, and is used with {gguf_file}: its texts may be "
        "worse than those of the model alone."
    ]
    assert open_base_engine(settings, engine).notes == ()
    models.edit_config(other, base_model_name_or_path="someone/tiny-phi")
    assert open_engine(settings).notes == ()


@pytest.mark.model
def test_a_setting_that_llama_cpp_does_not_heed_is_told(gguf_file: Path) -> None:
    engine = open_engine(Settings(model=str(gguf_file), adapter="none", quantization="4bit", dtype="bfloat16"))
    assert [str(note) for note in engine.notes] == [
        f"llama.cpp computes with the weights that a GGUF file has, so {name} was left out."
        for name in ("BONSAI_QUANTIZATION", "BONSAI_DTYPE")
    ]


def test_no_more_texts_are_in_the_making_than_llama_cpp_can(gguf_file: Path) -> None:
    engine = open_engine(Settings(model=str(gguf_file), concurrency=1024))
    assert (engine.info.max_batch_size, engine.info.max_concurrent_runs) == (256, 256)
    assert open_engine(Settings(model=str(gguf_file), concurrency=5)).info.max_batch_size == 5


def test_an_engine_that_nobody_has_any_more_is_freed(llama_server: LlamaServer) -> None:
    engine = LlamaCppEngine(llama_server, EngineInfo("llama-cpp", "tiny"))
    assert engine.count_tokens("Why?")
    there = weakref.ref(engine)
    del engine
    gc.collect()
    assert there() is None


@pytest.mark.parametrize("parts", [1, 2])
def test_a_model_in_parts_is_read_whole_or_not_at_all(gguf_file: Path, tmp_path: Path, parts: int) -> None:
    for number in range(1, parts + 1):
        file = gguf.GGUFWriter(tmp_path / f"m-0000{number}-of-00002.gguf", "phi2")
        file.add_tensor(f"blk.{number}.weight", np.zeros((3, 4), np.float32))
        file.write_header_to_file()
        file.write_kv_data_to_file()
        file.write_tensors_to_file()
        file.close()
    first = tmp_path / "m-00001-of-00002.gguf"
    if parts == 1:
        with pytest.raises(EngineError, match="m-00002-of-00002.gguf cannot be read: .*No such file"):
            read_gguf(first)
        return
    whole = read_gguf(first)
    assert whole.shapes == {"blk.1.weight": (3, 4), "blk.2.weight": (3, 4)}
    assert (whole.path, whole.weight_bytes) == (first, 2 * 48)


def header(key: str, kind: int, value: bytes) -> bytes:
    """Return a GGUF file that says one thing, and has no tensors."""
    return b"GGUF" + struct.pack(f"<IQQQ{len(key)}sI", 3, 0, 1, len(key), key.encode(), kind) + value


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (4, struct.pack("<I", 0)),
        (9, struct.pack("<IQI", 4, 1, 32)),
        (6, struct.pack("<f", float("inf"))),
        (9, struct.pack("<IQ", 9, 1) * 5000),
    ],
    ids=["none", "list", "infinite", "lists in lists"],
)
def test_a_header_that_makes_no_sense_is_told(tmp_path: Path, kind: int, value: bytes) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(header("general.alignment", kind, value))
    with pytest.raises(EngineError, match="model.gguf is damaged.* Fetch it again"):
        read_gguf(file)


def test_what_is_no_number_is_as_if_it_were_not_there(tmp_path: Path) -> None:
    words = {".context_length": "many", "tokenizer.ggml.eos_token_id": "2", "tokenizer.ggml.tokens": 3}
    found = GgufFile(tmp_path, words, {}, 0)
    assert (found.number("context_length", 7), found.eos_token, found.special_tokens) == (7, "", ())
    assert replace(found, metadata={".head_count": [4, 8]}).number("head_count") == 8


def edited(folder: Path, there: Path, **changes: Any) -> Path:
    """Return a copy of an adapter with other things in its configuration."""
    shutil.copytree(folder, there)
    models.edit_config(there, **changes)
    return there


@pytest.mark.parametrize(
    ("pattern", "alpha"),
    [
        ({r"layers\.0\..*": 64}, 64),
        ({"q_proj|fc1": 64}, 64),
        ({"roj": 64}, 16),
        ({r"layers\.1\..*": 64}, 16),
        ({"self_attn.q_proj": 64}, 64),
        ({}, 16),
    ],
)
def test_patterns_of_an_adapter_are_read_as_peft_reads_them(tmp_path: Path, pattern: Any, alpha: float) -> None:
    config = {"lora_alpha": 16, "alpha_pattern": pattern}
    assert lora_conversion._alpha(config, "model.layers.0.self_attn.q_proj", tmp_path) == alpha


@pytest.mark.parametrize("changes", [{"lora_alpha": "much"}, {"lora_alpha": [1]}, {"alpha_pattern": {"q(": 3}}])
def test_an_alpha_that_is_no_number_is_told(
    base: GgufFile, adapter_folder: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    with pytest.raises(EngineError, match="has a lora_alpha or an alpha_pattern that cannot be used"):
        find_adapter(str(edited(adapter_folder, tmp_path / "adapter", **changes)), base)


def test_an_adapter_of_alpha_0_changes_nothing(base: GgufFile, adapter_folder: Path, tmp_path: Path) -> None:
    file = find_adapter(str(edited(adapter_folder, tmp_path / "adapter", lora_alpha=0)), base)
    assert not any(tensor.data.any() for tensor in gguf.GGUFReader(file).tensors if tensor.name.endswith("lora_b"))


@pytest.mark.parametrize(("a", "b"), [((0, 64), (64, 0)), ((64,), (64,)), ((4, 64), (64, 5))])
def test_weights_that_are_no_lora_are_told(
    base: GgufFile, adapter_folder: Path, tmp_path: Path, a: tuple[int, ...], b: tuple[int, ...]
) -> None:
    folder = edited(adapter_folder, tmp_path / "adapter")
    layer = "base_model.model.model.layers.0.self_attn.q_proj"
    save_file(
        {f"{layer}.lora_A.weight": torch.ones(a), f"{layer}.lora_B.weight": torch.ones(b)},
        folder / "adapter_model.safetensors",
    )
    with pytest.raises(EngineError, match="has weights that are no LoRA of a linear layer"):
        find_adapter(str(folder), base)


def test_flat_weights_in_a_gguf_adapter_are_told(base: GgufFile, tmp_path: Path) -> None:
    file = gguf.GGUFWriter(tmp_path / "adapter.gguf", "phi2")
    file.add_type(gguf.GGUFType.ADAPTER)
    for part in "ab":
        file.add_tensor(f"blk.0.attn_q.weight.lora_{part}", np.zeros(4, np.float32))
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()
    with pytest.raises(EngineError, match="has weights that are no LoRA of a linear layer"):
        find_adapter(str(tmp_path / "adapter.gguf"), base)
