"""Read pickles of numeric arrays and plain containers; refuse everything else.

A pickle is a program for a small stack machine, and ``pickle.load`` runs it: it may call any function of any module.
The data sets and weights that this suite reads call eleven, listed below. NumPy's among them trust their arguments (a
forged dtype makes NumPy follow arbitrary pointers), so each has a stand-in that checks them.

A small pickle can also be a large program: a tuple that holds the one before twice, sixty times over, is hashed for
ever, and an operation of one byte can copy megabytes. So the number of operations is bounded, what they copy is no more
than what the file holds, and only text, bytes and small numbers are keys.
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
_MOST_OPERATIONS = 300_000  # of a file; the largest known one, a batch of CIFAR-10, takes 90,000
_KEYS = (str, bytes, bool, type(None))  # and integers of 32 bits: larger ones can be made to have the same hash


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
        return _as_paddle_loads(Unpickler(file).load())


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


def _key(key: Any) -> Any:
    """Return a dict's key or a set's element if it can be hashed at once and no two are likely to collide."""
    if type(key) in _KEYS or (type(key) is int and -(2**31) <= key < 2**32):
        return key
    raise _Refused(f"a {type(key).__name__} as a key")


def _pairs(items: list) -> Iterator[tuple[Any, Any]]:
    """Return the keys and values of a dict from the list in which they alternate."""
    return zip(map(_key, items[::2]), items[1::2], strict=True)


def _set(items: list = ()) -> set:  # functions, because of a class NEWOBJ would make instances without a check
    return set(map(_key, items))


def _frozenset(items: list = ()) -> frozenset:
    return frozenset(map(_key, items))


def _ordered_dict(pairs: list = ()) -> collections.OrderedDict:
    """Stand-in for ``collections.OrderedDict``, which Python 2 calls with a list of pairs."""
    return collections.OrderedDict((_key(key), value) for key, value in pairs)


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
    return np.frombuffer(data, _as_dtype(dtype)).reshape(())[()]


def _frombuffer(data: bytes | bytearray, dtype: np.dtype, shape: tuple[int, ...], order: str) -> np.ndarray:
    """Return an array as NumPy writes it in protocol 5."""
    return np.frombuffer(data, _as_dtype(dtype)).reshape(shape, order=order)


def _as_dtype(dtype: Any) -> np.dtype:
    """Return what ``_dtype`` made; NumPy would make one of anything else, such as lists in lists."""
    if not isinstance(dtype, np.dtype):
        raise _Refused("an array of something else than a dtype's numbers")
    return dtype


_ALLOWED = {
    "_codecs.encode": _encode,
    "builtins.bytes": _empty_bytes,
    "builtins.frozenset": _frozenset,
    "builtins.set": _set,
    "builtins.tuple": _tensor,
    "collections.OrderedDict": _ordered_dict,
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

    Args:
        file: Open binary file.
    """

    dispatch = dict(pickle._Unpickler.dispatch)

    def __init__(self, file: BinaryIO):
        self.source = Pieces(file)
        self.copied = 0  # bytes and elements, by operations that compute something
        super().__init__(self.source, encoding="bytes")

    def load(self) -> Any:
        """Return the object."""
        self.dispatch = _Countdown(type(self).dispatch, _MOST_OPERATIONS)
        return super().load()

    def _count_copied(self, number: int) -> None:
        """Refuse to copy more than was read: whatever repeats an operation on the same large argument."""
        self.copied += number
        if self.copied > 2 * self.source.count:  # bytes are made of text first, and then an array of them
            raise _Refused("more copies than it has content")

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
            self._count_copied(len(data))  # where the bytes are not aligned
            if not isinstance(data, bytes) or not all(isinstance(size, int) and size >= 0 for size in shape):
                raise ValueError("state of an array")
            target.__setstate__((1, shape, dtype, is_fortran, data))
        else:
            raise _Refused(f"attributes of a {type(target).__name__} to be set")

    dispatch[pickle.BUILD[0]] = load_build

    def load_reduce(self) -> None:
        """Call a stand-in."""
        super().load_reduce()
        result = self.stack[-1]
        self._count_copied(len(result) if isinstance(result, (bytes, set, frozenset, dict)) else 0)

    dispatch[pickle.REDUCE[0]] = load_reduce

    def _instantiate(self, klass: Any, args: Any) -> None:
        raise _Refused("an instance of a class")  # by INST or OBJ, which numbers and containers do without

    def load_put(self) -> None:
        """Remember an object under a number that is written out, and could be of any size."""
        self.memo[_key(int(self.readline()[:-1]))] = self.stack[-1]

    dispatch[pickle.PUT[0]] = load_put

    def load_dict(self) -> None:
        """Make a dict."""
        items = self.pop_mark()  # first, because it puts another stack in place
        self.append(dict(_pairs(items)))

    dispatch[pickle.DICT[0]] = load_dict

    def load_setitem(self) -> None:
        """Add an entry to a dict."""
        value, key = self.stack.pop(), self.stack.pop()
        self._top(dict)[_key(key)] = value

    dispatch[pickle.SETITEM[0]] = load_setitem

    def load_setitems(self) -> None:
        """Add entries to a dict."""
        items = self.pop_mark()
        self._top(dict).update(_pairs(items))

    dispatch[pickle.SETITEMS[0]] = load_setitems

    def load_additems(self) -> None:
        """Add elements to a set."""
        items = self.pop_mark()
        self._top(set).update(map(_key, items))

    dispatch[pickle.ADDITEMS[0]] = load_additems

    def load_frozenset(self) -> None:
        """Make a frozenset."""
        items = self.pop_mark()
        self.append(_frozenset(items))

    dispatch[pickle.FROZENSET[0]] = load_frozenset

    def _top(self, kind: type) -> Any:
        if not isinstance(self.stack[-1], kind):
            raise _Refused(f"entries of a {type(self.stack[-1]).__name__} to be set")
        return self.stack[-1]

    def load_binunicode(self) -> None:
        """Decode text piece by piece, because protocol 2 of Python 3 stores an array's bytes as text."""
        (size,) = struct.unpack("<I", self.read(4))
        self._load_text(size)

    dispatch[pickle.BINUNICODE[0]] = load_binunicode

    def load_binunicode8(self) -> None:
        """Decode text of any length."""
        (size,) = struct.unpack("<Q", self.read(8))
        self._load_text(size)

    dispatch[pickle.BINUNICODE8[0]] = load_binunicode8

    def _load_text(self, size: int) -> None:
        pieces = (self.read(min(_PIECE, size - start)) for start in range(0, size, _PIECE))
        decoded = list(codecs.iterdecode(pieces, "utf-8", "surrogatepass"))
        if size > _PIECE:  # an array's bytes: one other letter would have Python keep four bytes for each
            for piece in decoded:
                piece.encode("latin1")
        self.append("".join(decoded))

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
        self.count = 0  # bytes read

    def read(self, size: int) -> bytes:
        """Return ``size`` bytes, or fewer at the end of the file."""
        if size <= _PIECE:
            data = self.file.read(size)
            self.count += len(data)
            return data
        pieces = io.BytesIO()
        while piece := self.file.read(min(size - pieces.tell(), _PIECE)):
            self.count += pieces.write(piece)
        return pieces.getvalue()

    def readline(self) -> bytes:
        """Return a whole line."""
        line = self.file.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        self.count += len(line)
        return line


class _Countdown(dict):
    """The operations, of which only so many are looked up."""

    def __init__(self, operations: dict[int, Any], most: int):
        super().__init__(operations)
        self.left = most

    def __getitem__(self, code: int) -> Any:
        self.left -= 1
        if self.left < 0:
            raise _Refused(f"more than {_MOST_OPERATIONS:,} operations")
        return super().__getitem__(code)


def _as_paddle_loads(content: Any) -> Any:
    """Undo what paddle.save does to a state dict: parameters above 1 GiB in slices, a table of tensor names."""
    if not isinstance(content, dict):
        return content
    for key, parts in content.pop("UnpackBigParamInfor@@", {}).items():  # sic
        content[key] = np.concatenate([content.pop(part) for part in parts["slices"]]).reshape(parts["OriginShape"])
    content.pop("StructuredToParameterName@@", None)
    return content
