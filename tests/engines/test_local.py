"""Loading models and adapters, and what the local engine does beyond the contract of all engines."""

import copy
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers.activations import NewGELUActivation
from transformers.utils import logging

from bonsai.engines.base import Completion, Prompt, SamplingParams
from bonsai.engines.local.engine import LocalEngine, load
from bonsai.engines.model import loading
from bonsai.engines.model.fast_layers import use_fast_layers
from bonsai.engines.model.loading import load_model
from bonsai.engines.model.rows import IncrementalText
from bonsai.errors import EngineError, SettingError
from bonsai.settings import SMOLLM2, SMOLLM2_ADAPTER, Settings

pytestmark = pytest.mark.model

PARAMS = SamplingParams(max_new_tokens=24, temperature=1.0, seed=5)
QUESTION = "<|system|>You are a helpful assistant.\n<|prompt|>Why do exchange rates move, and who gains?\n<|reasoning|>"


def last(engine: LocalEngine, prompts: list[str], sampling: SamplingParams | list[SamplingParams]) -> list[Completion]:
    found: dict[int, Completion] = dict(engine.generate(prompts, sampling))
    return [found[index] for index in range(len(prompts))]


def texts(engine: LocalEngine, prompts: list[str], params: SamplingParams = PARAMS) -> list[str]:
    return [completion.text for completion in last(engine, prompts, params)]


@contextmanager
def passes(engine: LocalEngine) -> Iterator[list[tuple[int, int]]]:
    """Give the shapes (rows, tokens) of what goes through the model in this block."""
    seen: list[tuple[int, int]] = []
    hook = engine._model.register_forward_pre_hook(
        lambda _model, _args, kwargs: seen.append(tuple(kwargs["input_ids"].shape)), with_kwargs=True
    )
    try:
        yield seen
    finally:
        hook.remove()


def test_a_plain_folder_is_loaded(local_engine: LocalEngine, model_folder: Path) -> None:
    assert (local_engine.info.model_id, local_engine.info.adapter_id, local_engine.info.device) == (
        str(model_folder),
        "",
        "CPU",
    )
    assert local_engine.info.context_length == 256
    assert not local_engine.info.is_stand_in
    assert local_engine._model.dtype == torch.float32


def test_the_texts_are_those_of_transformers_own_decoding(local_engine: LocalEngine) -> None:
    prompts = [QUESTION, "Why?"]
    greedy = SamplingParams(max_new_tokens=20, temperature=0, repetition_penalty=1.2)
    for prompt, text in zip(prompts, texts(local_engine, prompts, greedy), strict=True):
        ids = local_engine._loaded.tokenizer(prompt, return_tensors="pt")["input_ids"]
        out = local_engine._model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=20,
            do_sample=False,
            pad_token_id=0,
            repetition_penalty=1.2,
            suppress_tokens=list(range(local_engine._loaded.vocabulary, 448)),
        )
        wanted = local_engine._loaded.tokenizer.decode(out[0, ids.shape[1] :])
        assert text == wanted.removesuffix("<|endoftext|>").rstrip("\ufffd")


def test_draws_follow_the_models_probabilities(local_engine: LocalEngine) -> None:
    ids = local_engine._loaded.tokenizer(QUESTION, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        logits = local_engine._model(input_ids=ids).logits[0, -1, : local_engine._loaded.vocabulary]
    best = (logits / 0.7).softmax(-1).max().item()
    token = local_engine._loaded.tokenizer.decode([int(logits.argmax())])
    one = SamplingParams(max_new_tokens=1, temperature=0.7, top_k=0, top_p=1)
    found = last(local_engine, [QUESTION] * 400, [replace(one, seed=seed) for seed in range(400)])
    assert sum(c.text == token for c in found) / 400 == pytest.approx(best, abs=0.1)


def test_an_adapter_is_merged(model_folder: Path, adapter_folder: Path, merged_weight: torch.Tensor) -> None:
    engine = load(Settings(model=str(model_folder), adapter=str(adapter_folder)))
    assert engine.info.adapter_id == str(adapter_folder)
    assert not isinstance(engine._model, PeftModel)
    assert torch.equal(engine._model.model.layers[0].self_attn.q_proj.weight, merged_weight)
    assert texts(engine, [QUESTION]) != texts(load(Settings(model=str(model_folder))), [QUESTION])


@pytest.mark.parametrize("bits", ["8bit", "4bit"])
@pytest.mark.filterwarnings("ignore")
def test_on_a_quantised_model_the_adapter_stays_unmerged(model_folder: Path, adapter_folder: Path, bits: str) -> None:
    plain = load(Settings(model=str(model_folder), quantization=bits))
    engine = load(Settings(model=str(model_folder), adapter=str(adapter_folder), quantization=bits))
    assert isinstance(engine._model, PeftModel)
    assert engine._model.base_model.model.model.layers[0].self_attn.k_proj.weight.dtype in (torch.int8, torch.uint8)
    assert texts(engine, [QUESTION]) != texts(plain, [QUESTION])


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("wider", r"layers.0.* has in features 64, the adapter's 96"),
        ("old", r"trained on Phi's first code, whose layers were Wqkv and out_proj.*q_proj, k_proj, v_proj and dense"),
        ("other", r"has no layers called gate_proj, up_proj"),
        ("bin", r"no adapter_model\.safetensors.*save_pretrained\(folder, safe_serialization=True\)"),
        ("extra", r"not used whole: .*fc1.* has no counterpart"),
        ("torn", r"weights that cannot be read"),
        ("prefix", r"only LoRA adapters"),
        ("empty", r"no adapter_config\.json"),
    ],
)
def test_an_adapter_that_does_not_fit_is_refused(
    model_folder: Path, bad_adapters: dict[str, Path], fault: str, message: str
) -> None:
    folder = bad_adapters[fault]
    with pytest.raises(EngineError, match=message) as caught:
        load(Settings(model=str(model_folder), adapter=str(folder)))
    assert str(folder) in str(caught.value)


def test_an_adapter_is_checked_before_the_model_is_read(
    model_folder: Path, bad_adapters: dict[str, Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(model_folder, tmp_path / "model")
    (folder / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(EngineError, match="gate_proj"):
        load(Settings(model=str(folder), adapter=str(bad_adapters["other"])))


def drop_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def turn_to_bin(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def tear_weights(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"not weights")


def lose_a_weight(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.mlp.fc1.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def shrink_a_weight(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["model.layers.1.mlp.fc1.weight"] = weights["model.layers.1.mlp.fc1.weight"][:5].clone()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def break_config(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def ask_for_code(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    code = {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "own", "auto_map": code}))
    (folder / "own.py").write_text("raise SystemExit('this code must never run')")


def drop_tokenizer(folder: Path) -> None:
    for file in folder.glob("tokenizer*"):
        file.unlink()


def add_adapter_config(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("{}")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (drop_config, "has no config.json"),
        (turn_to_bin, r"no safetensors weights.*save_pretrained"),
        (tear_weights, "cannot be loaded"),
        (lose_a_weight, r"incomplete: 1 weights are missing \(model.layers.1.mlp.fc1.weight\)"),
        (shrink_a_weight, "cannot be loaded"),
        (break_config, "cannot be read"),
        (ask_for_code, "cannot be read"),
        (drop_tokenizer, "tokenizer of .* cannot be read"),
        (add_adapter_config, "holds a model and an adapter"),
    ],
)
def test_a_model_folder_that_cannot_be_used_is_refused(
    model_folder: Path, tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    folder = shutil.copytree(model_folder, tmp_path / "model")
    damage(folder)
    with pytest.raises(EngineError, match=message) as caught:
        load(Settings(model=str(folder)))
    assert str(folder) in str(caught.value)


def test_a_model_that_takes_more_memory_than_is_free_is_not_loaded(
    model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "free_memory", lambda: 1000)
    with pytest.raises(EngineError, match=r"takes .* GB of memory in float32, and 0.0 GB are free. Choose a smaller"):
        load(Settings(model=str(model_folder)))


def test_torch_computes_on_no_more_cores_than_its_container_has(
    model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    monkeypatch.setattr(loading, "allowed_cores", lambda: 2)
    load_model(Settings(model=str(model_folder)))
    assert asked[0] == 2


def test_an_adapter_given_as_model_is_pointed_out(adapter_folder: Path) -> None:
    with pytest.raises(EngineError, match="set BONSAI_ADAPTER"):
        load(Settings(model=str(adapter_folder)))


@pytest.mark.parametrize("model", ["./absent", "/absent/model", "~/absent", "a/b/c"])
def test_a_folder_that_is_missing_is_named(model: str) -> None:
    with pytest.raises(EngineError, match=f"The model {model} is not a folder"):
        load(Settings(model=model))


def test_a_hub_model_that_cannot_be_fetched_is_named_with_what_to_do(model_folder: Path) -> None:
    with pytest.raises(EngineError, match="model no/such-model could not be fetched.*name.*network.*HF_TOKEN"):
        load(Settings(model="no/such-model"))
    with pytest.raises(EngineError, match="adapter no/such-adapter could not be fetched.*name.*network.*HF_TOKEN"):
        load(Settings(model=str(model_folder), adapter="no/such-adapter"))


def test_number_formats(model_folder: Path) -> None:
    assert load(Settings(model=str(model_folder), dtype="bfloat16"))._model.dtype == torch.bfloat16
    with pytest.raises(SettingError, match="float16.*overflow.*bfloat16 or float32"):
        load(Settings(model=str(model_folder), dtype="float16"))


def test_zero_gpu_takes_no_quantisation(model_folder: Path) -> None:
    with pytest.raises(SettingError, match="BONSAI_QUANTIZATION is '4bit'; on ZeroGPU it must be none"):
        load(Settings(model=str(model_folder), quantization="4bit", zero_gpu=True))


@pytest.mark.parametrize(
    ("settings", "gpu", "chosen"),
    [
        (Settings(), False, (SMOLLM2, SMOLLM2_ADAPTER)),
        (Settings(model=SMOLLM2), True, (SMOLLM2, SMOLLM2_ADAPTER)),
        (Settings(model="a/b"), False, ("a/b", "none")),
        (Settings(), True, ("microsoft/phi-2", "none")),
        (Settings(adapter="none"), False, (SMOLLM2, "none")),
        (Settings(model="a/b", adapter="c/d"), False, ("a/b", "c/d")),
    ],
)
def test_the_model_and_adapter_that_settings_mean(settings: Settings, gpu: bool, chosen: tuple[str, str]) -> None:
    assert settings.models(gpu) == chosen


def test_loading_is_quiet_and_leaves_the_logging_as_it_was(
    model_folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    load(Settings(model=str(model_folder)))
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before
    assert capfd.readouterr() == ("", "")


def test_the_second_call_of_a_chain_reads_only_what_is_new(local_engine: LocalEngine) -> None:
    block = local_engine._prefixes.block
    first = QUESTION * 3
    second = first + "Trade, trust and interest.\n<|response|>"
    one = replace(PARAMS, max_new_tokens=1)
    counts = [local_engine.count_tokens(text) for text in (first, second)]
    with passes(local_engine) as cold:
        last(local_engine, [first], one)
    with passes(local_engine) as warm:
        last(local_engine, [second], one)
    # Always the same passes, whatever is cached: in bfloat16 other passes would give other numbers.
    assert cold == [(1, block)] * (counts[0] // block) + [(1, counts[0] % block)]
    assert sum(tokens for _, tokens in warm) == counts[1] - counts[0] // block * block < counts[1] / 2


def test_a_prompt_of_whole_blocks_can_be_read_again(local_engine: LocalEngine) -> None:
    block = local_engine._prefixes.block
    prompt = " a" * (2 * block)
    assert local_engine.count_tokens(prompt) == 2 * block
    cold = texts(local_engine, [prompt])
    with passes(local_engine) as seen:
        assert texts(local_engine, [prompt]) == cold
    assert seen[0] == (1, block)


def test_candidates_of_one_prompt_share_its_reading(local_engine: LocalEngine) -> None:
    with passes(local_engine) as seen:
        last(local_engine, [QUESTION] * 4, [replace(PARAMS, seed=seed, max_new_tokens=2) for seed in range(4)])
    assert seen == [(1, local_engine.count_tokens(QUESTION)), (4, 1)]


def test_a_finished_row_leaves_the_batch(local_engine: LocalEngine) -> None:
    each = [replace(PARAMS, max_new_tokens=count) for count in (2, 9, 4)]
    with passes(local_engine) as seen:
        done = last(local_engine, ["Why?", "Who gains?", "How?"], each)
    assert [completion.completion_tokens for completion in done] == [2, 9, 4]
    assert [rows for rows, _ in seen[3:]] == [3, 2, 2, 1, 1, 1, 1, 1]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_repeated_run_is_the_same_though_the_cache_is_warm(model_folder: Path, dtype: str) -> None:
    engine = load(Settings(model=str(model_folder), dtype=dtype))
    prompts = [QUESTION * 2 + word for word in (" Trade", " Trust and interest", " Check each step of the work")]
    params = replace(PARAMS, max_new_tokens=60, top_k=0, top_p=1)
    cold = texts(engine, prompts, params)
    with passes(engine) as seen:
        assert texts(engine, prompts, params) == cold
    assert all(shape[1] < 64 for shape in seen), "the second run read from the cache"


def test_the_prefix_cache_is_bounded_and_forgets_the_oldest(local_engine: LocalEngine) -> None:
    cache = local_engine._prefixes
    prompts = [f"{number} " + QUESTION * 5 for number in range(12)]
    for prompt in prompts:
        last(local_engine, [prompt], replace(PARAMS, max_new_tokens=1))
    assert len(cache._blocks) * cache.block <= 4 * local_engine.info.context_length
    assert all(key[: -cache.block] in cache._blocks for key in cache._blocks if len(key) > cache.block)
    assert cache.start(local_engine._loaded.encode(Prompt.of(prompts[-1])))[1] >= cache.block
    assert cache.start(local_engine._loaded.encode(Prompt.of(prompts[0])))[1] == 0


def test_many_prompts_go_in_groups(local_engine: LocalEngine) -> None:
    local_engine.info = replace(local_engine.info, max_batch_size=3)
    prompts = [f"Who gains {number}?" for number in range(7)]
    with passes(local_engine) as seen:
        grouped = texts(local_engine, prompts)
    assert max(rows for rows, _ in seen) == 3
    local_engine.info = replace(local_engine.info, max_batch_size=32)
    assert grouped == texts(local_engine, prompts)


def test_a_batch_that_is_too_big_is_halved_without_taking_anything_back(local_engine: LocalEngine) -> None:
    prompts = ["Why?", "Who gains?", "How can a team keep the quality high?", "Trade"]
    wanted = texts(local_engine, prompts)
    steps = 0

    def run_out(_model: object, _args: object, kwargs: dict[str, torch.Tensor]) -> None:
        nonlocal steps
        steps += 1
        if kwargs["input_ids"].shape[0] > 1 and steps > 8:
            raise torch.OutOfMemoryError("out of memory")

    local_engine._model.register_forward_pre_hook(run_out, with_kwargs=True)
    shown = [""] * len(prompts)
    for index, completion in local_engine.generate(prompts, PARAMS):
        assert completion.text.startswith(shown[index])
        shown[index] = completion.text
    assert shown == wanted


def test_numbers_that_overflow_are_said_and_not_written(local_engine: LocalEngine) -> None:
    with torch.no_grad():
        local_engine._model.lm_head.bias.fill_(float("nan"))
    done = last(local_engine, ["Why?"], PARAMS)[0]
    assert (done.finish_reason, done.text) == ("error", "")
    assert "bfloat16" in done.error


def test_a_character_of_several_tokens_is_shown_when_it_is_whole(local_engine: LocalEngine) -> None:
    text = "Ω§ö 盆栽は小さい🌳。" * 12
    ids = local_engine._loaded.tokenizer(text)["input_ids"]
    assert len(ids) > 2 * 32 and len(ids) > len(text), "long enough that early tokens are settled"
    grown = IncrementalText(local_engine._loaded.tokenizer)
    shown = [grown.add(token) for token in ids]
    assert shown[-1] == text
    assert all(text.startswith(snapshot.rstrip("\ufffd")) for snapshot in shown)


@pytest.mark.parametrize("rows", [1, 2, 5, 6, 40])
@pytest.mark.parametrize("bias", [True, False])
def test_fast_linear_layers_do_what_linear_layers_do(rows: int, bias: bool) -> None:
    torch.manual_seed(0)
    usual = torch.nn.Sequential(torch.nn.Linear(48, 96, bias=bias))
    fast = copy.deepcopy(usual)
    use_fast_layers(fast)
    x = torch.randn(1, rows, 48)
    assert type(fast[0]) is not torch.nn.Linear
    torch.testing.assert_close(fast(x), usual(x), rtol=1e-5, atol=1e-5)
    assert fast(x).is_contiguous()
    assert fast.state_dict().keys() == usual.state_dict().keys()


def test_fast_layers_are_for_the_numbers_that_they_are_fast_with(local_engine: LocalEngine) -> None:
    coarse = torch.nn.Sequential(torch.nn.Linear(4, 4, dtype=torch.bfloat16))
    use_fast_layers(coarse)
    assert type(coarse[0]) is torch.nn.Linear
    x = torch.linspace(-6, 6, 400)
    mlp = local_engine._loaded.model.model.layers[0].mlp
    torch.testing.assert_close(mlp.activation_fn(x), NewGELUActivation()(x), rtol=1e-5, atol=1e-6)
    assert type(mlp.activation_fn) is not NewGELUActivation


def test_what_is_kept_of_prompts_is_bounded_in_bytes(model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bonsai.engines.model.loaded_model._CPU_CACHE_BYTES", 1)
    assert load(Settings(model=str(model_folder)))._prefixes._most == 1
