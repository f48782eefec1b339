"""What `batching` uses of the inside of transformers' continuous batching: another release may change any of it.

When one of these fails, `bonsai.engines.batching.shared_batch`, `seeded_sampling` and `cpu_attention` are what to mend.
"""

import inspect
from dataclasses import fields
from typing import Any

import pytest
import torch
from transformers import ContinuousBatchingConfig, GenerationConfig
from transformers.generation.continuous_batching import cb_logits_processors as processors
from transformers.generation.continuous_batching.requests import (
    FutureRequestState,
    GenerationOutput,
    RequestState,
    RequestStatus,
)
from transformers.utils.generic import is_flash_attention_requested

from bonsai.engines.batching.cpu_attention import use_cpu_passes
from bonsai.engines.batching.seeded_sampling import SeededSampler
from tests import models

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def manager() -> Any:
    """Transformers' manager of a batch, before its thread has begun."""
    greedy = GenerationConfig(do_sample=False, eos_token_id=-1, pad_token_id=0)
    sizes = ContinuousBatchingConfig(
        page_size=16,
        num_blocks=8,
        max_batch_tokens=32,
        max_requests_per_batch=2,
        max_memory_percent=0.9,
        return_logprobs=True,
    )
    with torch.inference_mode():
        return models.make_model().init_continuous_batching(generation_config=greedy, continuous_batching_config=sizes)


def names(kind: type) -> set[str]:
    return {item.name for item in fields(kind)}


def test_the_manager_has_what_is_called_and_replaced(manager: Any) -> None:
    assert set(inspect.signature(manager.add_request).parameters) >= {"request_id", "max_new_tokens", "streaming"}
    kinds = [one.kind for one in inspect.signature(manager.add_request).parameters.values()]
    assert inspect.Parameter.VAR_KEYWORD in kinds, "the sampling of a request goes with it"
    for method in ("start", "warmup", "cancel_request"):
        assert callable(getattr(manager, method)), method
    assert {"_generation_thread", "batch_processor", "logit_processor"} <= vars(manager).keys()
    assert "output_queue" in vars(manager.output_router)
    assert callable(manager.output_router.output_queue.put)


def test_the_manager_tells_what_it_chose_and_how_its_thread_fares(manager: Any) -> None:
    chosen, status = manager.continuous_batching_config, manager.background_thread_status
    assert not any(chosen.cuda_graph_booleans)
    assert not chosen.use_async_batching
    assert status.fatal_error is None
    assert len(inspect.signature(status.request_stop).parameters) == 2
    assert status.HARD_STOP > 0


def test_requests_and_outputs_have_what_is_read() -> None:
    assert names(RequestState) >= {"initial_tokens", "generated_tokens", "position_offset", "logit_processor_kwargs"}
    assert set(inspect.signature(FutureRequestState).parameters) >= {"state", "has_new_token"}
    assert names(GenerationOutput) >= {"request_id", "generated_tokens", "logprobs", "error"}
    assert GenerationOutput("1", status=RequestStatus.FINISHED).is_finished()


def test_our_sampler_stands_where_theirs_would() -> None:
    theirs, ours = processors.ContinuousBatchingLogitsProcessorList, SeededSampler(8, recorded=False)
    for method in ("check_kwargs", "fill_defaults", "prepare_tensor_args", "__call__"):
        expected = inspect.signature(getattr(theirs, method)).parameters
        assert len(inspect.signature(getattr(SeededSampler, method)).parameters) == len(expected), method
    their_list = theirs([])
    assert {type(their_list.do_processing), type(their_list.tensors_required)} == {bool, int}
    assert (ours.do_processing, ours.tensors_required > 0) == (True, True)


def test_an_attention_without_a_mask_is_told_where_requests_end() -> None:
    model = models.make_model()
    use_cpu_passes(model)
    assert is_flash_attention_requested(model.config)
