"""oneDNN's computations against Paddle's kernels and, for what is exact, to the last bit."""

import gc

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest

from ppsci_gan.devices import onednn
from ppsci_gan.devices.onednn import convolutions
from ppsci_gan.devices.onednn import library
from ppsci_gan.devices.onednn import primitives

pytestmark = pytest.mark.skipif(not onednn.is_available(), reason="this build of Paddle has no oneDNN")

# n, channels in, height, width, channels out, kernel, strides, zeros (top, bottom, left, right): those of the suite's
# networks, narrow, then odd ones.
SHAPES = {
    "mnist critic, first": (2, 1, 28, 28, 8, (5, 5), (2, 2), (1, 2, 1, 2)),
    "mnist critic, second": (2, 8, 14, 14, 16, (5, 5), (2, 2), (1, 2, 1, 2)),
    "mnist critic, third": (2, 16, 7, 7, 32, (5, 5), (2, 2), (2, 2, 2, 2)),
    "dcgan": (2, 3, 32, 32, 8, (5, 5), (2, 2), (2, 2, 2, 2)),
    "residual": (2, 8, 16, 16, 8, (3, 3), (1, 1), (1, 1, 1, 1)),
    "residual, shortcut": (2, 8, 16, 16, 16, (1, 1), (1, 1), (0, 0, 0, 0)),
    "pgan, last": (4, 17, 4, 4, 16, (3, 3), (1, 1), (1, 1, 1, 1)),
    "to image": (2, 8, 32, 32, 3, (1, 1), (1, 1), (0, 0, 0, 0)),
    "inception": (2, 8, 17, 17, 8, (1, 7), (1, 1), (0, 0, 3, 3)),
    "one sample, one channel": (1, 1, 5, 5, 1, (3, 3), (1, 1), (0, 0, 0, 0)),
    "one pixel": (1, 3, 1, 1, 2, (1, 1), (1, 1), (0, 0, 0, 0)),
}


def random_shape(seed):
    rng = np.random.default_rng(seed)
    kernel = tuple(int(n) for n in rng.integers(1, 6, 2))
    pads = tuple(int(rng.integers(0, size)) for size in kernel for _ in range(2))
    size = tuple(int(rng.integers(edge, 14)) for edge in kernel)
    n, c, o = (int(rng.integers(1, high)) for high in (4, 20, 20))
    return n, c, *size, o, kernel, tuple(int(s) for s in rng.integers(1, 4, 2)), pads


SHAPES.update({f"random {seed}": random_shape(seed) for seed in range(25)})


def assert_close(found, expected, tolerance=5e-6):
    """Equal up to the rounding of float32: sums of up to thousands of products, in another order."""
    assert found.shape == expected.shape
    assert float((found - expected).abs().max()) <= tolerance * float(expected.abs().max())


@pytest.fixture(params=list(SHAPES.values()), ids=list(SHAPES))
def case(request):
    n, c, h, w, o, kernel, stride, pads = request.param
    paddle.seed(0)
    x, weight, bias = paddle.randn([n, c, h, w]), paddle.randn([o, c, *kernel]), paddle.randn([o])
    return x, weight, bias, (*stride, *pads)


def learning(*tensors):
    copies = [tensor.detach().clone() for tensor in tensors]
    for copy in copies:
        copy.stop_gradient = False
    return copies


def by_paddle(x, weight, bias, geometry):
    return F.conv2d(x, weight, bias, stride=geometry[:2], padding=list(geometry[2:]))


def test_convolution(case):
    found = onednn.convolution(*case)
    assert_close(found, by_paddle(*case))
    assert onednn.is_channels_last(found)


@pytest.mark.parametrize("slope", [0.0, 0.2])
def test_rectified_convolution(case, slope):
    assert_close(onednn.convolution(*case, slope=slope), F.leaky_relu(by_paddle(*case), slope))


def test_gradients(case):
    x, weight, bias, geometry = case
    inputs = learning(x, weight, bias)
    y = by_paddle(*inputs, geometry)
    g = paddle.randn(y.shape)
    of_x, of_weight, of_bias = paddle.grad([y], inputs, [g])
    assert_close(onednn.convolution_transposed(g, weight, None, geometry, x.shape[2:]), of_x)
    found = onednn.convolution_weight_gradient(x, g, geometry, weight.shape, with_bias=True)
    assert_close(found[0], of_weight)
    assert_close(found[1], of_bias)


def test_transposed_convolution_adds_its_bias(case):
    x, weight, _, geometry = case
    g, bias = paddle.randn(onednn.output_shape(x.shape, weight.shape, geometry)), paddle.randn([x.shape[1]])
    without = onednn.convolution_transposed(g, weight, None, geometry, x.shape[2:])
    found = onednn.convolution_transposed(g, weight, bias, geometry, x.shape[2:])
    assert_close(found, without + bias.reshape([1, -1, 1, 1]))


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize(
    ("kernel", "padding"), [((5, 5), (2, 2)), ((4, 4), (1, 1)), ((3, 5), (1, 2)), ((3, 3), (0, 1)), ((1, 2), (0, 0))]
)
def test_transposed_convolution_of_few_channels_to_twice_the_size(channels, kernel, padding):
    x, weight, bias = paddle.randn([3, 6, 5, 4]), paddle.randn([6, channels, *kernel]), paddle.randn([channels])
    # Paddle cuts the same off both sides, and adds what is then missing behind.
    missing = [2 * n - ((n - 1) * 2 - 2 * p + k) for n, k, p in zip((5, 4), kernel, padding)]
    grown = F.conv2d_transpose(x, weight, bias, stride=2, padding=0, output_padding=1)
    top, left = padding
    grown = F.pad(grown, [0, 8, 0, 8])[:, :, top : top + 10, left : left + 8]
    reached = [min(size, (n - 1) * 2 - p + k + 1) for size, n, p, k in zip((10, 8), (5, 4), padding, kernel)]
    geometry = (2, 2, top, top - missing[0], left, left - missing[1])
    found = onednn.convolution_transposed(x, weight, bias, geometry, (10, 8))
    assert_close(found[:, :, : reached[0], : reached[1]], grown[:, :, : reached[0], : reached[1]])


@pytest.mark.parametrize("slope", [None, 0.0, 0.2])
@pytest.mark.parametrize("shape", [(4, 5, 6), (1, 1, 1), (256, 2, 512)])
def test_linear(shape, slope):
    rows, inputs, outputs = shape
    x, weight, bias = paddle.randn([rows, inputs]), paddle.randn([inputs, outputs]), paddle.randn([outputs])
    for given in (bias, None):
        expected = F.linear(x, weight, given)
        expected = expected if slope is None else F.leaky_relu(expected, slope)
        assert_close(onednn.linear(x, weight, given, slope), expected)
        assert_close(onednn.linear(x.t().clone().t(), weight.t().clone().t(), given, slope), expected)


def test_images_may_lie_anyhow():
    paddle.seed(0)
    image, weight = paddle.randn([2, 8, 9, 9]), paddle.randn([4, 8, 3, 3])
    geometry = (1, 1, 1, 1, 1, 1)
    cut = image[:, :, :7, 1:8]
    expected = by_paddle(cut.clone(), weight, None, geometry)
    assert_close(onednn.convolution(cut, weight, None, geometry), expected)
    last = onednn.to_channels_last(image)
    assert_close(onednn.convolution(last[:, :, :7, 1:8], weight, None, geometry), expected)


@pytest.mark.parametrize("lay", [lambda x: x, onednn.to_channels_last], ids=["row-major", "channels last"])
def test_rectifier(lay):
    x = lay(paddle.to_tensor(np.linspace(-1, 1, 2 * 3 * 3 * 3, dtype=np.float32).reshape([2, 3, 3, 3])))
    x[0, 0, 0, 0] = 0.0
    for slope in (0.0, 0.2):
        inputs = learning(x)
        expected = F.leaky_relu(inputs[0], slope) if slope else F.relu(inputs[0])
        y = onednn.relu(x, slope)
        assert_close(y, expected, 1e-7)
        g = paddle.randn(x.shape)
        found = onednn.relu_gradient(g, y, slope)
        assert_close(found, paddle.grad([expected], inputs, [g])[0], 1e-7)


def test_pooling_and_repetition():
    x = paddle.randn([3, 5, 6, 8])
    for size, stride, padding in ((2, 2, 0), (3, 1, 1), (3, 2, 0), (2, 3, 1)):
        assert_close(onednn.pool(x, size, stride, padding), F.avg_pool2d(x, size, stride, padding))
        found = onednn.pool(x, size, stride, padding, maximum=True)
        assert (found == F.max_pool2d(x, size, stride, padding)).all()
    assert (onednn.repeat_pixels(x, 2) == F.interpolate(x, size=[12, 16], mode="nearest")).all()


@pytest.mark.parametrize("shape", [[4, 8, 6, 6], [3, 1, 5, 7], [16, 33, 1, 1]])
def test_batch_norm(shape):
    paddle.seed(0)
    x, scale, shift = 2 * paddle.randn(shape) + 1, paddle.randn([shape[1]]), paddle.randn([shape[1]])
    inputs = learning(x, scale, shift)
    expected = F.batch_norm(inputs[0], paddle.zeros([shape[1]]), paddle.ones([shape[1]]), *inputs[1:], training=True)
    y, mean, variance = onednn.batch_norm(x, scale, shift, 1e-5)
    assert_close(y, expected)
    assert_close(mean, x.mean([0, 2, 3]))
    assert_close(variance, x.var([0, 2, 3], unbiased=False))
    g = paddle.randn(shape)
    found = onednn.batch_norm_gradient(g, x, scale, mean, variance, 1e-5)
    for ours, paddles in zip(found, paddle.grad([expected], inputs, [g])):
        assert_close(ours, paddles, 2e-5)


def test_the_same_threads_give_the_same_bits(case):
    x, weight, bias, geometry = case
    y = onednn.convolution(*case)
    for _ in range(3):
        assert (onednn.convolution(*case) == y).all()
        first, second = (onednn.convolution_weight_gradient(x, y, geometry, weight.shape)[0] for _ in range(2))
        assert (first == second).all()


def test_primitives_are_bounded_and_given_back():
    weight = paddle.ones([1, 1, 1, 1])
    for width in range(1, onednn.CACHED_PRIMITIVES + 50):
        onednn.convolution(paddle.ones([1, 1, 1, width]), weight, None, (1, 1, 0, 0, 0, 0))
    gc.collect()
    kept = sum(type(thing) is primitives.Primitive for thing in gc.get_objects())  # isinstance wakes lazy modules
    assert convolutions._convolution.cache_info().currsize == onednn.CACHED_PRIMITIVES
    assert kept < 8 * onednn.CACHED_PRIMITIVES


def test_a_failure_names_the_call():
    with pytest.raises(RuntimeError, match="oneDNN: memory_desc_create_with_strides failed"):
        library.describe([2] * 20, [1] * 20)
