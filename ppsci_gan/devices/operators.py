"""The networks' operators on a device: which it supports, and how far its results are from the CPU's."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import Tensor

from ppsci_gan.devices import device


class Operator(NamedTuple):
    """An operator and a test case.

    Attributes:
        kernel: Paddle's name of its kernel, from which those of its gradients derive.
        run: Applies the operator.
        shapes: Shapes of its arguments.
        once_only: Whether the suite never differentiates it twice.
    """

    kernel: str
    run: Callable[..., Tensor]
    shapes: tuple[tuple[int, ...], ...]
    once_only: bool = False


def _batch_norm(x: Tensor, scale: Tensor, offset: Tensor) -> Tensor:
    mean, variance = paddle.zeros([4]), paddle.ones([4])
    return F.batch_norm(x, mean, variance, scale, offset, training=True)


IMAGE, KERNEL = (2, 4, 8, 8), (4, 4, 3, 3)
OPERATORS = (
    Operator("conv2d", lambda x, w: F.conv2d(x, w, stride=2, padding=1), (IMAGE, KERNEL)),
    Operator(
        "conv2d_transpose",
        lambda x, w: F.conv2d_transpose(x, w, stride=2, padding=1, output_padding=1),
        (IMAGE, KERNEL),
        once_only=True,
    ),
    Operator("matmul", paddle.matmul, ((4, 8), (8, 3))),
    Operator("add", paddle.add, (IMAGE, IMAGE)),
    Operator("subtract", paddle.subtract, (IMAGE, (2, 1, 1, 1))),
    Operator("multiply", paddle.multiply, (IMAGE, (4, 1, 1))),
    Operator("divide", lambda x, y: x / (1 + y * y), (IMAGE, (2, 1, 1, 1))),
    Operator("sqrt", lambda x: paddle.sqrt(1 + x * x), (IMAGE,)),
    Operator("mean", lambda x: paddle.mean(x, axis=[1, 2, 3], keepdim=True), (IMAGE,)),
    Operator("sum", lambda x: paddle.sum(x, axis=[1, 2, 3]), (IMAGE,)),
    Operator("reshape", lambda x: x.reshape([2, -1]), (IMAGE,)),
    Operator("expand", lambda x: x.expand([2, 4, 8, 8]), ((2, 4, 1, 1),)),
    Operator("concat", lambda x, y: paddle.concat([x, y]), (IMAGE, IMAGE)),
    Operator("relu", F.relu, (IMAGE,)),
    Operator("leaky_relu", lambda x: F.leaky_relu(x, 0.2), (IMAGE,)),
    Operator("tanh", F.tanh, (IMAGE,), once_only=True),
    Operator("sigmoid", F.sigmoid, (IMAGE,), once_only=True),
    Operator("pool2d", lambda x: F.avg_pool2d(x, 2), (IMAGE,)),
    Operator("nearest_interp", lambda x: F.interpolate(x, size=[16, 16], mode="nearest"), (IMAGE,), once_only=True),
    Operator("batch_norm", _batch_norm, (IMAGE, (4,), (4,)), once_only=True),
    Operator("embedding", lambda w: F.embedding(paddle.to_tensor([0, 2]), w), ((3, 4),), once_only=True),
    Operator(
        "cross_entropy_with_softmax",
        lambda x: F.cross_entropy(x, paddle.to_tensor([0, 2])),
        ((2, 3),),
        once_only=True,
    ),
)
ORDERS = {"forward": "{}", "backward": "{}_grad", "double backward": "{}_double_grad"}


def tabulate_support() -> list[str]:
    """Run every operator on the current device: forward, backward and double backward.

    Returns:
        Lines of a table. ``ok``: the device has the kernel; ``ok*``: it works without a kernel of this name, by other
        kernels or, for a plug-in, on the CPU; ``missing``: it fails. The last column is the largest difference from the
        CPU relative to the largest value.

    Examples:
        >>> from ppsci_gan.devices import device
        >>> from ppsci_gan.devices import operators
        >>> device.select("cpu")
        'cpu'
        >>> len(operators.tabulate_support()) == len(operators.OPERATORS) + 1
        True
    """
    here = paddle.device.get_device()
    lines = ["{:<28}{:<10}{:<11}{:<18}{}".format("operator", *ORDERS, "difference from the CPU")]
    for operator in OPERATORS:
        wanted = list(ORDERS)[: 2 if operator.once_only else 3]
        found, status, difference = _run(operator, here), [], 0.0
        expected = found if here == "cpu" else _run(operator, "cpu")
        for order in wanted:
            if order not in found:
                status.append("missing")
                continue
            status.append("ok" if device.has_kernel(ORDERS[order].format(operator.kernel)) else "ok*")
            difference = max(difference, _difference(found[order], expected[order]))
        status += ["-"] * (3 - len(status))
        lines.append("{:<28}{:<10}{:<11}{:<18}{:.1e}".format(operator.kernel, *status, difference))
    return lines


def _run(operator: Operator, place: str) -> dict[str, list[np.ndarray]]:
    """Return the results of an operator and its gradients on a device, up to the first failure."""
    here = paddle.device.get_device()
    paddle.device.set_device(place)
    results: dict[str, list[np.ndarray]] = {}
    try:
        rng = np.random.default_rng(0)
        inputs = [paddle.to_tensor(rng.standard_normal(shape), "float32") for shape in operator.shapes]
        for tensor in inputs:
            tensor.stop_gradient = False
        output = operator.run(*inputs)
        results["forward"] = [output.numpy()]
        gradients = paddle.grad((output**2).sum(), inputs, create_graph=not operator.once_only)
        results["backward"] = [g.numpy() for g in gradients]
        if not operator.once_only:
            twice = paddle.grad(sum((g**2).sum() for g in gradients), inputs, allow_unused=True)
            results["double backward"] = [g.numpy() for g in twice if g is not None]
    except (RuntimeError, NotImplementedError, ValueError):  # what Paddle raises for a missing kernel
        return results
    finally:
        paddle.device.set_device(here)
    return results


def _difference(found: list[np.ndarray], expected: list[np.ndarray]) -> float:
    largest = max(float(np.abs(e).max()) for e in expected) or 1.0
    return max(float(np.abs(f - e).max()) for f, e in zip(found, expected)) / largest
