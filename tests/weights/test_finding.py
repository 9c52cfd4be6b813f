"""Weights by the name of pretrained ones; by URL: test_weights_download."""

import pytest

from ppsci_gan import files
from ppsci_gan import weights
from ppsci_gan.errors import InputError
from ppsci_gan.weights import finding


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository with three files of pretrained weights and one of another kind."""
    folder = tmp_path / "pretrained"
    folder.mkdir()
    for name in ("dcgan_mnist.safetensors", "pgan_cifar10.safetensors", "wgangp_mnist.safetensors", "README.md"):
        (folder / name).touch()
    monkeypatch.setattr(finding, "REPOSITORY", tmp_path)
    return tmp_path


def test_pretrained_weights_are_found_by_name(repository):
    assert weights.find("pretrained:pgan_cifar10") == repository / "pretrained" / "pgan_cifar10.safetensors"


def test_pretrained_weights_are_found_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for file in (files.REPOSITORY / "pretrained").glob("*.safetensors"):
        assert weights.find(f"pretrained:{file.stem}") == file


def test_a_wrong_name_gives_all_names_closest_first(repository):
    expected = "^pretrained:wgan_mnist: .* There are: wgangp_mnist, dcgan_mnist, pgan_cifar10.$"
    with pytest.raises(InputError, match=expected):
        weights.find("pretrained:wgan_mnist")


@pytest.mark.parametrize("name", ["", "README", "../pretrained/dcgan_mnist", "*"])
def test_what_is_no_name_is_refused(repository, name):
    with pytest.raises(InputError, match="no such pretrained weights. There are: .*dcgan_mnist"):
        weights.find(f"pretrained:{name}")


def test_without_the_repository_there_are_none(tmp_path, monkeypatch):
    monkeypatch.setattr(finding, "REPOSITORY", tmp_path)
    with pytest.raises(InputError, match=r"come with the package.* clone"):
        weights.find("pretrained:dcgan_mnist")
