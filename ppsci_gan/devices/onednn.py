"""Convolution, pooling and normalisation on the CPU by oneDNN, from the library in Paddle's own wheel.

Paddle's dynamic mode never calls that library; it convolves image by image with small matrix products, two to four
times slower. This module calls oneDNN's C interface through ctypes, without compilation. Its functions take and return
plain float32 tensors without gradients; ``ppsci_gan.networks.layers`` builds differentiable layers on them.

Images keep their shape [N, C, H, W], but are stored channels last (strides of [N, H, W, C]), which oneDNN's kernels
read and write directly. Inputs with another layout are reordered.

Reference: oneDNN's C interface, version 3 (https://uxlfoundation.github.io/oneDNN); constants are those of its header
dnnl_types.h, which do not change within a major version.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Sequence
from pathlib import Path

import paddle
import paddle.nn.functional as F
from paddle import Tensor
from paddle import _C_ops

MAJOR_VERSION = 3  # to which the constants below belong
FEW_CHANNELS = 4  # images have no more
CACHED_PRIMITIVES = 512  # one per kind and shape; a training run uses some dozens

_FORWARD_TRAINING, _FORWARD_INFERENCE, _BACKWARD = 64, 96, 128
_CONVOLUTION, _DECONVOLUTION, _RELU, _RELU_OF_OUTPUT, _LINEAR = 1, 10, 0x20, 0x100, 0x26
_MAXIMUM_POOL, _MEAN_POOL, _NEAREST = 0x1FF, 0x3FF, 0x2FFF0
_USE_SCALE, _USE_SHIFT = 2, 4
_ANY_LAYOUT = 1
_TINY = 2.0**-64  # large enough that products with it are not denormal, which would be slow
_FLOAT32 = 3
_QUERY = {"src": 129, "diff_src": 130, "weights": 131, "diff_weights": 132, "dst": 133, "diff_dst": 134}
_ARGUMENT = {
    "first": 1024,
    "second": 1025,
    "src": 1,
    "dst": 17,
    "weights": 33,
    "bias": 41,
    "mean": 49,
    "variance": 50,
    "scale": 51,
    "shift": 52,
    "diff_src": 129,
    "diff_dst": 145,
    "diff_weights": 161,
    "diff_bias": 169,
    "diff_scale": 255,
    "diff_shift": 256,
}

_CPU = paddle.CPUPlace()
_FLAGS = paddle.base.core.globals()

# (stride_h, stride_w, top, bottom, left, right): a convolution's strides and the zeros around the image.
Geometry = tuple[int, int, int, int, int, int]
Layout = tuple[tuple[int, ...], tuple[int, ...]]  # shape and strides


class _Argument(ctypes.Structure):
    _fields_ = [("number", ctypes.c_int), ("memory", ctypes.c_void_p)]


@functools.cache
def _library() -> ctypes.CDLL | None:
    """Return the library, or None if the wheel lacks it or has another major version."""
    path = Path(paddle.__file__).parent / "libs" / f"libdnnl.so.{MAJOR_VERSION}"
    if not path.is_file():
        return None
    library = ctypes.CDLL(str(path))
    library.dnnl_primitive_desc_query_md.restype = ctypes.c_void_p
    library.dnnl_primitive_desc_query_md.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int]
    library.dnnl_memory_desc_get_size.restype = ctypes.c_size_t
    library.dnnl_memory_desc_get_size.argtypes = [ctypes.c_void_p]
    library.dnnl_memory_desc_equal.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    library.dnnl_memory_set_data_handle.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    library.dnnl_primitive_execute.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p]
    return library


def is_available() -> bool:
    """Whether Paddle's wheel has the library, and tensors have views, which plug-in devices switch off.

    Examples:
        >>> from ppsci_gan.devices import onednn
        >>> isinstance(onednn.is_available(), bool)
        True
    """
    return _library() is not None and _FLAGS["FLAGS_use_stride_kernel"]


def _call(name: str, *arguments) -> None:
    if status := getattr(_library(), f"dnnl_{name}")(*arguments):
        raise RuntimeError(f"oneDNN: {name} failed with status {status}")


class _Handle:
    """oneDNN object, destroyed with its last reference."""

    def __init__(self, kind: str):
        self.pointer = ctypes.c_void_p()
        self._as_parameter_ = self.pointer
        self.destroy = getattr(_library(), f"dnnl_{kind}_destroy")

    def __del__(self):
        self.destroy(self.pointer)


def _create(name: str, *arguments) -> _Handle:
    kind = name.partition("_create")[0]
    handle = _Handle("primitive_desc" if kind.endswith("primitive_desc") else kind)
    _call(name, ctypes.byref(handle.pointer), *arguments)
    return handle


@functools.cache
def _engine() -> _Handle:
    return _create("engine_create", 1, ctypes.c_size_t(0))  # the CPU


@functools.cache
def _stream() -> _Handle:
    return _create("stream_create", _engine(), 1)  # in order


def _longs(values: Sequence[int]) -> ctypes.Array:
    return (ctypes.c_int64 * len(values))(*values)


def _describe(shape: Sequence[int], strides: Sequence[int] | None = None) -> _Handle:
    """Return a memory descriptor; without strides, the primitive chooses the layout."""
    if strides is None:
        return _create("memory_desc_create_with_tag", len(shape), _longs(shape), _FLOAT32, _ANY_LAYOUT)
    return _create("memory_desc_create_with_strides", len(shape), _longs(shape), _FLOAT32, _longs(strides))


def _rectifier(slope: float | None) -> _Handle | None:
    """Return the attribute that makes a primitive rectify its result, with a slope for negative values."""
    if slope is None:
        return None
    steps, attributes = _create("post_ops_create"), _create("primitive_attr_create")
    _call("post_ops_append_eltwise", steps, _RELU, ctypes.c_float(slope), ctypes.c_float(0))
    if slope:
        # For a result of zero, Paddle's gradient is 1, oneDNN's the slope. Adding a tiny positive number makes them
        # agree; it is lost in the rounding of other results.
        _call("post_ops_append_eltwise", steps, _LINEAR, ctypes.c_float(1), ctypes.c_float(_TINY))
    _call("primitive_attr_set_post_ops", attributes, steps)
    return attributes


# --- layouts ---


def _channels_last(shape: Sequence[int]) -> tuple[int, ...]:
    _, c, h, w = shape
    return c * h * w, 1, c * w, c


def is_channels_last(x: Tensor) -> bool:
    """Whether an image is stored as a dense [N, H, W, C].

    Args:
        x: [N, C, H, W].

    Examples:
        >>> import paddle
        >>> from ppsci_gan.devices import onednn
        >>> onednn.is_channels_last(paddle.zeros([1, 2, 3, 3]))
        False
        >>> onednn.is_channels_last(paddle.zeros([1, 1, 3, 3]))
        True
    """
    shape = x.shape
    # The stride of an axis of size 1 is irrelevant.
    return all(size == 1 or own == wanted for size, own, wanted in zip(shape, x.strides, _channels_last(shape)))


def empty_image(shape: Sequence[int]) -> Tensor:
    """Return an uninitialised image that is stored channels last.

    Args:
        shape: [N, C, H, W].

    Examples:
        >>> from ppsci_gan.devices import onednn
        >>> onednn.empty_image([1, 2, 3, 4]).strides
        [24, 1, 8, 2]
    """
    n, c, h, w = shape
    return _C_ops.transpose(_empty([n, h, w, c]), [0, 3, 1, 2])


def to_channels_last(x: Tensor) -> Tensor:
    """Return an image stored channels last, copied only if necessary.

    Args:
        x: [N, C, H, W].

    Examples:
        >>> import paddle
        >>> from ppsci_gan.devices import onednn
        >>> onednn.is_channels_last(onednn.to_channels_last(paddle.zeros([1, 2, 3, 3])))
        True
    """
    if is_channels_last(x):
        return x
    copy = empty_image(x.shape)
    _reorder(_layout(x), _layout(copy))(src=x, dst=copy)
    return copy


# Paddle's public functions take three times as long for these, which matters for small layers.


def _empty(shape: Sequence[int]) -> Tensor:
    return _C_ops.empty(shape, paddle.float32, _CPU)


def ones(shape: Sequence[int]) -> Tensor:
    """Return ones in host memory.

    Args:
        shape: Any shape.
    """
    return _C_ops.full(shape, 1.0, paddle.float32, _CPU)


def _layout(x: Tensor) -> Layout:
    return tuple(x.shape), tuple(x.strides)


def _image(shape: Sequence[int]) -> _Handle:
    return _describe(shape, _channels_last(shape))


# --- primitives ---


class _Slot:
    """An argument of a primitive: the tensor's memory and, if the primitive needs another layout, a copy's."""

    def __init__(self, name: str, tensor: _Handle, wanted: int | None):
        self.number = _ARGUMENT[name]
        self.is_output = name in ("dst", "mean", "variance") or name.startswith("diff_") and name != "diff_dst"
        self.outer = self.inner = _create("memory_create", tensor, _engine(), None)
        self.copy = None
        if wanted is None or _library().dnnl_memory_desc_equal(tensor, wanted):
            return
        wanted = ctypes.c_void_p(wanted)
        self.inner = _create("memory_create", wanted, _engine(), None)
        self.bytes = _library().dnnl_memory_desc_get_size(wanted)
        source, target = (wanted, tensor) if self.is_output else (tensor, wanted)
        reorder = _create("reorder_primitive_desc_create", source, _engine(), target, _engine(), None)
        self.copy = _create("primitive_create", reorder)
        source, target = (self.inner, self.outer) if self.is_output else (self.outer, self.inner)
        self.copy_arguments = _arguments((_ARGUMENT["src"], source), (_ARGUMENT["dst"], target))


def _arguments(*pairs: tuple[int, _Handle]) -> ctypes.Array:
    return (_Argument * len(pairs))(*(_Argument(number, memory.pointer) for number, memory in pairs))


class Primitive:
    """A computation of one kind and shape, created once and called often.

    Args:
        descriptor: oneDNN's descriptor of the computation.
        tensors: Memory descriptors of the arguments, by name.
    """

    def __init__(self, descriptor: _Handle, **tensors: _Handle):
        self.primitive = _create("primitive_create", descriptor)
        self.slots = {}
        for name, tensor in tensors.items():
            wanted = _library().dnnl_primitive_desc_query_md(descriptor, _QUERY[name], 0) if name in _QUERY else None
            self.slots[name] = _Slot(name, tensor, wanted)
        self.arguments = _arguments(*((slot.number, slot.inner) for slot in self.slots.values()))

    def __call__(self, **tensors: Tensor) -> None:
        """Compute into the output tensors; every tensor must have the layout given at construction."""
        set_data, stream = _library().dnnl_memory_set_data_handle, _stream()
        buffers, outputs = [], []
        for name, slot in self.slots.items():
            set_data(slot.outer, tensors[name].data_ptr())
            if slot.copy is None:
                continue
            buffers.append(_C_ops.empty([slot.bytes], paddle.uint8, _CPU))  # from Paddle's allocator
            set_data(slot.inner, buffers[-1].data_ptr())
            if slot.is_output:
                outputs.append(slot)
            else:
                _call("primitive_execute", slot.copy, stream, 2, slot.copy_arguments)
        _call("primitive_execute", self.primitive, stream, len(self.arguments), self.arguments)
        for slot in outputs:
            _call("primitive_execute", slot.copy, stream, 2, slot.copy_arguments)
        _call("stream_wait", stream)


_cached = functools.lru_cache(maxsize=CACHED_PRIMITIVES)


@_cached
def _reorder(source: Layout, target: Layout) -> Primitive:
    src, dst = _describe(*source), _describe(*target)
    return Primitive(_create("reorder_primitive_desc_create", src, _engine(), dst, _engine(), None), src=src, dst=dst)


# --- convolutions ---


def convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    geometry: Geometry,
    slope: float | None = None,
) -> Tensor:
    """Convolve images.

    Args:
        x: [N, C, H, W].
        weight: [C', C, h, w].
        bias: [C'], or None.
        geometry: Strides and padding.
        slope: Negative slope of a rectifier after it: 0 for ReLU, None for no rectifier.

    Returns:
        [N, C', H', W'], channels last.

    Examples:
        >>> import paddle
        >>> from ppsci_gan.devices import onednn
        >>> image, weight = paddle.ones([1, 2, 4, 4]), paddle.ones([5, 2, 3, 3])
        >>> onednn.convolution(image, weight, None, (1, 1, 0, 0, 0, 0)).shape  # doctest: +SKIP
        [1, 5, 2, 2]
    """
    shape = output_shape(x.shape, weight.shape, geometry)
    result = empty_image(shape)
    primitive = _convolution(tuple(x.shape), _layout(weight), shape, geometry, bias is not None, slope)
    primitive(src=to_channels_last(x), weights=weight, dst=result, **_drop_none(bias=bias))
    return result


def convolution_transposed(
    x: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry, size: Sequence[int]
) -> Tensor:
    """Transposed convolution: the gradient of ``convolution`` with respect to its images.

    Args:
        x: [N, C', H', W'].
        weight: [C', C, h, w].
        bias: [C], or None.
        geometry: Strides and padding of that convolution.
        size: (H, W) of the result, which the geometry leaves ambiguous for strides above 1.

    Returns:
        [N, C, H, W], channels last.
    """
    if weight.shape[1] <= FEW_CHANNELS and geometry[:2] == (2, 2) and list(size) == [2 * edge for edge in x.shape[2:]]:
        return _double_size(x, weight, bias, geometry)
    shape = (x.shape[0], weight.shape[1], *size)
    result = empty_image(shape)
    primitive = _transposed(tuple(x.shape), _layout(weight), shape, geometry, bias is not None)
    primitive(src=to_channels_last(x), weights=weight.transpose([1, 0, 2, 3]), dst=result, **_drop_none(bias=bias))
    return result


def _double_size(x: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
    """Transposed convolution to twice the size with few output channels: one convolution per pixel of a 2 x 2 square.

    Each pixel uses every other row and column of the kernel. oneDNN's deconvolution takes about four times as long.
    """
    n, _, h, w = x.shape
    channels = weight.shape[1]
    rows, *vertical = _taps(weight.shape[2], geometry[2])
    columns, *horizontal = _taps(weight.shape[3], geometry[4])
    taps = F.pad(weight, [0, 1, 0, 1]).index_select(rows, 2).index_select(columns, 3)
    taps = taps.reshape([x.shape[1], channels, 2, sum(vertical) + 1, 2, sum(horizontal) + 1])
    taps = taps.transpose([2, 4, 1, 0, 3, 5]).reshape([4 * channels, x.shape[1], *taps.shape[3::2]])
    squares = convolution(x, taps, bias if bias is None else bias.tile([4]), (1, 1, *vertical, *horizontal))
    result = _empty([n, h, 2, w, 2, channels])
    squares = squares.transpose([0, 2, 3, 1]).reshape([n, h, w, 2, 2, channels]).transpose([0, 1, 3, 2, 4, 5])
    _reorder(_layout(squares), _layout(result))(src=squares, dst=result)
    return result.reshape([n, 2 * h, 2 * w, channels]).transpose([0, 3, 1, 2])


@functools.lru_cache
def _taps(size: int, padding: int) -> tuple[Tensor, int, int]:
    """Return the kernel taps that even and odd pixels use, and the padding before and after.

    Missing taps have the index after the last one.
    """
    before, behind = (size - 1 - padding + 1) // 2, (1 + padding) // 2
    found = [pixel + padding - 2 * step for pixel in (0, 1) for step in range(-before, behind + 1)]
    return paddle.to_tensor([tap if 0 <= tap < size else size for tap in found], place=_CPU), before, behind


def convolution_weight_gradient(
    x: Tensor, y: Tensor, geometry: Geometry, shape: Sequence[int], with_bias: bool = False
) -> tuple[Tensor, Tensor | None]:
    """Return the gradients of ``convolution`` with respect to its weights and bias.

    Args:
        x: Images, [N, C, H, W].
        y: Gradient with respect to the result, [N, C', H', W'].
        geometry: Strides and padding of the convolution.
        shape: Shape of the weights, [C', C, h, w].
        with_bias: Whether there is a bias.

    Returns:
        Gradients of the weights and of the bias, the latter None without one.
    """
    weight, bias = _empty(shape), _empty([shape[0]]) if with_bias else None
    primitive = _weight_gradient(tuple(x.shape), tuple(y.shape), _layout(weight), geometry, with_bias)
    given = {"src": to_channels_last(x), "diff_dst": to_channels_last(y), "diff_weights": weight}
    primitive(**given, **_drop_none(diff_bias=bias))
    return weight, bias


def output_shape(x: Sequence[int], weight: Sequence[int], geometry: Geometry) -> tuple[int, int, int, int]:
    """Return the shape of a convolution's result.

    Args:
        x: Shape of the images.
        weight: Shape of the weights.
        geometry: Strides and padding.

    Examples:
        >>> from ppsci_gan.devices import onednn
        >>> onednn.output_shape([2, 3, 32, 32], [64, 3, 5, 5], (2, 2, 2, 2, 2, 2))
        (2, 64, 16, 16)
    """
    stride_h, stride_w, top, bottom, left, right = geometry
    height = (x[2] + top + bottom - weight[2]) // stride_h + 1
    return x[0], weight[0], height, (x[3] + left + right - weight[3]) // stride_w + 1


def _drop_none(**tensors: Tensor | None) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in tensors.items() if tensor is not None}


def _axes(geometry: Geometry) -> tuple[ctypes.Array, ...]:
    """Return strides, dilation (none), and padding before and after."""
    stride_h, stride_w, top, bottom, left, right = geometry
    return _longs([stride_h, stride_w]), _longs([0, 0]), _longs([top, left]), _longs([bottom, right])


def _convolution_descriptor(x, weight, y, geometry: Geometry, bias: bool = False, slope=None):
    vector = _describe([weight[0]], [1]) if bias else None
    descriptors = _image(x), _describe(weight), vector, _image(y)
    arguments = _engine(), _FORWARD_TRAINING, _CONVOLUTION, *descriptors, *_axes(geometry), _rectifier(slope)
    return _create("convolution_forward_primitive_desc_create", *arguments)


@_cached
def _convolution(x, weight: Layout, y, geometry: Geometry, bias: bool, slope: float | None) -> Primitive:
    descriptor = _convolution_descriptor(x, weight[0], y, geometry, bias, slope)
    vector = {"bias": _describe([weight[0][0]], [1])} if bias else {}
    return Primitive(descriptor, src=_image(x), weights=_describe(*weight), dst=_image(y), **vector)


@_cached
def _transposed(x, weight: Layout, y, geometry: Geometry, bias: bool) -> Primitive:
    (shape, strides), swapped = weight, lambda sizes: (sizes[1], sizes[0], *sizes[2:])
    vector = _describe([shape[1]], [1]) if bias else None
    descriptors = _image(x), _describe(swapped(shape)), vector, _image(y)
    arguments = _engine(), _FORWARD_TRAINING, _DECONVOLUTION, *descriptors, *_axes(geometry), None
    descriptor = _create("deconvolution_forward_primitive_desc_create", *arguments)
    weights = _describe(swapped(shape), swapped(strides))
    return Primitive(descriptor, src=_image(x), weights=weights, dst=_image(y), **_drop_none(bias=vector))


@_cached
def _weight_gradient(x, y, weight: Layout, geometry: Geometry, bias: bool) -> Primitive:
    hint = _convolution_descriptor(x, weight[0], y, geometry)
    vector = _describe([weight[0][0]], [1]) if bias else None
    descriptors = _image(x), _describe(weight[0]), vector, _image(y)
    arguments = _engine(), _CONVOLUTION, *descriptors, *_axes(geometry), hint, None
    descriptor = _create("convolution_backward_weights_primitive_desc_create", *arguments)
    given = {"src": _image(x), "diff_dst": _image(y), "diff_weights": _describe(*weight)}
    return Primitive(descriptor, **given, **_drop_none(diff_bias=vector))


# --- matrix products ---


def linear(x: Tensor, weight: Tensor, bias: Tensor | None, slope: float | None = None) -> Tensor:
    """Linear layer in one pass: product, bias and rectifier.

    Args:
        x: [N, C].
        weight: [C, C'].
        bias: [C'], or None.
        slope: Negative slope of a rectifier after it: 0 for ReLU, None for no rectifier.

    Returns:
        [N, C'].
    """
    result = _empty([x.shape[0], weight.shape[1]])
    primitive = _linear(_layout(x), _layout(weight), bias is not None, slope)
    primitive(src=x, weights=weight, dst=result, **_drop_none(bias=bias))
    return result


@_cached
def _linear(x: Layout, weight: Layout, bias: bool, slope: float | None) -> Primitive:
    rows, columns = x[0][0], weight[0][1]
    y = (rows, columns), (columns, 1)
    vector = _describe([1, columns], [columns, 1]) if bias else None
    descriptors = _describe(*x), _describe(*weight), vector, _describe(*y)
    descriptor = _create("matmul_primitive_desc_create", _engine(), *descriptors, _rectifier(slope))
    given = {"src": _describe(*x), "weights": _describe(*weight), "dst": _describe(*y)}
    return Primitive(descriptor, **given, **_drop_none(bias=vector))


# --- activations, pooling, normalisation ---


def relu(x: Tensor, slope: float = 0.0) -> Tensor:
    """Rectify.

    Args:
        x: Any shape.
        slope: For negative values.

    Returns:
        The same shape, in the same layout where that is dense.
    """
    x = _to_dense(x)
    y = _empty_like(x)
    _elementwise(_RELU, x.size, slope, 0)(src=x, dst=y)
    if slope:  # see _rectifier
        _elementwise(_LINEAR, y.size, 1, _TINY)(src=y, dst=y)
    return y


def relu_gradient(g: Tensor, y: Tensor, slope: float = 0.0) -> Tensor:
    """Return the gradient of a rectifier, alone or after a convolution, with respect to its argument.

    Args:
        g: Gradient with respect to the result.
        y: The result.
        slope: For negative values.

    Returns:
        The same shape, in the layout of ``y``.
    """
    y = _to_dense(y)
    result = _empty_like(y)
    _relu_gradient(y.size, slope)(diff_dst=_match_layout(g, y), dst=y, diff_src=result)
    return result


def pool(x: Tensor, size: int, stride: int, padding: int = 0, maximum: bool = False) -> Tensor:
    """Mean or max pooling; the mean excludes the padding.

    Args:
        x: [N, C, H, W].
        size: Height and width of the window.
        stride: Stride.
        padding: Padding.
        maximum: Whether to take the maximum instead of the mean.

    Returns:
        [N, C, H', W'], channels last.
    """
    n, c, *edges = x.shape
    y = empty_image([n, c, *((edge + 2 * padding - size) // stride + 1 for edge in edges)])
    _pool(tuple(x.shape), tuple(y.shape), size, stride, padding, maximum)(src=to_channels_last(x), dst=y)
    return y


def mean_pool_gradient(g: Tensor, size: int) -> Tensor:
    """Return the gradient of mean pooling, with stride ``size``, with respect to the image.

    Args:
        g: Gradient with respect to the result, [N, C, H, W].
        size: Height and width of the window.

    Returns:
        [N, C, H * size, W * size], channels last.
    """
    n, c, h, w = g.shape
    result = empty_image([n, c, h * size, w * size])
    _mean_pool_gradient((n, c, h, w), size)(diff_dst=to_channels_last(g), diff_src=result)
    return result


def add(x: Tensor, y: Tensor) -> Tensor:
    """Add two images.

    Args:
        x: [N, C, H, W].
        y: [N, C, H, W].

    Returns:
        [N, C, H, W], channels last.
    """
    result = empty_image(x.shape)
    _sum(x.size)(first=to_channels_last(x), second=to_channels_last(y), dst=result)
    return result


def scale_(x: Tensor, factor: float) -> Tensor:
    """Multiply by a number, in place.

    Args:
        x: Any dense layout.
        factor: The number.
    """
    _elementwise(_LINEAR, x.size, factor, 0)(src=x, dst=x)
    return x


def repeat_pixels(x: Tensor, size: int) -> Tensor:
    """Nearest-neighbour upsampling: repeat every pixel to a square of size x size.

    Args:
        x: [N, C, H, W].
        size: Factor for height and width.

    Returns:
        [N, C, H * size, W * size], channels last.
    """
    n, c, h, w = x.shape
    y = empty_image([n, c, h * size, w * size])
    _repeat_pixels((n, c, h, w), size)(src=to_channels_last(x), dst=y)
    return y


def batch_norm(x: Tensor, scale: Tensor, shift: Tensor, epsilon: float) -> tuple[Tensor, Tensor, Tensor]:
    """Normalise every channel by the batch's mean and variance, then scale and shift it.

    Args:
        x: [N, C, H, W].
        scale: [C].
        shift: [C].
        epsilon: Added to the variance.

    Returns:
        The result [N, C, H, W], channels last, and mean and (biased) variance [C].
    """
    y, mean, variance = empty_image(x.shape), _empty(scale.shape), _empty(scale.shape)
    primitive = _batch_norm(tuple(x.shape), epsilon)
    primitive(src=to_channels_last(x), scale=scale, shift=shift, dst=y, mean=mean, variance=variance)
    return y, mean, variance


def batch_norm_gradient(
    g: Tensor, x: Tensor, scale: Tensor, mean: Tensor, variance: Tensor, epsilon: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of ``batch_norm`` with respect to its images, scale and shift.

    Args:
        g: Gradient with respect to the result, [N, C, H, W].
        x: The images.
        scale: [C].
        mean: From ``batch_norm``, [C].
        variance: From ``batch_norm``, [C].
        epsilon: As for ``batch_norm``.
    """
    grad_x, grad_scale, grad_shift = empty_image(x.shape), _empty(scale.shape), _empty(scale.shape)
    statistics = {"scale": scale, "mean": mean, "variance": variance}
    gradients = {"diff_src": grad_x, "diff_scale": grad_scale, "diff_shift": grad_shift}
    primitive = _batch_norm_gradient(tuple(x.shape), epsilon)
    primitive(diff_dst=to_channels_last(g), src=to_channels_last(x), **statistics, **gradients)
    return grad_x, grad_scale, grad_shift


def layer_norm(x: Tensor, scale: Tensor, shift: Tensor, epsilon: float) -> tuple[Tensor, Tensor, Tensor]:
    """Normalise every image by its mean and variance, then scale and shift every channel.

    Args:
        x: [N, C, H, W].
        scale: [C].
        shift: [C].
        epsilon: Added to the variance.

    Returns:
        The result [N, C, H, W], channels last, and mean and (biased) variance [N].
    """
    y, mean, variance = empty_image(x.shape), _empty([x.shape[0]]), _empty([x.shape[0]])
    pixels = x.shape[2] * x.shape[3]
    given = {"scale": repeat_for_pixels(scale, pixels), "shift": repeat_for_pixels(shift, pixels)}
    _layer_norm(tuple(x.shape), epsilon)(src=to_channels_last(x), dst=y, mean=mean, variance=variance, **given)
    return y, mean, variance


def layer_norm_gradient(
    g: Tensor, x: Tensor, scale: Tensor, mean: Tensor, variance: Tensor, epsilon: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of ``layer_norm`` with respect to its images, scale and shift.

    Args:
        g: Gradient with respect to the result, [N, C, H, W].
        x: The images.
        scale: [C].
        mean: From ``layer_norm``, [N].
        variance: From ``layer_norm``, [N].
        epsilon: As for ``layer_norm``.
    """
    width = x.size // x.shape[0]
    grad_x, grad_scale, grad_shift = empty_image(x.shape), _empty([width]), _empty([width])
    scale = repeat_for_pixels(scale, width // x.shape[1])
    # The gradient does not depend on the shift, but oneDNN 3.6 requires one.
    given = {"scale": scale, "shift": scale, "mean": mean, "variance": variance}
    gradients = {"diff_src": grad_x, "diff_scale": grad_scale, "diff_shift": grad_shift}
    _layer_norm_gradient(tuple(x.shape), epsilon)(
        diff_dst=to_channels_last(g), src=to_channels_last(x), **given, **gradients
    )
    return grad_x, *(sum_over_pixels(values, x.shape[1]) for values in (grad_scale, grad_shift))


def repeat_for_pixels(values: Tensor, pixels: int) -> Tensor:
    """Repeat values per channel for every pixel of an image stored channels last.

    Args:
        values: [C], or C values in another shape.
        pixels: Number of pixels.

    Returns:
        [pixels * C].
    """
    return values.reshape([1, -1]).tile([pixels, 1]).reshape([-1])


def sum_over_pixels(values: Tensor, channels: int) -> Tensor:
    """Sum the values of every channel over the pixels of an image stored channels last.

    Args:
        values: [pixels * C].
        channels: C.

    Returns:
        [C].
    """
    return sum_rows(values.reshape([-1, channels]))


def sum_rows(x: Tensor) -> Tensor:
    """Sum rows as a matrix product, several times faster than Paddle's sum over the first axis.

    Args:
        x: [N, C].

    Returns:
        [C].
    """
    return paddle.matmul(ones([1, x.shape[0]]), x).reshape([-1])


def _empty_like(x: Tensor) -> Tensor:
    return _empty(x.shape) if x.is_contiguous() else empty_image(x.shape)


def _to_dense(x: Tensor) -> Tensor:
    if x.is_contiguous() or len(x.shape) == 4 and is_channels_last(x):
        return x
    return to_channels_last(x) if len(x.shape) == 4 else x.clone()


def _match_layout(x: Tensor, y: Tensor) -> Tensor:
    if not y.is_contiguous():
        return to_channels_last(x)
    return x if x.is_contiguous() else x.clone()


@_cached
def _sum(size: int) -> Primitive:
    x, descriptor = _describe([size], [1]), _Handle("primitive_desc")
    both = (ctypes.c_void_p * 2)(x.pointer, x.pointer)
    ones = (ctypes.c_float * 2)(1, 1)
    _call("sum_primitive_desc_create", ctypes.byref(descriptor.pointer), _engine(), x, 2, ones, both, None)
    return Primitive(descriptor, first=x, second=x, dst=x)


@_cached
def _elementwise(kind: int, size: int, alpha: float, beta: float) -> Primitive:
    x, y = _describe([size], [1]), _describe([size], [1])
    arguments = _engine(), _FORWARD_TRAINING, kind, x, y, ctypes.c_float(alpha), ctypes.c_float(beta), None
    return Primitive(_create("eltwise_forward_primitive_desc_create", *arguments), src=x, dst=y)


@_cached
def _relu_gradient(size: int, slope: float) -> Primitive:
    x, g, y = (_describe([size], [1]) for _ in range(3))
    settings = ctypes.c_float(slope), ctypes.c_float(0)
    hint = _create(
        "eltwise_forward_primitive_desc_create", _engine(), _FORWARD_TRAINING, _RELU_OF_OUTPUT, x, y, *settings, None
    )
    arguments = _engine(), _RELU_OF_OUTPUT, x, g, y, *settings, hint, None
    return Primitive(_create("eltwise_backward_primitive_desc_create", *arguments), diff_src=x, diff_dst=g, dst=y)


@_cached
def _pool(x_shape, y_shape, size: int, stride: int, padding: int, maximum: bool) -> Primitive:
    kind = _MAXIMUM_POOL if maximum else _MEAN_POOL
    last = [(o - 1) * stride + size - i - padding for i, o in zip(x_shape[2:], y_shape[2:])]  # of the last square
    descriptor = _pool_descriptor(_FORWARD_INFERENCE, kind, x_shape, y_shape, _squares(size, stride, padding, last))
    return Primitive(descriptor, src=_image(x_shape), dst=_image(y_shape))


@_cached
def _mean_pool_gradient(shape, size: int) -> Primitive:
    n, c, h, w = shape
    larger, squares = (n, c, h * size, w * size), _squares(size, size, 0, [0, 0])
    hint = _pool_descriptor(_FORWARD_TRAINING, _MEAN_POOL, larger, shape, squares)
    arguments = _engine(), _MEAN_POOL, _image(larger), _image(shape), *squares, hint, None
    descriptor = _create("pooling_backward_primitive_desc_create", *arguments)
    return Primitive(descriptor, diff_src=_image(larger), diff_dst=_image(shape))


def _squares(size: int, stride: int, padding: int, last: Sequence[int]) -> tuple[ctypes.Array, ...]:
    return *(_longs([value, value]) for value in (stride, size, 0, padding)), _longs(last)


def _pool_descriptor(mode: int, kind: int, x_shape, y_shape, squares) -> _Handle:
    arguments = _engine(), mode, kind, _image(x_shape), _image(y_shape), *squares, None
    return _create("pooling_forward_primitive_desc_create", *arguments)


@_cached
def _repeat_pixels(shape, size: int) -> Primitive:
    n, c, h, w = shape
    x, y = _image(shape), _image([n, c, h * size, w * size])
    arguments = _engine(), _FORWARD_INFERENCE, _NEAREST, None, x, y, None
    return Primitive(_create("resampling_forward_primitive_desc_create", *arguments), src=x, dst=y)


def _batch_norm_descriptor(shape, epsilon: float) -> _Handle:
    settings = ctypes.c_float(epsilon), _USE_SCALE | _USE_SHIFT, None
    arguments = _engine(), _FORWARD_TRAINING, _image(shape), _image(shape), *settings
    return _create("batch_normalization_forward_primitive_desc_create", *arguments)


@_cached
def _batch_norm(shape, epsilon: float) -> Primitive:
    vectors = {name: _describe([shape[1]], [1]) for name in ("scale", "shift", "mean", "variance")}
    return Primitive(_batch_norm_descriptor(shape, epsilon), src=_image(shape), dst=_image(shape), **vectors)


@_cached
def _batch_norm_gradient(shape, epsilon: float) -> Primitive:
    settings = ctypes.c_float(epsilon), _USE_SCALE | _USE_SHIFT, _batch_norm_descriptor(shape, epsilon), None
    arguments = _engine(), _BACKWARD, _image(shape), _image(shape), _image(shape), *settings
    images = {name: _image(shape) for name in ("diff_dst", "src", "diff_src")}
    vectors = {name: _describe([shape[1]], [1]) for name in ("scale", "mean", "variance", "diff_scale", "diff_shift")}
    descriptor = _create("batch_normalization_backward_primitive_desc_create", *arguments)
    return Primitive(descriptor, **images, **vectors)


def _layer_norm_descriptor(shape, epsilon: float) -> tuple[_Handle, dict[str, _Handle]]:
    """Return the forward pass's descriptor, and those of all arguments: an image is a row of values."""
    n, width = shape[0], shape[1] * shape[2] * shape[3]
    rows = {name: _describe([n, width], [width, 1]) for name in ("src", "dst", "diff_src", "diff_dst")}
    statistics = {name: _describe([n], [1]) for name in ("mean", "variance")}
    vectors = {name: _describe([width], [1]) for name in ("scale", "shift", "diff_scale", "diff_shift")}
    settings = ctypes.c_float(epsilon), _USE_SCALE | _USE_SHIFT, None
    arguments = _engine(), _FORWARD_TRAINING, rows["src"], rows["dst"], statistics["mean"], *settings
    descriptor = _create("layer_normalization_forward_primitive_desc_create", *arguments)
    return descriptor, {**rows, **statistics, **vectors}


@_cached
def _layer_norm(shape, epsilon: float) -> Primitive:
    descriptor, tensors = _layer_norm_descriptor(shape, epsilon)
    return Primitive(
        descriptor, **{name: tensors[name] for name in ("src", "dst", "mean", "variance", "scale", "shift")}
    )


@_cached
def _layer_norm_gradient(shape, epsilon: float) -> Primitive:
    hint, tensors = _layer_norm_descriptor(shape, epsilon)
    images = (tensors[name] for name in ("diff_src", "diff_dst", "src"))
    settings = ctypes.c_float(epsilon), _USE_SCALE | _USE_SHIFT, hint, None
    arguments = _engine(), _BACKWARD, *images, tensors["mean"], *settings
    descriptor = _create("layer_normalization_backward_primitive_desc_create", *arguments)
    names = ("diff_src", "diff_dst", "src", "mean", "variance", "scale", "shift", "diff_scale", "diff_shift")
    return Primitive(descriptor, **{name: tensors[name] for name in names})
