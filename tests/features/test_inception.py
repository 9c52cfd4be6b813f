"""Inception's features and logits equal torch-fidelity's for the same weights."""

import hashlib
import runpy
from pathlib import Path

import numpy as np
import paddle
import pytest

from ppsci_gan import weights
from ppsci_gan.errors import InputError
from ppsci_gan.features import inception
from ppsci_gan.features.extractor import load_inception

FIXTURES = Path(__file__).parents[1] / "fixtures" / "scores"
REFERENCES = runpy.run_path(str(FIXTURES / "make_references.py"))


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A file by PyTorch's names and in its layout."""
    path = tmp_path_factory.mktemp("inception") / "published.safetensors"
    arrays = REFERENCES["inception_weights"]()
    weights.save_checkpoint(path, {f"inception/{name}": value for name, value in arrays.items()}, {})
    return str(path)


@pytest.fixture(scope="module")
def network(published):
    return inception.load(published)


@paddle.no_grad()
def _outputs(network, images):
    features = network(paddle.to_tensor(images))
    outputs = features, network.logits(features), network.logits(features, bias=True)
    return [output.numpy() for output in outputs]


def _assert_close(ours, theirs):
    """To 1e-4 of the outputs' spread: sums of up to 5000 products in float32, 50 layers deep."""
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype == np.float32
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4 * theirs.std())


def test_equals_what_torch_fidelity_gave(network):
    theirs = np.load(FIXTURES / "inception.npz")
    # The two images and the two kinds of logits differ by far more than the tolerance.
    assert np.abs(theirs["features"][0] - theirs["features"][1]).mean() > 0.01 * theirs["features"].std()
    assert np.abs(theirs["logits"] - theirs["logits_unbiased"]).mean() > 1e-3 * theirs["logits"].std()
    for index, size in enumerate(REFERENCES["INCEPTION_SIZES"]):
        for ours, name in zip(_outputs(network, REFERENCES["inception_images"](*size)), theirs):
            _assert_close(ours, theirs[name][index : index + 1])


@pytest.mark.usefixtures("torch_fidelity")
@pytest.mark.parametrize("zipped", [True, False])
def test_equals_torch_fidelity(tmp_path, zipped):
    torch = pytest.importorskip("torch")
    theirs = REFERENCES["torch_fidelity_inception"]()
    torch.manual_seed(0)
    for module in theirs.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for values, bounds in {
                module.running_mean: (-0.2, 0.2),
                module.running_var: (0.5, 1.5),
                module.weight: (0.5, 1.5),
                module.bias: (-0.2, 0.2),
            }.items():
                values.uniform_(*bounds)
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight)
    path = tmp_path / "weights.pth"
    torch.save(theirs.state_dict(), path, _use_new_zipfile_serialization=zipped)
    ours = inception.load(str(path))
    for size in [(32, 32), (28, 28), (299, 299), (64, 48), (400, 310)] if zipped else [(32, 32)]:
        images = REFERENCES["inception_images"](*size, number=2 if size == (32, 32) else 1)
        for mine, other in zip(_outputs(ours, images), theirs(torch.from_numpy(images)), strict=True):
            _assert_close(mine, other.numpy())


@pytest.mark.usefixtures("torch_fidelity")
def test_equals_torch_fidelity_with_statistics_of_real_activations(tmp_path):
    """What docs/scores.md says of the agreement; ``pytest -rP`` shows the figures.

    Where the running statistics are those of the activations, as training leaves them, images differ in all layers,
    and so does rounding: torch-fidelity's own outputs are as far from its outputs in float64.
    """
    torch = pytest.importorskip("torch")
    theirs = REFERENCES["torch_fidelity_inception"]()
    theirs.load_state_dict({name: torch.tensor(value) for name, value in REFERENCES["inception_weights"]().items()})
    normalisations = [module for module in theirs.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for module in normalisations:
        module.reset_running_stats()
        module.momentum = None  # a plain mean
        module.train()
    theirs(torch.from_numpy(np.concatenate(REFERENCES["image_pairs"]((8, 3, 64, 64)))))
    theirs.eval()
    torch.save(theirs.state_dict(), tmp_path / "weights.pth")
    ours = inception.load(str(tmp_path / "weights.pth"))
    for size in [(32, 32), (64, 48)]:
        images = np.concatenate([REFERENCES["inception_images"](*size), REFERENCES["image_pairs"]((2, 3, *size))[0]])
        for name, mine, other in zip(("features", "logits"), _outputs(ours, images), theirs(torch.from_numpy(images))):
            other = other.numpy()
            difference = np.sqrt(np.mean((mine - other) ** 2)) / other.std()
            print(f"{name} of {size}: {difference:.1e} of their spread, root mean square")
            assert difference < 1e-4


def test_grey_images_are_three_equal_channels(network):
    grey = REFERENCES["inception_images"](28, 28)[:, :1]
    np.testing.assert_array_equal(_outputs(network, grey)[0], _outputs(network, np.repeat(grey, 3, axis=1))[0])


def test_one_image_does_not_depend_on_the_others(network):
    # What batch statistics, had the network been left in training mode, would do.
    images = REFERENCES["inception_images"](32, 32, number=2)
    _assert_close(_outputs(network, images)[0][1:], _outputs(network, images[1:])[0])


def test_converted_weights_are_the_same(published, network, tmp_path):
    target = tmp_path / "converted.safetensors"
    inception.convert(published, str(target))
    converted = inception.load(str(target)).state_dict()
    assert converted.keys() == network.state_dict().keys()
    for name, value in network.state_dict().items():
        np.testing.assert_array_equal(converted[name].numpy(), value.numpy(), err_msg=name)
    assert weights.read_checkpoint(target)[1] == {"network": "inception"}  # these are not the published ones


@pytest.fixture
def said(monkeypatch):
    """What ``load`` warns of."""
    lines = []
    monkeypatch.setattr(inception.logger, "warning", lines.append)
    return lines


NOT_PUBLISHED = f"not the published file of Inception's weights (SHA-256 {inception.SHA256})"


@pytest.fixture(scope="module")
def random_weights(tmp_path_factory):
    """A file of the published one's name, down to its suffix, with other weights."""
    path = tmp_path_factory.mktemp("random") / "pt_inception-2015-12-05-6726825d.pdparams"
    paddle.save(REFERENCES["inception_weights"](), str(path))
    return path


def test_weights_are_published_by_their_hash_alone(random_weights, said, monkeypatch, tmp_path):
    # Random weights under the published name:
    assert not inception.load(str(random_weights)).published
    assert [NOT_PUBLISHED in line for line in said] == [True]
    assert load_inception(str(random_weights)).protocol["version"] == "not the published weights"
    # The published hash under another name:
    said.clear()
    monkeypatch.setattr(inception, "SHA256", hashlib.sha256(random_weights.read_bytes()).hexdigest())
    other = tmp_path / "weights.pdparams"
    other.write_bytes(random_weights.read_bytes())
    assert load_inception(str(other)).protocol["version"] == "2015-12-05, published"
    assert not said


def test_converted_weights_stay_published_until_they_change(random_weights, said, monkeypatch, tmp_path):
    monkeypatch.setattr(inception, "SHA256", hashlib.sha256(random_weights.read_bytes()).hexdigest())
    target = tmp_path / "converted.safetensors"
    inception.convert(str(random_weights), str(target))
    assert inception.load(str(target)).published
    assert not said
    arrays, state = weights.read_checkpoint(target)
    arrays["inception/fc.bias"] = arrays["inception/fc.bias"] + 1
    weights.save_checkpoint(target, arrays, state)
    assert not inception.load(str(target)).published
    assert len(said) == 1


@pytest.mark.parametrize(
    "address", [inception.PUBLISHED[0].replace("https", "http"), f"{inception.PUBLISHED[1]}?raw=true"]
)
def test_other_spellings_of_a_published_address_do_not_count(random_weights, said, address, monkeypatch):
    monkeypatch.setattr(weights.finding, "_download", lambda _: random_weights)
    assert not inception.load(address).published
    assert said[0].startswith(f"{address.removesuffix('?raw=true')} is {NOT_PUBLISHED}")  # queries are often keys


@pytest.mark.parametrize("address", inception.PUBLISHED)
def test_what_comes_from_a_published_address_is_verified(address, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = tmp_path / "ppsci_gan" / "weights" / hashlib.sha256(address.encode()).hexdigest()[:12]
    folder.mkdir(parents=True)
    (folder / address.rpartition("/")[2]).write_bytes(b"from somebody else")
    with pytest.raises(InputError, match="cannot be downloaded"):  # again: what lies there is not it
        inception.load(address)


def test_rename_published_of_pytorchs_layout():
    arrays = {
        "a.bn.running_mean": np.zeros(3),
        "a.bn.running_var": np.ones(3),
        "a.bn.num_batches_tracked": np.array(5),
        "a.conv.weight": np.zeros([3, 2, 1, 7]),
        "fc.weight": np.zeros([1008, 2048]),
        "AuxLogits.fc.weight": np.zeros([5, 7]),
    }
    own = {name: value.shape for name, value in inception.Inception.rename_published(None, arrays).items()}
    assert own == {
        "a.bn._mean": (3,),
        "a.bn._variance": (3,),
        "a.conv.weight": (3, 2, 1, 7),
        "fc.weight": (2048, 1008),
    }


@pytest.mark.parametrize("changed", ["one missing", "another shape", "another network"])
def test_weights_of_another_network_are_refused(published, tmp_path, changed):
    arrays, _ = weights.read_checkpoint(published)
    if changed == "one missing":
        del arrays["inception/Mixed_7c.branch_pool.bn.running_var"]
    elif changed == "another shape":  # 1000 classes: a later Inception
        arrays["inception/fc.weight"] = arrays["inception/fc.weight"][:1000]
    else:
        arrays = {"inception/layer.weight": np.zeros([3, 2], np.float32)}
    path = tmp_path / "other.safetensors"
    weights.save_checkpoint(path, arrays, {})
    with pytest.raises(InputError, match="other.safetensors does not fit Inception") as refusal:
        inception.load(str(path))
    assert inception.SHA256 in str(refusal.value)


def test_a_missing_file_is_named_with_the_place_to_get_it():
    with pytest.raises(InputError, match=r"no/such\.pth: no such file(.|\n)*SHA-256 6726825d0af5f729"):
        inception.load("no/such.pth")


def _resize_by_definition(image, size):
    """TensorFlow 1's rule, pixel by pixel in float64."""
    height, width = image.shape
    result = np.empty([size, size])
    for i in range(size):
        for j in range(size):
            y, x = i * height / size, j * width / size
            top, left = int(y), int(x)
            bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
            upper = image[top, left] + (image[top, right] - image[top, left]) * (x - left)
            lower = image[bottom, left] + (image[bottom, right] - image[bottom, left]) * (x - left)
            result[i, j] = upper + (lower - upper) * (y - top)
    return result


@pytest.mark.parametrize(("shape", "size"), [((32, 32), 299), ((28, 20), 75), ((61, 90), 40), ((1, 5), 9)])
def test_resize_equals_its_definition(shape, size):
    image = np.random.default_rng(0).integers(0, 256, shape).astype(np.float64)
    resized = inception.resize(paddle.to_tensor(image[None, None]), size).numpy()[0, 0]
    # Places are computed in float32: up to 300, to 2e-5 of a pixel, of differences up to 255.
    np.testing.assert_allclose(resized, _resize_by_definition(image, size), atol=0.01)


def test_resize_of_a_ramp_is_a_ramp():
    ramp = paddle.arange(64, dtype="float32").expand([2, 3, 32, 64])
    expected = np.minimum(np.arange(299) * 64 / 299, 63)
    resized = inception.resize(ramp).numpy()
    np.testing.assert_allclose(resized, np.broadcast_to(expected, [2, 3, 299, 299]), atol=1e-4)


def test_resize_to_the_same_size_changes_nothing():
    images = np.random.default_rng(0).integers(0, 256, [1, 3, 299, 299]).astype(np.float32)
    np.testing.assert_array_equal(inception.resize(paddle.to_tensor(images)).numpy(), images)
