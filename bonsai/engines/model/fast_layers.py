"""Layers that do what a model's own do, in less time."""

import torch
from transformers.activations import NewGELUActivation

# More rows gain little, and on one thread they lose. `bench` measures it.
_FEW = 5


def use_fast_layers(model: torch.nn.Module) -> None:
    """Replace the layers of `model` that have a faster form: the tanh GELU, and linear layers in float32 on a CPU."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if type(child) is NewGELUActivation:
                # One operation instead of eight.
                setattr(module, name, torch.nn.GELU(approximate="tanh"))
        if type(module) is torch.nn.Linear:
            weight = module.weight
            if weight.device.type == "cpu" and weight.dtype == torch.float32:
                module.__class__ = _FewRows


class _FewRows(torch.nn.Linear):
    """A linear layer that is quick with a few rows at once, as decoding has them.

    MKL takes twice as long for 2 to 5 rows times a transposed matrix of weights as for the same product the other way
    round, the weights times transposed rows, which takes hardly more than one row does.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Return `input` (..., in_features) times the weights, plus the bias: (..., out_features)."""
        rows = input.numel() // self.in_features
        if not 2 <= rows <= _FEW:
            return super().forward(input)
        out = torch.mm(self.weight, input.reshape(rows, self.in_features).t()).t().contiguous()
        if self.bias is not None:
            out += self.bias
        return out.view(*input.shape[:-1], self.out_features)
