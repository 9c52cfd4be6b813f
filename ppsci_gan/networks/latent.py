"""Generator inputs: noise and, if conditional, labels. Forward passes draw no random numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import paddle
from paddle import nn
from paddle.static import InputSpec

from ppsci_gan.errors import InputError

LEAST_TRUNCATION = 0.05  # drawing again takes long where hardly any number is accepted


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


def choose(
    generator: nn.Layer,
    num_samples: int,
    seed: int,
    labels: Sequence[int] | None = None,
    seeds: Sequence[int] | None = None,
    truncation: float | None = None,
) -> dict[str, np.ndarray]:
    """Return the inputs of the samples that a user asks for.

    Args:
        generator: As for ``sample``.
        num_samples: Number of samples, where no seeds are given.
        seed: Of the samples together, where no seeds are given.
        labels: Classes, in turn; by default all.
        seeds: One per sample, so that a sample that somebody likes can be drawn again by its number.
        truncation: Draw each number of the latent again until it lies within this distance of 0: a smaller one gives
            more typical and less diverse samples (Brock et al. 2019, arXiv:1809.11096, section 3.1).

    Raises:
        InputError: The generator does not have these classes.

    Examples:
        >>> from types import SimpleNamespace
        >>> from ppsci_gan.networks import latent
        >>> generator = SimpleNamespace(latent_dim=2, label_num=10, input_keys=("noise", "labels"))
        >>> inputs = latent.choose(generator, 3, seed=0, labels=[3, 5], truncation=0.5)
        >>> inputs["labels"].tolist(), bool((abs(inputs["noise"]) <= 0.5).all())
        ([3, 5, 3], True)
    """
    if labels is not None:
        check_labels(generator, labels)
    batches = [(num_samples, seed)] if seeds is None else [(1, one) for one in seeds]
    values = [np.concatenate([_draw_noise(generator, *batch, truncation) for batch in batches])]
    if generator.label_num:
        given = np.arange(generator.label_num) if labels is None else np.array(labels)
        values.append(np.resize(given, len(values[0])).astype(np.int64))
    return dict(zip(generator.input_keys, values))


def check_labels(generator: nn.Layer, labels: Sequence[int]) -> None:
    """Refuse classes that a generator does not have.

    Args:
        generator: As for ``sample``.
        labels: The classes.

    Raises:
        InputError: Says which it has.

    Examples:
        >>> from types import SimpleNamespace
        >>> from ppsci_gan.networks import latent
        >>> latent.check_labels(SimpleNamespace(label_num=2), [0, 2])
        Traceback (most recent call last):
            ...
        ppsci_gan.errors.InputError: labels=[0, 2]: this generator has classes 0 to 1.
    """
    if not (generator.label_num and set(labels) <= set(range(generator.label_num))):
        has = f"classes 0 to {generator.label_num - 1}" if generator.label_num else "no classes"
        raise InputError(f"labels={list(labels)}: this generator has {has}.")


def _draw_noise(generator: nn.Layer, num_samples: int, seed: int, truncation: float | None) -> np.ndarray:
    noise = sample_fixed(generator, num_samples, seed)[generator.input_keys[0]]
    if truncation is not None:
        stream = np.random.default_rng([seed, 1])
        while (outside := np.abs(noise) > truncation).any():
            noise[outside] = stream.standard_normal(outside.sum(), dtype=np.float32)
    return noise


def sweep(generator: nn.Layer, dimensions: int, steps: int, seed: int, reach: float = 3.0) -> dict[str, np.ndarray]:
    """Return inputs in which one number of the latent after the other goes from one end to the other.

    Args:
        generator: As for ``sample``.
        dimensions: Number of the latent's numbers, the first ones, at most all.
        steps: Inputs for each.
        seed: Of the latent that the others stay at.
        reach: The ends are at minus and plus this.

    Examples:
        >>> from types import SimpleNamespace
        >>> from ppsci_gan.networks import latent
        >>> generator = SimpleNamespace(latent_dim=2, label_num=0, input_keys=("noise",))
        >>> latent.sweep(generator, 2, 3, seed=0, reach=1.0)["noise"][:3, 0].tolist()
        [-1.0, 0.0, 1.0]
    """
    inputs = sample_fixed(generator, 1, seed)
    dimensions = min(dimensions, generator.latent_dim)
    noise = np.repeat(inputs[generator.input_keys[0]], dimensions * steps, axis=0)
    for number in range(dimensions):
        noise[number * steps : (number + 1) * steps, number] = np.linspace(-reach, reach, steps)
    values = [noise, *(np.repeat(inputs[key], dimensions * steps) for key in generator.input_keys[1:])]
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
