"""MNIST's reader on small files in the original layouts, sound and broken."""

import gzip
import hashlib
import logging
import pickle
import re
import struct

import numpy as np
import pytest

from ppsci_gan.data import mnist
from ppsci_gan.errors import InputError

SIZES = {"train": 6, "valid": 3, "test": 2}


def digits(num, seed=0):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (num, 28, 28), np.uint8)
    images[0, 0, :2] = 0, 255
    return images, rng.integers(0, 10, num)


def write_pickle(path, scale=255, protocol=2, **changes):
    """mnist.pkl.gz with three splits; ``changes`` replaces the pair of a split."""
    splits = []
    for seed, (name, num) in enumerate(SIZES.items()):
        images, labels = digits(num, seed)
        pair = images.reshape(-1, 784).astype(np.float32) / np.float32(scale), labels
        splits.append(changes.get(name, pair))
    with gzip.open(path, "wb", compresslevel=1) as stream:
        pickle.dump(tuple(splits), stream, protocol)
    return path


def idx(array, magic=None):
    magic = bytes([0, 0, 8, array.ndim]) if magic is None else magic
    return magic + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_idx(folder, zipped=True, **changes):
    """Write the four files; ``changes`` replaces the bytes of one by the first part of its name, None leaves it out."""
    for seed, (prefix, num) in enumerate((("train", 6), ("t10k", 2))):
        images, labels = digits(num, seed)
        for kind, array in (("images-idx3", images), ("labels-idx1", labels.astype(np.uint8))):
            content = changes.get(f"{prefix}_{kind[:6]}", idx(array))
            if content is not None and zipped:
                (folder / f"{prefix}-{kind}-ubyte.gz").write_bytes(gzip.compress(content, 1))
            elif content is not None:
                (folder / f"{prefix}-{kind}-ubyte").write_bytes(content)
    return folder


def assert_is(data, images, labels):
    assert data["data"].dtype == np.uint8
    assert data["labels"].dtype == np.int64
    np.testing.assert_array_equal(data["data"], images[:, None])
    np.testing.assert_array_equal(data["labels"], labels)


@pytest.mark.parametrize("scale", [255, 256])
@pytest.mark.parametrize("split", SIZES)
def test_pickle_gives_the_bytes_back(tmp_path, split, scale):
    path = write_pickle(tmp_path / "mnist.pkl.gz", scale)
    seed = list(SIZES).index(split)
    assert_is(mnist.read(path, split), *digits(SIZES[split], seed))


@pytest.mark.parametrize("protocol", range(6))
def test_pickle_of_any_protocol(tmp_path, protocol):
    path = write_pickle(tmp_path / "mnist.pkl.gz", protocol=protocol)
    assert_is(mnist.read(str(path)), *digits(6, 0))


@pytest.mark.parametrize("scale", [255, 256])
def test_every_byte_value_survives_any_chunking(scale, monkeypatch):
    values = np.tile(np.arange(256, dtype=np.uint8), 49).reshape(16, 784)
    chunks = mnist._split_rows
    monkeypatch.setattr(mnist, "_split_rows", lambda array: chunks(array, size=3))
    np.testing.assert_array_equal(mnist._to_bytes(values.astype(np.float32) / np.float32(scale), ""), values)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(("split", "seed"), [("train", 0), ("test", 1)])
def test_idx_files(tmp_path, split, seed, zipped):
    write_idx(tmp_path, zipped)
    data = mnist.read(tmp_path, split)
    assert_is(data, *digits(6 if split == "train" else 2, seed))
    data["data"][0] = 0  # writeable, as any array


def test_another_checksum_is_a_warning(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("ppsci"), "propagate", True)
    write_idx(tmp_path)
    mnist.read(tmp_path, "test")
    assert "t10k-images-idx3-ubyte.gz: its md5 is" in caplog.text
    caplog.clear()
    for name in mnist.IDX_FILES["test"]:
        digest = hashlib.md5((tmp_path / f"{name}.gz").read_bytes()).hexdigest()
        monkeypatch.setitem(mnist.IDX_FILES["test"], name, digest)
    mnist.read(tmp_path, "test")
    assert not caplog.text


@pytest.mark.parametrize("path", [None, "", "no/such/mnist.pkl.gz"])
def test_missing_says_where_to_get_it(path):
    with pytest.raises(InputError, match=r"DATA\.data_path") as error:
        mnist.read(path)
    message = str(error.value)
    assert "https://dataset.bj.bcebos.com/mnist/" in message
    assert not re.search("deeplearning.net|lecun.com", message)  # which no longer answer
    assert "no checksum is published" in message
    assert "f68b3c2dcbeaaa9fbdd348bbdeb94873  train-images-idx3-ubyte.gz" in message
    assert len(message.splitlines()) < 12  # a screen has more


def test_unknown_split(tmp_path):
    with pytest.raises(InputError, match="'all' is not one of train, valid, test"):
        mnist.read(write_pickle(tmp_path / "mnist.pkl.gz"), "all")
    with pytest.raises(InputError, match="'valid' is not one of train, test"):
        mnist.read(write_idx(tmp_path), "valid")


def test_pickle_truncated_or_not_gzip(tmp_path):
    path = write_pickle(tmp_path / "mnist.pkl.gz")
    content = path.read_bytes()
    for damaged in (content[: len(content) // 2], content[:5], b"", gzip.decompress(content), b"<html>"):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"mnist\.pkl\.gz: truncated, damaged or of another format"):
            mnist.read(path)


def test_pickle_of_something_else(tmp_path):
    path = tmp_path / "mnist.pkl.gz"
    images, labels = digits(2)
    for content in ({"train": 1}, (1, 2, 3), ((images, labels),), ((images,),) * 3):
        path.write_bytes(gzip.compress(pickle.dumps(content), 1))
        with pytest.raises(InputError, match=r"mnist\.pkl\.gz: not three pairs"):
            mnist.read(path)


FLAT = np.zeros((2, 784), np.float32)


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ((FLAT.reshape(2, 28, 28), [1, 2]), r"images are float32 \[2, 28, 28\], not float32 \[N, 784\]"),
        ((FLAT[:, :-1], [1, 2]), r"images are float32 \[2, 783\]"),
        ((FLAT.astype(np.uint8), [1, 2]), r"images are uint8 \[2, 784\]"),
        (([0.5], [1]), "images are list"),
        ((FLAT[:0], []), "holds no images"),
        ((FLAT - 0.1, [1, 2]), "pixels go from -0.1 to -0.1, not from 0 to 1"),
        ((FLAT + 255, [1, 2]), "pixels go from 255 to 255"),
        ((FLAT * np.nan, [1, 2]), "pixels go from nan to nan"),
        ((FLAT, [1]), "1 labels for 2 images"),
        ((FLAT, [1, 10]), "labels go from 1 to 10"),
        ((FLAT, [-1, 3]), "labels go from -1 to 3"),
        ((FLAT, [1.0, 2.0]), r"labels are not a list of integers"),
        ((FLAT, np.eye(2, 10, dtype=np.int64)), r"labels are int64 \[2, 10\]"),
        ((FLAT, [[1], [1, 2]]), "labels are not a list of integers"),
        ((FLAT, None), "labels are object"),
    ],
)
def test_wrong_arrays(tmp_path, pair, message):
    path = write_pickle(tmp_path / "mnist.pkl.gz", valid=pair)
    with pytest.raises(InputError, match=rf"mnist\.pkl\.gz: valid: .*{message}"):
        mnist.read(path, "valid")
    assert len(mnist.read(path)["data"]) == 6  # the others are fine


def test_hostile_pickle_is_refused(tmp_path):
    path = tmp_path / "mnist.pkl.gz"
    path.write_bytes(gzip.compress(pickle.dumps(((print, 1),) * 3)))
    with pytest.raises(InputError, match=r"mnist\.pkl\.gz: refused, it asks for builtins\.print"):
        mnist.read(path)


def test_missing_idx_files_are_named(tmp_path):
    with pytest.raises(InputError, match="lacks train-images-idx3-ubyte and train-labels-idx1-ubyte"):
        mnist.read(tmp_path)
    write_idx(tmp_path, t10k_labels=None)
    with pytest.raises(InputError, match=r"lacks t10k-labels-idx1-ubyte\. Give"):
        mnist.read(tmp_path, "test")


IMAGES = np.zeros((2, 28, 28), np.uint8)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"t10k_images": idx(IMAGES, b"\0\0\x08\x01")}, "images-idx3-ubyte.* starts with '00000801', .* '00000803'"),
        ({"t10k_images": b""}, "images-idx3-ubyte.* starts with ''"),
        ({"t10k_images": idx(IMAGES)[:9]}, "images-idx3-ubyte.* starts with"),
        ({"t10k_images": idx(IMAGES)[:-1]}, r"images-idx3-ubyte.* 1567 bytes for \[2, 28, 28\]"),
        ({"t10k_images": idx(IMAGES) + b"x"}, r"images-idx3-ubyte.* 1569 bytes for \[2, 28, 28\]"),
        ({"t10k_images": b"\0\0\x08\x03" + b"\xff" * 12}, "images-idx3-ubyte.* 0 bytes for"),
        ({"t10k_images": idx(IMAGES[:, 1:])}, r"images-idx3-ubyte.* \[2, 27, 28\], not \[N, 28, 28\]"),
        ({"t10k_images": idx(IMAGES[:0])}, r"images-idx3-ubyte.* \[0, 28, 28\], not \[N, 28, 28\]"),
        ({"t10k_labels": idx(IMAGES)}, "labels-idx1-ubyte.* starts with '00000803'"),
        ({"t10k_labels": idx(np.array([1], np.uint8))}, "labels-idx1-ubyte.* 1 labels for 2 images"),
        ({"t10k_labels": idx(np.array([1, 11], np.uint8))}, "labels-idx1-ubyte.* labels go from 1 to 11"),
    ],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_wrong_idx_files(tmp_path, changes, message, zipped):
    write_idx(tmp_path, zipped, **changes)
    with pytest.raises(InputError, match=message):
        mnist.read(tmp_path, "test")


def test_idx_truncated_or_not_gzip(tmp_path):
    path = write_idx(tmp_path) / "train-images-idx3-ubyte.gz"
    content = path.read_bytes()
    for damaged in (content[: len(content) // 2], b"not gzip", content[:20] + b"\xff\xff" + content[22:]):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"train-images-idx3-ubyte\.gz: truncated or not a gzip file"):
            mnist.read(tmp_path)


# --- files that hold more than they should ---


@pytest.mark.timeout(20)
def test_no_more_is_unpacked_than_there_should_be(tmp_path):
    path = tmp_path / "mnist.pkl.gz"
    path.write_bytes(gzip.compress(b"(" * 10**6))
    with pytest.raises(InputError, match=r"mnist\.pkl\.gz: unpacks to more than 10,000 bytes.* set DATA\.max_bytes"):
        mnist.read(path, "train", max_bytes=10_000)
    with pytest.raises(InputError, match=r"mnist\.pkl\.gz: [0-9,]+ bytes, where there should be 100 at most"):
        mnist.read(path, "train", max_bytes=100)


@pytest.mark.parametrize("zipped", [True, False])
def test_idx_files_are_bounded(tmp_path, zipped):
    folder = write_idx(tmp_path, zipped, train_images=idx(np.zeros([100, 28, 28], np.uint8)))
    with pytest.raises(InputError, match="more than 10,000 bytes|78,416 bytes, where there should be 10,000 at most"):
        mnist.read(folder, "train", max_bytes=10_000)


@pytest.mark.timeout(20)
def test_labels_in_labels_without_end_are_refused(tmp_path):
    labels = [0]
    for _ in range(60):
        labels = [labels, labels]
    path = write_pickle(tmp_path / "mnist.pkl.gz", train=(np.zeros([2, 784], np.float32), labels))
    with pytest.raises(InputError, match="labels are not a list of integers"):
        mnist.read(path, "train")
