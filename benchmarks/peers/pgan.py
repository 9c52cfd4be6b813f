"""Networks of PGAN at any scale, with labels or without."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from peers.layers import State
from peers.layers import upsample

CLASSES = 10


def equalized(state: State, name: str, x: Tensor, gain: float = 2**0.5, scale_bias: bool = False) -> Tensor:
    """Apply an equalised layer with scaled weights, as the paper writes it."""
    weight, bias = state[f"{name}.layer.weight"], state[f"{name}.bias"]
    if weight.dim() == 2:
        scale = gain / weight.shape[0] ** 0.5
        return torch.addmm(bias * (scale if scale_bias else 1), x, weight * scale)
    scale = gain / weight[0].numel() ** 0.5
    return F.conv2d(x, weight * scale, bias * (scale if scale_bias else 1), padding=weight.shape[-1] // 2)


def generator(
    state: State,
    noise: Tensor,
    labels: Tensor | None = None,
    scale: int = 0,
    fade: float = 1.0,
    scale_bias: bool = False,
    he_everywhere: bool = False,
) -> Tensor:
    """Return images [N, C, R, R]."""
    last = 2**0.5 if he_everywhere else 1.0

    def norm(x):
        return x * torch.rsqrt(x.pow(2).mean(1, keepdim=True) + 1e-8)

    def layer(name, x, gain=2**0.5):
        return equalized(state, name, x, gain, scale_bias)

    def step(name, x):
        return norm(F.leaky_relu(layer(name, x), 0.2))

    if labels is not None:
        noise = torch.cat([noise, F.one_hot(labels, CLASSES).to(noise)], dim=1)
    h = layer("first", norm(noise), gain=2**0.5 if he_everywhere else 2**0.5 / 4).view(len(noise), -1, 4, 4)
    h = before = step("base", norm(F.leaky_relu(h, 0.2)))
    for number in range(1, scale + 1):
        before, h = h, upsample(h)
        h = step(f"blocks.{number - 1}.1", step(f"blocks.{number - 1}.0", h))
    image = layer(f"to_image.{scale}", h, last)
    if scale and fade < 1:
        image = torch.lerp(upsample(layer(f"to_image.{scale - 1}", before, last)), image, fade)
    return image


def critic(
    state: State,
    images: Tensor,
    labels: Tensor | None = None,
    scale: int = 0,
    fade: float = 1.0,
    scale_bias: bool = False,
    he_everywhere: bool = False,
    consecutive_groups: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Return scores [N] and, where there is a classifier, class logits."""

    def step(name, x):
        return F.leaky_relu(equalized(state, name, x, scale_bias=scale_bias), 0.2)

    h = step(f"from_image.{scale}", images)
    for number in range(scale, 0, -1):
        h = F.avg_pool2d(step(f"blocks.{number - 1}.1", step(f"blocks.{number - 1}.0", h)), 2)
        if number == scale and fade < 1:
            h = torch.lerp(step(f"from_image.{scale - 1}", F.avg_pool2d(images, 2)), h, fade)
    n, c = h.shape[:2]
    group = 4 if n % 4 == 0 else n
    if consecutive_groups:
        deviation = h.reshape(-1, group, c, 4, 4).var(1).add(1e-8).sqrt().mean([1, 2, 3]).repeat_interleave(group)
    else:
        deviation = h.reshape(group, -1, c, 4, 4).var(0, unbiased=False).add(1e-8).sqrt().mean([1, 2, 3]).repeat(group)
    h = torch.cat([h, deviation.view(n, 1, 1, 1).expand(n, 1, 4, 4)], dim=1)
    h = step("last", step("base", h).flatten(1))
    last = 2**0.5 if he_everywhere else 1.0
    logits = equalized(state, "classify", h, last, scale_bias) if "classify.bias" in state else None
    return equalized(state, "output", h, last, scale_bias)[:, 0], logits
