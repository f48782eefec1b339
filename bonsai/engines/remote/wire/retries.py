"""How long a server is waited for, and how often it is asked."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bonsai.engines.remote.wire.server_errors import ServerError


@dataclass(frozen=True)
class RetryPolicy:
    """How long a completion is waited for, in seconds, and how often it is asked for."""

    tries: int = 6
    tries_unexplained: int = 3
    """How often what a server fails at without saying why: a fault of its own would be the same again."""
    first_wait: float = 0.5
    longest_wait: float = 20.0
    silence: float = 120.0
    """How long nothing may come."""
    deadline: float = 900.0
    """How long the whole may take, all tries included."""
    grace: float = 0.5
    """How long the counts of a text are waited for once it is finished."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    def pause(self, trouble: ServerError, tries: int) -> float | None:
        """Return how long to wait after so many tries before the next one, or None if there is to be none."""
        most = min(self.tries, self.tries_unexplained) if trouble.unexplained else self.tries
        if not trouble.passing or tries >= most or trouble.wait > self.deadline:
            return None
        # Not all who were turned away come back at the same moment.
        usual: float = min(self.longest_wait, self.first_wait * 2 ** (tries - 1)) * random.uniform(0.75, 1.25)
        return max(usual, trouble.wait)


USUAL_POLICY = RetryPolicy()
