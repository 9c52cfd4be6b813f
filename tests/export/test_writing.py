"""An export is whole and right, or it is refused and what was there before stays."""

import numpy as np
import paddle
import pytest

from ppsci_gan.errors import TrainingError
from ppsci_gan.export import writing
from ppsci_gan.networks import pgan
from ppsci_gan.networks import wgangp

KEYS = ["noise"], ["points"]


@pytest.mark.parametrize("scale", [0, 1, 2])
def test_a_growing_generator_comes_back_at_its_scale(tmp_path, scale):
    generator = pgan.PganGenerator(*KEYS, depths=[4, 4, 2], latent_dim=6)
    generator.grow(scale)
    writing.write(generator, str(tmp_path / "generator"))
    restored = writing.description.restore(str(tmp_path / "generator"), [pgan.PganGenerator])
    assert (restored.scale, restored.image_shape) == (scale, generator.image_shape)


def test_a_network_is_as_it_was_afterwards(tmp_path):
    generator = wgangp.WganGpToyGenerator(*KEYS, dim=8)
    inputs = {"noise": paddle.ones([3, 2])}
    before = generator(inputs)["points"].numpy()
    writing.write(generator, str(tmp_path / "generator"))
    np.testing.assert_array_equal(generator(inputs)["points"].numpy(), before)


@pytest.mark.parametrize("error", [0.1, np.nan, np.zeros([2, 1, 1])])
def test_what_computes_something_else_is_refused(tmp_path, monkeypatch, error):
    generator, path = wgangp.WganGpToyGenerator(*KEYS, dim=8), tmp_path / "generator"
    writing.write(generator, str(path))
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    right = writing._run_program
    monkeypatch.setattr(writing, "_run_program", lambda *given: right(*given) + np.asarray(error, "float32"))
    with pytest.raises(TrainingError, match=r"generator\.json: not written, as its samples differ"):
        writing.write(wgangp.WganGpToyGenerator(*KEYS, dim=4), str(path))
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
