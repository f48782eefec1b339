"""The training loop: steps, the held-out loss, the best weights, and a state that can be resumed exactly."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from bonsai.errors import EngineError
from bonsai.lab.training.data.batches import batch_order
from bonsai.lab.training.data.rows import TokenTree
from bonsai.lab.training.hyperparameters import Hyperparameters
from bonsai.lab.training.model import TrainedModel
from bonsai.lab.training.tracking import Progress, Tell

_WARM_UP = 0.03
_CLIP = 1.0
_MEASURES, _SAVES = 10, 50
_WORSE, _NO_EFFECT = 1.5, 1e-4


@dataclass(frozen=True)
class Point:
    """The losses after a step, in nats a token."""

    step: int
    loss: float
    """The mean of the steps since the point before."""
    held_out: float | None = None


@dataclass
class State:
    """How far training is; saved as a whole, it goes on as if it had never ended."""

    step: int = 0
    losses: list[float] = field(default_factory=list)
    """Of each step."""
    points: list[Point] = field(default_factory=list)
    best: float = math.inf
    best_step: int = 0
    best_weights: dict[str, torch.Tensor] = field(default_factory=dict)
    weights: dict[str, torch.Tensor] = field(default_factory=dict)
    optimizer: dict[str, Any] = field(default_factory=dict)
    random: list[torch.Tensor] = field(default_factory=list)
    """Of each generator: the CPU's, then the GPUs'."""
    seconds: float = 0
    """Spent on all steps so far."""

    def packed(self) -> dict[str, Any]:
        """Return what `unpacked` makes the same state of: plain values and tensors."""
        return {**vars(self), "points": [asdict(point) for point in self.points]}

    @classmethod
    def unpacked(cls, values: dict[str, Any]) -> "State":
        """Return the state that was packed; raise KeyError, TypeError or ValueError if it was none."""
        return cls(**{**values, "points": [Point(**point) for point in values["points"]]})


class Loop:
    """Trains a model on some trees."""

    def __init__(
        self, model: TrainedModel, trained: Sequence[TokenTree], held_out: Sequence[TokenTree], how: Hyperparameters
    ) -> None:
        self._model, self._trained, self._how = model, trained, how
        self._order = batch_order([len(tree) for tree in trained], how.batch_size, how.epochs, how.seed)
        by_length = sorted(held_out, key=len)
        self._held_out = [by_length[k : k + how.batch_size] for k in range(0, len(by_length), how.batch_size)]
        self.steps = len(self._order)
        self._tokens = [sum(len(trained[k]) for k in batch) for batch in self._order]
        self._optimizer = torch.optim.AdamW(model.parameters.values(), lr=how.learning_rate, weight_decay=0.0)
        warm = round(_WARM_UP * self.steps) + 1
        # Rises over the first steps, and is never 0: even a single step must teach something.
        self._rates = [
            how.learning_rate * min(1.0, (step + 1) / warm) * 0.5 * (1 + math.cos(math.pi * step / self.steps))
            for step in range(self.steps)
        ]

    def run(self, state: State, save: Callable[[State], None], tell: Tell) -> State:
        """Train until the end, or until the held-out loss no longer falls; return the last state.

        `save` is given each state that can be resumed, `tell` each step. Raises EngineError if the loss is no number
        any more, or if the adapter has got worse or learnt nothing.
        """
        probe = [[self._trained[k] for k in self._order[0]]]
        before = self._model.mean_loss(probe)
        self._resume(state)
        every, often = (max(1, round(self.steps / count)) for count in (_MEASURES, _SAVES))
        while state.step < self.steps and not self._is_over(state):
            started = time.monotonic()
            state.losses.append(self._step(state.step))
            state.step += 1
            state.seconds += time.monotonic() - started
            if state.step % every == 0 or state.step == self.steps:
                self._measure(state, every)
            if state.step % often == 0 or state.step == self.steps:
                self._keep(state)
                save(state)
            tell(self._progress(state))
        if self._held_out:
            self._model.restore(state.best_weights)
        self._check(state, before, self._model.mean_loss(probe))
        return state

    def _resume(self, state: State) -> None:
        if not state.step:
            torch.manual_seed(self._how.seed)
            if self._held_out:
                first = self._model.mean_loss(self._held_out)
                state.points.append(Point(0, first, first))
                state.best, state.best_weights = first, self._model.weights()
            return
        self._model.restore(state.weights)
        self._optimizer.load_state_dict(state.optimizer)
        torch.set_rng_state(state.random[0])
        if torch.cuda.is_available():
            torch.cuda.set_rng_state_all(state.random[1:])

    def _step(self, step: int) -> float:
        batch = self._model.batch([self._trained[k] for k in self._order[step]])
        loss = self._model.loss(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self._model.parameters.values(), _CLIP)
        if not (torch.isfinite(loss) and torch.isfinite(norm)):
            raise _diverged(f"at step {step + 1} of {self.steps} the loss is no number any more")
        for group in self._optimizer.param_groups:
            group["lr"] = self._rates[step]
        self._optimizer.step()
        self._optimizer.zero_grad()
        return float(loss.detach())

    def _measure(self, state: State, every: int) -> None:
        recent = state.losses[-every:]
        held_out = self._model.mean_loss(self._held_out) if self._held_out else None
        state.points.append(Point(state.step, sum(recent) / len(recent), held_out))
        if held_out is not None and held_out < state.best:
            state.best, state.best_step, state.best_weights = held_out, state.step, self._model.weights()

    def _keep(self, state: State) -> None:
        state.weights = self._model.weights()
        state.optimizer = self._optimizer.state_dict()
        state.random = [torch.get_rng_state(), *(torch.cuda.get_rng_state_all() if torch.cuda.is_available() else ())]

    def _is_over(self, state: State) -> bool:
        if not self._held_out or not self._how.patience:
            return False
        return len([point for point in state.points if point.step > state.best_step]) >= self._how.patience

    def _check(self, state: State, before: float, after: float) -> None:
        """Raise EngineError unless the adapter is better than before; the losses are those of the same records."""
        if not math.isfinite(after):
            raise _diverged("the adapter gives no numbers any more")
        if self._held_out and not state.best_step:
            raise _learnt_nothing(f"the loss on held-out questions never fell below {state.best:.3f}")
        if after > before * _WORSE:
            raise _diverged(f"the loss rose from {before:.2f} to {after:.2f}")
        if abs(after - before) < _NO_EFFECT * before:
            raise _learnt_nothing("the adapter changes nothing that can be measured")

    def _progress(self, state: State) -> Progress:
        done = sum(self._tokens[: state.step])
        speed = done / max(state.seconds, 1e-9)
        left = sum(self._tokens[state.step :]) / speed
        held_out = state.points[-1].held_out if state.points else None
        return Progress(state.step, self.steps, state.losses[-1], held_out, speed, left)


def _diverged(what: str) -> EngineError:
    return EngineError(f"Training failed: {what}. Try a lower --learning-rate.")


def _learnt_nothing(what: str) -> EngineError:
    return EngineError(f"Training came to nothing: {what}. Try more epochs, another --learning-rate, or more records.")
