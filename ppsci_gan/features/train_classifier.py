"""Train the classifiers that score generators: ``python -m ppsci_gan.commands.features train-classifier --help``."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import paddle
import paddle.nn.functional as F
from ppsci.utils import logger
from ppsci.utils import misc
from tqdm import tqdm

from ppsci_gan import weights
from ppsci_gan.data import cifar10
from ppsci_gan.data import mnist
from ppsci_gan.data.batches import ShuffledBatches
from ppsci_gan.features.classifier import Classifier
from ppsci_gan.features.extractor import Extractor


class Recipe(NamedTuple):
    """Architecture and training of a data set's classifier.

    Attributes:
        width: Width of the network.
        epochs: Passes over the training images.
        shift: Largest random shift of the training images in pixels.
        flip: Whether to mirror training images.
    """

    width: int
    epochs: int
    shift: int
    flip: bool


READERS = {"mnist": mnist.read, "cifar10": cifar10.read}
RECIPES = {"mnist": Recipe(16, 6, shift=2, flip=False), "cifar10": Recipe(32, 16, shift=4, flip=True)}
BATCH_SIZE = 128
PEAK_LEARNING_RATE = 0.1


def train(data: str, data_path: str, output: str, epochs: int | None = None, seed: int = 0) -> None:
    """Train a classifier, measure its test accuracy and write its weights.

    SGD with Nesterov momentum, a one-cycle learning rate, random shifts and (CIFAR-10) mirroring.

    Args:
        data: ``mnist`` or ``cifar10``.
        data_path: As ``DATA.data_path`` of the examples.
        output: ``.safetensors`` file to write; its state holds the test accuracy.
        epochs: Passes over the training images, the recipe's by default.
        seed: Seed of initial weights, order and augmentation.
    """
    recipe, images = RECIPES[data], READERS[data](data_path, "train")
    epochs = recipe.epochs if epochs is None else epochs
    misc.set_random_seed(seed)
    classifier = Classifier(images["data"].shape[1], recipe.width)
    steps_per_epoch = len(images["data"]) // BATCH_SIZE
    schedule = paddle.optimizer.lr.OneCycleLR(PEAK_LEARNING_RATE, epochs * steps_per_epoch, end_learning_rate=0.0)
    optimizer = paddle.optimizer.Momentum(
        schedule, 0.9, classifier.parameters(), use_nesterov=True, weight_decay=paddle.regularizer.L2Decay(5e-4)
    )
    rng = np.random.default_rng(seed)
    order = ShuffledBatches(len(images["data"]), BATCH_SIZE, seed)
    for epoch in range(1, epochs + 1):
        classifier.train()
        for _ in tqdm(range(steps_per_epoch), desc=f"epoch {epoch}/{epochs}", mininterval=5):
            indices = next(order)
            batch = augment(images["data"][indices], recipe.shift, recipe.flip, rng)
            logits = classifier.logits(classifier(paddle.to_tensor(batch)))
            loss = F.cross_entropy(logits, paddle.to_tensor(images["labels"][indices]))
            loss.backward()
            optimizer.step()
            optimizer.clear_grad()
            schedule.step()
        logger.message(f"Epoch {epoch}: loss of the last batch {float(loss):.4f}")
    accuracy = measure_accuracy(classifier, READERS[data](data_path, "test"))
    logger.message(f"Accuracy on the test images: {accuracy:.2%}")
    arrays = {f"classifier/{name}": value.numpy() for name, value in classifier.state_dict().items()}
    state = {"data": data, "image_shape": images["data"].shape[1:], "width": recipe.width, "test_accuracy": accuracy}
    weights.save_checkpoint(output, arrays, {**state, "epochs": epochs, "seed": seed})
    logger.message(f"Weights: {output}")


def augment(images: np.ndarray, shift: int, flip: bool, rng: np.random.Generator) -> np.ndarray:
    """Shift every image by a random offset, filling with black, and mirror a random half.

    Args:
        images: uint8 [N, C, H, W].
        shift: Largest offset in pixels.
        flip: Whether to mirror.
        rng: Source of randomness.

    Returns:
        New images of the same shape and type.

    Examples:
        >>> import numpy as np
        >>> from ppsci_gan.features.train_classifier import augment
        >>> augment(np.ones([2, 1, 28, 28], np.uint8), 2, False, np.random.default_rng(0)).shape
        (2, 1, 28, 28)
    """
    number, _, height, width = images.shape
    padded = np.pad(images, [(0, 0), (0, 0), (shift, shift), (shift, shift)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(2, 3))
    rows, columns = rng.integers(0, 2 * shift + 1, [2, number])
    shifted = windows[np.arange(number), :, rows, columns]
    if flip:
        mirrored = rng.random(number) < 0.5
        shifted[mirrored] = shifted[mirrored, ..., ::-1]
    return shifted


def measure_accuracy(classifier: Classifier, images: dict[str, np.ndarray]) -> float:
    """Return the share of test images that are classified correctly."""
    extractor = Extractor("classifier", classifier, {})
    classes = extractor.probabilities(extractor.features(images["data"])).argmax(axis=1)
    return float(np.mean(classes == images["labels"]))
