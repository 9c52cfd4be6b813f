"""oneDNN's C interface: the library in Paddle's wheel, its objects, and descriptions of tensors."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Sequence
from pathlib import Path

import paddle

MAJOR_VERSION = 3  # to which the constants here and beside belong
FORWARD_TRAINING, FORWARD_INFERENCE, BACKWARD = 64, 96, 128
_ANY_LAYOUT = 1
_FLOAT32 = 3
_FLAGS = paddle.base.core.globals()


@functools.cache
def load_library() -> ctypes.CDLL | None:
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
    return load_library() is not None and _FLAGS["FLAGS_use_stride_kernel"]


def call(name: str, *arguments) -> None:
    """Call ``dnnl_<name>``; a status other than success is a RuntimeError."""
    if status := getattr(load_library(), f"dnnl_{name}")(*arguments):
        raise RuntimeError(f"oneDNN: {name} failed with status {status}")


class Handle:
    """oneDNN object, destroyed with its last reference."""

    def __init__(self, kind: str):
        self.pointer = ctypes.c_void_p()
        self._as_parameter_ = self.pointer
        self.destroy = getattr(load_library(), f"dnnl_{kind}_destroy")

    def __del__(self):
        self.destroy(self.pointer)


def create(name: str, *arguments) -> Handle:
    """Return the object that ``dnnl_<name>`` makes of these arguments."""
    kind = name.partition("_create")[0]
    handle = Handle("primitive_desc" if kind.endswith("primitive_desc") else kind)
    call(name, ctypes.byref(handle.pointer), *arguments)
    return handle


@functools.cache
def get_engine() -> Handle:
    """Return what computes: the CPU."""
    return create("engine_create", 1, ctypes.c_size_t(0))


@functools.cache
def get_stream() -> Handle:
    """Return the queue of computations, in order."""
    return create("stream_create", get_engine(), 1)


def to_longs(values: Sequence[int]) -> ctypes.Array:
    """Return sizes or strides as oneDNN takes them."""
    return (ctypes.c_int64 * len(values))(*values)


def describe(shape: Sequence[int], strides: Sequence[int] | None = None) -> Handle:
    """Return a memory descriptor; without strides, the primitive chooses the layout."""
    if strides is None:
        return create("memory_desc_create_with_tag", len(shape), to_longs(shape), _FLOAT32, _ANY_LAYOUT)
    return create("memory_desc_create_with_strides", len(shape), to_longs(shape), _FLOAT32, to_longs(strides))
