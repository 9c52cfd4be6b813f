"""What every test needs: pictures without a screen, processes that start at once, and the examples' modules by name."""

import functools
import gc
import importlib
import os
import runpy
import sys
from pathlib import Path

import pytest
import warm
from PIL import Image

collect_ignore = ["ranks", "stand_in_npu", "warm"]  # run by tests, in processes of their own

EXAMPLES = Path(__file__).parents[1] / "examples"
REFERENCES = Path(__file__).parent / "fixtures" / "scores" / "make_references.py"

os.environ["MPLBACKEND"] = "Agg"
# Workers share the cores, and sums are the same on every machine. Set before NumPy and Paddle are imported.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ.pop("HYDRA_FULL_ERROR", None)  # users do not have it set either: tests see the messages that they see


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    """No test reads what another run has kept, nor leaves anything in the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def pytest_collection_modifyitems(items):
    """Keep tests that share a fixture of their module in one worker, so that it is not made twice."""
    for item in items:
        definitions = item._fixtureinfo.name2fixturedefs if isinstance(item, pytest.Function) else {}
        shared = [name for name, found in definitions.items() if found[-1].scope == "module"]
        if shared:
            item.add_marker(pytest.mark.xdist_group(f"{item.path.stem}: {', '.join(sorted(shared))}"))


def pytest_collection_finish():
    """Leave what is imported by now out of every further garbage collection, which would take a second otherwise."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def folder_of_all_workers(tmp_path_factory):
    """A folder for what is made once, whichever worker needs it first."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(autouse=True, scope="session")
def warm_processes(folder_of_all_workers):
    """Processes of ``warm.python``, which end with the session."""
    warm.share(folder_of_all_workers / "warm", os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid())


@pytest.fixture(scope="session")
def torch_fidelity():
    """torch-fidelity, ready to be imported, or a skip where the extra ``parity`` is not installed."""
    references = runpy.run_path(str(REFERENCES))
    try:
        return references["import_torch_fidelity"]()
    except ModuleNotFoundError as missing:
        pytest.skip(f"{missing}: make parity installs it")


@pytest.fixture(scope="session")
def npu(folder_of_all_workers):
    """``npu(devices, memory)`` is the environment in which a process has stand-in Ascend cards."""
    import stand_in_npu

    if stand_in_npu.compiler() is None:
        pytest.skip("no C++ compiler (g++, or CXX): the stand-in for an Ascend card cannot be built")
    folder = folder_of_all_workers / "stand_in_npu"
    folder.mkdir(exist_ok=True)
    with warm.alone_in(folder):
        if not list(folder.glob("*.so")):
            stand_in_npu.build(folder)
    return functools.partial(stand_in_npu.environment, folder)


@pytest.fixture(autouse=True)
def own_environment():
    """What a test, or the code that it runs, sets in the environment ends with it."""
    before = dict(os.environ)
    yield
    if dict(os.environ) != before:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture
def load_example(monkeypatch):
    """``load_example("wgangp", "wgangp_toy")`` is examples/wgangp/wgangp_toy.py, imported from its folder.

    The examples' modules are forgotten between folders, which may have modules of the same name, and after the test.
    """

    def load(example: str, module: str):
        folder = EXAMPLES / example
        _forget_examples(keep=folder)
        monkeypatch.syspath_prepend(str(folder))
        return importlib.import_module(module)

    yield load
    _forget_examples()


@pytest.fixture
def plain_curves(monkeypatch):
    """Curves are written as empty pictures: to draw them takes longer than a training of a few iterations.

    Where scripts are started as programs, they draw them.
    """
    from ppsci_gan import plots

    def save(curves, path, levels=None):
        Image.new("L", (1, 1)).save(path)

    monkeypatch.setattr(plots, "save_curves", save)


@pytest.fixture
def float64():
    """Layers and tensors in double precision, for finite differences."""
    import paddle  # not above: many tests do without it, and it takes seconds

    default = paddle.get_default_dtype()
    paddle.set_default_dtype("float64")
    yield
    paddle.set_default_dtype(default)


def _forget_examples(keep: Path | None = None) -> None:
    for name in {file.stem for file in EXAMPLES.glob("*/*.py")} & set(sys.modules):
        folder = Path(sys.modules[name].__file__ or "").parent
        if folder.parent == EXAMPLES and folder != keep:
            del sys.modules[name]
