"""What adapters bring: tokens, embeddings and heads are used or named, and merged models are read as they were."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from tokenizers import AddedToken, Tokenizer, decoders, models, processors
from transformers import AutoModelForCausalLM, AutoTokenizer, PhiForCausalLM, PreTrainedTokenizerFast

from bonsai.engines import open_engine
from bonsai.engines.base import Prompt
from bonsai.engines.gguf.header import read_gguf
from bonsai.engines.hub import base_note
from bonsai.engines.llama_cpp.adapter_file import find_adapter
from bonsai.engines.model.loading import load_model
from bonsai.engines.model.merging import merge
from bonsai.engines.model.rows import IncrementalText
from bonsai.errors import EngineError
from bonsai.settings import Settings
from tests.models import edit_config, make_talkative_adapter

pytestmark = pytest.mark.model
QUESTION = Prompt.of("Why do exchange rates move?")


def saved_adapter(base: Path, folder: Path, *, tied: bool = False, **options: object) -> torch.Tensor:
    """Save an adapter with an effect, and return the logits that the base has with it."""
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_pretrained(base)
    keep = options.pop("save_embedding_layers", "auto")
    adapted = get_peft_model(model, LoraConfig(r=4, lora_alpha=32, init_lora_weights=False, **options))  # type: ignore[arg-type]
    adapted.base_model.model.config.tie_word_embeddings = tied
    adapted.peft_config["default"].base_model_name_or_path = str(base)
    adapted.save_pretrained(str(folder), save_embedding_layers=keep)
    return logits(adapted.eval(), AutoTokenizer.from_pretrained(base))


def logits(model: torch.nn.Module, tokenizer: PreTrainedTokenizerFast) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(torch.tensor([tokenizer(QUESTION.text)["input_ids"]])).logits
    return found


@pytest.fixture
def tied_folder(model_folder: Path, tmp_path: Path) -> Path:
    """The tiny model with one tensor for embedding and head."""
    folder = tmp_path / "tied"
    model = PhiForCausalLM.from_pretrained(model_folder, tie_word_embeddings=True)
    model.tie_weights()
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(model_folder).save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    "options",
    [
        {"target_modules": ["q_proj", "lm_head"]},
        {"target_modules": ["q_proj"], "save_embedding_layers": True},
        {"target_modules": ["q_proj"], "modules_to_save": ["embed_tokens", "lm_head"]},
        {"target_modules": ["embed_tokens", "q_proj"]},
        {"target_modules": ["embed_tokens", "q_proj"], "save_embedding_layers": True},
    ],
)
@pytest.mark.parametrize("kind", ["model_folder", "tied_folder"])
@pytest.mark.filterwarnings("ignore")
def test_what_is_trained_of_embedding_and_head_is_used(
    options: dict[str, object], kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    base = request.getfixturevalue(kind)
    wanted = saved_adapter(base, tmp_path / "adapter", **options)
    loaded = load_model(Settings(model=str(base), adapter=str(tmp_path / "adapter")))
    assert torch.allclose(logits(loaded.model, loaded.tokenizer), wanted, atol=1e-3)
    merge(Settings(model=str(base), adapter=str(tmp_path / "adapter")), tmp_path / "merged")
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    assert torch.allclose(logits(again, loaded.tokenizer), wanted, atol=1e-3)


@pytest.fixture
def talkative(model_folder: Path, tmp_path: Path) -> Path:
    """An adapter that was trained with two tokens more, the first of which ends a text."""
    folder = tmp_path / "talkative"
    make_talkative_adapter(model_folder, folder)
    return folder


def test_the_tokenizer_and_the_tokens_that_an_adapter_brings_are_used(model_folder: Path, talkative: Path) -> None:
    loaded = load_model(Settings(model=str(model_folder), adapter=str(talkative)))
    assert loaded.model.get_input_embeddings().num_embeddings == 450
    assert 448 in loaded.eos_token_ids
    assert loaded.encode(Prompt(("<|im_end|>", "<|im_end|>")))[0] == 448
    assert loaded.encode(Prompt(("<|im_end|>", "<|im_end|>"))).count(448) == 1


def test_more_tokens_without_a_tokenizer_are_named(model_folder: Path, talkative: Path) -> None:
    for file in talkative.glob("tokenizer*"):
        file.unlink()
    with pytest.raises(EngineError, match="trained with 2 more tokens than .* has: 450, not 448. Put the tokenizer"):
        load_model(Settings(model=str(model_folder), adapter=str(talkative)))


def test_a_tokenizer_of_another_model_is_named(model_folder: Path, talkative: Path) -> None:
    file = talkative / "tokenizer.json"
    data = json.loads(file.read_text())
    words = data["model"]["vocab"]
    words["A"], words["B"] = words["B"], words["A"]
    file.write_text(json.dumps(data))
    with pytest.raises(EngineError, match="brings a tokenizer of another model: 2 tokens differ"):
        load_model(Settings(model=str(model_folder), adapter=str(talkative)))


def with_tokenizer(base: Path, folder: Path, tokenizer: PreTrainedTokenizerFast) -> Path:
    shutil.copytree(base, folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_tokens_that_the_model_lacks_are_passed_over(model_folder: Path, tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    tokenizer.add_tokens([AddedToken(f"<extra {k}>") for k in range(60)])
    loaded = load_model(Settings(model=str(with_tokenizer(model_folder, tmp_path / "m", tokenizer)), adapter="none"))
    assert loaded.vocabulary == 448
    assert max(loaded.encode(Prompt.of("Why <extra 59> so?"))) < 448


def test_what_a_tokenizer_puts_around_a_text_stands_before_prompts_alone(model_folder: Path, tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    around = [("<|endoftext|>", 0)]
    plain = load_model(Settings(model=str(model_folder), adapter="none"))
    for single, begin in (("$A <|endoftext|>", []), ("<|endoftext|> $A", [0]), ("<|endoftext|> $A <|endoftext|>", [0])):
        tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(single, special_tokens=around)
        folder = with_tokenizer(model_folder, tmp_path / single.replace("|", ""), tokenizer)
        loaded = load_model(Settings(model=str(folder), adapter="none"))
        for prompt in (QUESTION, Prompt(("Q: ", "What is <|endoftext|>?", "\nA:"))):
            assert loaded.encode(prompt) == [*begin, *plain.encode(prompt)]


def test_a_text_of_a_person_is_never_a_special_token(model_folder: Path) -> None:
    loaded = load_model(Settings(model=str(model_folder), adapter="none"))
    ids = loaded.encode(Prompt(("Q: ", "What does <|endoftext|> mean?", "<|endoftext|>")))
    assert ids.count(loaded.tokenizer.eos_token_id) == 1
    assert loaded.tokenizer.decode(ids) == "Q: What does <|endoftext|> mean?<|endoftext|>"


@pytest.fixture(scope="module")
def bytewise() -> PreTrainedTokenizerFast:
    """A tokenizer that spells what it does not know in bytes, as those of Llama 2 and Mistral do."""
    words = {f"<0x{k:02X}>": k for k in range(256)} | {"▁ok": 256, "▁word": 257}
    bpe = Tokenizer(models.BPE(words, [], byte_fallback=True))
    bpe.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]  # type: ignore[list-item]
    )
    return PreTrainedTokenizerFast(tokenizer_object=bpe)


@pytest.mark.parametrize("sign", ["鱻", "é", "😀"])
@pytest.mark.parametrize("words", [0, 3, 20])
@pytest.mark.parametrize("count", [1, 12, 40])
def test_characters_in_bytes_are_never_torn(
    sign: str, words: int, count: int, bytewise: PreTrainedTokenizerFast
) -> None:
    text, shown = IncrementalText(bytewise), ""
    for token in [257] * words + list((sign * count).encode()) + [256]:
        shown = text.add(token)
        assert shown.count("\ufffd") <= 1
    assert shown == " word" * words + sign * count + " ok"


def test_a_text_that_ends_within_a_character_keeps_those_before(bytewise: PreTrainedTokenizerFast) -> None:
    text = IncrementalText(bytewise)
    *_, shown = [text.add(token) for token in "鱻鱻鱻".encode()[:-1]]
    assert shown.rstrip("\ufffd") == "鱻鱻"


def test_another_base_than_the_adapter_names_is_told(model_folder: Path, adapter_folder: Path, tmp_path: Path) -> None:
    other = shutil.copytree(adapter_folder, tmp_path / "other")
    edit_config(other, base_model_name_or_path="someone/another-model")
    settings = Settings(model=str(model_folder), adapter=str(other))
    note = f"The adapter {other} was trained on someone/another-model, and is used with {model_folder}"
    for engine in ("local", "batching"):
        (told,) = open_engine(replace(settings, engine=engine)).notes
        assert str(told).startswith(note)
    (told,) = merge(settings, tmp_path / "merged")
    assert str(told).startswith(note)
    edit_config(other, base_model_name_or_path=f"someone/{model_folder.name}")
    assert load_model(settings).notes == ()


@pytest.mark.parametrize(
    ("named", "used", "same"),
    [
        ("microsoft/phi-2", "microsoft/phi-2", True),
        ("microsoft/phi-2", "/models/phi-2/", True),
        ("microsoft/phi-2", "TheBloke/phi-2-GGUF:Q4_K_M", True),
        ("microsoft/phi-2", "phi-2.Q4_K_M.gguf", True),
        ("unsloth/phi-2-bnb-4bit", "microsoft/phi-2", True),
        ("/root/.cache/huggingface/hub/models--microsoft--phi-2/snapshots/ef38/", "microsoft/phi-2", True),
        ("C:\\models\\phi-2", "microsoft/phi-2", True),
        ("HuggingFaceTB/SmolLM2-135M-Instruct", "SmolLM2-135M-Instruct", True),
        ("HuggingFaceTB/SmolLM2-135M", "SmolLM2-135M-Instruct", False),
        ("microsoft/phi-1_5", "microsoft/phi-2", False),
        ("/data/run-7/checkpoint", "microsoft/phi-2", False),
        ("", "microsoft/phi-2", True),
    ],
)
def test_one_base_has_many_names(named: str, used: str, same: bool) -> None:
    assert (base_note("a", named, used) == ()) is same


def test_an_adapter_of_mlx_and_a_missing_one_are_told(model_folder: Path, gguf_file: Path, tmp_path: Path) -> None:
    (tmp_path / "mlx").mkdir()
    (tmp_path / "mlx" / "adapters.safetensors").touch()
    (tmp_path / "mlx" / "adapter_config.json").write_text('{"num_layers": 4, "lora_parameters": {"rank": 8}}')
    with pytest.raises(EngineError, match="was made by MLX.*mlx_lm.fuse"):
        load_model(Settings(model=str(model_folder), adapter=str(tmp_path / "mlx")))
    with pytest.raises(EngineError, match="was made by MLX.*mlx_lm.fuse"):
        find_adapter(str(tmp_path / "mlx"), read_gguf(gguf_file))
    with pytest.raises(EngineError, match="is not a folder: nothing is at .*Give its id on the hub"):
        load_model(Settings(model=str(model_folder), adapter=str(tmp_path / "none")))


def test_a_merged_model_is_written_for_older_readers_too(
    model_folder: Path, adapter_folder: Path, tmp_path: Path
) -> None:
    base = tmp_path / "base"
    model = PhiForCausalLM.from_pretrained(model_folder)
    model.config.rope_parameters = {"rope_type": "default", "rope_theta": 5000.0, "partial_rotary_factor": 0.25}
    model.save_pretrained(base)
    AutoTokenizer.from_pretrained(model_folder).save_pretrained(base)
    merge(Settings(model=str(base), adapter=str(adapter_folder)), tmp_path / "merged")
    config = json.loads((tmp_path / "merged" / "config.json").read_text())
    assert (config["rope_theta"], config["partial_rotary_factor"], config["torch_dtype"]) == (5000.0, 0.25, "float32")
    tokenizer = json.loads((tmp_path / "merged" / "tokenizer_config.json").read_text())
    assert tokenizer["tokenizer_class"] == "PreTrainedTokenizerFast"
    adapted = PeftModel.from_pretrained(PhiForCausalLM.from_pretrained(base), str(adapter_folder))
    names = AutoTokenizer.from_pretrained(tmp_path / "merged")
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    assert torch.allclose(logits(again, names), logits(adapted, names), atol=1e-3)


def test_a_merged_model_that_is_read_otherwise_is_not_kept(
    model_folder: Path, adapter_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def torn(config: dict[str, object]) -> dict[str, object]:
        return {**config, "hidden_act": "relu"}

    monkeypatch.setattr("bonsai.engines.model.merging._older_config", torn)
    with pytest.raises(EngineError, match="is read otherwise than it was written"):
        merge(Settings(model=str(model_folder), adapter=str(adapter_folder)), tmp_path / "merged")
    assert not list(tmp_path.iterdir())
