"""Data sets by name: found where they lie, fetched by Paddle's downloader from a server of our own, or one message."""

import functools
import gzip
import hashlib
import http.server
import threading

import numpy as np
import pytest
from paddle.dataset import common

from ppsci_gan.data import by_hand
from ppsci_gan.data import catalogue
from ppsci_gan.data import images
from ppsci_gan.data import prepare
from ppsci_gan.data import public
from ppsci_gan.errors import InputError


def idx(array):
    return gzip.compress(bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes() + array.tobytes())


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Paddle's cache, empty, and a current folder without data."""
    monkeypatch.setattr(common, "DATA_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(public, "REPOSITORY", tmp_path / "nowhere")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "cache" / "mnist"


@pytest.fixture
def server(tmp_path, monkeypatch, place):
    """A server with four small IDX files, whose md5 are the published ones here; gives its folder."""
    folder = tmp_path / "server"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in public.SOURCES["mnist"].files:
        shape = [5, 28, 28] if "images" in name else [5]
        (folder / name).write_bytes(idx(rng.integers(0, 10, shape, np.uint8)))

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=str(folder))
    ) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        files = {file.name: hashlib.md5(file.read_bytes()).hexdigest() for file in folder.iterdir()}
        source = public.SOURCES["mnist"]._replace(address=f"http://127.0.0.1:{running.server_port}/", files=files)
        monkeypatch.setitem(public.SOURCES, "mnist", source)
        for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.delenv(variable, raising=False)
        yield folder
        running.shutdown()


def test_fetched_once_and_found_then(server, place):
    first = images.read_data_set("mnist", "auto", "train")
    assert first.data.shape == (5, 1, 28, 28)
    assert {file.name for file in place.iterdir()} == set(public.SOURCES["mnist"].files)
    for file in server.iterdir():
        file.unlink()
    np.testing.assert_array_equal(images.read("mnist").data, first.data)
    assert images.read("mnist-test").name == "mnist test"


def test_another_folder(server, place, tmp_path):
    assert public.fetch("mnist", tmp_path / "here" / "data") == tmp_path / "here" / "data"
    assert not place.exists()
    assert public.find("mnist").resolve() == tmp_path / "here" / "data"


def test_a_wrong_checksum_leaves_nothing(server, place, monkeypatch):
    monkeypatch.setattr("paddle.utils.download.DOWNLOAD_RETRY_LIMIT", 1)
    name = next(iter(public.SOURCES["mnist"].files))
    (server / name).write_bytes(b"a page that says: log in first")
    with pytest.raises(InputError, match=f"{name} cannot be fetched .*Retry limit"):
        public.fetch("mnist")
    assert not any(file.name.startswith(name) for file in place.iterdir())


def test_a_missing_page(server, place):
    name = next(iter(public.SOURCES["mnist"].files))
    (server / name).unlink()
    with pytest.raises(InputError, match=r"cannot be fetched \(Client error '404"):
        public.fetch("mnist")


def test_without_network_one_message_with_address_and_place(place, monkeypatch):
    # Nothing listens on port 9 of this machine.
    source = public.SOURCES["cifar10"]._replace(address="http://127.0.0.1:9/")
    monkeypatch.setitem(public.SOURCES, "cifar10", source)
    with pytest.raises(InputError) as error:
        images.read_data_set("cifar10", "auto", "train")
    message = str(error.value)
    assert "\n" not in message
    assert "http://127.0.0.1:9/cifar-10-python.tar.gz cannot be fetched" in message
    assert f"put it into {place.with_name('cifar')}, or set DATA.data_path" in message


def test_evaluation_fetches_nothing_and_says_how_to(place, caplog):
    with caplog.at_level("INFO", "ppsci"):
        assert not catalogue.is_available("mnist", "auto")
    assert "ppsci-gan data mnist fetches it" in caplog.text
    assert catalogue.is_available("faces", "auto")
    assert not catalogue.is_available("pictures", "auto")
    with pytest.raises(InputError, match="DATA.data_path is not set"):
        catalogue.open_images("pictures", "train", "auto")


def test_other_files_by_the_same_names_are_taken_with_a_warning(place, caplog):
    place.mkdir(parents=True)
    for name in public.SOURCES["mnist"].files:
        (place / name).write_bytes(idx(np.zeros([3, 28, 28] if "images" in name else [3], np.uint8)))
    with caplog.at_level("WARNING", "ppsci"):
        assert len(images.read("mnist").data) == 3
    assert "its md5 is" in caplog.text


def test_sources_are_those_that_paddle_fetches_from():
    from paddle.vision.datasets import MNIST
    from paddle.vision.datasets import cifar

    assert public.SOURCES["mnist"].address == MNIST.URL_PREFIX
    md5s = {MNIST.TRAIN_IMAGE_MD5, MNIST.TRAIN_LABEL_MD5, MNIST.TEST_IMAGE_MD5, MNIST.TEST_LABEL_MD5}
    assert set(public.SOURCES["mnist"].files.values()) == md5s
    (name,) = public.SOURCES["cifar10"].files
    assert public.SOURCES["cifar10"].address + name == cifar.CIFAR10_URL
    assert public.SOURCES["cifar10"].files[name] == cifar.CIFAR10_MD5


# --- CelebA and LSUN ---


@pytest.fixture
def pictures(tmp_path):
    from PIL import Image

    def make(folder, size, number=5):
        (tmp_path / folder).mkdir(parents=True)
        rng = np.random.default_rng(0)
        for index in range(number):
            Image.fromarray(rng.integers(0, 256, (*size[::-1], 3), np.uint8)).save(tmp_path / folder / f"{index}.jpg")

    return make


def test_celeba_is_checked_and_prepared(tmp_path, pictures, caplog):
    pictures("celeba/img_align_celeba", (178, 218))
    with caplog.at_level("WARNING", "ppsci"):
        found = by_hand.prepare_collection("celeba", tmp_path / "celeba", size="64")
    assert "5 pictures, where CelebA has 202599" in caplog.text
    assert found == tmp_path / "celeba" / "prepared_64"
    assert catalogue.open_images("pictures", "train", str(found)).data[:].shape == (5, 3, 64, 64)


def test_celeba_that_is_not_aligned(tmp_path, pictures):
    pictures("celeba/img_align_celeba", (200, 200))
    with pytest.raises(InputError, match="not CelebA's aligned 178 x 218"):
        by_hand.prepare_collection("celeba", tmp_path / "celeba")


@pytest.mark.parametrize("name", ["celeba", "lsun"])
def test_where_to_get_what_is_not_there(tmp_path, name):
    with pytest.raises(InputError, match=rf"is not there. Download .* from https://\S+ .*to {tmp_path}"):
        by_hand.prepare_collection(name, tmp_path)


def test_lsun_is_read_from_its_database(tmp_path):
    lmdb = pytest.importorskip("lmdb")
    import io

    from PIL import Image

    folder = tmp_path / "bedroom_train_lmdb"
    folder.mkdir()
    with lmdb.open(str(folder), map_size=1 << 22) as environment, environment.begin(write=True) as transaction:
        for index in range(4):
            content = io.BytesIO()
            Image.new("RGB", (300, 256), (index, 0, 0)).save(content, "webp", lossless=True)
            transaction.put(b"%040x" % index, content.getvalue())
    found = by_hand.prepare_collection("lsun", tmp_path, size="16", number=3)
    assert catalogue.open_images("pictures", "train", str(found), height=16).data[:].shape == (3, 3, 16, 16)


def test_lsun_without_the_extra(tmp_path, monkeypatch):
    (tmp_path / "data.mdb").touch()
    monkeypatch.setitem(__import__("sys").modules, "lmdb", None)
    with pytest.raises(InputError, match=r"pip install 'ppsci-gan\[lsun\]'"):
        by_hand.prepare_collection("lsun", tmp_path)


def test_more_pictures_than_there_are(tmp_path, pictures):
    pictures("own", (20, 20))
    with pytest.raises(InputError, match="--number 6: .* holds 5 pictures"):
        prepare.prepare(str(tmp_path / "own"), str(tmp_path / "out"), size="16", number=6)
