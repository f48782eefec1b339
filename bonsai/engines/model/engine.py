"""What the engines that decode a model of transformers on this machine have in common."""

from bonsai.engines.base import Engine, Prompt, Request, check_options, too_long
from bonsai.engines.model.loaded_model import LoadedModel
from bonsai.engines.model.rows import ActiveCompletion


class ModelEngine(Engine):
    """An engine with a model in the memory of this machine; how it decodes is for its subclasses to say."""

    def __init__(self, loaded: LoadedModel) -> None:
        self._loaded = loaded

    def count_tokens(self, prompt: Prompt | str) -> int:
        """Return how many tokens of the context a prompt takes."""
        return len(self._loaded.encode(Prompt.of(prompt)))

    def check_memory(self) -> None:
        """Raise EngineError if a second model of the same size does not fit beside this one's."""
        self._loaded.check_memory()

    def _row(self, index: int, request: Request) -> ActiveCompletion:
        """Return the completion of a request, as yet unwritten; it has failed if its prompt leaves no room for one."""
        check_options(self.info, request.sampling)
        ids = self._loaded.encode(request.prompt)
        room = self.info.context_length - len(ids)
        limit = min(request.sampling.max_new_tokens, room)
        row = ActiveCompletion(index, ids, request.sampling, limit, self._loaded.tokenizer, self._loaded.eos_token_ids)
        if room < 1:
            row.last = too_long(len(ids), self.info.context_length)
        return row
