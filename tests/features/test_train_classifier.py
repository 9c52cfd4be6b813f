"""Training a classifier: it learns, it is written with its accuracy, and augmentation does what it says."""

import gzip
import pickle
import subprocess

import numpy as np
import pytest
import warm

from ppsci_gan import weights
from ppsci_gan.features.extractor import load_classifier
from ppsci_gan.features.train_classifier import augment
from ppsci_gan.files import REPOSITORY

COMMAND = ["-m", "ppsci_gan.commands.features", "train-classifier"]


@pytest.fixture
def squares(tmp_path):
    """mnist.pkl.gz with ten classes that anyone can tell: a bright square at one of ten places."""
    rng = np.random.default_rng(0)

    def split(number):
        labels = rng.integers(0, 10, number)
        images = rng.integers(0, 60, [number, 28, 28])
        for image, label in zip(images, labels):
            row, column = divmod(label, 5)
            image[2 + 13 * row : 9 + 13 * row, 1 + 5 * column : 6 + 5 * column] += 190
        return images.reshape([-1, 784]).astype(np.float32) / 255, labels

    path = tmp_path / "mnist.pkl.gz"
    path.write_bytes(gzip.compress(pickle.dumps((split(1280), split(10), split(200)), 2)))
    return path


def test_command_trains_and_tests(squares, tmp_path):
    output = tmp_path / "classifier.safetensors"
    command = [warm.python(), *COMMAND, "mnist", str(squares), str(output)]
    process = subprocess.run(
        [*command, "--epochs", "4"], check=False, cwd=REPOSITORY, capture_output=True, text=True, timeout=240
    )
    assert process.returncode == 0, process.stderr
    assert "Accuracy on the test images: " in process.stdout
    _, state = weights.read_checkpoint(output)
    assert state["test_accuracy"] > 0.9
    assert {"data": "mnist", "image_shape": [1, 28, 28], "epochs": 4, "seed": 0}.items() <= state.items()
    assert load_classifier(str(output)).protocol["test_accuracy"] == state["test_accuracy"]


def test_bad_data_is_one_message():
    command = [warm.python(), *COMMAND, "mnist", "no/such", "x.safetensors"]
    process = subprocess.run(command, check=False, cwd=REPOSITORY, capture_output=True, text=True, timeout=120)
    assert process.returncode == 2
    assert "no/such: no such file or folder" in process.stderr
    assert "Traceback" not in process.stderr


def test_shifts_are_shifts():
    images = np.random.default_rng(0).integers(1, 256, [200, 3, 8, 8], np.uint8)
    shifted = augment(images, 2, False, np.random.default_rng(1))
    padded = np.pad(images, [(0, 0), (0, 0), (2, 2), (2, 2)])
    offsets = set()
    for image, result in zip(padded, shifted):
        found = [(r, c) for r in range(5) for c in range(5) if np.array_equal(image[:, r : r + 8, c : c + 8], result)]
        assert len(found) == 1
        offsets.update(found)
    assert len(offsets) == 25


def test_half_is_mirrored():
    images = np.random.default_rng(0).integers(0, 256, [400, 1, 8, 8], np.uint8)
    result = augment(images, 0, True, np.random.default_rng(1))
    mirrored = np.array([np.array_equal(a[..., ::-1], b) for a, b in zip(images, result)])
    same = np.array([np.array_equal(a, b) for a, b in zip(images, result)])
    assert (mirrored ^ same).all()
    assert 0.4 < mirrored.mean() < 0.6
