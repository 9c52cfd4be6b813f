"""Networks of DCGAN, with labels or without."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor
from torch.nn import functional as F

from peers.layers import State
from peers.layers import batch_norm
from peers.layers import down
from peers.layers import linear
from peers.layers import up


def layers(state: State, kind: str) -> list[str]:
    """Return the names of the layers of a list."""
    names = (f"{kind}.{number}" for number in itertools.count())
    return list(itertools.takewhile(lambda name: f"{name}.weight" in state, names))


def join(h: Tensor, labels: Tensor | None, classes: int) -> Tensor:
    """Append the class, one-hot, to features or, everywhere, to maps."""
    if labels is None:
        return h
    one_hot = F.one_hot(labels, classes).to(h.dtype)
    if h.dim() == 4:
        one_hot = one_hot[:, :, None, None].expand(-1, -1, *h.shape[2:])
    return torch.cat([h, one_hot], dim=1)


def generator(
    state: State, noise: Tensor, labels: Tensor | None = None, image_size: tuple[int, int] = (64, 64), classes: int = 10
) -> Tensor:
    """Return images [N, C, H, W] in [-1, 1]."""
    ups = layers(state, "ups")
    finest, sizes = list(image_size), []
    for _ in ups:
        sizes.insert(0, finest)
        finest = [(edge + 1) // 2 for edge in finest]
    *hidden, last = layers(state, "linears")
    h = noise
    for number, name in enumerate(hidden):
        h = F.relu(batch_norm(state, f"linear_norms.{number}", linear(state, name, join(h, labels, classes))))
    h = linear(state, last, join(h, labels, classes)).view(len(noise), -1, *finest)
    for number, (name, size) in enumerate(zip(ups, sizes)):
        h = join(F.relu(batch_norm(state, f"norms.{number}", h)), labels, classes)
        h = up(state, name, h, size)
    return h.tanh()


def critic(state: State, images: Tensor, labels: Tensor | None = None, classes: int = 10) -> tuple[Tensor, None]:
    """Return logits [N] of the discriminator, and no class logits."""
    h = images
    for number, name in enumerate(layers(state, "downs")):
        h = down(state, name, join(h, labels, classes))
        h = F.leaky_relu(batch_norm(state, f"norms.{number - 1}", h) if number else h, 0.2)
    h = h.flatten(1)
    *hidden, last = layers(state, "linears")
    for number, name in enumerate(hidden):
        h = batch_norm(state, f"linear_norms.{number}", linear(state, name, join(h, labels, classes)))
        h = F.leaky_relu(h, 0.2)
    return linear(state, last, join(h, labels, classes))[:, 0], None
