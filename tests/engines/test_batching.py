"""What the batching engine does beyond the contract of all engines: draws, sharing, crashes, and how it ends."""

import gc
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from bonsai.engines.base import Completion, Engine, SamplingParams
from bonsai.engines.batching import engine as batching
from bonsai.engines.batching import shared_batch
from bonsai.engines.batching.engine import BatchingEngine
from bonsai.engines.batching.seeded_sampling import SeededSampler, gumbel
from bonsai.engines.local import engine as local
from bonsai.engines.model import loaded_model
from bonsai.errors import EngineError, SettingError, UsageError
from bonsai.settings import ROOT, Settings
from tests import models

pytestmark = pytest.mark.model

PARAMS = SamplingParams(max_new_tokens=24, temperature=1.0, seed=5)
QUESTION = "<|system|>You are a helpful assistant.\n<|prompt|>Why do exchange rates move, and who gains?\n<|reasoning|>"


def last(engine: Engine, prompts: Sequence[str], sampling: Any = PARAMS) -> list[Completion]:
    found = dict(engine.generate(prompts, sampling))
    return [found[index] for index in range(len(prompts))]


def texts(engine: Engine, prompts: Sequence[str], sampling: Any = PARAMS) -> list[str]:
    return [completion.text for completion in last(engine, prompts, sampling)]


def reached(condition: Callable[[], bool]) -> None:
    """Return when the condition holds; fail if it does not within half a minute."""
    for _ in range(1500):
        if condition():
            return
        threading.Event().wait(0.02)
    pytest.fail("It did not come to this within half a minute.")


@contextmanager
def passes(engine: BatchingEngine) -> Iterator[list[list[int]]]:
    """Give the tokens of each request in each pass through the model in this block."""
    seen: list[list[int]] = []
    hook = engine._loaded.model.register_forward_pre_hook(
        lambda _model, _args, kwargs: seen.append([b - a for a, b in pairwise(kwargs["cu_seq_lens_q"].tolist())]),
        with_kwargs=True,
    )
    try:
        yield seen
    finally:
        hook.remove()


def draw(logits: torch.Tensor, each: Sequence[SamplingParams], places: Sequence[int], **options: Any) -> torch.Tensor:
    """Return the scores that SeededSampler leaves of the logits (rows, vocabulary)."""
    seeded = SeededSampler(options.get("vocabulary", logits.shape[1]), recorded=options.get("recorded", False))
    states = [
        SimpleNamespace(
            logit_processor_kwargs={"sampling": params},
            position_offset=place,
            initial_tokens=[3, 5, 3],
            generated_tokens=[7],
        )
        for params, place in zip(each, places, strict=True)
    ]
    requests = [SimpleNamespace(has_new_token=True, state=state) for state in states]
    storage = torch.zeros(seeded.tensors_required, len(each) + 3, dtype=torch.int32)
    return seeded(torch.empty(0), logits.clone(), seeded.prepare_tensor_args(requests, storage)[:, : len(each)])


def many(logits: torch.Tensor, params: SamplingParams, count: int) -> torch.Tensor:
    """Return how often each token is drawn with one seed after the other."""
    drawn = draw(logits.expand(count, -1), [replace(params, seed=seed) for seed in range(count)], [9] * count)
    return drawn.argmax(dim=-1).bincount(minlength=logits.shape[-1])


@pytest.mark.parametrize(
    "params",
    [
        SamplingParams(temperature=1.0, top_k=0, top_p=1),
        SamplingParams(temperature=0.6, top_k=12, top_p=1),
        SamplingParams(temperature=1.5, top_k=0, top_p=0.8),
        SamplingParams(temperature=0.9, top_k=20, top_p=0.9),
    ],
)
def test_draws_follow_the_probabilities_that_the_sampling_asks_for(params: SamplingParams) -> None:
    logits = torch.randn(1, 40, generator=torch.Generator().manual_seed(1)) * 2
    warpers = LogitsProcessorList([TemperatureLogitsWarper(params.temperature)])
    if params.top_k:
        warpers.append(TopKLogitsWarper(params.top_k))
    if params.top_p < 1:
        warpers.append(TopPLogitsWarper(params.top_p))
    wanted = warpers(None, logits.clone())[0].softmax(-1)
    count = 20_000
    found = many(logits, params, count)
    assert found[wanted == 0].sum() == 0, "what is cut off is never drawn"
    # Each count is within five standard deviations of what is expected.
    assert ((found - wanted * count).abs() <= 5 * (wanted * (1 - wanted) * count).sqrt() + 1).all()


def test_noise_is_gumbel_noise_without_a_pattern() -> None:
    seeds, places = torch.arange(64).view(-1, 1, 1), torch.arange(50).view(1, -1, 1)
    noise = gumbel(seeds, places, torch.arange(100).view(1, 1, -1))
    assert noise.isfinite().all()
    # The uniform numbers behind it fill each of a hundred bins alike.
    bins = (torch.exp(-torch.exp(-noise)) * 100).long().flatten().bincount(minlength=100)
    expected = noise.numel() / 100
    assert ((bins - expected) ** 2 / expected).sum() < 99 + 5 * (2 * 99) ** 0.5
    for neighbours in (
        (noise[1:], noise[:-1]),
        (noise[:, 1:], noise[:, :-1]),
        (noise[..., 1:], noise[..., :-1]),
        (noise[1:, :-1], noise[:-1, 1:]),
    ):
        pair = torch.stack([part.flatten() for part in neighbours])
        assert abs(torch.corrcoef(pair)[0, 1]) < 5 / pair.shape[1] ** 0.5
    far = torch.tensor([[0], [2**31 - 1]])
    assert gumbel(far, far, torch.tensor([0, 51199])).unique().numel() == 4


def test_a_draw_depends_on_nothing_beside_it() -> None:
    logits = torch.randn(6, 300, generator=torch.Generator().manual_seed(2))
    each = [
        PARAMS,
        replace(PARAMS, top_k=0, top_p=1),
        replace(PARAMS, temperature=0),
        replace(PARAMS, top_k=3),
        replace(PARAMS, seed=8),
        replace(PARAMS, repetition_penalty=1.3),
    ]
    places = [4, 4, 5, 1000, 2047, 7]
    together = draw(logits, each, places)
    assert (together.isfinite().sum(dim=-1) == 1).all()
    for row in range(6):
        assert torch.equal(draw(logits[row : row + 1], each[row : row + 1], places[row : row + 1])[0], together[row])
    assert torch.equal(draw(logits[:5], each[:5], places[:5], recorded=True), together[:5])


def test_a_temperature_of_0_takes_the_likeliest_and_filling_is_never_drawn() -> None:
    logits = torch.randn(3, 50, generator=torch.Generator().manual_seed(3))
    logits[:, 40:] += 100
    each = [replace(PARAMS, temperature=0), replace(PARAMS, temperature=0, top_k=0), replace(PARAMS, top_k=0)]
    drawn = draw(logits, each, [1, 2, 3], vocabulary=40).argmax(-1)
    assert drawn[:2].tolist() == logits[:2, :40].argmax(-1).tolist()
    assert drawn[2] < 40


def test_a_repetition_penalty_is_that_of_transformers_on_the_requests_own_tokens() -> None:
    logits = torch.randn(2, 9, generator=torch.Generator().manual_seed(4))
    logits[:, 5] = logits.max() + 0.1
    greedy = SamplingParams(temperature=0, repetition_penalty=2)
    wanted = RepetitionPenaltyLogitsProcessor(2.0)(torch.tensor([[3, 5, 3, 7]]), logits[:1].clone()).argmax()
    drawn = draw(logits, [greedy, replace(greedy, repetition_penalty=1)], [4, 4]).argmax(-1)
    assert drawn.tolist() == [int(wanted), 5]
    assert wanted != 5


def test_logits_that_are_no_numbers_are_told_by_what_is_left() -> None:
    logits = torch.randn(4, 30)
    logits[1, 7], logits[2, 3] = torch.nan, torch.inf
    left = draw(logits, [PARAMS, PARAMS, PARAMS, replace(PARAMS, temperature=0)], [1, 2, 3, 4]).softmax(-1).amax(-1)
    assert (left.log() == 0).tolist() == [True, False, False, True]


@pytest.fixture(scope="module")
def endless(model_folder: Path) -> BatchingEngine:
    """A batching engine with the tiny model, whose end of text ends nothing, so that texts get long."""
    loaded = batching.load_model(Settings(model=str(model_folder)))
    return BatchingEngine(replace(loaded, eos_token_ids=frozenset(), context_length=2048), 32)


def test_hundreds_of_tokens_are_the_same_alone_in_a_crowd_and_again(endless: BatchingEngine) -> None:
    params = replace(PARAMS, max_new_tokens=300, top_k=0, top_p=1)
    base_engine = last(endless, [QUESTION], params)[0]
    assert base_engine.completion_tokens == 300
    others = [QUESTION * (1 + number % 3) + "Why?" * number for number in range(5)]
    sampling = [replace(params, max_new_tokens=40 + 60 * number, seed=number) for number in range(5)]
    assert texts(endless, [*others, QUESTION], [*sampling, params])[-1] == base_engine.text, "with a warm cache"
    assert texts(BatchingEngine(endless._loaded, 32), [QUESTION], params)[0] == base_engine.text, "with a cold cache"


def test_the_likeliest_text_is_that_of_the_local_engine(batching_engine: BatchingEngine, local_engine: Engine) -> None:
    params = SamplingParams(max_new_tokens=40, temperature=0, repetition_penalty=1.2)
    prompts = [QUESTION, "Why?", QUESTION * 3]
    assert texts(batching_engine, prompts, params) == texts(local_engine, prompts, params)


def test_the_likeliest_text_of_a_llama_is_that_of_the_local_engine(tmp_path: Path) -> None:
    models.make_llama().save_pretrained(tmp_path)
    models.make_tokenizer().save_pretrained(tmp_path)
    settings = Settings(model=str(tmp_path))
    params, prompts = SamplingParams(max_new_tokens=40, temperature=0), [QUESTION, "Why?", QUESTION * 3]
    assert texts(batching.load(settings), prompts, params) == texts(local.load(settings), prompts, params)


def test_callers_on_many_threads_share_each_pass(batching_engine: BatchingEngine) -> None:
    prompts = [f"Who gains {number}?" for number in range(8)]
    wanted = [texts(batching_engine, [prompt])[0] for prompt in prompts]
    found = [""] * len(prompts)
    ready = threading.Barrier(len(prompts))

    def call(number: int) -> None:
        ready.wait()
        found[number] = texts(batching_engine, [prompts[number]])[0]

    with passes(batching_engine) as seen:
        threads = [threading.Thread(target=call, args=(number,)) for number in range(len(prompts))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == wanted
    assert max(map(len, seen)) >= 6
    assert len(seen) < 3 * PARAMS.max_new_tokens


def test_the_second_call_of_a_chain_reads_only_what_is_new(batching_engine: BatchingEngine) -> None:
    first = "<|system|>You are a patient gardener.\n<|prompt|>Why do cities need forests?\n<|reasoning|>" * 3
    written = last(batching_engine, [first], replace(PARAMS, temperature=0, max_new_tokens=60))[0].text
    second = first + written + "\n<|response|>"
    with passes(batching_engine) as seen:
        last(batching_engine, [second], replace(PARAMS, max_new_tokens=1))
    assert sum(map(sum, seen)) < batching_engine.count_tokens(second) / 10


def test_candidates_of_one_prompt_share_its_reading(batching_engine: BatchingEngine) -> None:
    tokens = batching_engine.count_tokens(QUESTION * 2)
    with passes(batching_engine) as seen:
        last(batching_engine, [QUESTION * 2] * 4, [replace(PARAMS, seed=seed, max_new_tokens=3) for seed in range(4)])
    assert seen[0] == [tokens]
    assert sum(map(sum, seen)) < tokens + 3 * batching_engine._batch.cache_size.page + 4 * 3


def test_a_candidate_whose_reader_is_cancelled_reads_for_itself(batching_engine: BatchingEngine) -> None:
    wanted = texts(batching_engine, [QUESTION])
    with batching_engine._batch._manager.pause():
        first = batching_engine.generate([QUESTION], PARAMS)
        next(first)
        second = batching_engine.generate([QUESTION] * 2, PARAMS)
        next(second)
        first.close()
    assert {index: completion.text for index, completion in second} == {0: wanted[0], 1: wanted[0]}


def test_more_than_the_cache_holds_is_completed_all_the_same(
    model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = [f"{number} " + QUESTION for number in range(12)]
    params = replace(PARAMS, max_new_tokens=120)
    wanted = texts(batching.load(Settings(model=str(model_folder))), prompts, params)
    monkeypatch.setattr(loaded_model, "_CPU_CACHE_BYTES", 1)
    small = batching.load(Settings(model=str(model_folder)))
    assert small._batch.cache_size.pages * small._batch.cache_size.page < 300
    assert texts(small, prompts, params) == wanted


def test_a_model_of_millions_of_tokens_is_given_what_there_is_memory_for(model_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(model_folder, tmp_path / "long")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 2**23}))
    engine = batching.load(Settings(model=str(folder), concurrency=1))
    assert engine.info.context_length == 32_768
    assert last(engine, [QUESTION])[0].finish_reason in ("stop", "length")


def in_the_batch(engine: BatchingEngine) -> int:
    """Return how many requests the manager has, and how many have a part of its cache."""
    processor = engine._batch._manager.batch_processor
    held = sum(len(allocator.block_table) for allocator in processor.cache.cache_allocators.values())
    return len(processor.scheduler.active_requests) + len(processor.scheduler.waiting_requests) + held


def test_closing_frees_the_cache(batching_engine: BatchingEngine) -> None:
    snapshots = batching_engine.generate([QUESTION, "Why?"], replace(PARAMS, max_new_tokens=400))
    next(completion for _, completion in snapshots if completion.text)
    # The second may come a pass later.
    reached(lambda: in_the_batch(batching_engine) == 4)
    snapshots.close()
    reached(lambda: in_the_batch(batching_engine) == 0)
    assert not batching_engine._batch._pending


def test_a_request_that_is_cancelled_too_early_is_cancelled_again(batching_engine: BatchingEngine) -> None:
    # As if its cancellation had been read before it.
    batching_engine._batch._manager.add_request([1, 2, 3], max_new_tokens=200, streaming=True)
    with passes(batching_engine) as seen:
        reached(lambda: bool(seen) and in_the_batch(batching_engine) == 0)
    assert len(seen) < 20


def test_a_waiting_call_shows_signs_of_life(batching_engine: BatchingEngine) -> None:
    last(batching_engine, ["Why?"])
    snapshots = batching_engine.generate([QUESTION], PARAMS)
    with batching_engine._batch._manager.pause():
        for _, completion in (next(snapshots), next(snapshots)):
            assert (completion.text, completion.finished) == ("", False)
        snapshots.close()


def break_passes(engine: BatchingEngine, count: int) -> None:
    """Let the next passes of the engine's model fail."""

    def fail(_model: object, _args: object) -> None:
        nonlocal count
        count -= 1
        if count >= 0:
            raise RuntimeError("the accelerator is gone\nand more")

    engine._loaded.model.register_forward_pre_hook(fail)


def test_a_crash_is_told_to_all_who_wait_and_the_batch_begins_anew(batching_engine: BatchingEngine) -> None:
    prompts = [QUESTION, QUESTION, "Why?"]
    wanted = texts(batching_engine, prompts)
    break_passes(batching_engine, 1)
    with batching_engine._batch._manager.pause():
        calls = [batching_engine.generate([prompt], PARAMS) for prompt in prompts]
        for call in calls:
            next(call)
    ended = [list(call)[-1][1] for call in calls]
    for completion in (ended[0], ended[2]):
        assert completion.finish_reason == "error"
        assert completion.error == "The batch that this prompt was in broke off (the accelerator is gone). Ask again."
    assert (ended[1].finish_reason, ended[1].text) == ("length", wanted[1]), "it had only waited"
    assert texts(batching_engine, prompts) == wanted


def test_after_a_second_crash_each_call_is_told_what_to_do(batching_engine: BatchingEngine) -> None:
    break_passes(batching_engine, 2)
    assert [last(batching_engine, ["Why?"])[0].finish_reason for _ in range(2)] == ["error"] * 2
    for done in last(batching_engine, ["Why?", "How?"]):
        assert done.error == (
            "The batching engine broke off twice and takes no more prompts (the accelerator is gone). Start Bonsai "
            "again, or set BONSAI_ENGINE to local."
        )


def test_numbers_that_overflow_are_said_and_not_written(batching_engine: BatchingEngine) -> None:
    with torch.no_grad():
        batching_engine._loaded.model.lm_head.bias.fill_(float("nan"))
    done = last(batching_engine, ["Why?"])[0]
    assert (done.finish_reason, done.text) == ("error", "")
    assert "bfloat16" in done.error


@pytest.mark.parametrize("bits", ["8bit", "4bit"])
@pytest.mark.filterwarnings("ignore")
def test_a_quantised_model_with_its_adapter_beside_it_can_be_batched(
    model_folder: Path, adapter_folder: Path, bits: str
) -> None:
    settings = Settings(model=str(model_folder), adapter=str(adapter_folder), quantization=bits)
    greedy = replace(PARAMS, temperature=0, max_new_tokens=8)
    found = texts(batching.load(settings), [QUESTION], greedy)
    assert found == texts(local.load(settings), [QUESTION], greedy)
    assert found != texts(batching.load(replace(settings, adapter="")), [QUESTION], greedy)


def test_a_model_that_is_no_phi_is_batched_with_transformers_own_attention(model_folder: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=448,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        bos_token_id=0,
        eos_token_id=0,
        initializer_range=0.2,
    )
    LlamaForCausalLM(config).save_pretrained(tmp_path)
    for file in model_folder.glob("tokenizer*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    prompts, greedy = ["Why?", QUESTION], replace(PARAMS, temperature=0)
    settings = Settings(model=str(tmp_path))
    assert texts(batching.load(settings), prompts, greedy) == texts(local.load(settings), prompts, greedy)


def test_a_model_that_cannot_be_batched_is_refused_with_what_to_do(model_folder: Path) -> None:
    loaded = batching.load_model(Settings(model=str(model_folder)))
    loaded.model.config.model_type = "other"
    loaded.model.config._attn_implementation = "flex_attention"
    with pytest.raises(EngineError, match="cannot be decoded by the batching engine; set BONSAI_ENGINE to local"):
        BatchingEngine(loaded, 4)


def test_a_cache_for_which_there_is_no_memory_is_refused_with_what_to_do(
    model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loaded_model, "_CPU_CACHE_BYTES", 2**60)
    loaded = batching.load_model(Settings(model=str(model_folder)))
    with pytest.raises(EngineError, match="not enough memory for the cache.*BONSAI_CONCURRENCY to less than 1000000"):
        BatchingEngine(replace(loaded, context_length=10**6), 10**6)


def test_zero_gpu_is_refused() -> None:
    with pytest.raises(SettingError, match="BONSAI_ENGINE is 'batching'; on ZeroGPU it must be auto or local"):
        batching.load(Settings(zero_gpu=True))


def test_where_penalties_cannot_be_honoured_they_are_refused_by_name(
    model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As on a GPU that records its passes.
    opened = shared_batch.SharedBatch._open

    def open_recorded(batch: shared_batch.SharedBatch) -> Any:
        manager = opened(batch)
        batch.supports_repetition_penalty = False
        return manager

    monkeypatch.setattr(shared_batch.SharedBatch, "_open", open_recorded)
    engine = batching.load(Settings(model=str(model_folder)))
    with pytest.raises(UsageError, match="does not honour repetition_penalty"):
        engine.generate(["Why?"], replace(PARAMS, repetition_penalty=1.1))


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


def test_an_engine_that_nobody_has_any_more_ends_its_threads(model_folder: Path) -> None:
    gc.collect()
    before = threading.active_count()
    engine = batching.load(Settings(model=str(model_folder)))
    last(engine, ["Why?"])
    assert threading.active_count() == before + 2
    del engine
    gc.collect()
    reached(lambda: threading.active_count() <= before)


@pytest.mark.process
def test_the_process_ends_though_a_completion_is_in_the_making(model_folder: Path) -> None:
    script = (
        "from bonsai.engines.batching import engine as batching\n"
        "from bonsai.engines.base import SamplingParams\n"
        "from bonsai.settings import Settings\n"
        f"engine = batching.load(Settings(model={str(model_folder)!r}))\n"
        "snapshots = engine.generate(['Why?'] * 8, SamplingParams(max_new_tokens=200))\n"
        "print(next(completion.text for _, completion in snapshots if completion.text) != '')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")
