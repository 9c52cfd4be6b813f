"""The network of PaddleScience's Inception Score: what its example computes from the same weights."""

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest
from paddle.vision import transforms
from paddle.vision.models import InceptionV3

from ppsci_gan import weights
from ppsci_gan.errors import InputError
from ppsci_gan.features import paddle_inception
from ppsci_gan.features.extractor import load_inception


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Paddle's own network with random weights and statistics, and the file that it gives."""
    paddle.seed(0)
    network = InceptionV3()
    for name, value in network.state_dict().items():
        if name.endswith("_variance"):
            value.set_value(paddle.uniform(value.shape, min=0.2, max=2.0))
        elif not name.endswith(".0.weight"):
            value.set_value(value + 0.1 * paddle.randn(value.shape))
    path = str(tmp_path_factory.mktemp("inception") / "inception_v3.pdparams")
    weights.save(network, path)
    return network.eval(), path


@paddle.no_grad()
def test_computes_what_paddlescience_computes(published):
    theirs, path = published
    images = np.random.default_rng(0).integers(0, 256, [2, 3, 32, 32], np.uint8)
    network = paddle_inception.load(path)
    ours = network.logits(network(paddle.to_tensor(images))).numpy()

    bias = theirs.fc.bias.clone()
    theirs.fc.bias.set_value(paddle.zeros_like(bias))
    x = F.interpolate(paddle.to_tensor(images).astype("float32"), size=(299, 299), mode="bilinear") / 255
    x = paddle.stack([transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])(image) for image in x])
    expected = theirs(x).numpy()
    theirs.fc.bias.set_value(bias)
    assert np.abs(expected[0] - expected[1]).mean() > 0.01 * expected.std()
    np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-3 * expected.std())


def test_the_protocol_says_whose_scores_they_are(published):
    extractor = load_inception(published[1], "paddlescience")
    assert extractor.name == "paddle_inception"
    assert extractor.protocol["version"] == "not the published weights"
    assert extractor.protocol["resize"] == "299, bilinear with aligned centres"


def test_the_weights_of_the_other_protocol_are_refused(published):
    with pytest.raises(InputError, match="Inception of 2015-12-05 is wanted here"):
        load_inception(published[1])
    with pytest.raises(InputError, match="Inception-v3 of paddle.vision is wanted here"):
        load_inception("pretrained:classifier_mnist", "paddlescience")
