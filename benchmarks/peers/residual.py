"""Residual networks of WGAN-GP on CIFAR-10 (32 pixels) and of TransferGAN (also 64), with labels or without."""

from __future__ import annotations

import itertools

from torch import Tensor
from torch.nn import functional as F

from peers.layers import State
from peers.layers import batch_norm
from peers.layers import conv
from peers.layers import layer_norm
from peers.layers import linear
from peers.layers import upsample


def blocks(state: State) -> list[str]:
    """Return the names of the residual blocks."""
    names = (f"blocks.{number}" for number in itertools.count())
    return list(itertools.takewhile(lambda name: f"{name}.conv1.weight" in state, names))


def modulated(state: State, name: str, x: Tensor, labels: Tensor) -> Tensor:
    """Scale and shift every image by its class."""
    scale, offset = (F.embedding(labels, state[f"{name}.{key}"])[..., None, None] for key in ("scale", "offset"))
    return x * scale + offset


def generator(state: State, noise: Tensor, labels: Tensor | None = None) -> Tensor:
    """Return images [N, C, R, R] in [-1, 1]."""

    def activate(name: str, x: Tensor) -> Tensor:
        if f"{name}.scale" in state:
            x = modulated(state, name, batch_norm(state, f"{name}.normalize", x, affine=False), labels)
        elif f"{name}.weight" in state:
            x = batch_norm(state, name, x)
        return F.relu(x)

    x = linear(state, "input", noise).view(len(noise), -1, 4, 4)
    for block in blocks(state):
        h = conv(state, f"{block}.conv1", upsample(activate(f"{block}.norm1", x)), padding=1)
        h = conv(state, f"{block}.conv2", activate(f"{block}.norm2", h), padding=1)
        x = h + conv(state, f"{block}.shortcut", upsample(x))
    return conv(state, "output", activate("norm", x), padding=1).tanh()


def critic(state: State, images: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
    """Return scores [N] and, where there is a classifier, class logits."""

    def activate(name: str, x: Tensor) -> Tensor:
        if f"{name}.scale" in state:
            conditional = state[f"{name}.scale"].dim() == 2
            x = modulated(state, name, F.group_norm(x, 1), labels) if conditional else layer_norm(state, name, x)
        return F.relu(x)

    at_64 = "input.weight" in state
    x = conv(state, "input", images, padding=1) if at_64 else images
    for block in blocks(state):
        sees_image = block == "blocks.0" and not at_64
        h = conv(state, f"{block}.conv1", x if sees_image else activate(f"{block}.norm1", x), padding=1)
        h = conv(state, f"{block}.conv2", activate(f"{block}.norm2", h), padding=1)
        if f"{block}.shortcut.weight" in state:
            h, x = F.avg_pool2d(h, 2), conv(state, f"{block}.shortcut", F.avg_pool2d(x, 2))
        x = h + x
    x = x.flatten(1) if at_64 else F.relu(x).mean([2, 3])
    logits = linear(state, "classify", x) if "classify.weight" in state else None
    return linear(state, "output", x)[:, 0], logits
