"""Scoring sets of images: in the feature space of a network, and pixel by pixel, each score with its protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import numpy as np
from ppsci.utils import logger

from ppsci_gan import metrics
from ppsci_gan.data.images import Images
from ppsci_gan.errors import InputError
from ppsci_gan.features.extractor import Extractor
from ppsci_gan.metrics.frechet import fit_gaussian
from ppsci_gan.metrics.laplacian import PATCH
from ppsci_gan.metrics.ms_ssim import similarity_within

# What each family measures -> its keys, and whether higher is better. A family is chosen by name.
NETWORK_FAMILIES = {
    "score": {"score": True},
    "frechet_distance": {"frechet_distance": False},
    "kernel_distance": {"kernel_distance": False},
    "precision_recall": {"precision": True, "recall": True},
    "density_coverage": {"density": True, "coverage": True},
    "per_class": {},  # Frechet distance and accuracy of each class, where images are labelled
}
PIXEL_FAMILIES = {"ms_ssim": {"ms_ssim": False}, "sliced_wasserstein": {"sliced_wasserstein": False}}
FAMILIES = {**NETWORK_FAMILIES, **PIXEL_FAMILIES}
_OF_NEIGHBOURS = (*NETWORK_FAMILIES["precision_recall"], *NETWORK_FAMILIES["density_coverage"])
# Of two-dimensional points. The spread of the modes is not among them: neither more nor less of it is better.
POINT_SCORES_WITHOUT_MODES = {"coverage": True, "sliced_wasserstein": False}
POINT_SCORES = {
    "modes": True,
    "high_quality": True,
    "least_mode_share": True,
    "mode_offset": False,
    "sliced_wasserstein": False,
    "sliced_wasserstein_within": False,
    "mode_distance": False,
}
# What metrics.mode_shapes gives of each mode -> the score that is its mean or least.
OF_EACH_MODE = {"spread": "mode_spread", "offset": "mode_offset", "share": "least_mode_share"}
WITHOUT_REAL = ("score", "ms_ssim")  # need no images to compare with
TITLES = {
    "inception.score": "Inception Score",
    "inception.frechet_distance": "FID",
    "inception.kernel_distance": "KID",
    "classifier.score": "classifier score",
    "classifier.accuracy": "share put into the class asked for",
    "pixels.sliced_wasserstein": "SWD x 1000, mean of the levels",
    "pixels.ms_ssim": "MS-SSIM",
}


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

    def check(self, families: Sequence[str], num_samples: int, num_real: int | None) -> None:
        """Refuse families that so many images cannot have, before any is made.

        Args:
            families: Names of what is to be computed.
            num_samples: Images to score.
            num_real: Real images to compare with; None for none.

        Raises:
            InputError: Names the family, and what to change.
        """
        unknown = sorted(set(families) - set(FAMILIES))
        if unknown:
            raise InputError(f"There is no score {', '.join(unknown)}; there are {', '.join(FAMILIES)}.")
        fewest = num_samples if num_real is None else min(num_samples, num_real)
        least = {
            "score": (self.splits, "splits"),
            "frechet_distance": (2, "a covariance"),
            "kernel_distance": (self.subset_size, "a subset (subset_size)"),
            "precision_recall": (self.precision_neighbours + 1, "its neighbours"),
            "density_coverage": (self.coverage_neighbours + 1, "its neighbours"),
        }
        for family in families:
            needed, what = least.get(family, (2, "a pair"))
            available = num_samples if family in WITHOUT_REAL else fewest
            if available < needed and (num_real is not None or family in WITHOUT_REAL):
                raise InputError(
                    f"{family} needs at least {needed} images for {what}; there are {available}. Score more images, "
                    "lower that number, or leave the score out."
                )


class NetworkScorer:
    """Scores in the feature space of a network.

    Args:
        extractor: The network.
        families: Which scores, names of ``FAMILIES``; others than a network's are ignored.
        protocol: Numbers that decide the figures.
        real: Images to compare with; None leaves out the scores that need them.
    """

    def __init__(self, extractor: Extractor, families: Sequence[str], protocol: Protocol, real: Images | None = None):
        self.name = extractor.name
        self.extractor = extractor
        self.families = [f for f in families if f in NETWORK_FAMILIES and (real is not None or f in WITHOUT_REAL)]
        self.protocol = protocol
        self.real = real
        if set(self.families) - set(WITHOUT_REAL):
            self.real_features = extractor.cached_features(real.data)
        if "frechet_distance" in self.families:
            self.real_gaussian = extractor.cached_gaussian(real.data)

    def __call__(self, images: Images, cached: bool = False) -> dict[str, float]:
        """Return the scores of images, by key.

        Args:
            images: To score; with labels also the share that the network puts into their class.
            cached: Whether to keep the features on disk, as for real images.

        Raises:
            InputError: Images that do not fit, or too few.
        """
        self.protocol.check(self.families, len(images.data), self.real and len(self.real.data))
        extract = self.extractor.cached_features if cached else self.extractor.features
        features = extract(images.data)
        values: dict[str, float] = {}
        for family in (f for f in self.families if f != "per_class"):
            values.update(getattr(self, f"_{family}")(features))
        if images.labels is not None:
            values.update(self._score_labelled(features, images.labels))
        return values

    def _score_labelled(self, features: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        """Return whether a classifier of these classes agrees, and the scores of each class."""
        values: dict[str, float] = {}
        agrees = None
        if self.name == "classifier":
            agrees = self.extractor.probabilities(features).argmax(axis=1) == labels
            values["accuracy"] = float(agrees.mean())
        if "per_class" not in self.families or self.real.labels is None:
            return values
        for label in np.unique(labels):
            own, real = features[labels == label], self.real_features[self.real.labels == label]
            if agrees is not None:
                values[f"accuracy_class_{label}"] = float(agrees[labels == label].mean())
            if min(len(own), len(real)) > 1:
                distance = metrics.frechet_distance(fit_gaussian(real), fit_gaussian(own))
                values[f"frechet_distance_class_{label}"] = distance
        return values

    def num_compared(self, key: str, num_samples: int) -> int:
        """Return how many of so many generated images a score is of.

        Args:
            key: Of the score.
            num_samples: Images that are given.
        """
        return self._num_neighbour_samples(num_samples) if key in _OF_NEIGHBOURS else num_samples

    def describe(self, key: str, num_samples: int) -> dict[str, Any]:
        """Return the protocol of one of the scores.

        Args:
            key: Of the score.
            num_samples: Images that are scored.
        """
        p = self.protocol
        number = self.num_compared(key, num_samples)
        own = {
            "score": {"splits": p.splits, "seed": p.seed},
            "kernel_distance": {"subsets": p.subsets, "subset_size": p.subset_size, "seed": p.seed},
            "precision": {"real_samples": number, "neighbours": p.precision_neighbours, "seed": p.seed},
            "density": {"real_samples": number, "neighbours": p.coverage_neighbours, "seed": p.seed},
        }
        own["recall"], own["coverage"] = own["precision"], own["density"]
        alone = key == "score" or key.startswith("accuracy")
        compared = {} if alone else {"real": self.real.name, "real_samples": len(self.real.data)}
        return {"samples": number, **self.extractor.protocol, **compared, **own.get(key, {})}

    def _score(self, features: np.ndarray) -> dict[str, float]:
        probabilities = self.extractor.probabilities(features)
        mean, std = metrics.inception_score(probabilities, self.protocol.splits, self.protocol.seed)
        return {"score": mean, "score_std": std}

    def _frechet_distance(self, features: np.ndarray) -> dict[str, float]:
        return {"frechet_distance": metrics.frechet_distance(self.real_gaussian, fit_gaussian(features))}

    def _kernel_distance(self, features: np.ndarray) -> dict[str, float]:
        p = self.protocol
        mean, std = metrics.kernel_distance(self.real_features, features, p.subsets, p.subset_size, p.seed)
        return {"kernel_distance": mean, "kernel_distance_std": std}

    def _precision_recall(self, features: np.ndarray) -> dict[str, float]:
        pair = self._neighbour_samples(features)
        return dict(zip(("precision", "recall"), metrics.precision_recall(*pair, self.protocol.precision_neighbours)))

    def _density_coverage(self, features: np.ndarray) -> dict[str, float]:
        pair, k = self._neighbour_samples(features), self.protocol.coverage_neighbours
        return {"density": metrics.density(*pair, k), "coverage": metrics.coverage(*pair, k)}

    def _neighbour_samples(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Equally many real and generated features, chosen at random: data may be sorted by class."""
        number = self._num_neighbour_samples(len(features))
        return tuple(_choose(array, number, self.protocol.seed) for array in (self.real_features, features))

    def _num_neighbour_samples(self, num_samples: int) -> int:
        return min(num_samples, len(self.real.data), self.protocol.max_neighbour_samples)


class PixelScorer:
    """Scores of the images themselves.

    Args:
        families: Which scores, names of ``FAMILIES``; others than of pixels are ignored.
        protocol: Numbers that decide the figures.
        real: Images to compare with; None leaves out the scores that need them.
    """

    name = "pixels"

    def __init__(self, families: Sequence[str], protocol: Protocol, real: Images | None = None):
        self.families = [f for f in families if f in PIXEL_FAMILIES and (real is not None or f in WITHOUT_REAL)]
        if "sliced_wasserstein" in self.families and min(real.data.shape[2:]) < PATCH:
            self.families.remove("sliced_wasserstein")
            logger.message(
                f"Images of {min(real.data.shape[2:])} pixels have no patches of {PATCH}, so no sliced_wasserstein."
            )
        self.protocol = protocol
        self.real = real

    def __call__(self, images: Images, cached: bool = False) -> dict[str, float]:
        """Return the scores of images, by key.

        Args:
            images: To score; with labels MS-SSIM is within each class.
            cached: Ignored; nothing is extracted.

        Raises:
            InputError: Images that do not fit, or too few.
        """
        values = {}
        if "ms_ssim" in self.families:
            pairs = self._num_pairs(len(images.data))
            values["ms_ssim"] = similarity_within(images.data, images.labels, pairs, self.protocol.seed)
        if "sliced_wasserstein" in self.families:
            number = self._num_patch_images(len(images.data))
            pair = (_choose(array, number, self.protocol.seed) for array in (self.real.data, images.data))
            levels = metrics.laplacian_swd(*pair, self.protocol.seed)
            values.update({f"sliced_wasserstein_{size}": value for size, value in levels.items()})
            values["sliced_wasserstein"] = float(np.mean(list(levels.values())))
        return values

    def num_compared(self, key: str, num_samples: int) -> int:
        """Return how many of so many generated images a score is of.

        Args:
            key: Of the score.
            num_samples: Images that are given.
        """
        return num_samples if key == "ms_ssim" else self._num_patch_images(num_samples)

    def describe(self, key: str, num_samples: int) -> dict[str, Any]:
        """Return the protocol of one of the scores.

        Args:
            key: Of the score.
            num_samples: Images that are scored.
        """
        number, seed = self.num_compared(key, num_samples), self.protocol.seed
        if key == "ms_ssim":
            return {"samples": number, "pairs": self._num_pairs(num_samples), "seed": seed}
        real = {"real": self.real.name, "real_samples": number}
        return {"samples": number, **real, "patches": "128 of 7 x 7", "seed": seed}

    def _num_pairs(self, num_samples: int) -> int:
        return min(num_samples, self.protocol.max_pairs)

    def _num_patch_images(self, num_samples: int) -> int:
        return min(num_samples, len(self.real.data), self.protocol.max_patch_images)


Scorer = NetworkScorer | PixelScorer


def higher_is_better(name: str) -> bool:
    """Say which direction of a score is the better one.

    Args:
        name: ``<scorer>.<key>``, such as ``classifier.frechet_distance``.

    Examples:
        >>> from ppsci_gan.evaluation.scoring import higher_is_better
        >>> higher_is_better("inception.score"), higher_is_better("inception.frechet_distance")
        (True, False)
    """
    of_images = {key: higher for family in FAMILIES.values() for key, higher in family.items()}
    directions = {**of_images, **POINT_SCORES_WITHOUT_MODES, **POINT_SCORES}
    key = name.split(".")[-1]
    return directions.get(key, key.startswith("accuracy"))


def choose_point_score(wanted: str, data: str, has_modes: bool) -> tuple[str, bool]:
    """Return the score that chooses the best checkpoint of a generator of points, and whether higher is better.

    Args:
        wanted: ``TRAIN.best_score``. Of data without modes, the distance over all points takes the place of that to the
            modes.
        data: Name of the data set, for the error.
        has_modes: Whether it has modes.

    Raises:
        InputError: The data set has no such score.

    Examples:
        >>> from ppsci_gan.evaluation import scoring
        >>> scoring.choose_point_score("points.mode_distance", "swissroll", has_modes=False)
        ('points.sliced_wasserstein', False)
    """
    known = POINT_SCORES if has_modes else POINT_SCORES_WITHOUT_MODES
    name = wanted if has_modes else wanted.replace("mode_distance", "sliced_wasserstein")
    names = [f"points.{key}" for key in known]
    if name not in names:
        raise InputError(f"TRAIN.best_score={wanted} is not among the scores of DATA.name={data}: {', '.join(names)}.")
    return name, higher_is_better(name)


def describe(name: str) -> dict[str, str]:
    """Return what a score is called in the literature, where it has a name there, and its better direction.

    Args:
        name: ``<scorer>.<key>``.

    Examples:
        >>> from ppsci_gan.evaluation.scoring import describe
        >>> describe("inception.frechet_distance")
        {'title': 'FID', 'better': 'lower'}
    """
    title = {"title": TITLES[name]} if name in TITLES else {}
    return {**title, "better": "higher" if higher_is_better(name) else "lower"}


def choose(images: Images, number: int, seed: int) -> Images:
    """Return some of the images, at random: the first ones may be of one class, or easier than the others.

    Args:
        images: The whole set.
        number: How many, from 1 to all.
        seed: Of the choice.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan.data.images import Images
        >>> from ppsci_gan.evaluation.scoring import choose
        >>> choose(Images("black", np.zeros([9, 1, 8, 8], np.uint8)), 4, seed=0).data.shape
        (4, 1, 8, 8)
    """
    labels = None if images.labels is None else _choose(images.labels, number, seed)
    return Images(images.name, _choose(images.data, number, seed), labels)


def _choose(array: np.ndarray, number: int, seed: int) -> np.ndarray:
    if number == len(array):
        return array
    return array[np.sort(np.random.default_rng(seed).choice(len(array), number, replace=False))]
