"""Validators for generators of images."""

from __future__ import annotations

import numpy as np
import ppsci
from paddle import nn

from ppsci_gan import latent
from ppsci_gan import plots
from ppsci_gan.errors import InputError
from ppsci_gan.metrics.sliced_wasserstein import sliced_wasserstein


def image_validator(
    generator: nn.Layer, real: np.ndarray, other: np.ndarray, num_samples: int, batch_size: int, seed: int, low: float
) -> dict[str, ppsci.validate.Validator]:
    """Compare generated images with real ones, pixel by pixel, in sliced Wasserstein distance.

    Args:
        generator: See ``ppsci_gan.latent``.
        real: Real images, uint8 [N, C, H, W].
        other: Other real images, uint8 [M, C, H, W]; their distance to the first ones is the floor.
        num_samples: How many of each to compare, at most N and M.
        batch_size: Generated images at a time.
        seed: Of the latent.
        low: Value of black in the generator's output, -1 or 0; white is 1.

    Returns:
        The validator ``pixels``, by its name, for a solver.

    Raises:
        InputError: There are fewer real images than asked for.
    """
    if num_samples > min(len(real), len(other)):
        raise InputError(
            f"EVAL.num_samples={num_samples} is more than there are real images to compare with: "
            f"{min(len(real), len(other))}."
        )

    def metric(output_dict, label_dict):
        fake = plots.to_uint8(output_dict["fake_data"].numpy(), low=low)
        first, second = (label_dict[key].numpy().reshape([num_samples, -1]) for key in ("real_data", "other_real_data"))
        return {
            "sliced_wasserstein": sliced_wasserstein(first, fake.reshape([num_samples, -1])) / 255,
            "sliced_wasserstein_of_real": sliced_wasserstein(first, second) / 255,
        }

    validator = ppsci.validate.SupervisedValidator(
        {
            "dataset": {
                "name": "NamedArrayDataset",
                "input": latent.fixed(generator, num_samples, seed),
                "label": {"real_data": real[:num_samples], "other_real_data": other[:num_samples]},
            },
            "batch_size": batch_size,
            "sampler": {"name": "BatchSampler", "drop_last": False, "shuffle": False},
        },
        ppsci.loss.FunctionalLoss(lambda *_: {}),
        {"fake_data": lambda out: out["fake_data"]},
        {"pixels": ppsci.metric.FunctionalMetric(metric)},
        name="test",
    )
    return {validator.name: validator}
