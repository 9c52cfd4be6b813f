"""Layers by oneDNN against the same layers by Paddle's kernels: values, gradients, and gradients of gradients."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import paddle
import pytest
from paddle import nn

from ppsci_gan.devices import onednn
from ppsci_gan.errors import InputError
from ppsci_gan.losses import GradientPenalty
from ppsci_gan.losses import Objective
from ppsci_gan.losses import gradient_penalty
from ppsci_gan.networks import layers
from ppsci_gan.networks import traced
from ppsci_gan.networks.traced import Traced

needs_onednn = pytest.mark.skipif(not onednn.is_available(), reason="this build of Paddle has no oneDNN")


@pytest.fixture(autouse=True)
def kernels_as_before():
    paddle.seed(0)
    yield
    layers.choose_kernels("auto")


def gradients(function, inputs, kernels):
    """Return a function's result and its gradients, weighted so that no two outputs count alike."""
    layers.choose_kernels(kernels)
    copies = [tensor.detach().clone() for tensor in inputs]
    for copy in copies:
        copy.stop_gradient = False
    paddle.seed(1)
    result = function(*copies)
    (result * paddle.randn(result.shape)).sum().backward()
    return [result, *(copy.grad for copy in copies)]


def assert_same(function, *inputs, tolerance=1e-5):
    """Equal up to the rounding of float32 sums, and to the tiny number that oneDNN's rectifiers have for zero."""
    by_onednn, by_paddle = (gradients(function, inputs, kernels) for kernels in ("onednn", "paddle"))
    for ours, paddles in zip(by_onednn, by_paddle):
        assert ours.shape == paddles.shape
        assert float((ours - paddles).abs().max()) <= tolerance * float(paddles.abs().max()) + 1e-19


IMAGE = [2, 6, 9, 7]
FUNCTIONS = {
    "linear": (lambda x, w, b: layers.linear(x.flatten(1), w, b), [378, 5], [5]),
    "linear, rectified": (lambda x, w, b: layers.linear(x.flatten(1), w, b, slope=0.2), [378, 5], [5]),
    "linear, no bias": (lambda x, w: layers.linear(x.flatten(1), w, slope=0.0), [378, 5]),
    "modulation": (lambda x, s, o: layers.modulate(layers.upsample2d(x), s, o), [2, 6], [2, 6]),
    "layer norm": (lambda x, s, o: layers.layer_norm2d(layers.upsample2d(x), s, o, 1e-5)[0], [6, 1, 1], [6, 1, 1]),
    "pixel norm": (lambda x: layers.pixel_norm(layers.upsample2d(x), 1e-8),),
    "pixel norm of vectors": (lambda x: layers.pixel_norm(x.flatten(1), 1e-8),),
    "gradient of pooling": (lambda x: layers.avg_pool2d_gradient(x, 3),),
    "convolution": (lambda x, w, b: layers.conv2d(x, w, b, 2, "same"), [4, 6, 5, 5], [4]),
    "convolution, rectified": (lambda x, w, b: layers.conv2d(x, w, b, 1, 1, slope=0.2), [4, 6, 3, 3], [4]),
    "convolution, no bias": (lambda x, w: layers.conv2d(x, w, stride=(1, 2), padding=(1, 0)), [4, 6, 3, 1]),
    "transposed": (lambda x, w, b: layers.conv2d_transpose(x, w, b, 2, "same", 1), [6, 4, 5, 5], [4]),
    "transposed, no bias": (lambda x, w: layers.conv2d_transpose(x, w, None, 2, 2, 1), [6, 4, 5, 5]),
    "transposed, cut unevenly": (lambda x, w, b: layers.conv2d_transpose(x, w, b, 2, [1, 2, 2, 2]), [6, 3, 5, 5], [3]),
    "transposed, many channels": (
        lambda x, w, b: layers.conv2d_transpose(x, w, b, 2, [1, 2, 1, 2]),
        [6, 40, 5, 5],
        [40],
    ),
    "rectifier": (layers.relu,),
    "leaky rectifier": (lambda x: layers.leaky_relu(layers.upsample2d(x), 0.2),),
    "repetition, pooling": (lambda x: layers.avg_pool2d(layers.upsample2d(x, 2), 2),),
    "pooling": (lambda x: layers.avg_pool2d(x[:, :, :8, :6], 2),),
    "fork": (lambda x: layers.add(*(layers.relu(part) for part in layers.fork(layers.upsample2d(x)))),),
    "some other operation": (lambda x: layers.upsample2d(x).reshape([2, -1]).tanh(),),
}


@needs_onednn
@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_are_those_of_paddles_kernels(name):
    function, *shapes = FUNCTIONS[name]
    assert_same(function, paddle.randn(IMAGE), *(paddle.randn(shape) for shape in shapes))


@needs_onednn
def test_gradients_at_zero_are_those_of_paddles_kernels():
    x, weight = paddle.zeros([2, 3, 8, 8]), paddle.randn([4, 3, 3, 3])
    for slope in (0.0, 0.2):
        assert_same(lambda x, w, b, slope=slope: layers.conv2d(x, w, b, 1, 1, slope), x, weight, paddle.zeros([4]))
    assert_same(lambda x: layers.leaky_relu(x, 0.2), x)
    assert_same(layers.relu, x)


@needs_onednn
@pytest.mark.parametrize(
    "function",
    [
        lambda g, w: layers.conv2d_input_gradient(g, w, 2, "same", (9, 7)),
        lambda g, w: layers.conv2d_input_gradient(g, w, (2, 2), 2, [10, 8]),
    ],
)
def test_pullback_of_a_convolution_is_differentiable(function):
    assert_same(function, paddle.randn([2, 4, 5, 4]), paddle.randn([4, 6, 5, 5]))


@pytest.mark.parametrize("kernels", [pytest.param("onednn", marks=needs_onednn), "paddle"])
@pytest.mark.parametrize("amplitude", [1.0, 1e-3, 0.0])  # the small ones see the epsilon
def test_layer_normalisation_agrees_with_numpy(kernels, amplitude):
    layers.choose_kernels(kernels)
    random = np.random.default_rng(0)
    norm, x = layers.LayerNorm2D(3), amplitude * random.standard_normal((2, 3, 4, 4)).astype(np.float32)
    scale, offset = random.standard_normal((2, 3, 1, 1)).astype(np.float32)
    norm.scale.set_value(paddle.to_tensor(scale))
    norm.offset.set_value(paddle.to_tensor(offset))
    mean, variance = (f(x, axis=(1, 2, 3), keepdims=True) for f in (np.mean, np.var))
    expected = (x - mean) / np.sqrt(variance + 1e-5) * scale + offset
    np.testing.assert_allclose(norm(paddle.to_tensor(x)).numpy(), expected, rtol=1e-4, atol=1e-5)


@needs_onednn
def test_pullback_of_layer_normalisation_is_differentiable():
    def pullback(g, x, scale):
        _, mean, variance = layers.layer_norm2d(x, scale, paddle.zeros([6, 1, 1]), 1e-5)
        return layers.layer_norm2d_gradient(g, x, scale, mean, variance, 1e-5)

    # As much as a hundred deviations from zero, where means of products lose digits.
    for offset in (0, 1, 100):
        tolerance = 1e-4 if offset < 100 else 1e-2
        x = paddle.randn(IMAGE) + offset
        assert_same(pullback, paddle.randn(IMAGE), x, paddle.randn([6, 1, 1]), tolerance=tolerance)


@pytest.mark.parametrize("kernels", [pytest.param("onednn", marks=needs_onednn), "paddle"])
def test_layer_normalisation_and_its_pullback_are_derivatives(kernels):
    """Against finite differences in float64 of Paddle's elementary operations."""
    layers.choose_kernels(kernels)
    x, scale, g, u = (paddle.randn(shape) for shape in ([2, 3, 2, 2], [3, 1, 1], [2, 3, 2, 2], [2, 3, 2, 2]))

    def value(x, scale):
        y = layers.layer_norm2d(x, scale, paddle.zeros([3, 1, 1], x.dtype), 1e-5)[0]
        return (y * g.astype(x.dtype)).sum()

    def slope(function, x, direction, step=1e-5):
        x, direction = x.astype("float64"), direction.astype("float64")
        return (function(x + step * direction) - function(x - step * direction)) / (2 * step)

    x.stop_gradient = scale.stop_gradient = False
    _, mean, variance = layers.layer_norm2d(x, scale, paddle.zeros([3, 1, 1]), 1e-5)
    gradient = layers.layer_norm2d_gradient(g, x, scale, mean, variance, 1e-5)
    expected = slope(lambda x: value(x, scale.astype("float64")), x.detach(), u)
    assert float((gradient * u).sum()) == pytest.approx(float(expected), rel=1e-3, abs=1e-4)

    (gradient * u).sum().backward()

    def along_u(x):
        return slope(lambda x: value(x, scale.detach().astype("float64")), x, u)

    direction = paddle.randn(x.shape)
    expected = slope(along_u, x.detach(), direction, step=1e-4)
    assert float((x.grad * direction).sum()) == pytest.approx(float(expected), rel=1e-2, abs=1e-3)


def test_layer_normalisation_by_paddles_kernels_can_be_differentiated_twice():
    layer, x, weight = layers.LayerNorm2D(3), paddle.randn([2, 3, 4, 4]), paddle.randn([2, 3, 4, 4])
    layer.scale.set_value(paddle.randn([3, 1, 1]))
    found = []
    for explicit in (True, False):
        paddle.seed(0)
        penalty = gradient_penalty(
            lambda x: (traced.layer_norm2d(layer, x) * weight).mean([1, 2, 3]), x, x + 1, explicit=explicit
        )
        penalty.backward()
        found.append(paddle.concat([penalty.reshape([1]), layer.scale.grad.reshape([-1])]))
        layer.clear_gradients()
    assert paddle.allclose(*found, rtol=1e-4, atol=1e-5)


@needs_onednn
@pytest.mark.parametrize(
    "forward",
    [
        lambda x: layers.conv2d(x, paddle.ones([64, 64, 1, 1]), slope=0.2),
        lambda x: layers.linear(x.reshape([-1, 64]), paddle.ones([64, 64]), slope=0.0),
        lambda x: layers.relu(x),
        lambda x: layers.layer_norm2d(x, paddle.ones([64, 1, 1]), paddle.zeros([64, 1, 1]), 1e-5),
        lambda x: layers.pixel_norm(x, 1e-8),
        lambda x: layers.BatchNorm2D(64)(x),
    ],
    ids=["convolution", "linear", "rectifier", "layer norm", "pixel norm", "batch norm"],
)
def test_results_without_a_backward_pass_are_freed(forward):
    """Each is a megabyte; a result that its own context holds would stay for ever."""

    def resident():
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 // 2**20

    x = onednn.to_channels_last(paddle.randn([64, 64, 8, 8]))
    x.stop_gradient = False
    for _ in range(10):
        forward(x)
    before = resident()
    for _ in range(100):
        forward(x)
    assert resident() - before < 40


@needs_onednn
@pytest.mark.parametrize("settings", [{}, {"weight_attr": False, "bias_attr": False}])
def test_batch_norm(settings):
    def network(x):
        layer = layers.BatchNorm2D(6, **settings)
        y = layer(layer(layers.upsample2d(x)) * 2)
        statistics.append(paddle.concat([layer._mean, layer._variance]))
        return y

    statistics = []
    # Its gradient is a difference of nearly equal sums.
    assert_same(network, paddle.randn(IMAGE) * 3 + 1, tolerance=1e-4)
    assert paddle.allclose(*statistics, rtol=1e-5, atol=1e-6)


@needs_onednn
def test_layers_have_the_weights_and_values_of_paddles():
    x = paddle.randn([2, 3, 8, 8])
    for ours, paddles in (
        (layers.Conv2D(3, 4, 3, padding=1), nn.Conv2D(3, 4, 3, padding=1)),
        (layers.Conv2D(3, 6, 3, groups=3), nn.Conv2D(3, 6, 3, groups=3)),
        (layers.Conv2D(3, 4, 3, dilation=2), nn.Conv2D(3, 4, 3, dilation=2)),
        (layers.Conv2D(3, 4, 3, padding=1, padding_mode="reflect"), nn.Conv2D(3, 4, 3, 1, 1, padding_mode="reflect")),
        (layers.Conv2DTranspose(3, 4, 5, 2, 2, 1), nn.Conv2DTranspose(3, 4, 5, 2, 2, 1)),
        (layers.BatchNorm2D(3), nn.BatchNorm2D(3)),
        (layers.BatchNorm2D(3).eval(), nn.BatchNorm2D(3).eval()),
    ):
        paddles.set_state_dict(ours.state_dict())
        assert paddle.allclose(ours(x), paddles(x), rtol=1e-4, atol=1e-5)
    transposed = layers.Conv2DTranspose(3, 4, 4, 2, 1)
    assert transposed(x, output_size=[17, 17]).shape == [2, 4, 17, 17]


@needs_onednn
@pytest.mark.parametrize("maximum", [True, False])
@pytest.mark.parametrize("learning", [True, False])
def test_pooling_and_concatenation_of_channels(maximum, learning):
    x = paddle.randn(IMAGE)
    x.stop_gradient = not learning
    found, expected = [], []
    for kernels, results in (("onednn", found), ("paddle", expected)):
        layers.choose_kernels(kernels)
        pooled = layers.pool2d(layers.upsample2d(x), 3, 2, 1, maximum)
        results.append(layers.concat([pooled, 2 * pooled, layers.relu(pooled)]))
    assert paddle.allclose(*found, *expected, rtol=1e-5, atol=1e-6)


@needs_onednn
def test_a_normalised_convolution_is_one_convolution_outside_of_training():
    conv, norm, x = layers.Conv2D(6, 4, 3, 2, 1, bias_attr=False), layers.BatchNorm2D(4), paddle.randn(IMAGE)
    for tensor in (norm.weight, norm.bias, norm._mean):
        tensor.set_value(paddle.randn([4]))
    norm._variance.set_value(paddle.rand([4]) + 0.5)
    for training in (False, True):
        norm.training = training
        found = layers.conv2d_norm_relu(conv, norm, x)
        assert paddle.allclose(found, nn.functional.relu(norm(conv(x))), rtol=1e-4, atol=1e-5)


@needs_onednn
def test_float64_is_left_to_paddle(float64):
    layer, x = layers.Conv2D(2, 3, 3), paddle.randn([1, 2, 5, 5], "float64")
    x.stop_gradient = False
    # Differentiable twice, which oneDNN's layers are not.
    gradient = paddle.grad((layer(x) ** 2).sum(), x, create_graph=True)[0]
    assert paddle.grad(gradient.sum(), x)[0].shape == x.shape


class Critic(nn.Layer):
    """A critic of every kind of step."""

    def __init__(self):
        super().__init__()
        self.first = layers.Conv2D(3, 8, 5, stride=2, padding="same")
        self.second = layers.Conv2D(8, 8, 3, padding=1)
        self.output = nn.Linear(8 * 16, 1)

    def forward(self, x):
        h = traced.conv2d(self.first, x["data"], slope=0.2)
        h, kept = traced.fork(h)
        h = traced.add(traced.conv2d(self.second, traced.relu(h)), kept)
        h = traced.leaky_relu(traced.avg_pool2d(h, 2), 0.2)
        return {"score": traced.linear(self.output, h.reshape([h.shape[0], -1])).squeeze(1)}


def penalty_and_gradients(critic, explicit, kernels):
    layers.choose_kernels(kernels)
    paddle.seed(3)
    real, fake = paddle.randn([4, 3, 16, 16]), paddle.randn([4, 3, 16, 16])
    penalty = gradient_penalty(lambda x: critic({"data": x})["score"], real, fake, explicit=explicit)
    penalty.backward()
    found = [penalty, *(p.grad.clone() for p in critic.parameters() if p.grad is not None)]
    critic.clear_gradients()
    return found


@needs_onednn
@pytest.mark.parametrize("explicit", [True, False])
def test_penalty_is_that_of_paddles_kernels(explicit):
    critic = Critic()
    found, expected = (penalty_and_gradients(critic, *how) for how in ((explicit, "onednn"), (False, "paddle")))
    assert len(found) == len(expected) >= 4
    for ours, paddles in zip(found, expected):
        assert float((ours - paddles).abs().max()) <= 1e-5 * float(paddles.abs().max().clip(min=1e-3))


@needs_onednn
def test_auto_takes_the_explicit_penalty_and_falls_back_where_it_cannot_be_written_out():
    class Plain(Critic):
        def forward(self, x):
            h = paddle.tanh(self.first(x["data"]))
            return {"score": h.mean([1, 2, 3])}

    batch = {"real_data": paddle.randn([4, 3, 16, 16]), "fake_data": paddle.randn([4, 3, 16, 16]), "update": 0}

    def chooses_explicit(critic, gradient="auto"):
        penalty = GradientPenalty(gradient=gradient)
        assert float(Objective(critic, penalty=penalty).critic_loss(batch)["penalty"]) > 0
        return penalty.explicit

    assert chooses_explicit(Critic())
    assert not chooses_explicit(Plain())
    with pytest.raises(InputError, match="cannot be written out"):
        chooses_explicit(Plain(), "explicit")
    layers.choose_kernels("paddle")
    assert not chooses_explicit(Critic())


def test_traced_fork_adds_gradients():
    x = paddle.randn([2, 3, 4, 4], "float64")

    def function(x):
        a, b = traced.fork(x)
        return traced.add(a * a, b).mean([1, 2, 3])

    assert paddle.allclose(traced.input_gradient(function, x), (2 * x + 1) / 48)
    assert isinstance(traced.fork(Traced(x))[0], Traced)


def test_unknown_or_missing_kernels_are_refused(monkeypatch):
    with pytest.raises(InputError, match="CPU.convolution=mkl: choose one of auto, onednn, paddle"):
        layers.choose_kernels("mkl")
    monkeypatch.setattr(onednn, "is_available", lambda: False)
    assert layers.choose_kernels("auto") == "paddle"
    with pytest.raises(InputError, match="CPU.convolution=onednn: this build of Paddle has no oneDNN"):
        layers.choose_kernels("onednn")


@needs_onednn
def test_without_views_everything_runs_by_paddle():
    x, layer = paddle.randn([1, 2, 5, 5]), layers.Conv2D(2, 3, 3)
    expected = layer(x).clone()  # which is no view
    paddle.set_flags({"FLAGS_use_stride_kernel": False})
    try:
        assert layers.choose_kernels("auto") == "paddle"
        assert paddle.allclose(layer(x), expected, rtol=1e-4, atol=1e-6)
    finally:
        paddle.set_flags({"FLAGS_use_stride_kernel": True})


def test_without_the_library_everything_runs_by_paddle():
    code = """
import pathlib
exists = pathlib.Path.is_file
pathlib.Path.is_file = lambda path: "libdnnl" not in path.name and exists(path)
import paddle
from ppsci_gan.networks import layers
assert layers.choose_kernels("auto") == "paddle"
layer = layers.Conv2DTranspose(2, 3, 5, 2, "same")
print(layers.BatchNorm2D(3)(layer(paddle.zeros([1, 2, 4, 4]))).shape)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "[1, 3, 8, 8]" in done.stdout


def test_exported_programs_hold_paddles_operators_only(tmp_path):
    code = f"""
import numpy, paddle
from paddle import nn
from ppsci_gan.networks import layers
first, last = layers.Conv2D(3, 4, 3, padding=1), layers.Conv2DTranspose(4, 2, 4, 2)
network = nn.Sequential(first, layers.BatchNorm2D(4), last)
network.eval()
x = paddle.randn([2, 3, 8, 8])
paddle.jit.save(network, {str(tmp_path / "network")!r}, [paddle.static.InputSpec([None, 3, 8, 8], "float32")])
found = paddle.jit.load({str(tmp_path / "network")!r})(x)
assert numpy.allclose(found, network(x), rtol=1e-4, atol=1e-5)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
