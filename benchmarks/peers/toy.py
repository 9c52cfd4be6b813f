"""Networks of 2-D points: three hidden layers."""

from torch import Tensor
from torch.nn import functional as F

from peers.layers import State
from peers.layers import linear


def network(state: State, x: Tensor) -> Tensor:
    for number in range(3):
        x = F.relu(linear(state, f"hidden.{number}", x))
    return linear(state, "output", x)


def generator(state: State, noise: Tensor, labels: Tensor | None = None) -> Tensor:
    """Return points [N, 2]."""
    return network(state, noise)


def critic(state: State, points: Tensor, labels: Tensor | None = None) -> tuple[Tensor, None]:
    """Return scores [N], and no class logits."""
    return network(state, points)[:, 0], None
