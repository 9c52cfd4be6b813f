"""Pickles that would run code, or forge what numpy trusts: refused, and not run."""

import collections
import io
import os
import pickle
import struct

import numpy as np
import pytest

from ppsci_gan import pickles
from ppsci_gan.errors import InputError

PROTOCOLS = range(6)


def load(data: bytes):
    return pickles.load(io.BytesIO(data), "file.pkl")


class Call:
    """Pickles as a call of a function."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def hostile_objects(marker: str):
    """Objects whose unpickling makes the marker file."""
    statement = f"open({marker!r}, 'w').close()"
    return {
        "os.system": Call(os.system, f"touch {marker}"),
        "exec": Call(exec, statement),
        "eval": Call(eval, statement),
        "nested": {"w": np.zeros(2), "deep": [(1, collections.OrderedDict(x=Call(exec, statement)))]},
        "argument": Call(tuple, (Call(exec, statement),)),
        "numpy": Call(np.ndarray.tofile, np.zeros(1), marker),
        "numpy.save": Call(np.save, marker, np.zeros(1)),
    }


def hostile_bytes(marker: str):
    """Hand-written: every operation that can reach a function."""
    command = text(f"touch {marker}")
    getattr_of_import = b"cbuiltins\ngetattr\n(cbuiltins\n__import__\n"
    stack_global = b"\x8c\x02os\x8c\x06system\x93"
    return {
        "getattr": getattr_of_import + text("os") + b"\x85R" + text("system") + b"tR(" + command + b"tR.",
        "GLOBAL REDUCE": b"cos\nsystem\n" + command + b"\x85R.",
        "STACK_GLOBAL REDUCE": b"\x80\x04" + stack_global + command + b"\x85R.",
        "memoized": b"\x80\x04" + stack_global + b"\x940h\x00" + command + b"\x85R.",
        "INST": b"(" + command + b"ios\nsystem\n.",
        "OBJ": b"(cos\nsystem\n" + command + b"o.",
        "dotted name": b"\x80\x04\x8c\x07pathlib\x8c\x09os.system\x93" + command + b"\x85R.",
    }


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_hostile_objects_are_refused_and_not_run(tmp_path, protocol):
    marker = tmp_path / "marker"
    marker_npy = tmp_path / "marker.npy"
    for name, value in hostile_objects(str(marker)).items():
        data = pickle.dumps(value, protocol)
        with pytest.raises(InputError, match=r"^file\.pkl: refused, it asks for \S+"):
            load(data)
        assert not marker.exists(), name
        assert not marker_npy.exists(), name
        pickle.loads(data)  # really hostile, or the test would prove nothing
        (marker_npy if name == "numpy.save" else marker).unlink()


def test_hostile_operations_are_refused_and_not_run(tmp_path):
    marker = tmp_path / "marker"
    for name, data in hostile_bytes(str(marker)).items():
        with pytest.raises(InputError, match=r"file\.pkl: refused, it asks for (os|pathlib|builtins)"):
            load(data)
        assert not marker.exists(), name
        pickle.loads(data)
        marker.unlink()


def test_the_message_names_the_global():
    with pytest.raises(InputError, match=r"weights\.pdparams: refused, it asks for builtins\.eval"):
        pickles.load(io.BytesIO(pickle.dumps(eval)), "weights.pdparams")


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "value",
    [
        np.load,
        np.fromfile,
        np.float32,
        Call(np.core.multiarray.fromstring, b"1", "u1"),
        np.array([None, "x"], object),
        np.array([(1, 2)], "i4,i4"),
        np.array(["text"]),
        np.array([1], "M8[s]"),
        np.rec.array([1]),
        np.ma.masked_array([1]),
        Call(__import__("_codecs").encode, "abc", "rot13"),
        Call(tuple, ("not a tensor",)),
        Call(bytearray, 10),
        collections.Counter("a"),
        InputError("an object"),
        range(3),
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_functions_classes_and_dtypes_are_refused(value, protocol):
    with pytest.raises(InputError, match=r"file\.pkl: refused"):
        load(pickle.dumps(value, protocol))


@pytest.mark.parametrize(
    "data",
    [
        b"ccollections\nOrderedDict\n)R}" + text("x") + b"K\x01sb.",
        b"ccollections\nOrderedDict\n}" + text("fromkeys") + b"K\x01sb.",
        b"cnumpy\nndarray\n}" + text("x") + b"K\x01sb.",
        b"c_codecs\nencode\n}" + text("x") + b"K\x01sb.",
    ],
    ids=["instance", "class", "stand-in", "function"],
)
def test_attributes_cannot_be_set(data):
    with pytest.raises(InputError, match="refused, it asks for attributes"):
        load(data)
    assert not hasattr(collections.OrderedDict(), "x")
    assert not hasattr(pickles._encode, "x")


def forged_array(shape: bytes, dtype_state: bytes) -> bytes:
    return b"".join(
        [
            b"\x80\x03cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R",
            b"(K\x01" + shape,
            b"cnumpy\ndtype\n" + text("f8") + b"K\x00K\x01\x87R" + dtype_state + b"b",
            b"\x89C\x10" + bytes(16) + b"tb.",
        ]
    )


def dtype_state(byte_order: str, flags: int) -> bytes:
    return pickle.dumps((3, byte_order, None, None, None, 10**6, 1, flags), 2)[2:-1]


def test_forged_flags_and_sizes_of_a_dtype_have_no_effect():
    array = load(forged_array(b"K\x02\x85", dtype_state("<", 63)))
    assert array.dtype.flags == np.dtype("f8").flags
    assert array.dtype == np.float64
    np.testing.assert_array_equal(array, np.zeros(2))


@pytest.mark.parametrize(
    "data",
    [
        forged_array(b"J\xff\xff\xff\xffJ\xfe\xff\xff\xff\x86", dtype_state("<", 0)),
        forged_array(b"K\x03\x85", dtype_state("<", 0)),
        forged_array(b"K\x02\x85", dtype_state("?", 0)),
    ],
    ids=["negative shape", "shape above the data", "byte order"],
)
def test_forged_states_are_refused(data):
    with pytest.raises(InputError, match=r"file\.pkl: truncated, damaged or of another format \(ValueError"):
        load(data)


# --- programs that would go on for ever, or fill the memory ---


def doubled(kind: bytes, times: int = 60) -> bytes:
    """A tuple or frozenset that holds the one before twice, so often: hashing the last takes 2 ** times steps."""
    once = b"0h\x00h\x00\x86q\x00" if kind == b"tuple" else b"0(h\x00K\x01h\x00\x86\x91q\x00"
    return b"\x80\x04)q\x00" + once * times


@pytest.mark.parametrize("kind", [b"tuple", b"frozenset"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"}", b"K\x01s."),
        (b"}(", b"K\x01u."),
        (b"(", b"K\x01d."),
        (b"\x8f(", b"\x90."),
        (b"(", b"\x91."),
        (b"cbuiltins\nset\n(", b"l\x85R."),
        (b"cbuiltins\nfrozenset\n(", b"l\x85R."),
        (b"cbuiltins\nfrozenset\n(", b"l\x85\x81."),
        (b"ccollections\nOrderedDict\n(", b"K\x01\x86l\x85R."),
    ],
    ids=["SETITEM", "SETITEMS", "DICT", "ADDITEMS", "FROZENSET", "set", "frozenset", "NEWOBJ", "OrderedDict"],
)
@pytest.mark.timeout(20)
def test_what_takes_for_ever_to_hash_is_refused(kind, before, after):
    with pytest.raises(InputError, match=r"file\.pkl: (refused, it asks for a (tuple|frozenset) as a key|truncated)"):
        load(doubled(kind) + before + b"h\x00" + after)


@pytest.mark.timeout(20)
def test_keys_that_are_made_to_have_the_same_hash_are_refused():
    keys = {number * (2**61 - 1): None for number in range(100)}  # of 100,000 they would take a minute
    with pytest.raises(InputError, match="a int as a key"):
        load(pickle.dumps(keys))
    with pytest.raises(InputError, match="a int as a key"):
        load(b"Np%d\n." % (2**61 - 1))


@pytest.mark.timeout(20)
@pytest.mark.parametrize("operation", [b"\x8f", b"N"])
def test_more_operations_than_a_data_set_needs_are_refused(operation):
    with pytest.raises(InputError, match="refused, it asks for more than 300,000 operations"):
        load(operation * 300_001 + b".")


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("large", "again"),
    [
        (text("a" * 2**20) + b"q\x000", b"c_codecs\nencode\nh\x00" + text("latin1") + b"\x86Ra"),
        (
            b"(" + b"".join(b"J" + struct.pack("<i", number) for number in range(10**5)) + b"lq\x000",
            b"cbuiltins\nfrozenset\nh\x00\x85Ra",
        ),
    ],
    ids=["bytes", "frozenset"],
)
def test_copies_of_the_same_are_refused(large, again):
    with pytest.raises(InputError, match="more copies than it has content"):
        load(large + b"]" + again * 1000 + b".")


def test_text_is_no_larger_in_memory_than_in_the_file():
    size = 2**21
    with pytest.raises(InputError, match="UnicodeEncodeError"):
        load(b"X" + struct.pack("<I", size + 4) + b"a" * size + "\U0001f600".encode() + b".")
