"""Generator inputs: noise and, if conditional, labels. Forward passes draw no random numbers."""

from __future__ import annotations

import numpy as np
import paddle
from paddle import nn
from paddle.static import InputSpec


def sample(generator: nn.Layer, num_samples: int, labels: paddle.Tensor | None = None) -> dict[str, paddle.Tensor]:
    """Draw a training batch of inputs on the current device, from Paddle's random stream.

    Args:
        generator: Has ``latent_dim``, ``label_num`` (0 where it takes no labels) and ``input_keys``.
        num_samples: Size of the batch.
        labels: int64 [num_samples]; uniform random ones by default. Ignored by a generator without labels.

    Returns:
        ``noise`` ~ N(0, 1), float32 [num_samples, latent_dim], and ``labels``, under the generator's own keys.

    Examples:
        >>> from types import SimpleNamespace
        >>> from ppsci_gan.networks import latent
        >>> generator = SimpleNamespace(latent_dim=2, label_num=0, input_keys=("noise",))
        >>> tuple(latent.sample(generator, 4)["noise"].shape)
        (4, 2)
    """
    values = [paddle.randn([num_samples, generator.latent_dim])]
    if generator.label_num:
        values.append(paddle.randint(0, generator.label_num, [num_samples]) if labels is None else labels)
    return dict(zip(generator.input_keys, values))


def sample_fixed(generator: nn.Layer, num_samples: int, seed: int) -> dict[str, np.ndarray]:
    """Draw inputs from a seed: the same on every device, with labels in turn (0, 1, 2, ..., 0, 1, ...).

    Args:
        generator: As for ``sample``.
        num_samples: Number of samples.
        seed: Any non-negative integer.

    Examples:
        >>> from types import SimpleNamespace
        >>> from ppsci_gan.networks import latent
        >>> generator = SimpleNamespace(latent_dim=2, label_num=3, input_keys=("noise", "labels"))
        >>> latent.sample_fixed(generator, 5, seed=0)["labels"].tolist()
        [0, 1, 2, 0, 1]
    """
    values = [np.random.default_rng(seed).standard_normal((num_samples, generator.latent_dim), dtype=np.float32)]
    if generator.label_num:
        values.append(np.arange(num_samples, dtype=np.int64) % generator.label_num)
    return dict(zip(generator.input_keys, values))


def walk(generator: nn.Layer, points: int, steps: int, seed: int) -> dict[str, np.ndarray]:
    """Return inputs along a closed path through random latents, for an animation, all with the first one's label.

    Interpolation is spherical, because in high dimensions noise lies near a sphere.

    Args:
        generator: As for ``sample``.
        points: Number of latents on the path, at least 2.
        steps: Number of inputs from one latent to the next.
        seed: Any non-negative integer.

    Examples:
        >>> from types import SimpleNamespace
        >>> from ppsci_gan.networks import latent
        >>> generator = SimpleNamespace(latent_dim=2, label_num=0, input_keys=("noise",))
        >>> latent.walk(generator, points=3, steps=4, seed=0)["noise"].shape
        (12, 2)
    """
    inputs = sample_fixed(generator, points, seed)
    ends = inputs[generator.input_keys[0]].astype(np.float64)
    share = np.arange(steps)[None, :, None] / steps
    begin, end = ends[:, None], np.roll(ends, -1, axis=0)[:, None]
    cosine = (begin * end).sum(-1, keepdims=True)
    cosine /= np.linalg.norm(begin, axis=-1, keepdims=True) * np.linalg.norm(end, axis=-1, keepdims=True)
    angle = np.arccos(np.clip(cosine, -1, 1))
    sine = np.maximum(np.sin(angle), 1e-6)
    path = (np.sin((1 - share) * angle) * begin + np.sin(share * angle) * end) / sine
    values = [path.reshape([points * steps, -1]).astype(np.float32)]
    values += [np.repeat(inputs[key][:1], points * steps) for key in generator.input_keys[1:]]
    return dict(zip(generator.input_keys, values))


def repeat_for_classes(generator: nn.Layer, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Repeat each noise for every class: the inputs of a grid with a latent per row and a class per column.

    Args:
        generator: Conditional, as for ``sample``.
        inputs: From ``sample_fixed`` or ``walk``; their labels are ignored.

    Examples:
        >>> from types import SimpleNamespace
        >>> from ppsci_gan.networks import latent
        >>> generator = SimpleNamespace(latent_dim=2, label_num=3, input_keys=("noise", "labels"))
        >>> latent.repeat_for_classes(generator, latent.sample_fixed(generator, 2, seed=0))["labels"].tolist()
        [0, 1, 2, 0, 1, 2]
    """
    noise = inputs[generator.input_keys[0]]
    values = [noise.repeat(generator.label_num, axis=0), np.tile(np.arange(generator.label_num), len(noise))]
    return dict(zip(generator.input_keys, values))


def input_spec(generator: nn.Layer) -> dict[str, InputSpec]:
    """Return the input specification of an exported generator, for any batch size.

    Args:
        generator: As for ``sample``.

    Examples:
        >>> from types import SimpleNamespace
        >>> from ppsci_gan.networks import latent
        >>> generator = SimpleNamespace(latent_dim=2, label_num=0, input_keys=("noise",))
        >>> latent.input_spec(generator)["noise"].shape
        (-1, 2)
    """
    specs = [InputSpec([None, generator.latent_dim], "float32", generator.input_keys[0])]
    if generator.label_num:
        specs.append(InputSpec([None], "int64", generator.input_keys[1]))
    return dict(zip(generator.input_keys, specs))
