"""Tiny models of Phi's shape, and adapters for them. Imported by fixtures only: torch takes seconds to import."""

import json
import warnings
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from tokenizers import ByteLevelBPETokenizer
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PhiConfig,
    PhiForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

TEXTS = [
    "<|system|>You are a helpful assistant.\n<|prompt|>How can a team keep its quality high?\n<|reasoning|>",
    "Small steps, checked each day, keep the quality high.\n<|response|>Check each step.<|endoftext|>",
    "日本の庭では、石と水が季節を語ります。なぜ盆栽は小さいのですか。",
    "Why do exchange rates move, and who gains when they do? Trade, trust and interest.",
]


def make_model(hidden: int = 64, seed: int = 0) -> PhiForCausalLM:
    """Return an untrained Phi whose weights are wide enough that each token of the context matters."""
    torch.manual_seed(seed)
    return PhiForCausalLM(
        PhiConfig(
            vocab_size=448,
            hidden_size=hidden,
            intermediate_size=2 * hidden,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=256,
            initializer_range=0.2,
            bos_token_id=0,
            eos_token_id=0,
        )
    ).eval()


def make_llama(seed: int = 0, tie_word_embeddings: bool = False) -> LlamaForCausalLM:
    """Return an untrained Llama with fewer heads for k and v than for q; perhaps its head is its embeddings."""
    torch.manual_seed(seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=448,
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=256,
            initializer_range=0.2,
            bos_token_id=0,
            eos_token_id=0,
            tie_word_embeddings=tie_word_embeddings,
        )
    ).eval()


def make_adapter(model: PreTrainedModel, folder: Path, **how: object) -> None:
    """Save a LoRA adapter in `folder` that changes what the model says; `how` is what LoraConfig takes."""
    torch.manual_seed(1)
    usual = {"r": 4, "lora_alpha": 32, "target_modules": ["q_proj", "v_proj", "fc1"]}
    config = LoraConfig(**usual | how, init_lora_weights=False)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        get_peft_model(model, config).save_pretrained(str(folder))


def make_talkative_adapter(base: Path, folder: Path) -> None:
    """Save an adapter of a base of 448 tokens that was trained with two more, the first of which ends a text."""
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_pretrained(base)
    model.resize_token_embeddings(450, mean_resizing=False)
    ends = ["embed_tokens", "lm_head"]
    config = LoraConfig(r=4, lora_alpha=32, init_lora_weights=False, target_modules=["q_proj"], modules_to_save=ends)
    adapted = get_peft_model(model, config)
    adapted.peft_config["default"].base_model_name_or_path = str(base)
    adapted.save_pretrained(str(folder), save_embedding_layers=True)
    tokenizer = AutoTokenizer.from_pretrained(base)
    while len(tokenizer) < 448:
        tokenizer.add_tokens([f"<{len(tokenizer)}>"])
    tokenizer.add_special_tokens({"eos_token": "<|im_end|>", "additional_special_tokens": ["<|im_start|>"]})
    tokenizer.save_pretrained(folder)


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Return a byte-level tokenizer of 400 tokens, which knows a few words."""
    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator(TEXTS * 3, vocab_size=400, special_tokens=["<|endoftext|>"], show_progress=False)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe._tokenizer, bos_token="<|endoftext|>", eos_token="<|endoftext|>"
    )


def merged_weight(adapter: Path) -> torch.Tensor:
    """Return one weight of the tiny model as it is with the adapter merged in."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        merged = PeftModel.from_pretrained(make_model(), str(adapter)).merge_and_unload(safe_merge=True)
    return merged.model.layers[0].self_attn.q_proj.weight.detach()


def edit_config(folder: Path, **changes: object) -> None:
    """Change values of the configuration of the adapter in `folder`."""
    file = folder / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
