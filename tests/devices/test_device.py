"""Choosing a device, and the CPU's settings."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import paddle
import pytest

from ppsci_gan.devices import device
from ppsci_gan.errors import InputError


@pytest.fixture
def machine(monkeypatch):
    """``machine(gpu=2)`` makes it look as if there were two GPUs and nothing else; returns the devices set."""
    chosen = []
    monkeypatch.setattr(paddle.device, "set_device", chosen.append)
    monkeypatch.setattr(paddle.device, "get_device", lambda: chosen[-1])
    for kind in ("gpu", "xpu", "npu"):
        monkeypatch.delenv(f"FLAGS_selected_{kind}s", raising=False)

    def having(**counts):
        monkeypatch.setattr(device, "count", lambda kind: {"cpu": 1, **counts}.get(kind, 0))
        return chosen

    yield having
    paddle.set_flags({"FLAGS_use_stride_kernel": True})  # which choosing an npu switches off


@pytest.mark.parametrize("name", ["auto", "cpu", "gpu", "npu", "xpu", "gpu:0", "npu:12"])
def test_knrename_published(name):
    assert device.PATTERN.fullmatch(name)


@pytest.mark.parametrize("name", ["", "tpu", "GPU", "gpu:", "gpu:-1", "gpu:a", "gpu0", " gpu", "gpu:0\n", "gpu,cpu"])
def test_unknrename_published(name):
    assert not device.PATTERN.fullmatch(name)
    with pytest.raises(InputError, match="write auto, cpu, gpu, npu or xpu"):
        device.select(name)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({}, "cpu"),
        ({"xpu": 1}, "xpu:0"),
        ({"gpu": 1, "xpu": 1}, "gpu:0"),
        ({"npu": 1, "gpu": 1, "xpu": 1}, "npu:0"),
    ],
)
def test_auto_takes_the_best_there_is(machine, counts, expected):
    machine(**counts)
    assert device.select("auto") == expected


def test_index(machine):
    machine(gpu=2)
    assert device.select("gpu") == "gpu:0"
    assert device.select("gpu:1") == "gpu:1"
    assert device.select("cpu") == "cpu"


@pytest.mark.parametrize("kind", ["gpu", "xpu", "npu"])
def test_each_rank_of_a_launch_takes_its_own_device(machine, monkeypatch, kind):
    machine(**{kind: 4})
    monkeypatch.setenv(f"FLAGS_selected_{kind}s", "2")
    assert device.select(kind) == f"{kind}:2"
    assert device.select("auto") == f"{kind}:2"
    assert device.select(f"{kind}:1") == f"{kind}:1"  # what the user asks for goes first
    monkeypatch.setenv(f"FLAGS_selected_{kind}s", "")
    assert device.select(kind) == f"{kind}:0"


@pytest.mark.parametrize(
    ("name", "counts", "remedy"),
    [
        ("npu", {}, "paddle-custom-npu.*CUSTOM_DEVICE_ROOT"),
        ("gpu:7", {}, "paddlepaddle-gpu"),
        ("xpu", {"gpu": 1}, "paddlepaddle-xpu"),
        ("gpu:2", {"gpu": 2}, "only 2 here"),
    ],
)
def test_missing_device_is_an_error_and_nothing_is_set(machine, name, counts, remedy):
    chosen = machine(**counts)
    with pytest.raises(InputError, match=f"^device={name}: .* not available, .*{remedy}.*device=auto"):
        device.select(name)
    assert not chosen


def test_cpu_is_really_selected():
    assert device.select("cpu") == "cpu"
    assert paddle.zeros([1]).place.is_cpu_place()


def test_count(monkeypatch):
    assert device.count("cpu") == 1
    monkeypatch.setattr(paddle, "is_compiled_with_cuda", lambda: False)
    monkeypatch.setattr(paddle, "is_compiled_with_xpu", lambda: False)
    assert (device.count("gpu"), device.count("xpu")) == (0, 0)
    monkeypatch.setattr(paddle, "is_compiled_with_cuda", lambda: True)
    monkeypatch.setattr(paddle.device.cuda, "device_count", lambda: 3)
    assert device.count("gpu") == 3
    monkeypatch.setattr(paddle.device, "get_available_custom_device", lambda: ["npu:0", "npu:1", "other:0"])
    assert device.count("npu") == 2
    monkeypatch.setattr(paddle.device, "get_available_custom_device", lambda: None)
    assert device.count("npu") == 0


@pytest.fixture
def system_file(tmp_path, monkeypatch):
    """``system_file(text)`` is what the module finds at any path it reads; None for no file."""

    def write(text):
        if text is not None:
            (tmp_path / "file").write_text(text)
        monkeypatch.setattr(device, "Path", lambda _: tmp_path / "file")

    return write


@pytest.fixture
def quota(tmp_path, monkeypatch):
    """``quota(text)`` makes the process one of a container with this ``cpu.max``, on a machine of eight cores."""

    def write(text):
        (tmp_path / "cpu.max").write_text(text)
        found = {"/sys/fs/cgroup/cpu.max": tmp_path / "cpu.max"}
        read, exists = open, os.path.exists
        monkeypatch.setattr("builtins.open", lambda file, *args, **kwargs: read(found.get(file, file), *args, **kwargs))
        monkeypatch.setattr(os.path, "exists", lambda file: file in found or exists(file))
        monkeypatch.setattr(os, "cpu_count", lambda: 8)
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)

    return write


@pytest.mark.skipif(sys.platform != "linux", reason="containers' quotas are Linux's")
@pytest.mark.parametrize(
    ("text", "cores"),
    [
        ("max 100000\n", 8),
        ("200000 100000\n", 2),
        ("150000 100000\n", 2),
        ("50000 100000\n", 1),
        ("1600000 100000\n", 8),
    ],
)
def test_usable_cores_are_cut_by_the_quota(quota, text, cores):
    quota(text)
    assert device.usable_cores() == cores


def test_usable_cores_are_those_of_the_affinity(quota, monkeypatch):
    quota("max 100000\n")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {1, 5, 7}, raising=False)
    assert device.usable_cores() == 3


@pytest.fixture
def tune(monkeypatch):
    """``tune(environment, amd, cores)`` gives the environment afterwards, the threads set and the lines logged."""

    def run(environment, mkl_path=None, cores=4, keeps=False):
        threads, lines = [], []
        current = dict(environment)
        monkeypatch.setattr(device.os, "environ", current)
        monkeypatch.setattr(device, "_users_environment", lambda: environment)
        monkeypatch.setattr(device, "_fast_mkl_path", lambda: mkl_path)
        monkeypatch.setattr(device, "_keep_freed_memory", lambda: keeps)
        monkeypatch.setattr(device, "usable_cores", lambda: cores)
        monkeypatch.setattr(paddle.base.core, "set_num_threads", threads.append)
        monkeypatch.setattr(device.logger, "info", lines.append)
        device.tune_cpu()
        return current, threads, lines

    return run


def test_fast_blas_path_on_amd_only(tune):
    environment, _, lines = tune({}, mkl_path="7")
    assert environment["MKL_DEBUG_CPU_TYPE"] == "7"
    assert len(lines) == 1
    assert "MKL_DEBUG_CPU_TYPE=7" in lines[0]
    environment, _, lines = tune({})
    assert "MKL_DEBUG_CPU_TYPE" not in environment
    assert "MKL_DEBUG_CPU_TYPE" not in lines[0]


@pytest.mark.parametrize(("cores", "ranks", "threads"), [(4, "1", 4), (4, "2", 2), (1, "2", 1)])
def test_ranks_share_the_cores(tune, cores, ranks, threads):
    _, set_to, lines = tune({"PADDLE_LOCAL_SIZE": ranks}, cores=cores)
    assert set_to == [threads]
    assert len(lines) == 1
    assert f"{threads} thread" in lines[0]


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "MKL_NUM_THREADS"])
def test_users_number_of_threads_stays(tune, name):
    environment, set_to, _ = tune({name: "3"}, mkl_path="5")
    assert environment[name] == "3"
    assert not set_to


def test_nothing_that_the_user_set_is_changed(tune):
    users = {"MKL_DEBUG_CPU_TYPE": "4", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "2", "KMP_BLOCKTIME": "7"}
    users["MALLOC_ARENA_MAX"] = "1"
    environment, set_to, lines = tune(users, mkl_path="5", keeps=True)
    assert environment == users
    assert not set_to
    assert lines == ["CPU settings: as the environment says."]


def test_users_environment_is_that_of_the_start(monkeypatch, system_file):
    system_file("OMP_NUM_THREADS=3\0EMPTY=\0A=b=c\0")
    assert device._users_environment() == {"OMP_NUM_THREADS": "3", "EMPTY": "", "A": "b=c"}


def test_users_environment_without_proc_leaves_out_what_paddle_sets(monkeypatch, system_file):
    system_file(None)
    monkeypatch.setattr(device.os, "environ", {"OMP_NUM_THREADS": "1", "HOME": "/"})
    assert device._users_environment() == {"HOME": "/"}
    monkeypatch.setattr(device.os, "environ", {"OMP_NUM_THREADS": "2"})
    assert device._users_environment() == {"OMP_NUM_THREADS": "2"}


def test_paddles_own_setting_is_not_taken_for_the_users():
    code = """
import os, paddle
from ppsci_gan.devices import device
threads = []
paddle.base.core.set_num_threads = threads.append
device.usable_cores = lambda: 5
device.tune_cpu()
print(os.environ["OMP_NUM_THREADS"], threads)
"""
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(Path.home())}
    process = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert process.stdout.splitlines()[-1] == "1 [5]"


AMD = "vendor_id : AuthenticAMD\nflags\t\t: fpu sse2 avx2 {}\n"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (AMD.format("avx512f avx512dq avx512bw avx512vl"), "7"),
        (AMD.format("avx512f avx512dq"), "5"),
        (AMD.format(""), "5"),
        ("vendor_id : GenuineIntel\nflags : avx2 avx512f avx512dq avx512bw avx512vl\n", None),
        (None, None),
    ],
)
def test_fast_mkl_path_is_chosen_by_the_processors_flags(system_file, text, path):
    system_file(text)
    assert device._fast_mkl_path() == path


def test_freed_memory_is_kept_and_logged(tune):
    assert "freed memory is kept" in tune({}, keeps=True)[2][0]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="there is no glibc to tell")
def test_freed_memory_comes_without_new_pages():
    code = """
import resource, paddle
from ppsci_gan.devices import device
device.tune_cpu()
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(3):
    before = faults()
    for _ in range(20):
        x = paddle.ones([2**24]) + 1  # blocks of 64 MB, which glibc would map and unmap
    print(faults() - before)
"""
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(process.stdout.splitlines()[-1]) < 1000  # each block anew would be 16,384 pages


def test_without_glibc_memory_is_as_it_was(monkeypatch):
    monkeypatch.setattr(device.platform, "libc_ver", lambda: ("", ""))
    assert device._keep_freed_memory() is False
