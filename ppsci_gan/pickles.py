"""Read pickles of numeric arrays and plain containers; refuse everything else.

A pickle is a program for a small stack machine, and ``pickle.load`` runs it: it may call any function of any module.
The data sets and weights that this suite reads call eleven, listed below. NumPy's among them trust their arguments (a
forged dtype makes NumPy follow arbitrary pointers), so each has a stand-in that checks them.
"""

from __future__ import annotations

import codecs
import collections
import io
import pickle
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from typing import BinaryIO

import numpy as np

from ppsci_gan.errors import InputError

_PIECE = 1 << 20  # bytes


class _Refused(Exception):
    """The pickle asks for more than numbers and containers need."""


def load(file: BinaryIO, name: str) -> Any:
    """Read a pickle of numeric arrays, numbers, text and plain containers, without running code that it names.

    Supports files of Python 2 and 3 in protocols 0 to 5. Byte strings stay ``bytes``, so that CIFAR-10's keys are
    ``b"data"`` and ``b"labels"``. State dicts from ``paddle.save`` are returned as by
    ``paddle.load(path, return_numpy=True)``: tensors as arrays, big parameters reassembled, without the table of tensor
    names.

    Args:
        file: Open binary file.
        name: Name of the file in error messages.

    Returns:
        The object.

    Raises:
        InputError: The file is truncated or not a pickle, or it refers to a class or function that is not allowed.

    Examples:
        >>> import io
        >>> import pickle
        >>> from ppsci_gan import pickles
        >>> pickles.load(io.BytesIO(pickle.dumps({"labels": [3, 5]})), "labels.pkl")
        {'labels': [3, 5]}
        >>> pickles.load(io.BytesIO(pickle.dumps(print)), "hostile.pkl")
        Traceback (most recent call last):
            ...
        ppsci_gan.errors.InputError: hostile.pkl: refused, it asks for builtins.print. Only numeric arrays, numbers, \
text and plain containers are read, because anything else could run code; get the file from where it was published.
    """
    with explain_errors(name):
        return _as_paddle_loads(Unpickler(Pieces(file), encoding="bytes").load())


@contextmanager
def explain_errors(name: str) -> Iterator[None]:
    """Turn any error while reading a pickle into an InputError that names the file.

    Args:
        name: Name of the file.

    Raises:
        InputError: The block failed.
    """
    try:
        yield
    except InputError:
        raise
    except _Refused as error:
        raise InputError(
            f"{name}: refused, it asks for {error}. Only numeric arrays, numbers, text and plain containers are read, "
            "because anything else could run code; get the file from where it was published."
        ) from error
    except Exception as error:  # a damaged pickle can fail in any operation, each with an error of its own
        reason = f"{type(error).__name__}: {str(error)[:200]}".rstrip(": ")
        raise InputError(f"{name}: truncated, damaged or of another format ({reason}). Get the file again.") from error


def _encode(text: str, codec: str) -> bytes:
    """Stand-in for ``_codecs.encode``: how Python 3 writes bytes in protocols 0 to 2."""
    if codec != "latin1":
        raise _Refused(f"_codecs.encode with {str(codec)[:40]!r}")
    return text.encode("latin1")


def _empty_bytes() -> bytes:
    """Stand-in for ``bytes``, which protocols 0 to 2 call without arguments: ``bytes(10**12)`` exhausts memory."""
    return b""


def _tensor(pair: tuple[str, np.ndarray]) -> np.ndarray:
    """Stand-in for ``tuple``, which is called only for tensors: paddle.save writes them as tuple((name, array))."""
    if not (isinstance(pair, tuple) and [type(item) for item in pair] == [str, np.ndarray]):
        raise _Refused("builtins.tuple of something else than a tensor's name and array")
    return pair[1]


_NDARRAY = object()  # numpy.ndarray occurs only as the first argument of _reconstruct


def _reconstruct(cls: object, *_) -> np.ndarray:
    """Return an empty array; its state follows."""
    if cls is not _NDARRAY:
        raise _Refused("an array of another class than numpy.ndarray")
    return np.empty(0, np.uint8)


def _dtype(spec: str | bytes, *_) -> np.dtype:
    """Return a numeric dtype, as a copy because its state, the byte order, is set later."""
    dtype = np.dtype(spec if isinstance(spec, str) else spec.decode("ascii"), False, True)
    if dtype.kind not in "biufc":
        raise _Refused(f"arrays of dtype {dtype}")
    return dtype


def _scalar(dtype: np.dtype, data: bytes) -> np.generic:
    return np.frombuffer(data, dtype).reshape(())[()]


def _frombuffer(data: bytes | bytearray, dtype: np.dtype, shape: tuple[int, ...], order: str) -> np.ndarray:
    """Return an array as NumPy writes it in protocol 5."""
    return np.frombuffer(data, dtype).reshape(shape, order=order)


_ALLOWED = {
    "_codecs.encode": _encode,
    "builtins.bytes": _empty_bytes,
    "builtins.frozenset": frozenset,
    "builtins.set": set,
    "builtins.tuple": _tensor,
    "collections.OrderedDict": collections.OrderedDict,
    "numpy.dtype": _dtype,
    "numpy.ndarray": _NDARRAY,
    "numpy.core.multiarray._reconstruct": _reconstruct,
    "numpy.core.multiarray.scalar": _scalar,
    "numpy.core.numeric._frombuffer": _frombuffer,
}
_RENAMED = {
    "__builtin__": "builtins",  # Python 2
    "numpy._core.multiarray": "numpy.core.multiarray",  # numpy 2
    "numpy._core.numeric": "numpy.core.numeric",
}


class Unpickler(pickle._Unpickler):
    """The standard library's pure-Python unpickler: the C version does not allow BUILD to be overridden.

    BUILD sets attributes of any object, including NumPy's unchecked states. Speed hardly differs, because an array is
    a single operation.
    """

    dispatch = dict(pickle._Unpickler.dispatch)

    def find_class(self, module: str, name: str) -> Any:
        """Return the stand-in for a class or function that a pickle names."""
        wanted = f"{_RENAMED.get(module, module)}.{name}"
        if wanted not in _ALLOWED:
            raise _Refused(wanted)
        return _ALLOWED[wanted]

    def load_build(self) -> None:
        """Check and set the state of an array or a dtype."""
        state = self.stack.pop()
        target = self.stack[-1]
        if isinstance(target, np.dtype):
            byte_order = state[1].decode("ascii") if isinstance(state[1], bytes) else state[1]
            if byte_order not in ("<", ">", "=", "|"):
                raise ValueError("byte order of a dtype")
            target.__setstate__((3, byte_order, None, None, None, -1, -1, 0))
        elif isinstance(target, np.ndarray):
            _, shape, dtype, is_fortran, data = state
            if not isinstance(data, bytes) or not all(isinstance(size, int) and size >= 0 for size in shape):
                raise ValueError("state of an array")
            target.__setstate__((1, shape, dtype, is_fortran, data))
        else:
            raise _Refused(f"attributes of a {type(target).__name__} to be set")

    dispatch[pickle.BUILD[0]] = load_build

    def load_binunicode(self) -> None:
        """Decode text piece by piece, because protocol 2 of Python 3 stores an array's bytes as text."""
        (size,) = struct.unpack("<I", self.read(4))
        pieces = (self.read(min(_PIECE, size - start)) for start in range(0, size, _PIECE))
        self.append("".join(codecs.iterdecode(pieces, "utf-8", "surrogatepass")))

    dispatch[pickle.BINUNICODE[0]] = load_binunicode

    def load_bytearray8(self) -> None:
        """Read before allocating, so that a damaged length cannot reserve memory."""
        (size,) = struct.unpack("<Q", self.read(8))
        self.append(bytearray(self.read(size)))

    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8


class Pieces:
    """File wrapper that reads long strings in pieces.

    tarfile and gzip hold several copies of a string while reading it, and a damaged length would reserve memory for
    data that the file does not contain.
    """

    def __init__(self, file: BinaryIO):
        self.file = file

    def read(self, size: int) -> bytes:
        """Return ``size`` bytes, or fewer at the end of the file."""
        pieces = io.BytesIO()
        while piece := self.file.read(min(size - pieces.tell(), _PIECE)):
            pieces.write(piece)
        return pieces.getvalue()

    def readline(self) -> bytes:
        """Return a whole line."""
        line = self.file.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        return line


def _as_paddle_loads(content: Any) -> Any:
    """Undo what paddle.save does to a state dict: parameters above 1 GiB in slices, a table of tensor names."""
    if not isinstance(content, dict):
        return content
    for key, parts in content.pop("UnpackBigParamInfor@@", {}).items():  # sic
        content[key] = np.concatenate([content.pop(part) for part in parts["slices"]]).reshape(parts["OriginShape"])
    content.pop("StructuredToParameterName@@", None)
    return content
