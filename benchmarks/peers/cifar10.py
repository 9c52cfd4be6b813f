"""DCGAN-shaped networks of WGAN-GP on CIFAR-10."""

from torch import Tensor
from torch.nn import functional as F

from peers.layers import State
from peers.layers import batch_norm
from peers.layers import down
from peers.layers import layer_norm
from peers.layers import linear
from peers.layers import up


def generator(state: State, noise: Tensor, labels: Tensor | None = None) -> Tensor:
    """Return images [N, 3, 32, 32] in [-1, 1]."""
    normalize = "input_norm.weight" in state
    h = linear(state, "input", noise)
    h = F.relu(batch_norm(state, "input_norm", h) if normalize else h).view(len(noise), -1, 4, 4)
    for number in range(2):
        h = up(state, f"up.{number}", h, size=(8 << number, 8 << number))
        h = F.relu(batch_norm(state, f"norms.{number}", h) if normalize else h)
    return up(state, "up.2", h, size=(32, 32)).tanh()


def critic(state: State, images: Tensor, labels: Tensor | None = None) -> tuple[Tensor, None]:
    """Return scores [N], and no class logits."""
    h = images
    for number in range(3):
        h = down(state, f"down.{number}", h)
        if f"norms.{number}.scale" in state:
            h = layer_norm(state, f"norms.{number}", h)
        h = F.leaky_relu(h, 0.2)
    return linear(state, "output", h.flatten(1))[:, 0], None
