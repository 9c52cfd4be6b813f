"""How much memory was used and how much there is, on every system."""

import runpy
import sys
from types import SimpleNamespace

import numpy as np
import paddle
import psutil
import pytest

from ppsci_gan.devices import memory
from ppsci_gan.errors import InputError

MB = 2**20


@pytest.fixture(autouse=True)
def cpu():
    paddle.device.set_device("cpu")


@pytest.fixture
def gpu(monkeypatch):
    """Make it look as if a GPU with 8 GB were in use, 3 GB of it at a time."""
    monkeypatch.setattr(paddle.device, "get_device", lambda: "gpu:1")
    monkeypatch.setattr(paddle.device, "max_memory_allocated", lambda: 3000 * MB)
    properties = {"gpu:1": SimpleNamespace(total_memory=8000 * MB)}
    monkeypatch.setattr(paddle.device.cuda, "get_device_properties", properties.get)


def test_the_peak_on_the_cpu_is_the_processs_and_stays():
    block = np.ones(64 * MB, np.uint8)
    used = psutil.Process().memory_info().rss / MB
    peak = memory.peak_mb()
    del block
    assert 0.95 * used < peak < 100 * used  # the system counts pages of each thread apart, and writes them up later
    assert memory.peak_mb() >= peak


@pytest.mark.parametrize(("platform", "unit"), [("linux", 1024), ("darwin", 1), ("freebsd14", 1024)])
def test_the_peak_is_in_the_unit_of_the_system(monkeypatch, platform, unit):
    usage = SimpleNamespace(RUSAGE_SELF=0, getrusage=lambda who: SimpleNamespace(ru_maxrss=500 * MB // unit))
    monkeypatch.setitem(sys.modules, "resource", usage)
    monkeypatch.setattr(memory, "sys", SimpleNamespace(platform=platform))
    assert memory.peak_mb() == 500


def test_the_peak_on_windows(monkeypatch):
    process = SimpleNamespace(memory_info=lambda: SimpleNamespace(peak_wset=500 * MB))
    monkeypatch.setattr(memory, "sys", SimpleNamespace(platform="win32"))
    monkeypatch.setattr(psutil, "Process", lambda: process)
    monkeypatch.setitem(sys.modules, "resource", None)  # importing it fails
    assert memory.peak_mb() == 500


def test_importing_needs_no_module_that_windows_lacks(monkeypatch):
    monkeypatch.setitem(sys.modules, "resource", None)
    assert runpy.run_path(memory.__file__)["total_mb"]() > 0


def test_the_total_on_the_cpu_is_the_machines(monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=4000 * MB))
    assert memory.total_mb() == 4000


def test_memory_of_a_gpu_is_what_paddle_says(gpu):
    assert memory.peak_mb() == 3000
    assert memory.total_mb() == 8000


def test_the_total_of_a_plug_ins_device_is_unknown(monkeypatch):
    monkeypatch.setattr(paddle.device, "get_device", lambda: "npu:0")
    assert memory.total_mb() is None


def test_missing_memory_is_explained(gpu):
    with (
        pytest.raises(InputError, match=r"gpu:1, phase critic, with 3000 MB .*: Fail to alloc .*(?s:.)*batch_size"),
        memory.explain_out_of_memory("phase critic"),
    ):
        raise MemoryError("(ResourceExhausted) Fail to alloc memory of 4096 size.")


def test_other_errors_are_not_explained():
    with pytest.raises(OSError, match="No space left"), memory.explain_out_of_memory("phase critic"):
        raise OSError(28, "No space left on device")
