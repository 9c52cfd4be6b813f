"""Benchmarks set up a process as a script does; other tests are to find it as it was."""

import logging
import os

import pytest
from inputs import DataSets
from ppsci.utils import logger

from ppsci_gan.networks import layers


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    return DataSets(tmp_path_factory.mktemp("data"), {"mnist": 60, "cifar10": 60})


@pytest.fixture(autouse=True)
def _process_as_before(monkeypatch):
    found = logging.getLogger("ppsci")
    handlers, level, propagate = found.handlers[:], found.level, found.propagate
    monkeypatch.setattr(logger, "_logger", logger._logger)
    environment = dict(os.environ)
    yield
    layers.choose_kernels()
    os.environ.clear()
    os.environ.update(environment)
    for handler in found.handlers:
        if handler not in handlers:
            handler.close()
    found.handlers[:], found.propagate = handlers, propagate
    found.setLevel(level)
