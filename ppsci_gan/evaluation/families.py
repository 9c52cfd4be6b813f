"""The scores of sets of images: an entry for each family of scores, with all that is known of it.

A family is chosen by name, in ``EVAL.scores``. A new one is one entry of ``NETWORK_FAMILIES`` or ``PIXEL_FAMILIES``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import numpy as np

from ppsci_gan import metrics
from ppsci_gan.data.images import Images
from ppsci_gan.metrics.frechet import Gaussian
from ppsci_gan.metrics.frechet import fit_gaussian
from ppsci_gan.metrics.ms_ssim import similarity_within


class Protocol(NamedTuple):
    """What decides a figure besides the images and the network.

    Attributes:
        splits: Of the (Inception or classifier) score.
        subsets: Pairs of subsets of the kernel distance.
        subset_size: Samples in each.
        precision_neighbours: Whose distance is the radius, for precision and recall.
        coverage_neighbours: The same for density and coverage.
        max_neighbour_samples: Real and generated samples, at most, that the four compare: all pairs are.
        max_patch_images: Images, at most, whose patches are compared.
        max_pairs: Pairs, at most, of MS-SSIM.
        seed: Of splits, subsets, patches, pairs.
    """

    splits: int = 10
    subsets: int = 100
    subset_size: int = 1000
    precision_neighbours: int = 3
    coverage_neighbours: int = 5
    max_neighbour_samples: int = 10_000
    max_patch_images: int = 16_384
    max_pairs: int = 10_000
    seed: int = 2020


class Scored(NamedTuple):
    """Images that are scored, beside the real ones.

    Attributes:
        protocol: Numbers that decide the figures.
        images: The images.
        real: Images to compare with, or None.
        features: Of ``images`` in a network, [N, D]; None for scores of pixels.
        real_features: Of ``real``.
        real_gaussian: Mean and covariance of ``real_features``.
        probabilities: Maps features to class probabilities.
        classifies: Whether these classes are the images' own.
    """

    protocol: Protocol
    images: Images
    real: Images | None
    features: np.ndarray | None = None
    real_features: np.ndarray | None = None
    real_gaussian: Gaussian | None = None
    probabilities: Callable[[np.ndarray], np.ndarray] | None = None
    classifies: bool = False


def _no_more(protocol: Protocol, number: int) -> dict[str, Any]:
    return {}


class Family(NamedTuple):
    """Scores that are computed together.

    Attributes:
        keys: The scores, and whether higher is better.
        compute: Returns the scores by key, with ``<key>_std`` where there is a standard deviation.
        least: The fewest images that it takes, and what for.
        needs_real: Whether there must be real images to compare with.
        needs_gaussian: Whether mean and covariance of the real ones' features are enough.
        limit: The most images that it compares; None for all. Then as many real ones are compared.
        describe: The protocol beyond samples and network, from the number of images.
        titles: What a score is called in the literature, by ``<scorer>.<key>``.
    """

    keys: dict[str, bool]
    compute: Callable[[Scored], dict[str, float]]
    least: Callable[[Protocol], tuple[int, str]] = lambda protocol: (2, "a pair")
    needs_real: bool = True
    needs_gaussian: bool = False
    limit: Callable[[Protocol], int] | None = None
    describe: Callable[[Protocol, int], dict[str, Any]] = _no_more
    titles: dict[str, str] = {}


def choose(array: np.ndarray, number: int, seed: int) -> np.ndarray:
    """Return a random subset of the rows, in order: the first rows may be of one class.

    Args:
        array: [N, ...].
        number: How many, from 1 to N.
        seed: Of the choice.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan.evaluation.families import choose
        >>> choose(np.arange(9), 4, seed=0).shape
        (4,)
    """
    if number == len(array):
        return array
    return array[np.sort(np.random.default_rng(seed).choice(len(array), number, replace=False))]


def _score(scored: Scored) -> dict[str, float]:
    p = scored.protocol
    mean, std = metrics.inception_score(scored.probabilities(scored.features), p.splits, p.seed)
    return {"score": mean, "score_std": std}


def _frechet_distance(scored: Scored) -> dict[str, float]:
    return {"frechet_distance": metrics.frechet_distance(scored.real_gaussian, fit_gaussian(scored.features))}


def _kernel_distance(scored: Scored) -> dict[str, float]:
    p = scored.protocol
    real = scored.real_features
    mean, std = metrics.kernel_distance(real, scored.features, p.subsets, p.subset_size, p.seed)
    return {"kernel_distance": mean, "kernel_distance_std": std}


def _precision_recall(scored: Scored) -> dict[str, float]:
    found = metrics.precision_recall(*_neighbour_samples(scored), scored.protocol.precision_neighbours)
    return dict(zip(("precision", "recall"), found))


def _density_coverage(scored: Scored) -> dict[str, float]:
    pair, k = _neighbour_samples(scored), scored.protocol.coverage_neighbours
    return {"density": metrics.density(*pair, k), "coverage": metrics.coverage(*pair, k)}


def _neighbour_samples(scored: Scored) -> tuple[np.ndarray, np.ndarray]:
    """Equally many real and generated features, chosen at random: data may be sorted by class."""
    real, seed = scored.real_features, scored.protocol.seed
    number = min(len(scored.features), len(real), scored.protocol.max_neighbour_samples)
    return choose(real, number, seed), choose(scored.features, number, seed)


def _per_class(scored: Scored) -> dict[str, float]:
    """Return the Fréchet distance of each class, and the share of it that a classifier of these classes recognises."""
    values: dict[str, float] = {}
    labels, known = scored.images.labels, scored.real.labels
    if labels is None or known is None:
        return values
    for label in np.unique(labels):
        own, real = scored.features[labels == label], scored.real_features[known == label]
        if scored.classifies:
            agrees = scored.probabilities(own).argmax(axis=1) == label
            values[f"accuracy_class_{label}"] = float(agrees.mean())
        if min(len(own), len(real)) > 1:
            distance = metrics.frechet_distance(fit_gaussian(real), fit_gaussian(own))
            values[f"frechet_distance_class_{label}"] = distance
    return values


def _ms_ssim(scored: Scored) -> dict[str, float]:
    images, p = scored.images, scored.protocol
    pairs = min(len(images.data), p.max_pairs)
    return {"ms_ssim": similarity_within(images.data, images.labels, pairs, p.seed)}


def _sliced_wasserstein(scored: Scored) -> dict[str, float]:
    p = scored.protocol
    number = min(len(scored.images.data), len(scored.real.data), p.max_patch_images)
    levels = metrics.laplacian_swd(*(choose(of.data, number, p.seed) for of in (scored.real, scored.images)), p.seed)
    values = {f"sliced_wasserstein_{size}": value for size, value in levels.items()}
    return {**values, "sliced_wasserstein": float(np.mean(list(levels.values())))}


NETWORK_FAMILIES = {
    "score": Family(
        {"score": True},
        _score,
        least=lambda p: (p.splits, "splits"),
        needs_real=False,
        describe=lambda p, number: {"splits": p.splits, "seed": p.seed},
        titles={
            "inception.score": "Inception Score",
            "classifier.score": "classifier score",
            "paddle_inception.score": "Inception Score of PaddleScience",
        },
    ),
    "frechet_distance": Family(
        {"frechet_distance": False},
        _frechet_distance,
        least=lambda p: (2, "a covariance"),
        needs_gaussian=True,
        titles={"inception.frechet_distance": "FID"},
    ),
    "kernel_distance": Family(
        {"kernel_distance": False},
        _kernel_distance,
        least=lambda p: (p.subset_size, "a subset (subset_size)"),
        describe=lambda p, number: {"subsets": p.subsets, "subset_size": p.subset_size, "seed": p.seed},
        titles={"inception.kernel_distance": "KID"},
    ),
    "precision_recall": Family(
        {"precision": True, "recall": True},
        _precision_recall,
        least=lambda p: (p.precision_neighbours + 1, "its neighbours"),
        limit=lambda p: p.max_neighbour_samples,
        describe=lambda p, number: {"neighbours": p.precision_neighbours, "seed": p.seed},
    ),
    "density_coverage": Family(
        {"density": True, "coverage": True},
        _density_coverage,
        least=lambda p: (p.coverage_neighbours + 1, "its neighbours"),
        limit=lambda p: p.max_neighbour_samples,
        describe=lambda p, number: {"neighbours": p.coverage_neighbours, "seed": p.seed},
    ),
    "per_class": Family({}, _per_class),
}
PIXEL_FAMILIES = {
    "ms_ssim": Family(
        {"ms_ssim": False},
        _ms_ssim,
        needs_real=False,
        describe=lambda p, number: {"pairs": min(number, p.max_pairs), "seed": p.seed},
        titles={"pixels.ms_ssim": "MS-SSIM"},
    ),
    "sliced_wasserstein": Family(
        {"sliced_wasserstein": False},
        _sliced_wasserstein,
        limit=lambda p: p.max_patch_images,
        describe=lambda p, number: {"patches": "128 of 7 x 7", "seed": p.seed},
        titles={"pixels.sliced_wasserstein": "SWD x 1000, mean of the levels"},
    ),
}
FAMILIES = {**NETWORK_FAMILIES, **PIXEL_FAMILIES}
