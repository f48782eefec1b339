"""The one function that runs on a GPU: on ZeroGPU it leases one for a click, elsewhere it runs where it is."""

import traceback
from collections.abc import Generator
from contextlib import closing

import spaces

from bonsai.chain import METHODS, NEXT_QUESTION_TOKENS, Chain, advance
from bonsai.engines.base import Engine, SamplingParams
from bonsai.errors import BonsaiError

# Estimates for phi-2 in bfloat16, on the slow side; not measured on ZeroGPU itself.
SECONDS_TO_START = 3.0
SECONDS_PER_TOKEN = 0.035

# A ZeroGPU worker is forked from this process and finds the engine here: arguments would be pickled.
_engine: list[Engine] = []


def use(engine: Engine) -> None:
    """Let `grow` answer with `engine` from now on."""
    _engine[:] = [engine]


def seconds_needed(chains: tuple[Chain, ...], sampling: SamplingParams) -> int:
    """Return the GPU seconds to ask for: every role of the longest chain at its full length, one token at a time.

    New tries of the guard are not counted: they are rare, and most texts end long before their full length.
    """
    tokens = max(sum(_tokens(role, sampling) for role in METHODS[chain.method]) * chain.length for chain in chains)
    return round(SECONDS_TO_START + tokens * SECONDS_PER_TOKEN + 0.5)


def grow(chains: tuple[Chain, ...], sampling: SamplingParams) -> Generator[tuple[Chain, ...], None, None]:
    """Yield the chains as they grow, until all are finished (see `bonsai.chain.advance`).

    Raises, here and with its message, what went wrong there.
    """
    with closing(_grow(chains, sampling)) as growing:
        for grown in growing:
            if isinstance(grown, Exception):
                raise grown
            yield grown


@spaces.GPU(duration=seconds_needed)  # type: ignore[untyped-decorator]
def _grow(chains: tuple[Chain, ...], sampling: SamplingParams) -> Generator[tuple[Chain, ...] | Exception, None, None]:
    # An error that is raised in a ZeroGPU worker arrives as the bare name of its class; one that is yielded, whole.
    try:
        yield from advance(_engine[0], chains, sampling)
    except BonsaiError as error:
        yield error
    except Exception:
        yield RuntimeError(traceback.format_exc())


def _tokens(role: str, sampling: SamplingParams) -> int:
    return min(NEXT_QUESTION_TOKENS, sampling.max_new_tokens) if role == "next_question" else sampling.max_new_tokens
