"""Running networks over images: in batches, once for real images, and only over what they are made for."""

import os

import numpy as np
import paddle
import pytest

from ppsci_gan import files
from ppsci_gan import weights
from ppsci_gan.errors import InputError
from ppsci_gan.features.classifier import Classifier
from ppsci_gan.features.extractor import Extractor
from ppsci_gan.features.extractor import load_classifier
from ppsci_gan.features.extractor import load_inception
from ppsci_gan.metrics.frechet import fit_gaussian


def grey(number, seed=0):
    return np.random.default_rng(seed).integers(0, 256, [number, 1, 28, 28], np.uint8)


@pytest.fixture
def extractor(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    paddle.seed(0)
    return Extractor("classifier", Classifier(channels=1, width=2), {}, image_shape=(1, 28, 28), batch_size=4)


def test_batches_do_not_change_the_features(extractor):
    images = grey(11)
    whole = Extractor("classifier", extractor.network, {}, batch_size=100)
    np.testing.assert_allclose(extractor.features(images), whole.features(images), rtol=1e-5, atol=1e-6)


def test_features_are_of_a_network_in_evaluation(extractor):
    extractor.network.train()
    first = extractor.features(grey(4))
    assert np.array_equal(first, extractor.features(np.concatenate([grey(4), 255 - grey(4)]))[:4])


def test_probabilities_sum_to_one(extractor):
    probabilities = extractor.probabilities(extractor.features(grey(11)))
    assert probabilities.shape == (11, 10)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


def test_real_images_are_seen_once(extractor):
    images, calls = grey(5), []
    extractor.network.register_forward_post_hook(lambda *_: calls.append(1))
    first = extractor.cached_features(images)
    assert len(calls) == 2
    assert np.array_equal(extractor.cached_features(images), first)
    assert len(calls) == 2
    extractor.cached_features(grey(5, seed=1))  # other images
    assert len(calls) == 4
    changed = Extractor("classifier", extractor.network, {"resize": "other"}, batch_size=4)
    changed.cached_features(images)  # another protocol
    assert len(calls) == 6
    extractor.network.head.bias.set_value(paddle.ones([10]))
    Extractor("classifier", extractor.network, {}, batch_size=4).cached_features(images)  # other weights
    assert len(calls) == 8
    assert len(list(files.cache_folder("features").iterdir())) == 4


def test_statistics_of_real_images_are_kept(extractor):
    images, calls = grey(9), []
    first = extractor.cached_gaussian(images)
    expected = fit_gaussian(extractor.features(images))
    for value, other in zip(first, expected):
        assert np.array_equal(value, other)
    extractor.network.register_forward_post_hook(lambda *_: calls.append(1))
    assert np.array_equal(extractor.cached_gaussian(images).covariance, first.covariance)
    assert not calls


def flip_bit(file):
    content = bytearray(file.read_bytes())
    content[-40] ^= 1  # a feature's, before the digest
    file.write_bytes(content)


@pytest.mark.parametrize(
    "harm",
    [
        flip_bit,
        lambda file: file.write_bytes(file.read_bytes()[:50]),
        lambda file: file.write_bytes(b""),
        lambda file: np.save(file, np.zeros([5, 32], np.float32)),  # as earlier versions did
        lambda file: (file.unlink(), os.mkfifo(file)),
    ],
    ids=["bit", "cut", "empty", "unsealed", "pipe"],
)
@pytest.mark.timeout(20)
def test_a_damaged_file_of_the_cache_is_named_and_made_again(extractor, harm, caplog):
    right = extractor.cached_features(grey(5)).copy()
    (file,) = files.cache_folder("features").iterdir()
    harm(file)
    np.testing.assert_array_equal(extractor.cached_features(grey(5)), right)
    assert f"{file.name}: damaged" in caplog.text
    caplog.clear()
    np.testing.assert_array_equal(extractor.cached_features(grey(5)), right)
    assert not caplog.text


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (grey(3).astype(np.float32), "must be uint8 .* they are float32"),
        (grey(3)[:, 0], "must be uint8"),
        (np.zeros([3, 2, 28, 28], np.uint8), "must be uint8"),
        (np.zeros([0, 1, 28, 28], np.uint8), "must be uint8"),
        (np.zeros([3, 1, 32, 32], np.uint8), r"takes images of shape \[1, 28, 28\]; these are \[1, 32, 32\]"),
    ],
)
def test_refuses(extractor, images, message):
    for function in (extractor.features, extractor.cached_features):
        with pytest.raises(InputError, match=message):
            function(images)


@pytest.mark.parametrize(("data", "shape", "least"), [("mnist", (1, 28, 28), 0.99), ("cifar10", (3, 32, 32), 0.8)])
def test_shipped_classifiers_load_and_say_how_good_they_are(data, shape, least):
    extractor = load_classifier(f"pretrained/classifier_{data}.safetensors")
    assert extractor.image_shape == shape
    assert extractor.protocol["test_accuracy"] >= least
    assert extractor.protocol["version"] == data


def test_other_files_are_not_classifiers(tmp_path):
    with pytest.raises(InputError, match="toy_8gaussians.safetensors: not a classifier"):
        load_classifier("pretrained/wgangp_toy_8gaussians.safetensors")
    with pytest.raises(InputError, match="no such file"):
        load_classifier("pretrained/nothing.safetensors")


def test_other_weights_are_not_inceptions():
    with pytest.raises(InputError) as caught:
        load_inception("pretrained/wgangp_toy_8gaussians.safetensors")
    assert "wgangp_toy_8gaussians.safetensors" in str(caught.value)
    assert "6726825d0af5f729" in str(caught.value)


def test_digest_is_of_the_parameters_not_of_the_file(tmp_path):
    network = Classifier(channels=1, width=2)
    weights.save(network, tmp_path / "weights.pdparams")
    other = Classifier(channels=1, width=2)
    assert weights.digest(other) != weights.digest(network)
    weights.load(other, str(tmp_path / "weights.pdparams"), "MODEL")
    assert weights.digest(other) == weights.digest(network)
