"""Scores of sets of images: which there are, what they say of images whose quality is known, and their protocols."""

import re

import numpy as np
import paddle
import pytest

from ppsci_gan.data.images import Images
from ppsci_gan.errors import InputError
from ppsci_gan.evaluation import families
from ppsci_gan.evaluation import scoring
from ppsci_gan.evaluation.images import ImageEvaluation
from ppsci_gan.evaluation.scoring import NetworkScorer
from ppsci_gan.evaluation.scoring import PixelScorer
from ppsci_gan.evaluation.scoring import Protocol
from ppsci_gan.features.classifier import Classifier
from ppsci_gan.features.extractor import Extractor

SMALL = Protocol(splits=2, subsets=5, subset_size=20, max_neighbour_samples=50)


@pytest.fixture(scope="module")
def extractor():
    paddle.seed(0)
    return Extractor("classifier", Classifier(channels=1, width=4), {"version": "random"})


@pytest.fixture
def said(monkeypatch):
    """``said()`` is what was logged as a message."""
    lines = []
    monkeypatch.setattr(scoring.logger, "message", lines.append)
    return lambda: "\n".join(lines)


def blobs(seed, number=100, name="blobs"):
    """Grey images [N, 1, 28, 28]: a bright square at one of two places, which is the class, and noise."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, number)
    images = rng.integers(0, 40, [number, 1, 28, 28])
    images[labels == 0, :, 4:12, 4:12] += 200
    images[labels == 1, :, 16:24, 16:24] += 200
    return Images(name, images.astype(np.uint8), labels)


def test_worse_images_score_worse(extractor):
    real = blobs(0)
    network = NetworkScorer(extractor, list(scoring.FAMILIES), SMALL, real)
    pixels = PixelScorer(list(scoring.FAMILIES), SMALL, real)
    good, bad = blobs(1), blobs(2)
    bad = bad._replace(data=bad.data // 2)  # darker
    for scorer, keys in (
        (network, ["frechet_distance", "kernel_distance", "precision", "coverage"]),
        (pixels, ["sliced_wasserstein", "sliced_wasserstein_28"]),
    ):
        first, second = (scorer(images._replace(labels=None)) for images in (good, bad))
        for key in keys:
            assert (first[key] > second[key]) is scoring.higher_is_better(key), key
    assert set(network(good)) >= {"score", "score_std", "kernel_distance_std", "recall", "density"}


def test_every_key_of_a_family_is_computed(extractor):
    for family, known in scoring.FAMILIES.items():
        kind = NetworkScorer if family in scoring.NETWORK_FAMILIES else PixelScorer
        scorer = kind(*([extractor] if kind is NetworkScorer else []), [family], SMALL, blobs(0))
        assert set(known.keys) <= set(scorer(blobs(1)._replace(labels=None)))
        assert all(scorer.describe(key, 100) for key in known.keys)


def test_accuracy_is_of_the_classes_asked_for(extractor):
    images = blobs(0)
    scorer = NetworkScorer(extractor, ["score"], SMALL)
    chosen = extractor.probabilities(extractor.features(images.data)).argmax(axis=1)
    assert scorer(images._replace(labels=chosen))["accuracy"] == 1
    assert scorer(images._replace(labels=(chosen + 1) % 10))["accuracy"] == 0
    assert scoring.higher_is_better("classifier.accuracy")


def test_similarity_is_within_classes_where_there_are_labels():
    images, scorer = blobs(0), PixelScorer(["ms_ssim"], SMALL)
    assert scorer(images)["ms_ssim"] > scorer(images._replace(labels=None))["ms_ssim"] + 0.1


def test_scores_do_not_depend_on_the_order_of_real_images_by_class(extractor):
    real = blobs(0, number=400)
    order = np.argsort(real.labels, kind="stable")
    sorted_real = Images("sorted", real.data[order], real.labels[order])
    fake = blobs(1, number=60)._replace(labels=None)
    first, second = (
        NetworkScorer(extractor, ["precision_recall", "density_coverage"], SMALL, images)(fake)
        for images in (real, sorted_real)
    )
    for key, value in first.items():
        assert second[key] == pytest.approx(value, abs=0.2)  # the first 50 alone, one class, would halve recall


def test_without_real_images_there_are_the_scores_that_need_none(extractor):
    families = list(scoring.FAMILIES)
    assert NetworkScorer(extractor, families, SMALL).families == ["score"]
    assert PixelScorer(families, SMALL).families == ["ms_ssim"]


def test_protocol_says_what_decides_the_figure(extractor):
    scorer = NetworkScorer(extractor, list(scoring.FAMILIES), SMALL, blobs(0, name="blobs train"))
    score, distance, kernel = (scorer.describe(key, 90) for key in ("score", "frechet_distance", "kernel_distance"))
    assert {"network": "classifier", "version": "random", "splits": 2, "seed": 2020}.items() <= score.items()
    assert "real" not in score
    assert {"samples": 90, "real": "blobs train", "real_samples": 100}.items() <= distance.items()
    assert {"subsets": 5, "subset_size": 20}.items() <= kernel.items()
    assert scorer.describe("recall", 90)["neighbours"] == 3
    assert scorer.describe("coverage", 90)["neighbours"] == 5
    assert len(score["network_sha256"]) == 64


NEIGHBOURS = {"precision_recall": "recall", "density_coverage": "density"}


@pytest.mark.parametrize(("num_samples", "num_real", "expected"), [(30, 100, 30), (90, 40, 40), (90, 100, 50)])
def test_protocol_says_how_many_were_compared(extractor, monkeypatch, num_samples, num_real, expected):
    # The fewer of both, at most SMALL.max_neighbour_samples: what the arithmetic is given.
    given = {}

    def counted(name):
        original = getattr(families.metrics, name)

        def score(real, fake, *rest):
            given[name] = len(fake), len(real)
            return original(real, fake, *rest)

        return score

    for name in ("precision_recall", "density", "coverage", "laplacian_swd"):
        monkeypatch.setattr(families.metrics, name, counted(name))
    real, images = blobs(0, num_real), blobs(1, num_samples)
    few = SMALL._replace(max_patch_images=50)
    network = NetworkScorer(extractor, list(NEIGHBOURS), few, real)
    pixels = PixelScorer(["sliced_wasserstein"], few, real)
    for scorer in (network, pixels):
        scorer(images)
    assert set(given.values()) == {(expected, expected)}
    assert len(given) == 4
    for scorer, keys in ((network, ["precision", *NEIGHBOURS.values(), "coverage"]), (pixels, ["sliced_wasserstein"])):
        for key in [*keys, *(["sliced_wasserstein_28"] if scorer is pixels else [])]:
            protocol = scorer.describe(key, num_samples)
            assert (protocol["samples"], protocol["real_samples"]) == (expected, expected), key


def test_protocol_says_how_many_pairs_were_compared():
    scorer = PixelScorer(["ms_ssim"], SMALL._replace(max_pairs=60))
    assert scorer.describe("ms_ssim", 100) == {"samples": 100, "pairs": 60, "seed": 2020}
    assert scorer.describe("ms_ssim", 20) == {"samples": 20, "pairs": 20, "seed": 2020}


def test_held_out_images_are_stamped_with_those_compared():
    held_out = blobs(2, 60, name="blobs test")
    families = ["ms_ssim", "sliced_wasserstein"]
    evaluation = ImageEvaluation(families, 90, SMALL._replace(max_patch_images=50), blobs(0), held_out)
    protocols = evaluation.protocols(evaluation.score(blobs(1, 90)), latent_seed=42)
    assert protocols["pixels.ms_ssim"]["held_out"] == "60 of blobs test"
    assert protocols["pixels.ms_ssim"]["samples"] == 90
    assert protocols["pixels.sliced_wasserstein"]["held_out"] == "50 of blobs test"
    assert protocols["pixels.sliced_wasserstein"]["samples"] == 50


@pytest.mark.parametrize(
    ("family", "num_samples", "num_real", "message"),
    [
        ("score", 9, None, "score is left out: it needs at least 10 images for splits, and there are 9"),
        ("kernel_distance", 5000, 999, "kernel_distance .* at least 1000 images for a subset.* and there are 999"),
        ("precision_recall", 3, 100, "precision_recall is left out: it needs at least 4 images"),
        ("density_coverage", 100, 5, "density_coverage is left out: it needs at least 6 images"),
        ("frechet_distance", 1, 100, "frechet_distance is left out: it needs at least 2"),
    ],
)
def test_what_too_few_images_forbid_is_left_out_with_a_word(family, num_samples, num_real, message, said):
    names = [family, "ms_ssim"] if num_samples > 1 else [family]
    assert scoring.keep_possible(Protocol(), names, num_samples, num_real) == names[1:]
    assert re.search(message, said())


def test_an_unknown_score_is_refused():
    with pytest.raises(InputError, match="no score fid; there are score, frechet_distance"):
        scoring.keep_possible(Protocol(), ["fid"], 100, 100)


def test_too_few_held_out_images_cost_only_their_own_score(extractor):
    scorer = NetworkScorer(extractor, ["score", "frechet_distance"], SMALL._replace(splits=50), blobs(0))
    assert set(scorer(blobs(1)._replace(labels=None))) == {"score", "score_std", "frechet_distance"}
    assert set(scorer(blobs(1, number=20)._replace(labels=None))) == {"frechet_distance"}


def test_pixels_of_other_sizes_or_single_images_of_a_class(said):
    scorer = PixelScorer(["ms_ssim", "sliced_wasserstein"], SMALL, blobs(0))
    small = blobs(1)
    assert set(scorer(small._replace(data=small.data[:, :, :16, :16], labels=None))) == {"ms_ssim"}
    assert "sliced_wasserstein is left out: the images are [1, 16, 16], the real ones [1, 28, 28]" in said()
    assert "ms_ssim" not in scorer(small._replace(labels=np.arange(100)))
    assert "ms_ssim is left out: it needs two images of each class" in said()


def test_titles_and_directions_are_of_scores_that_exist():
    for family in scoring.FAMILIES.values():
        assert {name.split(".")[1] for name in family.titles} <= set(family.keys)
    assert scoring.describe("inception.frechet_distance") == {"title": "FID", "better": "lower"}
    assert "title" in scoring.describe("classifier.accuracy")
    assert scoring.higher_is_better("inception.score")
    assert not scoring.higher_is_better("pixels.ms_ssim")


@pytest.mark.parametrize(
    ("wanted", "data", "expected"),
    [
        ("points.mode_distance", "8gaussians", ("points.mode_distance", False)),
        ("points.mode_distance", "swissroll", ("points.sliced_wasserstein", False)),
        ("points.high_quality", "8gaussians", ("points.high_quality", True)),
        ("points.coverage", "swissroll", ("points.coverage", True)),
    ],
)
def test_the_points_best_score(wanted, data, expected):
    assert scoring.choose_point_score(wanted, data, has_modes=data != "swissroll") == expected


@pytest.mark.parametrize(
    ("wanted", "data", "message"),
    [
        ("points.spread", "8gaussians", "best_score=points.spread .* of DATA.name=8gaussians: points.modes, "),
        ("points.modes", "swissroll", "points.modes is not .*swissroll: points.coverage, points.sliced_wasser"),
    ],
)
def test_scores_that_points_do_not_have_are_refused(wanted, data, message):
    with pytest.raises(InputError, match=message):
        scoring.choose_point_score(wanted, data, has_modes=data != "swissroll")
