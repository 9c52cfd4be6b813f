"""What every test needs: pictures without a screen, and the examples' modules by name."""

import functools
import importlib
import os
import sys
from pathlib import Path

import pytest

collect_ignore = ["ranks", "stand_in_npu"]  # run by tests, in processes of their own

EXAMPLES = Path(__file__).parents[1] / "examples"

os.environ["MPLBACKEND"] = "Agg"
os.environ.pop("HYDRA_FULL_ERROR", None)  # users do not have it set either: tests see the messages that they see


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    """No test reads what another run has kept, nor leaves anything in the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def npu(tmp_path_factory):
    """``npu(devices, memory)`` is the environment in which a process has stand-in Ascend cards."""
    import stand_in_npu

    if stand_in_npu.compiler() is None:
        pytest.skip("no C++ compiler (g++, or CXX): the stand-in for an Ascend card cannot be built")
    folder = tmp_path_factory.mktemp("stand_in_npu")
    stand_in_npu.build(folder)
    return functools.partial(stand_in_npu.environment, folder)


@pytest.fixture
def load_example(monkeypatch):
    """``load_example("wgangp", "model")`` is examples/wgangp/model.py, imported as a script of that folder would.

    Every example has a module called ``model``, so the examples' modules are forgotten between folders and after the
    test.
    """

    def load(example: str, module: str):
        folder = EXAMPLES / example
        _forget_examples(keep=folder)
        monkeypatch.syspath_prepend(str(folder))
        return importlib.import_module(module)

    yield load
    _forget_examples()


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
