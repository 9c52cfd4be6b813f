"""Weights from URLs, served by this machine: once, whole, and checked."""

import contextlib
import gzip
import hashlib
import http.server
import re
import threading
import time

import paddle
import pytest

from ppsci_gan import files
from ppsci_gan import weights
from ppsci_gan.errors import InputError
from ppsci_gan.weights import finding


def linear(inputs=2, outputs=3):
    return paddle.nn.Linear(inputs, outputs)


def kept():
    return [file for file in files.cache_folder("weights").rglob("*") if file.is_file()]


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Serve ``tmp_path/served`` here, in gzip where asked for, and list the requests.

    ``/cut`` ends too early, ``/broken`` does so the first time, ``/busy`` answers 503 the first time, ``/endless``
    never ends, and ``/long`` announces more than it has.
    """
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # between attempts
    served = tmp_path / "served"
    served.mkdir()
    weights.save(linear(), served / "a.pdparams")
    requests = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(served))

        def do_GET(self):
            requests.append(self.path)
            first = requests.count(self.path) == 1
            if self.path.startswith("/busy") and first:
                self.send_error(503)
            elif self.path.startswith("/cut") or self.path.startswith("/broken") and first:
                self.answer(b"only this", {"Content-Length": "1000"})
            elif self.path.startswith("/long"):
                self.answer(b"only this", {"Content-Length": str(2**40)})
            elif self.path.startswith("/endless"):
                self.answer(b"", {})
                with contextlib.suppress(OSError):  # whoever reads it has seen enough
                    while True:
                        self.wfile.write(bytes(1 << 16))
            elif self.path.startswith("/a") and "gzip" in self.headers.get("Accept-Encoding", ""):
                content = gzip.compress((served / "a.pdparams").read_bytes())
                self.answer(content, {"Content-Length": str(len(content)), "Content-Encoding": "gzip"})
            else:
                super().do_GET()

        def answer(self, content, headers):
            self.send_response(200)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}", served, requests
        running.shutdown()


def test_a_url_is_downloaded_once(server):
    url, served, requests = server
    for _ in range(2):
        assert weights.read(f"{url}/a.pdparams")["bias"].shape == (3,)
    assert requests == ["/a.pdparams"]


@pytest.mark.parametrize("name", ["busy.pdparams", "broken.pdparams"])
def test_a_download_that_fails_once_is_tried_again(server, name):
    url, served, requests = server
    weights.save(linear(), served / name)
    assert weights.find(f"{url}/{name}").read_bytes() == (served / name).read_bytes()
    assert requests == [f"/{name}"] * 2


def test_progress_is_shown(server, capsys):
    url, _, _ = server
    weights.find(f"{url}/a.pdparams")
    assert "100%" in capsys.readouterr().err


@pytest.mark.parametrize("end", ["", "..", "%2e%2e", ".", "a/..", "?key=1"])
def test_a_url_without_a_file_name_is_downloaded_too(server, end):
    url, served, requests = server
    (served / "index.html").write_bytes((served / "a.pdparams").read_bytes())  # what the server makes of /
    assert set(weights.read(f"{url}/{end}")) == {"weight", "bias"}
    before = list(requests)
    assert set(weights.read(f"{url}/{end}")) == {"weight", "bias"}
    assert requests == before
    [file] = kept()
    assert file.parent.parent == files.cache_folder("weights")


@pytest.mark.parametrize("name", ["page.pdparams", "page.pth", "page.safetensors", "zeros.pth", "zeros.safetensors"])
def test_what_is_no_weights_does_not_enter_the_cache(server, name):
    url, served, requests = server
    (served / name).write_bytes(b"<html>Sign in first</html>" if name.startswith("page") else bytes(1000))
    for _ in range(2):
        with pytest.raises(InputError, match=f"{name}: cannot be downloaded: what is there is no file of weights"):
            weights.read(f"{url}/{name}")
    assert requests == [f"/{name}"] * 2  # asked again, not read again
    assert not kept()


@pytest.mark.parametrize("name", ["endless.pth", "long.pth"])
@pytest.mark.timeout(20)
def test_a_download_ends(server, name, monkeypatch):
    url, _, requests = server
    monkeypatch.setattr(finding, "MOST_BYTES", 10**6)
    with pytest.raises(InputError, match=f"{name}: cannot be downloaded: it has more than"):
        weights.read(f"{url}/{name}")
    assert requests == [f"/{name}"]
    assert not kept()


def test_user_password_and_key_are_not_shown(server, capfd, caplog):
    url, served, _ = server
    weights.save(linear(4, 5), served / "b.pdparams")
    private = url.replace("http://", "http://me:pass123@") + "/{}?key=pass123"
    for address in ("nothing.pdparams", "long.pth", "b.pdparams"):
        with pytest.raises(InputError) as error:
            weights.load(linear(), private.format(address), "MODEL.gen_net")
        assert address in str(error.value)
        assert "pass123" not in str(error.value)
    with pytest.raises(InputError) as error:
        weights.read(private.format("a.pth").replace(url.rsplit(":", 1)[1], "1"))
    assert "pass123" not in str(error.value)
    weights.load(linear(), private.format("a.pdparams"), "MODEL.gen_net")
    assert "a.pdparams" in caplog.text
    assert "pass123" not in caplog.text + "".join(capfd.readouterr())


def test_a_known_checksum_is_checked(server):
    url, served, _ = server
    digest = hashlib.sha256((served / "a.pdparams").read_bytes()).hexdigest()
    for spelling in (digest, digest.upper()):
        assert set(weights.read(f"{url}/a.pdparams#sha256={spelling}")) == {"weight", "bias"}
    with pytest.raises(InputError, match="a.pdparams: .*SHA256.* expected sha256:123 .*Check the URL"):
        weights.read(f"{url}/a.pdparams#sha256=123")
    assert not kept()


def test_a_file_without_the_known_checksum_is_not_kept_even_if_the_server_is_away(server):
    url, served, _ = server
    weights.save(linear(), served / "gone.pdparams")
    weights.find(f"{url}/gone.pdparams")
    (served / "gone.pdparams").unlink()
    with pytest.raises(InputError, match="404"):
        weights.find(f"{url}/gone.pdparams#sha256=123")
    assert not kept()


def test_a_damaged_file_in_the_cache_is_downloaded_again(server):
    url, served, _ = server
    digest = hashlib.sha256((served / "a.pdparams").read_bytes()).hexdigest()
    weights.find(f"{url}/a.pdparams").write_text("damaged")
    assert set(weights.read(f"{url}/a.pdparams#sha256={digest}")) == {"weight", "bias"}


@pytest.mark.parametrize(("path", "reason"), [("nothing.pdparams", "404"), ("cut.pdparams", "")])
def test_a_download_that_fails_leaves_nothing(server, path, reason):
    url, _, _ = server
    with pytest.raises(InputError, match=f"{path}.*{reason}"):
        weights.read(f"{url}/{path}")
    assert not kept()


def test_urls_that_lead_nowhere(server):
    url, _, _ = server
    closed = url.rsplit(":", 1)[0] + ":1/a.pdparams"  # nothing listens on port 1
    for address in (closed, "http://[bad/a.pdparams", "http://"):
        with pytest.raises(InputError, match=re.escape(address)):
            weights.read(address)


def test_files_of_the_same_name_from_two_places_are_kept_apart(server):
    url, served, requests = server
    (served / "other").mkdir()
    weights.save(linear(4, 5), served / "other" / "b.pdparams")
    weights.save(linear(), served / "b.pdparams")
    assert weights.read(f"{url}/other/b.pdparams")["weight"].shape == (4, 5)
    assert weights.read(f"{url}/b.pdparams")["weight"].shape == (2, 3)
