"""What the safe unpickler reads, and what it says of damaged files."""

import collections
import gzip
import io
import pickle

import numpy as np
import paddle
import pytest

from ppsci_gan import pickles
from ppsci_gan.errors import InputError

PROTOCOLS = range(6)


def load(data: bytes):
    return pickles.load(io.BytesIO(data), "file.pkl")


def assert_same(ours, reference):
    """Equal in value and type, recursively; arrays in dtype and memory order as well."""
    assert type(ours) is type(reference)
    if isinstance(reference, np.ndarray):
        assert ours.dtype == reference.dtype
        assert ours.flags.f_contiguous == reference.flags.f_contiguous
        np.testing.assert_array_equal(ours, reference)
    elif isinstance(reference, dict):
        assert list(ours) == list(reference)
        for key in reference:
            assert_same(ours[key], reference[key])
    elif isinstance(reference, (list, tuple)):
        assert len(ours) == len(reference)
        for a, b in zip(ours, reference):
            assert_same(a, b)
    else:
        assert ours == reference


def arrays_and_containers():
    rng = np.random.default_rng(0)
    shared = rng.integers(0, 256, (3, 4), np.uint8)
    return {
        b"data": shared,
        "again": shared,
        "float": rng.standard_normal((2, 3, 4)).astype(np.float32),
        "big endian": rng.standard_normal(5).astype(">f4"),
        "fortran": np.asfortranarray(rng.standard_normal((3, 2))),
        "strided": rng.standard_normal((6, 6))[::2, ::3],
        "zero axes": np.array(3.5),
        "empty": np.zeros((0, 7), np.int64),
        "bool": np.array([True, False]),
        "complex": np.array([1 + 2j]),
        "scalars": [np.float32(0.5), np.int64(-3), np.bool_(True)],
        "plain": (None, True, -1, 2**70, 0.1, "text é \udc80", b"", b"\x00\xff", [(), {1, 2}, frozenset({3})]),
        "ordered": collections.OrderedDict([("b", 1), ("a", 2)]),
        "long": "é" * 700_000,  # two bytes each: pieces end inside a character
        "long bytes": b"\xff" * 1_500_000,
        "dtype": np.dtype(">i2"),
    }


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_reads_what_pickle_reads(protocol):
    data = pickle.dumps(arrays_and_containers(), protocol)
    assert_same(load(data), pickle.loads(data))


def test_numpy_2_names_are_read():
    array = np.arange(3)
    data = pickle.dumps(array, 2).replace(b"numpy.core.multiarray", b"numpy._core.multiarray")
    np.testing.assert_array_equal(load(data), array)


PYTHON2_PROTOCOL_0 = b"\n".join(
    rb"""
    (dp0 S'data' p1 cnumpy.core.multiarray _reconstruct p2 (cnumpy ndarray p3 (I0 tp4 S'b' p5 tp6 Rp7 (I1 (I2 I3
    tp8 cnumpy dtype p9 (S'u1' p10 I0 I1 tp11 Rp12 (I3 S'|' p13 NNNI-1 I-1 I0 tp14 bI00 S'\x00\x01\x02\x80A\xff'
    p15 tp16 bsS'labels' p17 (lp18 I3 aI7 as.
    """.split()
)


def python2_string(text: bytes) -> bytes:
    return b"U" + bytes([len(text)]) + text


PYTHON2_PROTOCOL_2 = b"".join(
    [
        b"\x80\x02}(" + python2_string(b"data"),
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + python2_string(b"b") + b"\x87R",
        b"(K\x01K\x02K\x03\x86cnumpy\ndtype\n" + python2_string(b"u1") + b"K\x00K\x01\x87R",
        b"(K\x03" + python2_string(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb",
        b"\x89" + python2_string(b"\x00\x01\x02\x80A\xff") + b"tb",
        python2_string(b"labels") + b"](K\x03K\x07eu.",
    ]
)


@pytest.mark.parametrize("data", [PYTHON2_PROTOCOL_0, PYTHON2_PROTOCOL_2], ids=["protocol 0", "protocol 2"])
def test_reads_python_2_with_byte_keys(data):
    content = load(data)
    assert list(content) == [b"data", b"labels"]
    assert content[b"labels"] == [3, 7]
    assert_same(content[b"data"], np.array([[0, 1, 2], [128, 65, 255]], np.uint8))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_truncated_at_any_byte(protocol):
    data = pickle.dumps({b"data": np.zeros((2, 3), np.uint8), b"labels": [1, 2], "t": "é"}, protocol)
    for end in range(len(data)):
        with pytest.raises(InputError, match=r"^file\.pkl: truncated"):
            load(data[:end])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_damaged_files_give_an_input_error_or_load(protocol):
    rng = np.random.default_rng(protocol)
    data = pickle.dumps({b"data": np.zeros((2, 3), np.uint8), b"labels": [1, 2]}, protocol)
    failed = 0
    for _ in range(200):
        damaged = bytearray(data)
        damaged[rng.integers(len(data))] = rng.integers(256)
        try:
            load(bytes(damaged))
        except InputError:
            failed += 1
    assert failed > 50


@pytest.mark.parametrize(
    "opcode", [b"B\xff\xff\xff\xff", b"\x8e" + b"\xff" * 4 + bytes(4), b"\x96" + b"\xff" * 5 + bytes(3)]
)
def test_a_damaged_length_reserves_no_memory(opcode):
    with pytest.raises(InputError, match="EOFError"):
        load(b"\x80\x05" + opcode + b"abc")


@pytest.mark.parametrize("data", [b"", b"plain text\n", b"\x1f\x8b", b"\x89PNG\r\n", b"."], ids=repr)
def test_not_a_pickle(data):
    with pytest.raises(InputError, match=r"^file\.pkl: truncated, damaged or of another format"):
        load(data)


def test_not_a_gzip_and_truncated_gzip():
    packed = gzip.compress(pickle.dumps(np.random.default_rng(0).random(1000)))
    for data in (b"not gzipped", packed[: len(packed) // 2]):
        with gzip.open(io.BytesIO(data)) as stream, pytest.raises(InputError, match="a.pkl.gz: truncated"):
            pickles.load(stream, "a.pkl.gz")


def trained():
    """A network with batch normalisation, and its optimizer after one step."""
    paddle.seed(0)
    net = paddle.nn.Sequential(paddle.nn.Linear(4, 3), paddle.nn.BatchNorm1D(3), paddle.nn.Linear(3, 1))
    schedule = paddle.optimizer.lr.LinearWarmup(1e-3, 10, 0.0, 1e-3)
    adam = paddle.optimizer.Adam(schedule, parameters=net.parameters())
    net(paddle.randn([8, 4])).mean().backward()
    adam.step()
    return net, adam


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_state_dicts_read_as_paddle_does(tmp_path, protocol):
    net, adam = trained()
    weights = net.state_dict()
    contents = [
        weights,
        adam.state_dict(),
        {"net": weights, "epoch": 3, "tensors": [paddle.ones([2]), paddle.zeros([])]},  # as tuple((name, array))
        {"half": paddle.ones([3], "bfloat16")},
        collections.OrderedDict((name, value.numpy()) for name, value in weights.items()),
    ]
    for number, content in enumerate(contents):
        path = str(tmp_path / f"{number}.pdparams")
        paddle.save(content, path, protocol=protocol)
        with open(path, "rb") as stream:
            ours = pickles.load(stream, path)
        assert_same(ours, paddle.load(path, return_numpy=True))


def test_big_parameters_are_joined_as_paddle_does(tmp_path):
    whole = np.arange(24.0).reshape(4, 6)
    content = {
        "bias": np.ones(2),
        "weight@@.0": whole.ravel()[:10],
        "weight@@.1": whole.ravel()[10:],
        "UnpackBigParamInfor@@": {"weight": {"OriginShape": (4, 6), "slices": ["weight@@.0", "weight@@.1"]}},
    }
    path = tmp_path / "big.pdparams"
    path.write_bytes(pickle.dumps(content, 2))
    ours = load(path.read_bytes())
    np.testing.assert_array_equal(ours["weight"], whole)
    assert_same(ours, paddle.load(str(path), return_numpy=True))
