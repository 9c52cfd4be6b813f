"""The page of results is what the cards and scores of the shipped weights make, and these are of those weights."""

import json
import runpy

import pytest
import yaml

from ppsci_gan import weights
from ppsci_gan.files import REPOSITORY
from ppsci_gan.networks import dcgan
from ppsci_gan.networks import pgan
from ppsci_gan.networks import wgangp

PRETRAINED = REPOSITORY / "pretrained"
RESULTS = runpy.run_path(str(PRETRAINED / "make_results.py"))
CARDS = yaml.safe_load((PRETRAINED / "cards.yaml").read_text(encoding="utf-8"))
GENERATORS = sorted(file.stem for file in PRETRAINED.glob("*.safetensors") if not file.stem.startswith("classifier"))
CLASSES = [
    value
    for module in (dcgan, pgan, wgangp)
    for name, value in vars(module).items()
    if name.endswith("Generator") and name != "ImageGenerator"
]


def test_every_file_has_a_card():
    assert sorted(CARDS["cards"]) == GENERATORS


@pytest.mark.parametrize("name", GENERATORS)
def test_scores_are_of_the_shipped_weights(name):
    generator = weights.restore(f"pretrained:{name}", "generator", CLASSES, {})
    scores = json.loads((PRETRAINED / "scores" / f"{name}.json").read_text(encoding="utf-8"))
    assert {score["protocol"]["weights_sha256"] for score in scores.values()} == {weights.digest(generator)}
    assert all(isinstance(score["value"], float) for score in scores.values())
    assert any("real" in score for score in scores.values())


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_is_up_to_date(language):
    page = RESULTS["PAGES"][language].read_text(encoding="utf-8")
    assert page == RESULTS["make_page"](CARDS, language), "run python pretrained/make_results.py"


def test_the_files_are_small_enough():
    sizes = [file.stat().st_size for file in PRETRAINED.glob("*.safetensors")]
    assert max(sizes) < 25e6
    assert sum(sizes) < 120e6
