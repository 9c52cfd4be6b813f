"""Networks of MNIST digits; paddings are TensorFlow's "same", which put the odd pixel below and on the right."""

from torch import Tensor
from torch.nn import functional as F

from peers.layers import State
from peers.layers import conv
from peers.layers import conv_transpose
from peers.layers import linear


def generator(state: State, noise: Tensor, labels: Tensor | None = None) -> Tensor:
    """Return digits [N, 1, 28, 28] in [0, 1]."""
    h = F.relu(linear(state, "input", noise)).view(len(noise), -1, 4, 4)
    h = F.relu(conv_transpose(state, "up.0", h, stride=2, padding=1)[:, :, :7, :7])
    h = F.relu(conv_transpose(state, "up.1", h, stride=2, padding=2, output_padding=1))
    return conv_transpose(state, "up.2", h, stride=2, padding=1)[:, :, :28, :28].sigmoid()


def critic(state: State, images: Tensor, labels: Tensor | None = None) -> tuple[Tensor, None]:
    """Return scores [N], and no class logits."""
    h = F.leaky_relu(conv(state, "down.0", F.pad(images, (1, 2, 1, 2)), stride=2), 0.2)
    h = F.leaky_relu(conv(state, "down.1", F.pad(h, (1, 2, 1, 2)), stride=2), 0.2)
    h = F.leaky_relu(conv(state, "down.2", h, stride=2, padding=2), 0.2)
    return linear(state, "output", h.flatten(1))[:, 0], None
