"""oneDNN's computations, each created once per kind and shape and called often."""

from __future__ import annotations

import ctypes
import functools

import paddle
from paddle import Tensor
from paddle import _C_ops

from ppsci_gan.devices.onednn.library import Handle
from ppsci_gan.devices.onednn.library import call
from ppsci_gan.devices.onednn.library import create
from ppsci_gan.devices.onednn.library import get_engine
from ppsci_gan.devices.onednn.library import get_stream
from ppsci_gan.devices.onednn.library import load_library

CACHED_PRIMITIVES = 512  # one per kind and shape; a training run uses some dozens
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
CPU = paddle.CPUPlace()


class _Argument(ctypes.Structure):
    _fields_ = [("number", ctypes.c_int), ("memory", ctypes.c_void_p)]


class _Slot:
    """An argument of a primitive: the tensor's memory and, if the primitive needs another layout, a copy's."""

    def __init__(self, name: str, tensor: Handle, wanted: int | None):
        self.number = _ARGUMENT[name]
        self.is_output = name in ("dst", "mean", "variance") or name.startswith("diff_") and name != "diff_dst"
        self.outer = self.inner = create("memory_create", tensor, get_engine(), None)
        self.copy = None
        if wanted is None or load_library().dnnl_memory_desc_equal(tensor, wanted):
            return
        wanted = ctypes.c_void_p(wanted)
        self.inner = create("memory_create", wanted, get_engine(), None)
        self.bytes = load_library().dnnl_memory_desc_get_size(wanted)
        source, target = (wanted, tensor) if self.is_output else (tensor, wanted)
        reorder = create("reorder_primitive_desc_create", source, get_engine(), target, get_engine(), None)
        self.copy = create("primitive_create", reorder)
        source, target = (self.inner, self.outer) if self.is_output else (self.outer, self.inner)
        self.copy_arguments = _arguments((_ARGUMENT["src"], source), (_ARGUMENT["dst"], target))


def _arguments(*pairs: tuple[int, Handle]) -> ctypes.Array:
    return (_Argument * len(pairs))(*(_Argument(number, memory.pointer) for number, memory in pairs))


class Primitive:
    """A computation of one kind and shape, created once and called often.

    Args:
        descriptor: oneDNN's descriptor of the computation.
        tensors: Memory descriptors of the arguments, by name.
    """

    def __init__(self, descriptor: Handle, **tensors: Handle):
        self.primitive = create("primitive_create", descriptor)
        self.slots = {}
        for name, tensor in tensors.items():
            wanted = (
                load_library().dnnl_primitive_desc_query_md(descriptor, _QUERY[name], 0) if name in _QUERY else None
            )
            self.slots[name] = _Slot(name, tensor, wanted)
        self.arguments = _arguments(*((slot.number, slot.inner) for slot in self.slots.values()))

    def __call__(self, **tensors: Tensor) -> None:
        """Compute into the output tensors; every tensor must have the layout given at construction."""
        set_data, stream = load_library().dnnl_memory_set_data_handle, get_stream()
        buffers, outputs = [], []
        for name, slot in self.slots.items():
            set_data(slot.outer, tensors[name].data_ptr())
            if slot.copy is None:
                continue
            buffers.append(_C_ops.empty([slot.bytes], paddle.uint8, CPU))  # from Paddle's allocator
            set_data(slot.inner, buffers[-1].data_ptr())
            if slot.is_output:
                outputs.append(slot)
            else:
                call("primitive_execute", slot.copy, stream, 2, slot.copy_arguments)
        call("primitive_execute", self.primitive, stream, len(self.arguments), self.arguments)
        for slot in outputs:
            call("primitive_execute", slot.copy, stream, 2, slot.copy_arguments)
        call("stream_wait", stream)


cached = functools.lru_cache(maxsize=CACHED_PRIMITIVES)


def drop_none(**tensors: Tensor | None) -> dict[str, Tensor]:
    """Return the arguments that are there: a bias may be missing."""
    return {name: tensor for name, tensor in tensors.items() if tensor is not None}
