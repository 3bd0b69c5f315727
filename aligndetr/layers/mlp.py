"""Small fully connected networks."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from aligndetr.layers.tracing import is_tracing

HIDDEN_AT_ONCE = 2**22  # numbers that a feed-forward block makes in one go on the CPU


class MLP(nn.Module):
    """Linear layers with ReLU between them.

    Args:
        in_dim, hidden_dim, out_dim: features of the input, of hidden layers and of the output.
        num_layers: linear layers, at least 1.
    """

    def __init__(self, in_dim: int, hidden_dim: int, out_dim: int, num_layers: int) -> None:
        super().__init__()
        sizes = [in_dim] + [hidden_dim] * (num_layers - 1) + [out_dim]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))

    def forward(self, x: Tensor) -> Tensor:
        """(..., in_dim) -> (..., out_dim)."""
        for layer in self.layers[:-1]:
            x = layer(x).relu()
        return self.layers[-1](x)


def start_xavier(module: nn.Module) -> None:
    """Draw the weights of all linear layers inside Xavier-uniform, and leave biases as they are.

    Published transformers start so with all that is inside them. Weights of an `nn.Linear` from C
    to C features start 0.58 times as large.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)


class FeedForward(nn.Module):
    """The feed-forward block of a transformer layer, without the residual.

    On the CPU it goes through the rows in groups. The hidden features of all pixels of an image
    would be the largest tensors of a step; their gradients, before and after the activation, are
    then there for one group at a time.

    Args:
        embed_dim: C.
        feedforward_dim: hidden features.
        dropout: after the activation and at the end.
        activation: module between the two linear layers; ReLU when None.
    """

    def __init__(
        self,
        embed_dim: int,
        feedforward_dim: int,
        dropout: float = 0.0,
        activation: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.linear1 = nn.Linear(embed_dim, feedforward_dim)
        self.activation = nn.ReLU(inplace=True) if activation is None else activation
        self.linear2 = nn.Linear(feedforward_dim, embed_dim)
        self.dropout = nn.Dropout(dropout)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Xavier-uniform weights."""
        nn.init.xavier_uniform_(self.linear1.weight)
        nn.init.xavier_uniform_(self.linear2.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) -> (..., C)."""
        rows = x.flatten(0, -2)  # linear returns a view of anything else, and autograd copies the
        groups = self._groups(rows)  # gradient of a view that changes in place
        done = [self._transform(group) for group in groups]
        return (done[0] if len(done) == 1 else torch.cat(done)).view(x.shape)

    def _groups(self, rows: Tensor) -> tuple[Tensor, ...]:
        if not rows.is_cpu or is_tracing():
            return (rows,)
        return rows.split(max(1, HIDDEN_AT_ONCE // self.linear1.out_features))

    def _transform(self, rows: Tensor) -> Tensor:
        hidden = self.activation(self.linear1(rows))
        return self.dropout(self.linear2(self.dropout(hidden)))
