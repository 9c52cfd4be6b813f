"""What histograms show is what the players compute, and the players do not notice."""

import numpy as np
import paddle
import pytest
from PIL import Image

from ppsci_gan import plots
from ppsci_gan.networks import dcgan
from ppsci_gan.training import histograms


@pytest.fixture
def players(load_example):
    model = dcgan
    paddle.seed(0)
    settings = {"image_size": [8, 8], "channels": 1, "label_num": 3, "use_label": True}
    generator = model.DcganGenerator(("noise", "labels"), ("fake_data",), depths=[6, 4], latent_dim=5, **settings)
    return generator, model.DcganDiscriminator(("data", "labels"), ("score",), depths=[4, 6], **settings)


def test_values_are_those_of_a_training_step_and_nothing_stays(players):
    generator, discriminator = players
    labels = paddle.to_tensor([0, 1, 2, 0])
    inputs = {"noise": paddle.randn([4, 5]), "labels": labels}
    real = {"data": paddle.randn([4, 1, 8, 8]), "labels": labels}
    before = {key: value.numpy().copy() for player in players for key, value in player.state_dict().items()}
    found = histograms.collect(generator, discriminator, inputs, real)
    after = {key: value.numpy() for player in players for key, value in player.state_dict().items()}
    for key, value in before.items():
        np.testing.assert_array_equal(after[key], value, err_msg=key)

    np.testing.assert_array_equal(found["latent"], inputs["noise"].numpy().reshape(-1))
    np.testing.assert_array_equal(found["score/real"], discriminator(real)["score"].numpy())
    fake = generator(inputs)["fake_data"]
    np.testing.assert_allclose(np.tanh(found["generator/ups.1"]), fake.numpy().reshape(-1), rtol=1e-5, atol=1e-6)
    expected = discriminator({"data": fake, "labels": labels})["score"].numpy()
    np.testing.assert_array_equal(found["score/fake"], expected)
    np.testing.assert_array_equal(found["discriminator/linears.0"], expected)
    assert {"generator/linears.0", "generator/ups.0", "discriminator/downs.0", "discriminator/downs.1"} < set(found)


def test_many_values_are_thinned_evenly(monkeypatch):
    monkeypatch.setattr(histograms, "MOST", 10)
    assert histograms._subsample(np.arange(35).reshape(5, 7)).tolist() == list(range(0, 35, 4))


def test_picture_has_a_panel_for_each_and_survives_constants(tmp_path):
    values = {"latent": np.random.default_rng(0).normal(size=100), "score/real": np.ones(5), "score/fake": np.zeros(5)}
    values["broken"] = np.array([np.nan, 1.0, np.inf])
    plots.save_histograms(values, str(tmp_path / "a.png"), columns=2)
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size == (900, 660)
        colours = {colour[:3] for _, colour in picture.convert("RGB").getcolors(2**24)}
    assert len(colours) > 10
