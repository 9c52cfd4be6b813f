"""``python -m ppsci_gan.commands.score``: any generator's images, and the check of an installation."""

import gzip
import json
import pickle
import subprocess
from types import SimpleNamespace

import numpy as np
import pytest
import warm
from PIL import Image

from ppsci_gan.commands import score as command
from ppsci_gan.data.images import Images
from ppsci_gan.errors import InputError
from ppsci_gan.evaluation import families
from ppsci_gan.evaluation import statistics
from ppsci_gan.features import extractor
from ppsci_gan.files import REPOSITORY

CLASSIFIER = "pretrained/classifier_mnist.safetensors"
DEFAULTS = {
    "real": None,
    "held_out": None,
    "inception": None,
    "protocol": "2015-12-05",
    "classifier": CLASSIFIER,
    "scores": ["score", "frechet_distance", "kernel_distance", "precision_recall", "ms_ssim", "sliced_wasserstein"],
    "num_samples": None,
    "splits": 2,
    "subset_size": 8,
    "seed": 2020,
}


def digits(number, seed):
    return np.random.default_rng(seed).integers(0, 256, [number, 1, 28, 28], np.uint8)


@pytest.fixture
def score(tmp_path):
    def call(source, **options):
        output = tmp_path / "scores.json"
        command.score(str(source), **{**DEFAULTS, **options}, output=str(output))
        return json.loads(output.read_text())

    return call


@pytest.fixture
def sources(tmp_path):
    """Two .npz files, and the first one's images as a folder."""
    np.savez(tmp_path / "fake.npz", images=digits(20, 0))
    np.savez(tmp_path / "real.npz", images=digits(30, 1))
    (tmp_path / "fake").mkdir()
    for number, image in enumerate(digits(20, 0)):
        Image.fromarray(image[0]).save(tmp_path / "fake" / f"{number:03d}.png")
    return tmp_path


@pytest.fixture
def mnist(tmp_path):
    """mnist.pkl.gz with random images: not MNIST."""
    splits = [(digits(n, n).reshape([-1, 784]).astype(np.float32) / 255, np.arange(n) % 10) for n in (40, 10, 20)]
    (tmp_path / "mnist.pkl.gz").write_bytes(gzip.compress(pickle.dumps(tuple(splits), 2)))
    return tmp_path / "mnist.pkl.gz"


def test_folder_and_array_score_alike(score, sources):
    real = str(sources / "real.npz")
    folder, array = (score(sources / name, real=real) for name in ("fake", "fake.npz"))
    assert set(folder) >= {"classifier.score", "classifier.frechet_distance", "classifier.recall", "pixels.ms_ssim"}
    for name, record in folder.items():
        assert record["value"] == array[name]["value"], name
        assert record["protocol"]["of"] == str(sources / "fake")
        assert record["protocol"]["samples"] == 20
    assert folder["classifier.frechet_distance"]["protocol"]["real"] == real


def test_without_real_images(score, sources):
    assert set(score(sources / "fake")) == {"classifier.score", "pixels.ms_ssim"}


def test_held_out_images_stand_beside(score, sources):
    scores = score(sources / "fake", real=str(sources / "real.npz"), held_out=str(sources / "fake.npz"))
    for name, record in scores.items():
        assert record["real"] == pytest.approx(record["value"]), name
        assert record["protocol"]["held_out"] == f"20 of {sources / 'fake.npz'}"


def test_some_of_the_images(score, sources):
    record = score(sources / "fake", num_samples=10)["classifier.score"]
    assert record["protocol"]["samples"] == 10
    assert record["protocol"]["of"] == f"10 of {sources / 'fake'}"
    with pytest.raises(InputError, match="num-samples=21: .* holds 20 images"):
        score(sources / "fake", num_samples=21)


def test_data_set_as_real_images(score, sources, mnist):
    scores = score(sources / "fake", real=f"mnist:{mnist}")
    assert scores["classifier.frechet_distance"]["protocol"]["real"] == "mnist train"
    assert scores["classifier.frechet_distance"]["protocol"]["real_samples"] == 40


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"splits": 21, "scores": ["score"]}, "none can be computed"),
        ({"classifier": "pretrained/classifier_cifar10.safetensors"}, r"takes images of shape \[3, 32, 32\]"),
        ({"classifier": "pretrained/wgangp_mnist_quick.safetensors"}, "not a classifier"),
        ({"real": "nothing"}, "nothing: neither a folder"),
        ({"scores": ["frechet_distance"], "real": None}, "none can be computed"),
    ],
)
def test_what_cannot_be_scored(score, sources, options, message):
    with pytest.raises(InputError, match=message):
        score(sources / "fake", **{"real": str(sources / "real.npz"), **options})
    assert not (sources / "scores.json").exists()


def test_what_too_few_images_forbid_is_left_out(score, sources):
    given = {"real": str(sources / "real.npz")}
    assert set(score(sources / "fake", **given)) - set(score(sources / "fake", **given, splits=21, subset_size=25)) == {
        "classifier.score",
        "classifier.kernel_distance",
    }


def test_statistics_take_the_place_of_the_images(score, sources):
    real, kept = str(sources / "real.npz"), str(sources / "kept.npz")
    of_images = score(sources / "fake", real=real, write_statistics=kept)
    of_statistics = score(sources / "fake", real=kept)
    assert set(of_statistics) == {"classifier.score", "classifier.frechet_distance", "pixels.ms_ssim"}
    record = of_statistics["classifier.frechet_distance"]
    assert record["value"] == of_images["classifier.frechet_distance"]["value"]
    assert record["protocol"]["real"] == f"{real} ({kept})"
    assert record["protocol"]["real_samples"] == 30


def test_statistics_of_another_network_are_refused(score, sources):
    other = extractor.load_classifier("pretrained/classifier_cifar10.safetensors")
    colours = Images("colours", np.random.default_rng(0).integers(0, 256, [300, 3, 32, 32], np.uint8))
    statistics.write(sources / "other.npz", other, colours)
    with pytest.raises(InputError, match=r"statistics of a network \w{8}..., not of this classifier"):
        score(sources / "fake", real=str(sources / "other.npz"))
    with pytest.raises(InputError, match="add that network, --classifier or --inception"):
        score(sources / "fake", real=str(sources / "other.npz"), classifier=None)


def test_statistics_of_pytorch_fid_are_taken_for_inception(sources):
    """Its files have mu and sigma alone."""
    np.savez(sources / "theirs.npz", mu=np.zeros(2048), sigma=np.eye(2048))
    found = statistics.read(sources / "theirs.npz")
    found.check(SimpleNamespace(name="inception", protocol={"network_sha256": "0" * 64}))
    with pytest.raises(InputError, match="statistics of 2048 features, not of this classifier"):
        found.check(SimpleNamespace(name="classifier", protocol={"network_sha256": "0" * 64}))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"mu": np.zeros(3), "sigma": np.zeros([2, 2])}, r"mu \[3\] and sigma \[2, 2\] are no finite mean"),
        ({"mu": np.array([np.nan]), "sigma": np.zeros([1, 1])}, "no finite mean"),
        ({"mu": np.array([None]), "sigma": np.zeros([1, 1])}, "damaged, or no statistics"),
        ({"mu": np.array(["a"]), "sigma": np.zeros([1, 1])}, "damaged, or no statistics"),
    ],
)
def test_damaged_statistics(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    assert statistics.holds(tmp_path / "a.npz")
    with pytest.raises(InputError, match=message):
        statistics.read(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"real": None}, "name the images that they are of, as --real"),
        ({"classifier": None}, "give one network"),
        ({"write_statistics": "kept.txt"}, "kept.txt: name an .npz file"),
    ],
)
def test_statistics_that_cannot_be_written(score, sources, options, message):
    given = {"real": str(sources / "real.npz"), "write_statistics": str(sources / "kept.npz"), **options}
    with pytest.raises(InputError, match=message):
        score(sources / "fake", **given)


def test_names_of_scores_are_listed(capsys):
    command.main(arguments=["score", "--scores"])
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line and line[0] != "["]
    assert set(families.FAMILIES) <= set(listed)


def test_a_named_data_set_brings_its_classifier(score, sources, mnist):
    scores = score(sources / "fake", real=f"mnist:{mnist}", classifier=None)
    assert "classifier.frechet_distance" in scores
    others = score(sources / "fake", real=str(sources / "real.npz"), classifier=None)
    assert set(others) == {"pixels.ms_ssim", *(name for name in others if "sliced_wasserstein" in name)}


def test_two_sets_to_compare_with_are_refused(score, sources):
    with pytest.raises(InputError, match="name one set of images"):
        score(sources / "fake", real=str(sources / "real.npz"), second=str(sources / "real.npz"))


def test_an_installation_is_checked_without_data(monkeypatch):
    lines = []
    monkeypatch.setattr(command.logger, "message", lines.append)
    command.self_test(None, None, None, None)
    assert [line.rpartition(": ")[2] for line in lines if "known" in line] == ["ok", "ok"]


def test_self_test_notices_other_data(mnist, capsys):
    with pytest.raises(SystemExit) as caught:
        command.self_test(f"mnist:{mnist}", None, None, None)
    assert caught.value.code == 1


def test_self_test_accepts_what_is_known(mnist, monkeypatch):
    digest = "7a78d72e4e644418b00039b1ecc75086263fd4ddce829cec194b114354f243a6"
    assert digest in command.KNOWN  # of the shipped classifier, or nothing would be compared
    monkeypatch.setitem(command.KNOWN, digest, {"mnist test": {"accuracy": (0.1, 0.2)}})
    command.self_test(f"mnist:{mnist}", None, None, None)


def test_self_test_wants_a_data_set():
    with pytest.raises(InputError, match="fashion:x: give mnist or mnist:PATH or cifar10 or cifar10:PATH"):
        command.self_test("fashion:x", None, None, None)


def run(*arguments):
    line = [warm.python(), "-m", "ppsci_gan.commands.score", *map(str, arguments)]
    return subprocess.run(line, check=False, cwd=REPOSITORY, capture_output=True, text=True, timeout=120)


def test_command_line(sources):
    (sources / "fake" / "007.png").write_bytes(b"no picture")
    process = run("score", sources / "fake", "--classifier", CLASSIFIER, "--output", sources / "scores.json")
    assert process.returncode == 2
    assert "007.png: cannot be read as a picture" in process.stderr
    assert "Traceback" not in process.stderr
    assert not (sources / "scores.json").exists()
    process = run("score", "--help")
    assert process.returncode == 0
    assert all(option in process.stdout for option in ("--real", "--inception", "--classifier", "--scores"))
