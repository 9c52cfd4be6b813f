"""PGAN's networks once more, in PyTorch: ours are compared with them, their results in the tests, their time here.

Both take the weights of a Paddle network by name, so that there is nothing to convert but arrays.
"""

import torch
from torch.nn import functional


def state_of(network):
    """Return the weights of a Paddle network."""
    return {name: torch.tensor(value.numpy()) for name, value in network.state_dict().items()}


def equalized(state, name, x, gain=2**0.5, scale_bias=False):
    """Apply an equalised layer with scaled weights, as the paper writes it."""
    weight, bias = state[f"{name}.layer.weight"], state[f"{name}.bias"]
    if weight.dim() == 2:
        scale = gain / weight.shape[0] ** 0.5
        return functional.linear(x, weight.T * scale, bias * (scale if scale_bias else 1))
    scale = gain / weight[0].numel() ** 0.5
    return functional.conv2d(x, weight * scale, bias * (scale if scale_bias else 1), padding=weight.shape[-1] // 2)


def generator(state, noise, labels, scale, fade, scale_bias=False):
    """Return images [N, C, R, R]."""

    def norm(x):
        return x * torch.rsqrt(x.pow(2).mean(1, keepdim=True) + 1e-8)

    def layer(name, x, gain=2**0.5):
        return equalized(state, name, x, gain, scale_bias)

    def step(name, x):
        return norm(functional.leaky_relu(layer(name, x), 0.2))

    if labels is not None:
        noise = torch.cat([noise, functional.one_hot(labels, 10).to(noise)], dim=1)
    h = layer("first", norm(noise), gain=2**0.5 / 4).view(len(noise), -1, 4, 4)
    h = before = step("base", norm(functional.leaky_relu(h, 0.2)))
    for number in range(1, scale + 1):
        before, h = h, functional.interpolate(h, scale_factor=2, mode="nearest")
        h = step(f"blocks.{number - 1}.1", step(f"blocks.{number - 1}.0", h))
    image = layer(f"to_image.{scale}", h, gain=1)
    if scale and fade < 1:
        coarse = layer(f"to_image.{scale - 1}", before, gain=1)
        image = torch.lerp(functional.interpolate(coarse, scale_factor=2, mode="nearest"), image, fade)
    return image


def critic(state, images, scale, fade, scale_bias=False):
    """Return scores [N] and, where there is a classifier, class logits."""

    def step(name, x):
        return functional.leaky_relu(equalized(state, name, x, scale_bias=scale_bias), 0.2)

    h = step(f"from_image.{scale}", images)
    for number in range(scale, 0, -1):
        h = functional.avg_pool2d(step(f"blocks.{number - 1}.1", step(f"blocks.{number - 1}.0", h)), 2)
        if number == scale and fade < 1:
            h = torch.lerp(step(f"from_image.{scale - 1}", functional.avg_pool2d(images, 2)), h, fade)
    n, c = h.shape[:2]
    group = 4 if n % 4 == 0 else n
    deviation = h.view(group, -1, c, 4, 4).var(0, unbiased=False).add(1e-8).sqrt().mean([1, 2, 3])
    h = torch.cat([h, deviation.repeat(group).view(n, 1, 1, 1).expand(n, 1, 4, 4)], dim=1)
    h = step("last", step("base", h).flatten(1))
    outputs = [equalized(state, "output", h, 1, scale_bias)[:, 0]]
    if "classify.bias" in state:
        outputs.append(equalized(state, "classify", h, 1, scale_bias))
    return outputs
