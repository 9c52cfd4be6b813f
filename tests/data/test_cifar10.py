"""CIFAR-10's reader on small files in the original layout, sound and broken, and its memory on a full-size one."""

import gzip
import hashlib
import io
import logging
import pickle
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

from ppsci_gan.data import cifar10
from ppsci_gan.errors import InputError

NAMES = [*cifar10.BATCHES["train"], "test_batch"]


def batch(name, num=4):
    rng = np.random.default_rng(NAMES.index(name))
    labels = [int(label) for label in rng.integers(0, 10, num)]
    return {b"batch_label": name.encode(), b"labels": labels, b"data": rng.integers(0, 256, (num, 3072), np.uint8)}


def write_tar(path, names=NAMES, protocol=2, **changes):
    """Write the archive with the batches in the given order; ``changes`` replaces the content of one."""
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        add(archive, "batches.meta", pickle.dumps({b"num_vis": 3072}, protocol))
        for name in names:
            add(archive, name, pickle.dumps(changes.get(name, batch(name)), protocol))
    return path


def add(archive, name, content):
    info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
    info.size = len(content)
    archive.addfile(info, io.BytesIO(content))


def expected(split):
    batches = [batch(name) for name in cifar10.BATCHES[split]]
    images = np.concatenate([b[b"data"] for b in batches]).reshape(-1, 3, 32, 32)
    return images, np.concatenate([b[b"labels"] for b in batches])


def assert_is(data, split):
    images, labels = expected(split)
    assert data["data"].dtype == np.uint8
    assert data["labels"].dtype == np.int64
    np.testing.assert_array_equal(data["data"], images)
    np.testing.assert_array_equal(data["labels"], labels)


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("protocol", range(6))
def test_archive(tmp_path, split, protocol):
    assert_is(cifar10.read(str(write_tar(tmp_path / "cifar-10-python.tar.gz", protocol=protocol)), split), split)


def test_the_order_in_the_archive_does_not_matter(tmp_path):
    assert_is(cifar10.read(write_tar(tmp_path / "a.tar.gz", [NAMES[3], NAMES[5], *NAMES[:3], NAMES[4]])), "train")


@pytest.mark.parametrize("inner", ["", "cifar-10-batches-py"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_folder_and_its_parent(tmp_path, split, inner):
    with tarfile.open(write_tar(tmp_path / "a.tar.gz")) as archive:
        archive.extractall(tmp_path, filter="data")
    assert_is(cifar10.read(tmp_path / inner, split), split)


def test_batches_of_the_other_split_are_not_read(tmp_path):
    assert_is(cifar10.read(write_tar(tmp_path / "a.tar.gz", ["test_batch", *NAMES[:5]], test_batch=print)), "train")
    assert_is(cifar10.read(write_tar(tmp_path / "b.tar.gz", data_batch_1=print), "test"), "test")


def test_another_checksum_is_a_warning(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("ppsci"), "propagate", True)
    path = write_tar(tmp_path / "a.tar.gz")
    cifar10.read(path, "test")
    assert f"a.tar.gz: its md5 is {hashlib.md5(path.read_bytes()).hexdigest()}" in caplog.text
    caplog.clear()
    monkeypatch.setattr(cifar10, "MD5", hashlib.md5(path.read_bytes()).hexdigest())
    cifar10.read(path, "test")
    assert not caplog.text


@pytest.mark.parametrize("path", [None, " ", "no/such/cifar-10-python.tar.gz"])
def test_missing_says_where_to_get_it(path):
    with pytest.raises(
        InputError, match=r"DATA\.data_path.*www\.cs\.toronto\.edu.*md5 c58f30108f718f92721af3b95e74349a"
    ):
        cifar10.read(path)


def test_unknown_split(tmp_path):
    with pytest.raises(InputError, match="'valid' is not one of train, test"):
        cifar10.read(tmp_path, "valid")


def test_archive_truncated_at_many_places(tmp_path):
    path = write_tar(tmp_path / "a.tar.gz", NAMES[:5])
    content = path.read_bytes()
    for end in range(0, len(content) * 9 // 10, len(content) // 40):
        path.write_bytes(content[:end])
        with pytest.raises(InputError, match=r"a\.tar\.gz: .*truncated"):
            cifar10.read(path)


def test_not_a_tar_gz(tmp_path):
    path = write_tar(tmp_path / "a.tar.gz")
    for content in (b"<html>not found</html>", gzip.compress(b"not a tar" * 200), gzip.decompress(path.read_bytes())):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"a\.tar\.gz: truncated, or not a tar\.gz file .*md5"):
            cifar10.read(path)


def test_archive_without_batches(tmp_path):
    with pytest.raises(InputError, match=r"a\.tar\.gz: lacks data_batch_2, data_batch_5; it is truncated or another"):
        cifar10.read(write_tar(tmp_path / "a.tar.gz", [NAMES[0], NAMES[2], NAMES[3], NAMES[5]]))
    with pytest.raises(InputError, match=r"b\.tar\.gz: lacks test_batch"):
        cifar10.read(write_tar(tmp_path / "b.tar.gz", []), "test")


def test_folder_without_batches(tmp_path):
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps(batch("data_batch_1")))
    with pytest.raises(InputError, match="lacks data_batch_2, data_batch_3, data_batch_4, data_batch_5"):
        cifar10.read(tmp_path)


def test_truncated_batch_in_a_folder(tmp_path):
    (tmp_path / "test_batch").write_bytes(pickle.dumps(batch("test_batch"), 2)[:-500])
    with pytest.raises(InputError, match="test_batch: truncated"):
        cifar10.read(tmp_path, "test")


DATA = np.zeros((2, 3072), np.uint8)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([DATA], "not a batch of CIFAR-10"),
        ({"data": DATA, "labels": [1, 2]}, "not a batch of CIFAR-10"),
        ({b"data": DATA}, "not a batch of CIFAR-10"),
        ({b"data": DATA, b"fine_labels": [1, 2]}, "not a batch of CIFAR-10"),
        ({b"data": b"", b"labels": [1, 2]}, "images are a bytes, not an array"),
        ({b"data": DATA.astype(np.float32), b"labels": [1, 2]}, r"float32 \[2, 3072\], not uint8 \[N, 3072\]"),
        ({b"data": DATA[:, :1024], b"labels": [1, 2]}, r"uint8 \[2, 1024\]"),
        ({b"data": DATA.reshape(2, 3, 32, 32), b"labels": [1, 2]}, r"uint8 \[2, 3, 32, 32\]"),
        ({b"data": DATA[:0], b"labels": []}, r"uint8 \[0, 3072\]"),
        ({b"data": DATA, b"labels": [1, 2, 3]}, "3 labels for 2 images"),
        ({b"data": DATA, b"labels": [1, 10]}, "labels go from 1 to 10, not from 0 to 9"),
        ({b"data": DATA, b"labels": [-1, 1]}, "labels go from -1 to 1"),
        ({b"data": DATA, b"labels": ["a", "b"]}, r"labels are not a list of integers"),
        ({b"data": DATA, b"labels": [2**70, 1]}, "labels are object"),
        ({b"data": DATA, b"labels": [[1], [1, 2]]}, "labels are not a list of integers"),
        ({b"data": DATA, b"labels": print}, "refused, it asks for builtins.print"),
    ],
)
def test_wrong_batches(tmp_path, content, message):
    with pytest.raises(InputError, match=f"a.tar.gz: test_batch: .*{message}"):
        cifar10.read(write_tar(tmp_path / "a.tar.gz", ["test_batch"], test_batch=content), "test")


def test_batches_of_different_sizes(tmp_path):
    with pytest.raises(InputError, match="data_batch_3 holds 2 images, another batch 4"):
        cifar10.read(write_tar(tmp_path / "a.tar.gz", data_batch_3=batch("data_batch_3", 2)))


# VmHWM, because the peak of getrusage starts at that of the process which started this one.
MEASURE = """
import sys
from ppsci_gan.data import cifar10

def kilobytes(key):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(key))

before = kilobytes("VmRSS")
data = cifar10.read(sys.argv[1])
assert data["data"].shape == (50_000, 3, 32, 32)
print((kilobytes("VmHWM") - before) * 1024)
"""


def test_reading_the_full_size_takes_less_than_250_megabytes(tmp_path):
    # Protocol 2 by Python 3 is the worst: pixels are written as text, those above 127 as two bytes each.
    images = np.tile(np.random.default_rng(0).integers(0, 256, (4, 3072), np.uint8), (2500, 1))
    content = pickle.dumps({b"data": images, b"labels": [0, 1, 2, 3] * 2500}, 2)
    path = tmp_path / "cifar-10-python.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for name in NAMES:
            add(archive, name, content)
    command = [sys.executable, "-c", MEASURE, path]
    process = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    assert 153e6 < int(process.stdout) < 250e6  # 153.6 MB are the images themselves


# --- archives that hold more than they should ---


def header(kind: bytes, size: int) -> bytes:
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize(
    "kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE], ids=["GNU", "pax", "global"]
)
@pytest.mark.parametrize("before", [b"", None], ids=["first", "later"])
@pytest.mark.timeout(20)
def test_headers_of_gigabytes_are_not_read(tmp_path, kind, before):
    """As many as there should be in the whole archive would still be fine for a file."""
    size = 2 * cifar10.MOST_OF_HEADERS
    if before is None:
        before = gzip.decompress(write_tar(tmp_path / "a.tar.gz", NAMES[:1]).read_bytes())[:-10_240]
    (tmp_path / "b.tar.gz").write_bytes(gzip.compress(before + header(kind, size) + b"1" * size, 1))
    with pytest.raises(InputError, match=r"b\.tar\.gz: unpacks to more than [0-9,]+ bytes"):
        cifar10.read(tmp_path / "b.tar.gz")


@pytest.mark.parametrize("file_format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_names_and_attributes_are_read(tmp_path, file_format):
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz", format=file_format) as archive:
        for name in NAMES:
            info = tarfile.TarInfo(f"{'long/' * 60}{name}")
            info.pax_headers = {"comment": "of a Mac" * 100}
            info.mtime = 1.5
            content = pickle.dumps(batch(name))
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    assert_is(cifar10.read(tmp_path / "a.tar.gz"), "train")


@pytest.mark.timeout(20)
def test_no_more_is_unpacked_than_there_should_be(tmp_path):
    path = write_tar(tmp_path / "a.tar.gz")
    with pytest.raises(InputError, match=r"a\.tar\.gz: .* bytes, where there should be 1,000 at most"):
        cifar10.read(path, max_bytes=1000)
    with tarfile.open(tmp_path / "bomb.tar.gz", "w:gz") as archive:
        add(archive, "other", bytes(10**7))  # passed over, and yet unpacked
        for name in NAMES:
            add(archive, name, pickle.dumps(batch(name)))
    with pytest.raises(InputError, match=r"bomb\.tar\.gz: unpacks to more than 1,000,000 bytes"):
        cifar10.read(tmp_path / "bomb.tar.gz", max_bytes=10**6)
    large = write_tar(tmp_path / "large.tar.gz", data_batch_1={b"data": np.zeros([300, 3072], np.uint8)})
    with pytest.raises(InputError, match="its data_batch_1 has 921,[0-9]+ bytes; it is another archive"):
        cifar10.read(large, max_bytes=2 * 10**6)


def test_an_archive_of_many_files_is_another_one(tmp_path):
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz", compresslevel=1) as archive:
        for number in range(cifar10.MOST_MEMBERS + 1):
            add(archive, f"{number}", b"")
    with pytest.raises(InputError, match=r"a\.tar\.gz: more than 1,000 files are in it"):
        cifar10.read(tmp_path / "a.tar.gz")
