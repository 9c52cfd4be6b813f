"""PyTorch's weights files without PyTorch: named tensors come out as arrays, nothing that the file contains is run.

``torch.save`` writes a pickle that refers to blocks of numbers, and the blocks: since version 1.6 in a zip archive,
before it one after the other behind the pickle.
"""

from __future__ import annotations

import collections
import math
import os
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any
from typing import BinaryIO
from typing import NamedTuple

import numpy as np

from ppsci_gan import pickles
from ppsci_gan.errors import InputError
from ppsci_gan.files import open_regular

_MOST_DESCRIPTION = 1 << 26  # bytes of the pickle that refers to the numbers
_MAGIC = 0x1950A86A20F9469CFC6C
_DTYPES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "<u1",
    "BoolStorage": "?",
}


def read(path: Path) -> dict[str, np.ndarray]:
    """Read a file that ``torch.save(module.state_dict(), path)`` wrote.

    Args:
        path: The ``.pth`` or ``.pt`` file.

    Returns:
        Arrays by name, in the file's order.

    Raises:
        InputError: It is truncated, no such file, or asks for anything but tensors of numbers.

    Examples:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from ppsci_gan.weights import torch_files
        >>> path = Path(tempfile.mkdtemp(), "weights.pth")
        >>> _ = path.write_bytes(b"no such file")
        >>> torch_files.read(path)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        ppsci_gan.errors.InputError: ...weights.pth: truncated, damaged or of another format (...
    """
    with pickles.explain_errors(str(path)), open_regular(path) as stream:
        read_blocks = _read_zip if zipfile.is_zipfile(stream) else _read_legacy
        stream.seek(0)
        content, blocks = read_blocks(stream)
        if not isinstance(content, dict) or not all(isinstance(value, _Tensor) for value in content.values()):
            raise InputError(f"{path}: holds something else than named tensors, such as a whole module or a run.")
        views = {name: _view(tensor, blocks) for name, tensor in content.items()}
        # Tensors may share numbers, but a file of a few must not become any number of copies.
        if sum(view.nbytes for view in views.values()) > 4 * sum(block.nbytes for block in blocks.values()):
            raise ValueError("its tensors are larger than their numbers")
        return {name: view.copy() for name, view in views.items()}


class _Block(NamedTuple):
    """A block of numbers that the pickle refers to."""

    dtype: np.dtype
    key: str
    size: int


class _Tensor(NamedTuple):
    """A view into a block."""

    block: _Block
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _read_zip(stream: BinaryIO) -> tuple[Any, dict[str, np.ndarray]]:
    with zipfile.ZipFile(stream) as archive:
        # Which PyTorch does not; so a member has no more bytes than the file, however many it declares.
        if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
            raise ValueError("its members are compressed")
        (name,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
        if archive.getinfo(name).file_size > _MOST_DESCRIPTION:
            raise ValueError(f"{name} has {archive.getinfo(name).file_size:,} bytes")
        with archive.open(name) as file:
            unpickler = _Unpickler(file)
            content = unpickler.load()
        folder = name.removesuffix("data.pkl")
        if f"{folder}byteorder" in archive.namelist() and archive.read(f"{folder}byteorder")[:10] != b"little":
            raise ValueError("written on a big-endian machine")
        blocks, left = {}, stream.seek(0, os.SEEK_END)
        for block in unpickler.blocks.values():
            member = archive.getinfo(f"{folder}data/{block.key}")
            if member.file_size != block.size * block.dtype.itemsize:
                raise ValueError(f"{member.filename} has {member.file_size} bytes")
            left -= member.file_size
            if left < 0:
                raise ValueError("its members overlap")
            blocks[block.key] = np.frombuffer(archive.read(member), block.dtype)
    return content, blocks


def _read_legacy(stream: BinaryIO) -> tuple[Any, dict[str, np.ndarray]]:
    if _Unpickler(stream).load() != _MAGIC:
        raise ValueError("it does not begin as PyTorch's files do")
    for _ in ("protocol", "machine"):
        _Unpickler(stream).load()
    unpickler = _Unpickler(stream)
    content = unpickler.load()
    blocks = {}
    for key in _Unpickler(stream).load():
        block = unpickler.blocks[_name(key)]
        (size,) = struct.unpack("<q", stream.read(8))
        data = pickles.Pieces(stream).read(block.size * block.dtype.itemsize)
        if size != block.size or len(data) != block.size * block.dtype.itemsize:
            raise EOFError(f"block {key} is cut off")
        blocks[key] = np.frombuffer(data, block.dtype)
    return content, blocks


def _view(tensor: _Tensor, blocks: dict[str, np.ndarray]) -> np.ndarray:
    if not len(tensor.shape) == len(tensor.strides) <= np.MAXDIMS:
        raise ValueError("number of axes of a tensor")
    if not all(isinstance(n, int) and 0 <= n < 2**48 for n in (tensor.offset, *tensor.shape, *tensor.strides)):
        raise ValueError("shape of a tensor")
    block = blocks[tensor.block.key]
    last = tensor.offset + sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.strides))
    # The product, too: strides of 0 would make a large array of a few numbers.
    if 0 not in tensor.shape and (last >= len(block) or math.prod(tensor.shape) > len(block)):
        raise ValueError("a tensor is larger than its numbers")
    strides = [stride * block.itemsize for stride in tensor.strides]
    return np.lib.stride_tricks.as_strided(block[tensor.offset :], tensor.shape, strides, writeable=False)


class _Unpickler(pickles.Unpickler):
    """Adds tensors and the blocks that they lie in; ``blocks`` are those referred to."""

    dispatch = dict(pickles.Unpickler.dispatch)

    def __init__(self, file: BinaryIO):
        super().__init__(file)
        self.blocks: dict[str, _Block] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in _DTYPES:
            return np.dtype(_DTYPES[name])
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return _rebuild_parameter
        return super().find_class(module, name)

    def persistent_load(self, reference: Any) -> _Block:
        kind, dtype, key, _, size = reference[:5]
        if kind != "storage" or not isinstance(dtype, np.dtype) or not isinstance(size, int) or size < 0:
            raise ValueError("reference to something else than numbers")
        return self.blocks.setdefault(_name(key), _Block(dtype, key, size))

    def load_build(self) -> None:
        """Leave out what state dicts carry besides their entries: the versions of the modules."""
        if isinstance(self.stack[-2], collections.OrderedDict):
            self.stack.pop()
        else:
            super().load_build()

    dispatch[pickle.BUILD[0]] = load_build


def _name(key: Any) -> str:
    if not isinstance(key, str):
        raise ValueError("name of a block")
    return key


def _rebuild_tensor(block: _Block, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_) -> _Tensor:
    if not isinstance(block, _Block):
        raise ValueError("a tensor of something else than numbers")
    return _Tensor(block, offset, shape, strides)


def _rebuild_parameter(tensor: _Tensor, *_) -> _Tensor:
    return tensor
