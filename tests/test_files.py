"""Where files are kept, and which are read."""

import os
import subprocess
import sys

import pytest

from ppsci_gan import files
from ppsci_gan.errors import InputError


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other folders")
@pytest.mark.parametrize("value", [None, ""])
def test_the_cache_is_in_the_home_folder(monkeypatch, tmp_path, value):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    if value is not None:
        monkeypatch.setenv("XDG_CACHE_HOME", value)
    assert files.cache_folder("weights") == tmp_path / ".cache" / "ppsci_gan" / "weights"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other folders")
def test_the_cache_is_where_the_user_wants_it(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert files.cache_folder("features") == tmp_path / "ppsci_gan" / "features"


def test_asking_for_the_cache_makes_no_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "new"))
    files.cache_folder("weights")
    assert not list(tmp_path.iterdir())


# --- reading ---


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes among files here")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="pipe: not a regular file but a pipe"):
        files.open_regular(tmp_path / "pipe")
    with pytest.raises(InputError, match="not a regular file but a folder"):
        files.open_regular(tmp_path)


def test_a_file_of_more_bytes_is_refused(tmp_path):
    (tmp_path / "large").write_bytes(bytes(11))
    assert files.open_regular(tmp_path / "large", most=11).read() == bytes(11)
    with pytest.raises(InputError, match="large: 11 bytes, where there should be 10 at most"):
        files.open_regular(tmp_path / "large", most=10)


@pytest.fixture
def exported(tmp_path):
    paths = [tmp_path / "generator.json", tmp_path / "generator.pdiparams"]
    for path in paths:
        path.write_bytes(os.urandom(100))
    files.write_digests(tmp_path / "generator.sha256", paths)
    return paths


def test_a_flipped_bit_is_found(exported, tmp_path):
    digests = tmp_path / "generator.sha256"
    files.check_digests(digests, exported, "Export it again.")
    content = bytearray(exported[1].read_bytes())
    content[50] ^= 1
    exported[1].write_bytes(content)
    with pytest.raises(InputError, match=r"generator.pdiparams: .*damaged\. Export it again\."):
        files.check_digests(digests, exported, "Export it again.")


def test_files_that_were_not_there_are_refused(exported, tmp_path):
    digests = tmp_path / "generator.sha256"
    other = exported[0].rename(tmp_path / "other.json")
    for paths, name in (([other], "other.json"), (exported, "generator.json: no such file")):
        with pytest.raises(InputError, match=name):
            files.check_digests(digests, paths, "Export it again.")
    digests.write_bytes(b"\xff\n")
    with pytest.raises(InputError, match="generator.sha256: damaged"):
        files.check_digests(digests, exported, "Export it again.")
    digests.unlink()
    with pytest.raises(InputError, match="generator.sha256: no such file"):
        files.check_digests(digests, exported, "Export it again.")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other tools")
def test_the_digests_are_those_of_sha256sum(exported, tmp_path):
    subprocess.run(["sha256sum", "--check", "generator.sha256"], cwd=tmp_path, check=True, capture_output=True)
