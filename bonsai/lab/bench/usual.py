"""The usual way: transformers' `generate` with an adapter beside the weights, one prompt at a time, nothing kept."""

import threading
import time
from abc import abstractmethod
from typing import Any

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, LogitsProcessor, LogitsProcessorList

from bonsai.engines.base import Completion, Engine, EngineInfo, Prompt, Request, RequestQueue, Snapshots
from bonsai.engines.hub import find_folder
from bonsai.engines.model.gguf import load_unpacked
from bonsai.engines.model.loading import quiet
from bonsai.engines.model.model_files import model_files
from bonsai.settings import NO_ADAPTER


class OneByOneEngine(Engine):
    """An engine that completes one prompt after the other, each of which is there when it is finished.

    Callers take turns.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()

    @abstractmethod
    def complete(self, request: Request) -> tuple[str, int, int]:
        """Return a completion, of the length that was asked for, and the tokens of prompt and completion."""

    def stream(self, queue: RequestQueue) -> Snapshots:
        """Yield (number of the request, its completion), one after the other."""
        taken = 0
        while queue:
            request = queue.take()
            began = time.monotonic()
            with self._turn:
                text, prompt_tokens, tokens = self.complete(request)
            yield taken, Completion(text, "length", "", prompt_tokens, tokens, time.monotonic() - began)
            taken += 1


class BaselineEngine(OneByOneEngine):
    """What people write who ask a model with an adapter in a script, each completion one call of `generate`."""

    def __init__(self, model_id: str, adapter_id: str, device: torch.device, dtype: torch.dtype) -> None:
        super().__init__()
        files = model_files(model_id, "")
        with quiet():
            if files.gguf:
                model: Any = load_unpacked(files.folder / files.gguf, dtype)
            else:
                model = AutoModelForCausalLM.from_pretrained(files.folder, dtype=dtype)
            if adapter_id != NO_ADAPTER:
                model = PeftModel.from_pretrained(model, find_folder(adapter_id, "adapter", ""))
            self._model = model.to(device).eval()
            self._tokenizer = AutoTokenizer.from_pretrained(**files.arguments)
        context = int(model.config.max_position_embeddings)
        self.info = EngineInfo("usual", model_id, adapter_id, str(device), context_length=context)
        self._known = LogitsProcessorList([_Known(len(self._tokenizer))])

    def count_tokens(self, prompt: Prompt | str) -> int:
        """Return how many tokens of the context a prompt takes."""
        return len(self._tokenizer(Prompt.of(prompt).text)["input_ids"])

    def complete(self, request: Request) -> tuple[str, int, int]:
        """Return a completion, and the tokens of prompt and completion."""
        params = request.sampling
        inputs = self._tokenizer(request.prompt.text, return_tensors="pt", verbose=False).to(self._model.device)
        length = inputs["input_ids"].shape[1]
        draws = params.temperature > 0
        drawn = {name: getattr(params, name) if draws else None for name in ("temperature", "top_k", "top_p")}
        torch.manual_seed(params.seed)
        with torch.no_grad():
            output = self._model.generate(
                input_ids=inputs["input_ids"],
                attention_mask=inputs["attention_mask"],
                max_new_tokens=min(params.max_new_tokens, self.info.context_length - length),
                eos_token_id=None,
                pad_token_id=0,
                logits_processor=self._known,
                do_sample=draws,
                **drawn,
            )
        tokens = output[0, length:].tolist()
        return self._tokenizer.decode(tokens), length, len(tokens)


class _Known(LogitsProcessor):  # type: ignore[misc]
    """Leaves the tokens that have a text, as Bonsai does."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        scores[:, self._count :] = -torch.inf
        return scores
