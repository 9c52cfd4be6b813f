"""Trained generators in a few lines: ``ppsci_gan.load(name).sample(16, labels=3, seed=0)``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import paddle

from ppsci_gan import weights
from ppsci_gan.errors import InputError
from ppsci_gan.networks import base
from ppsci_gan.networks import latent
from ppsci_gan.networks.dcgan import DcganGenerator
from ppsci_gan.networks.pgan import PganGenerator
from ppsci_gan.networks.wgangp import WganGpCifar10DcganGenerator
from ppsci_gan.networks.wgangp import WganGpCifar10Generator
from ppsci_gan.networks.wgangp import WganGpMnistGenerator
from ppsci_gan.networks.wgangp import WganGpToyGenerator

GENERATORS = (
    WganGpToyGenerator,
    WganGpMnistGenerator,
    WganGpCifar10Generator,
    WganGpCifar10DcganGenerator,
    DcganGenerator,
    PganGenerator,
)
KEYS = {"input_keys": ["noise", "labels"], "output_keys": ["fake_data"]}  # of networks whose file does not say them
SAMPLES_AT_A_TIME = 100


class TrainedGenerator:
    """A generator that draws samples.

    Args:
        network: The generator; put into evaluation mode.
        name: What it was loaded from.

    Attributes:
        latent_dim: Length of a latent.
        classes: Number of classes that can be asked for; 0 for none.
        image_shape: (C, H, W) of the images; None of a generator of points.

    Examples:
        >>> import ppsci_gan
        >>> ppsci_gan.load("dcgan_mnist")
        dcgan_mnist: DcganGenerator of 28 x 28 pixels, latents of 100 numbers, 10 classes
    """

    def __init__(self, network: base.Generator, name: str):
        network.eval()
        self.network = network
        self.name = name
        self.latent_dim: int = network.latent_dim
        self.classes: int = network.label_num
        self.image_shape: tuple[int, int, int] | None = getattr(network, "image_shape", None)

    def __repr__(self) -> str:
        made = "{1} x {2} pixels".format(*self.image_shape) if self.image_shape else "points"
        classes = f", {self.classes} classes" if self.classes else ""
        return f"{self.name}: {type(self.network).__name__} of {made}, latents of {self.latent_dim} numbers{classes}"

    def sample(
        self,
        number: int = 16,
        labels: int | Sequence[int] | None = None,
        seed: int = 0,
        truncation: float | None = None,
    ) -> np.ndarray:
        """Draw samples: the same seed gives the same ones.

        Args:
            number: How many.
            labels: Their class, or classes in turn; by default all in turn.
            seed: Of the latents, any non-negative integer.
            truncation: Keep the latents' numbers within this distance of 0: more typical, less diverse.

        Returns:
            Images, uint8 [number, C, H, W]; of a generator of points float32 [number, 2].

        Raises:
            InputError: A number or seed out of range, or classes that the generator does not have.

        Examples:
            >>> import ppsci_gan
            >>> ppsci_gan.load("wgangp_toy_8gaussians").sample(5).shape
            (5, 2)
        """
        if number < 1 or seed < 0:
            raise InputError(f"number={number}, seed={seed}: draw at least one sample, from a seed of 0 or more.")
        if truncation is not None and truncation < latent.LEAST_TRUNCATION:
            raise InputError(f"truncation={truncation}: give at least {latent.LEAST_TRUNCATION}.")
        wanted = None if labels is None else [int(label) for label in np.atleast_1d(labels)]
        return self._run(latent.choose(self.network, number, seed, wanted, truncation=truncation))

    def generate(self, noise: np.ndarray, labels: Sequence[int] | None = None) -> np.ndarray:
        """Return the samples of given latents.

        Args:
            noise: Numbers [N, latent_dim].
            labels: A class for each, [N]; a generator with classes needs them.

        Returns:
            As for ``sample``.

        Raises:
            InputError: Latents of another shape, or classes that the generator does not have.

        Examples:
            >>> import numpy as np
            >>> import ppsci_gan
            >>> generator = ppsci_gan.load("dcgan_mnist")
            >>> generator.generate(np.zeros([2, generator.latent_dim]), labels=[4, 2]).shape
            (2, 1, 28, 28)
        """
        noise = np.asarray(noise, np.float32)
        if noise.ndim != 2 or noise.shape[1] != self.latent_dim or not len(noise):
            raise InputError(
                f"noise has the shape {list(noise.shape)}; {self.name} takes latents [N, {self.latent_dim}]."
            )
        inputs = [noise]
        if self.classes or labels is not None:
            given = np.asarray([] if labels is None else labels)
            if given.shape != noise.shape[:1]:
                raise InputError(f"labels has the shape {list(given.shape)}; give a class for each of {len(noise)}.")
            latent.check_labels(self.network, given.tolist())
            inputs.append(given.astype(np.int64))
        return self._run(dict(zip(self.network.input_keys, inputs)))

    @paddle.no_grad()
    def _run(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        (key,) = self.network.output_keys
        number = len(next(iter(inputs.values())))
        parts = []
        for start in range(0, number, SAMPLES_AT_A_TIME):
            part = slice(start, start + SAMPLES_AT_A_TIME)
            outputs = self.network({name: paddle.to_tensor(value[part]) for name, value in inputs.items()})
            parts.append(outputs[key].astype("float32").numpy())
        samples = np.concatenate(parts)
        return self.network.to_images(samples) if self.image_shape else samples


def load(name: str | os.PathLike, classes: Sequence[type[base.Generator]] = GENERATORS) -> TrainedGenerator:
    """Return a trained generator; ``ppsci_gan.load`` is this.

    Args:
        name: As for ``ppsci_gan.load``.
        classes: What it may be; a network of your own is one of ``[*GENERATORS, MyGenerator]``.

    Raises:
        InputError: There are no such weights, they are damaged, or of something else.

    Examples:
        >>> from ppsci_gan import trained
        >>> trained.load("wgangp_mnist_quick").image_shape
        (1, 28, 28)
    """
    path = str(name)
    is_name = Path(path).name == path and not Path(path).suffix and ":" not in path
    if is_name and not any(Path(f"{path}{suffix}").is_file() for suffix in weights.SUFFIXES):
        path = f"pretrained:{path}"
    file = weights.find(path)
    says = file.suffix == ".safetensors" and weights.Checkpoint.read(file).network("generator") is not None
    try:
        network = weights.restore(path, "generator", classes, KEYS)
    except InputError as error:
        if says:
            raise
        raise InputError(
            f"{path}: does not say which network it is of, and fits none of this suite's generators. Give a "
            "checkpoint or published weights of this suite, or build the network and load it with "
            f"ppsci_gan.weights.load.\n{error}"
        ) from error
    return TrainedGenerator(network, path.removeprefix("pretrained:"))
