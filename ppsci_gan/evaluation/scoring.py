"""Scoring sets of images: in the feature space of a network, and pixel by pixel, each score with its protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ppsci.utils import logger

from ppsci_gan.data.images import Images
from ppsci_gan.errors import InputError
from ppsci_gan.evaluation import families
from ppsci_gan.evaluation.families import FAMILIES
from ppsci_gan.evaluation.families import NETWORK_FAMILIES
from ppsci_gan.evaluation.families import PIXEL_FAMILIES
from ppsci_gan.evaluation.families import Protocol
from ppsci_gan.evaluation.families import Scored
from ppsci_gan.evaluation.statistics import Statistics
from ppsci_gan.features.extractor import NOT_PUBLISHED
from ppsci_gan.features.extractor import Extractor
from ppsci_gan.metrics.laplacian import PATCH

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
ACCURACY = {"classifier.accuracy": "share put into the class asked for"}


def keep_possible(protocol: Protocol, names: Sequence[str], num_samples: int, num_real: int | None) -> list[str]:
    """Return the families for which there are images enough, and log why others are left out.

    Args:
        protocol: Numbers that decide the figures.
        names: Of the families.
        num_samples: Number of images to score.
        num_real: Number of real images to compare with; None for none.

    Raises:
        InputError: A name is unknown.

    Examples:
        >>> from ppsci_gan.evaluation import scoring
        >>> scoring.keep_possible(scoring.Protocol(), ["score", "kernel_distance"], 500, 10_000)
        ['score']
    """
    unknown = sorted(set(names) - set(FAMILIES))
    if unknown:
        raise InputError(f"There is no score {', '.join(unknown)}; there are {', '.join(FAMILIES)}.")
    kept = []
    for name in names:
        family = FAMILIES[name]
        compares = family.needs_real and num_real is not None
        available = min(num_samples, num_real) if compares else num_samples
        needed, what = family.least(protocol)
        if available >= needed or (family.needs_real and num_real is None and not family.needs_gaussian):
            kept.append(name)
        else:
            logger.message(
                f"{name} is left out: it needs at least {needed} images for {what}, and there are {available}. Score "
                "more images, or lower that number."
            )
    return kept


class _Scorer:
    """What both scorers share: their families, and the protocol of each score."""

    name: str

    def __init__(
        self,
        known: dict[str, families.Family],
        names: Sequence[str],
        protocol: Protocol,
        real: Images | None,
        statistics: Statistics | None = None,
    ):
        self.families = [
            name
            for name in names
            if name in known
            and (real is not None or not known[name].needs_real or (statistics and known[name].needs_gaussian))
        ]
        self.protocol = protocol
        self.real = real
        self.statistics = statistics

    def num_compared(self, key: str, num_samples: int) -> int:
        """Return the number of generated images that a score compares.

        Args:
            key: Of the score.
            num_samples: Number of images that are given.
        """
        family = _find_family(key)
        if family is None or family.limit is None:
            return num_samples
        return min(num_samples, len(self.real.data), family.limit(self.protocol))

    def describe(self, key: str, num_samples: int) -> dict[str, Any]:
        """Return the protocol of one of the scores.

        Args:
            key: Of the score.
            num_samples: Number of images that are scored.
        """
        family, number = _find_family(key), self.num_compared(key, num_samples)
        found = {"samples": number, **self._network()}
        if family is None or not family.needs_real:
            compared = {} if family or key.startswith("accuracy") else self._compared(len(self.real.data))
        elif self.real is None:
            compared = {"real": self.statistics.name, "real_samples": self.statistics.gaussian.num_samples}
        else:
            compared = self._compared(number if family.limit else len(self.real.data))
        return {**found, **compared, **(family.describe(self.protocol, num_samples) if family else {})}

    def describe_name(self, key: str) -> dict[str, str]:
        """Return what one of the scores is called in the literature, and its better direction.

        Args:
            key: Of the score.
        """
        return describe(f"{self.name}.{key}")

    def _compared(self, number: int) -> dict[str, Any]:
        return {"real": self.real.name, "real_samples": number}

    def _network(self) -> dict[str, Any]:
        return {}

    def _possible(self, images: Images) -> list[str]:
        return keep_possible(self.protocol, self.families, len(images.data), self.real and len(self.real.data))

    def _compute(self, scored: Scored, names: Sequence[str]) -> dict[str, float]:
        values: dict[str, float] = {}
        for name in names:
            values.update(FAMILIES[name].compute(scored))
        return values


def _find_family(key: str) -> families.Family | None:
    """Return the family of a score; None for an accuracy, and for the scores of one class."""
    base = key.rpartition("_")[0] if key.rpartition("_")[2].isdigit() and "class" not in key else key
    return next((family for family in FAMILIES.values() if base in family.keys), None)


class NetworkScorer(_Scorer):
    """Scores in the feature space of a network.

    Args:
        extractor: The network.
        names: Of the families; others than a network's are ignored.
        protocol: Numbers that decide the figures.
        real: Images to compare with; None leaves out the scores that need them.
        statistics: In place of real images, for the scores that need no more.
    """

    def __init__(
        self,
        extractor: Extractor,
        names: Sequence[str],
        protocol: Protocol,
        real: Images | None = None,
        statistics: Statistics | None = None,
    ):
        super().__init__(NETWORK_FAMILIES, names, protocol, real, statistics)
        self.name = extractor.name
        self.extractor = extractor
        compares = real is not None and any(NETWORK_FAMILIES[name].needs_real for name in self.families)
        self.real_features = extractor.cached_features(real.data) if compares else None
        self.real_gaussian = None
        if "frechet_distance" in self.families:
            if real is None:
                statistics.check(extractor)
            self.real_gaussian = extractor.cached_gaussian(real.data) if real is not None else statistics.gaussian

    def __call__(self, images: Images, cached: bool = False) -> dict[str, float]:
        """Return the scores of images, by key.

        Args:
            images: To score; with labels also the share that the network puts into their class.
            cached: Whether to keep the features on disk, as for real images.

        Scores for which there are too few images are left out.

        Raises:
            InputError: Images that do not fit.
        """
        names = self._possible(images)
        extract = self.extractor.cached_features if cached else self.extractor.features
        features = extract(images.data)
        classifies = self.name == "classifier"
        scored = Scored(
            self.protocol,
            images,
            self.real,
            features,
            self.real_features,
            self.real_gaussian,
            self.extractor.probabilities,
            classifies,
        )
        values = self._compute(scored, names)
        if classifies and images.labels is not None:
            agrees = self.extractor.probabilities(features).argmax(axis=1) == images.labels
            values["accuracy"] = float(agrees.mean())
        return values

    def describe_name(self, key: str) -> dict[str, str]:
        """Return what one of the scores is called, as above; of other than the published Inception it has no name.

        Args:
            key: Of the score.
        """
        found = super().describe_name(key)
        if self.extractor.protocol.get("version") == NOT_PUBLISHED:
            found.pop("title", None)
        return found

    def _network(self) -> dict[str, Any]:
        return self.extractor.protocol


class PixelScorer(_Scorer):
    """Scores of the images themselves.

    Args:
        names: Of the families; others than of pixels are ignored.
        protocol: Numbers that decide the figures.
        real: Images to compare with; None leaves out the scores that need them.
    """

    name = "pixels"

    def __init__(self, names: Sequence[str], protocol: Protocol, real: Images | None = None):
        super().__init__(PIXEL_FAMILIES, names, protocol, real)
        if "sliced_wasserstein" in self.families and min(real.data.shape[2:]) < PATCH:
            self.families.remove("sliced_wasserstein")
            logger.message(
                f"Images of {min(real.data.shape[2:])} pixels have no patches of {PATCH}, so no sliced_wasserstein."
            )

    def __call__(self, images: Images, cached: bool = False) -> dict[str, float]:
        """Return the scores of images, by key.

        Args:
            images: To score; with labels MS-SSIM is within each class.
            cached: Ignored; nothing is extracted.

        Scores for which there are too few images, or real ones of another size, are left out.

        Raises:
            InputError: Images that do not fit.
        """
        names = self._possible(images)
        if "sliced_wasserstein" in names and self.real.data[:1].shape[1:] != images.data.shape[1:]:
            names.remove("sliced_wasserstein")
            shapes = [list(of.data[:1].shape[1:]) for of in (images, self.real)]
            logger.message(f"sliced_wasserstein is left out: the images are {shapes[0]}, the real ones {shapes[1]}.")
        _, counts = np.unique([] if images.labels is None else images.labels, return_counts=True)
        if "ms_ssim" in names and counts.size and counts.min() < 2:
            names.remove("ms_ssim")
            logger.message("ms_ssim is left out: it needs two images of each class. Score more images.")
        return self._compute(Scored(self.protocol, images, self.real), names)


Scorer = NetworkScorer | PixelScorer


def higher_is_better(name: str) -> bool:
    """Return whether a higher score is better.

    Args:
        name: ``<scorer>.<key>``, such as ``classifier.frechet_distance``.

    Examples:
        >>> from ppsci_gan.evaluation.scoring import higher_is_better
        >>> higher_is_better("inception.score"), higher_is_better("inception.frechet_distance")
        (True, False)
    """
    of_images = {key: higher for family in FAMILIES.values() for key, higher in family.keys.items()}
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
    """Return a score's name in the literature, if it has one, and its better direction.

    Args:
        name: ``<scorer>.<key>``.

    Examples:
        >>> from ppsci_gan.evaluation.scoring import describe
        >>> describe("inception.frechet_distance")
        {'title': 'FID', 'better': 'lower'}
    """
    titles = {**ACCURACY, **{of: title for family in FAMILIES.values() for of, title in family.titles.items()}}
    title = {"title": titles[name]} if name in titles else {}
    return {**title, "better": "higher" if higher_is_better(name) else "lower"}


def choose(images: Images, number: int, seed: int) -> Images:
    """Return a random subset of the images, in order: the first ones may be of one class.

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
    labels = None if images.labels is None else families.choose(images.labels, number, seed)
    return Images(images.name, families.choose(images.data, number, seed), labels)
