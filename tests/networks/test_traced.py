"""Pullbacks against Paddle's autograd, in float64, and what cannot be traced."""

import paddle
import paddle.nn.functional as F
import pytest
from paddle import nn

from ppsci_gan.errors import InputError
from ppsci_gan.networks import traced
from ppsci_gan.networks.traced import Traced


def draw(*shape):
    return paddle.randn(shape, dtype="float64")


@pytest.fixture(autouse=True)
def seed():
    paddle.seed(0)


def assert_same_gradient(function, *shape):
    """Compare a function's traced gradient with autograd's, weighted so that no two outputs count alike."""
    x = draw(*shape)
    x.stop_gradient = False
    weight = draw(*function(x).shape)
    expected = paddle.grad((function(x) * weight).sum(), x)[0]
    axes = list(range(1, weight.ndim))
    total = lambda x: (function(x) * weight).mean(axes) * (weight.size / weight.shape[0])  # noqa: E731
    found = traced.input_gradient(total if axes else lambda x: function(x) * weight, x.detach())
    assert found.shape == expected.shape
    assert float((found - expected).abs().max()) < 1e-12 * float(expected.abs().max())


@pytest.mark.parametrize("size", [(28, 28), (14, 9), (7, 7)])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding"),
    [(5, 2, "same"), (5, 2, 2), (3, 1, 1), (1, 1, 0), (4, 2, 1), (3, 2, "same"), (2, 3, [1, 0])],
)
def test_conv2d(size, kernel, stride, padding):
    layer = nn.Conv2D(3, 4, kernel, stride=stride, padding=padding).to(dtype="float64")
    assert_same_gradient(lambda x: traced.conv2d(layer, x), 2, 3, *size)


def test_linear():
    layer = nn.Linear(4, 3).to(dtype="float64")
    assert_same_gradient(lambda x: traced.linear(layer, x), 5, 4)


def test_modulate():
    scale, offset = draw(2, 3), draw(2, 3)
    assert_same_gradient(lambda x: traced.modulate(x, scale, offset), 2, 3, 4, 5)


@pytest.mark.parametrize(
    "function",
    [
        traced.relu,
        lambda x: traced.leaky_relu(x, 0.2),
        lambda x: traced.avg_pool2d(x, 2),
        lambda x: traced.sqrt(x * x + 1.0),
        lambda x: x.reshape([2, 48]),
        lambda x: x.mean([1, 3]),
        lambda x: x.mean([1, 2, 3], keepdim=True),
        lambda x: x.mean([1, 2, 3]),
        lambda x: x.mean([1], keepdim=True).squeeze(1),
        lambda x: x + x * 3.0,
        lambda x: traced.concat([x * 2.0, paddle.ones([2, 1, 4, 4], "float64"), x], axis=1),
        lambda x: 2.0 * x + 1.0 + x.mean([2, 3], keepdim=True),
        lambda x: x - x.mean([1, 2, 3], keepdim=True),
        lambda x: x / (x.mean([1], keepdim=True) * x.mean([1], keepdim=True) + 1.0),
        lambda x: (x * paddle.arange(3, dtype="float64").reshape([3, 1, 1])) / paddle.full([1], 3.0, "float64"),
    ],
)
def test_step(function):
    assert_same_gradient(function, 2, 3, 4, 4)


def test_a_rectifier_at_zero_is_paddles():
    zero = paddle.zeros([2])
    zero.stop_gradient = False
    for ours, paddles in ((traced.relu, F.relu), (traced.leaky_relu, F.leaky_relu)):
        expected = paddle.grad(paddles(zero).sum(), zero)[0]
        assert traced.input_gradient(ours, zero.detach()).tolist() == expected.tolist()


def test_tensors_go_through_as_with_paddle():
    x, conv, linear = paddle.randn([2, 3, 4, 4]), nn.Conv2D(3, 2, 3), nn.Linear(4, 2)
    assert (traced.conv2d(conv, x) == conv(x)).all()
    assert (traced.linear(linear, x) == linear(x)).all()
    assert (traced.relu(x) == F.relu(x)).all()
    assert (traced.leaky_relu(x, 0.3) == F.leaky_relu(x, 0.3)).all()
    assert (traced.avg_pool2d(x, 2) == F.avg_pool2d(x, 2)).all()
    assert (traced.sqrt(x * x) == paddle.sqrt(x * x)).all()
    assert (traced.concat([x, x], axis=1) == paddle.concat([x, x], axis=1)).all()


def test_values_are_those_of_an_untraced_pass():
    layer, x = nn.Conv2D(3, 2, 3), paddle.randn([2, 3, 6, 6])

    def network(x):
        return traced.leaky_relu(traced.conv2d(layer, x), 0.2).mean([1, 2, 3])

    assert (network(Traced(x)).value == network(x)).all()


def test_the_gradient_is_differentiable_with_respect_to_parameters():
    layer = nn.Linear(3, 1, bias_attr=False)
    gradient = traced.input_gradient(lambda x: traced.linear(layer, x).squeeze(1), paddle.randn([4, 3]))
    (gradient**2).sum().backward()
    assert paddle.allclose(layer.weight.grad, 8 * layer.weight)


def test_scale():
    assert traced.input_gradient(lambda x: x * 3.0, paddle.ones([2]), scale=4.0).tolist() == [12.0, 12.0]


@pytest.mark.parametrize("function", [F.tanh, lambda x: x.flatten(1), lambda x: x**2, paddle.exp, nn.Linear(3, 1)])
def test_what_has_no_pullback_is_named_with_the_way_out(function):
    with pytest.raises(InputError, match=r"Traced(?s:.*)networks.traced, or set LOSS.penalty_gradient=autograd"):
        traced.input_gradient(function, paddle.randn([2, 3]))


def test_an_operator_that_does_not_say_what_it_was_given_is_no_error_of_the_critic():
    """Paddle's concat names neither its argument nor its type."""
    with pytest.raises(InputError, match=r"concat\(\)(?s:.*)LOSS.penalty_gradient=autograd"):
        traced.input_gradient(lambda x: paddle.concat([x, x], axis=1), paddle.randn([2, 3]))


def test_errors_of_the_critic_itself_are_left_alone():
    def critic(x):
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        traced.input_gradient(critic, paddle.randn([2, 3]))


def test_a_score_that_ignores_its_input_is_refused():
    with pytest.raises(InputError, match="does not depend"):
        traced.input_gradient(lambda x: Traced(paddle.ones([2])), paddle.randn([2, 3]))
