"""What several tests of the examples need."""

import gzip
import io
import pickle
import tarfile
from contextlib import contextmanager

import numpy as np
import paddle
import pytest
from hydra import compose
from hydra import initialize_config_dir

from ppsci_gan.files import REPOSITORY
from ppsci_gan.training.solver import AdversarialSolver


def write_mnist(file, sizes, rng):
    """Write mnist.pkl.gz with so many random images to train, to validate and to test."""
    splits = [(rng.integers(0, 256, (num, 784)).astype(np.float32) / 255, rng.integers(0, 10, num)) for num in sizes]
    file.write_bytes(gzip.compress(pickle.dumps(tuple(splits), 2)))


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """mnist.pkl.gz and cifar-10-python.tar.gz in their original layouts, with a few random images."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    write_mnist(folder / "mnist.pkl.gz", (20, 8, 12), rng)
    with tarfile.open(folder / "cifar-10-python.tar.gz", "w:gz") as archive:
        for name in [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]:
            batch = {b"data": rng.integers(0, 256, (8, 3072), np.uint8), b"labels": rng.integers(0, 10, 8).tolist()}
            content = pickle.dumps(batch, 2)
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return {"mnist": folder / "mnist.pkl.gz", "cifar10": folder / "cifar-10-python.tar.gz"}


@pytest.fixture
def runner(load_example, plain_curves, tmp_path):
    """Call functions of a script in this process.

    ``runner(example, settings)`` returns ``run(function, *overrides, folder)``, which returns the folder of the output.
    """

    def of_example(example, settings):
        def run(function, *overrides, folder=None):
            script = load_example(example, example)
            output_dir = tmp_path / (folder or function)
            paddle.seed(len(function))
            with initialize_config_dir(str(REPOSITORY / "conf"), version_base=None):
                places = [f"output_dir={output_dir}", f"INFER.export_path={tmp_path}/exported/generator"]
                cfg = compose(example, [*settings, *places, *overrides])
            getattr(script, function)(cfg)
            return output_dir

        return run

    return of_example


@pytest.fixture
def interrupted_after(monkeypatch):
    """Interrupt the training in a ``with`` block after the iteration of a number, as Ctrl-C does."""

    @contextmanager
    def interrupted(iteration):
        iterate = AdversarialSolver.run_iteration

        def stopping(self):
            terms = iterate(self)
            self.interrupted = self.global_step == iteration
            return terms

        with monkeypatch.context() as patch:
            patch.setattr(AdversarialSolver, "run_iteration", stopping)
            with pytest.raises(SystemExit):
                yield

    return interrupted
