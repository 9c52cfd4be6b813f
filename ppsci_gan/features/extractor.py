"""Feature extraction, with the features of real images cached on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import nn
from ppsci.utils import logger
from tqdm import tqdm

from ppsci_gan import logs
from ppsci_gan import weights
from ppsci_gan.devices import ranks
from ppsci_gan.errors import InputError
from ppsci_gan.features import inception
from ppsci_gan.features import paddle_inception
from ppsci_gan.features.classifier import Classifier
from ppsci_gan.files import atomic
from ppsci_gan.files import cache_folder
from ppsci_gan.files import is_sealed
from ppsci_gan.files import seal
from ppsci_gan.metrics.frechet import Gaussian
from ppsci_gan.metrics.frechet import fit_gaussian
from ppsci_gan.networks import layers

NOT_PUBLISHED = "not the published weights"  # version of an Inception whose scores have no name in the literature


class Extractor:
    """Features and class probabilities of images.

    Args:
        name: Name of the feature space, such as ``inception``.
        network: Maps images, uint8 [N, C, H, W], to features [N, D]; its ``logits`` maps those to classes.
        protocol: Other settings that affect scores, such as the resizing; reported with every score.
        image_shape: (C, H, W) that the network requires; None for any.
        batch_size: Images at a time.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan.features.classifier import Classifier
        >>> from ppsci_gan.features.extractor import Extractor
        >>> extractor = Extractor("classifier", Classifier(channels=1, width=4), {})
        >>> features = extractor.features(np.zeros([5, 1, 28, 28], np.uint8))
        >>> features.shape, extractor.probabilities(features).shape
        ((5, 32), (5, 10))
    """

    def __init__(
        self,
        name: str,
        network: nn.Layer,
        protocol: dict[str, Any],
        image_shape: tuple[int, int, int] | None = None,
        batch_size: int = 100,
    ):
        self.name = name
        self.network = network
        self.protocol = {"network": name, **protocol, "network_sha256": weights.digest(network)}
        self.image_shape = image_shape
        self.batch_size = batch_size

    def features(self, images: np.ndarray) -> np.ndarray:
        """Return the features, float32 [N, D]; the ranks share the work.

        Args:
            images: uint8 [N, C, H, W].

        Raises:
            InputError: Images of another type or shape.
        """
        self._check(images)
        return ranks.map_rows(self._features, images)

    @paddle.no_grad()
    def _features(self, images: np.ndarray) -> np.ndarray:
        self.network.eval()
        features = None
        with tqdm(
            total=len(images), desc=f"{self.name} features", unit="img", mininterval=1, delay=2, disable=None
        ) as bar:
            for start in range(0, len(images), self.batch_size):
                logs.at(f"{self.name} features: {start} of {len(images)} images")
                batch = self.network(paddle.to_tensor(images[start : start + self.batch_size])).numpy()
                if features is None:
                    features = np.empty([len(images), batch.shape[1]], np.float32)
                features[start : start + len(batch)] = batch
                bar.update(len(batch))
        return features

    def cached_features(self, images: np.ndarray) -> np.ndarray:
        """Return the features of real images, cached on disk by network and images.

        Args:
            images: As for ``features``.

        Returns:
            float32 [N, D], read-only and memory-mapped.
        """
        return self._cached(images, "features", lambda: self.features(images))

    def cached_gaussian(self, images: np.ndarray) -> Gaussian:
        """Return mean and covariance of the features of real images, cached on disk like the features.

        Args:
            images: As for ``features``.
        """

        def rows() -> np.ndarray:
            gaussian = fit_gaussian(self.cached_features(images))
            return np.concatenate([gaussian.mean[None], gaussian.covariance])

        kept = self._cached(images, "gaussian", rows)
        return Gaussian(kept[0], kept[1:], len(images))

    def _cached(self, images: np.ndarray, kind: str, compute: Callable[[], np.ndarray]) -> np.ndarray:
        self._check(images)
        # oneDNN and Paddle differ in the last digits: separate entries keep repeated evaluations identical.
        kernels = "onednn" if layers.uses_onednn(self.network) else "paddle"
        key = hashlib.sha256(json.dumps([self.protocol, images.shape, kernels]).encode())
        key.update(np.ascontiguousarray(images))
        file = cache_folder("features") / f"{key.hexdigest()}.{kind}.npy"
        is_kept = is_sealed(file)
        if file.exists() and not is_kept:
            logger.warning(f"{file}: damaged, or of an earlier version. It is computed again.")
        if ranks.any_rank(not is_kept):  # all ranks or none, because computing is collective
            with atomic(file) as temporary:
                with temporary.open("wb") as stream:
                    np.save(stream, compute())
                seal(temporary)
        return np.load(file, mmap_mode="r", allow_pickle=False)

    @paddle.no_grad()
    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """Return the probability of each class, float32 [N, K].

        Args:
            features: Result of ``features``.
        """
        batches = np.array_split(features, -(-len(features) // 10_000))
        return np.concatenate([F.softmax(self.network.logits(paddle.to_tensor(b))).numpy() for b in batches])

    def _check(self, images: np.ndarray) -> None:
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3) or not images.size:
            raise InputError(
                f"images to score must be uint8 [N, C, H, W], C 1 or 3, from 0 to 255; they are {images.dtype} "
                f"{list(images.shape)}."
            )
        if self.image_shape is not None and images.shape[1:] != self.image_shape:
            raise InputError(
                f"the {self.name} takes images of shape {list(self.image_shape)}; these are {list(images.shape[1:])}. "
                "Give the weights of a classifier of these data, or none."
            )


INCEPTIONS = {"2015-12-05": inception, "paddlescience": paddle_inception}


def load_inception(path: str, protocol: str = "2015-12-05") -> Extractor:
    """Return the network behind published scores.

    What is stamped on a score says whether the weights are the published ones; others log a warning.

    Args:
        path: Path or URL of the weights, in the form that the protocol's module takes.
        protocol: ``2015-12-05``, the literature's (``ppsci_gan.features.inception``), or ``paddlescience``
            (``ppsci_gan.features.paddle_inception``). Their scores do not compare.

    Raises:
        InputError: The file is missing or holds another network's weights.
    """
    module = INCEPTIONS[protocol]
    network = module.load(path)
    version = f"{module.VERSION}, published" if network.published else NOT_PUBLISHED
    return Extractor(module.NAME, network, {"version": version, "resize": module.RESIZE}, batch_size=32)


def load_classifier(path: str) -> Extractor:
    """Return a classifier trained by ``python -m ppsci_gan.commands.features train-classifier``.

    Args:
        path: File of its weights, such as ``pretrained/classifier_mnist.safetensors``.

    Raises:
        InputError: The file is missing or not a classifier.
    """
    _, state = weights.read_checkpoint(path)
    if not {"data", "image_shape", "width", "test_accuracy"} <= set(state):
        raise InputError(
            f"{weights.shown(path)}: not a classifier. Train one with python -m ppsci_gan.commands.features, or "
            "take one from pretrained/."
        )
    network = Classifier(state["image_shape"][0], state["width"])
    weights.load(network, path, "EVAL.classifier.weights", "classifier")
    protocol = {"version": state["data"], "test_accuracy": state["test_accuracy"], "resize": "none"}
    return Extractor("classifier", network, protocol, tuple(state["image_shape"]))
