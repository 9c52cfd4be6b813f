"""Processes that find Paddle imported: ``python()`` is an interpreter for ``subprocess`` that starts at once.

Importing Paddle and ppsci takes six seconds of processor time, which a test that runs a script would spend on every
run. Here it is spent once for each environment: a server imports them, computes nothing, and a run is a fork of it that
reads its own arguments, environment and folder, imports the suite's code anew and ends as a Python of its own does.
Programs that it starts by ``sys.executable``, such as the ranks of a launch, are forks as well.
"""

import fcntl
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SOURCES = Path(__file__).parent
# What Paddle, OpenMP and MKL read while they are imported, so that a fork cannot have other values than its server.
READ_ONCE = ("CUSTOM_DEVICE", "FLAGS_", "GLOG_", "KMP_", "MKL_", "OMP_", "OPENBLAS_", "PYTHON", "STAND_IN_NPU_DEVICES")


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Let only one process of all test workers do what follows at a time."""
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


_session: dict[str, Path | int] = {}


def share(folder: Path, owner: int) -> None:
    """Set what all workers of a test session have in common.

    Args:
        folder: For the servers' files.
        owner: The process that the servers end with.
    """
    folder.mkdir(exist_ok=True)
    _session.update(folder=folder, owner=owner)


def python(environment: dict[str, str] | None = None) -> str:
    """Return the path of an executable to use like ``sys.executable``, with this environment.

    A program that a test measures, limits or kills needs ``sys.executable`` itself: the process that the test sees here
    is a client, which passes signals on and ends as the program does.
    """
    environment = dict(os.environ) if environment is None else environment
    fixed = {name: value for name, value in sorted(environment.items()) if name.startswith(READ_ONCE)}
    place = _session["folder"] / hashlib.sha256(json.dumps(fixed).encode()).hexdigest()[:12]
    with alone_in(_session["folder"]):
        if not place.exists():
            place.mkdir()
            _start(place, environment)
    return str(place / "python")


def _start(place: Path, environment: dict[str, str]) -> None:
    # By way of a shell: behind "#!", a path with spaces or of more than 250 letters is not understood.
    client = f"exec '{sys.executable}' -IS '{SOURCES / 'client.py'}' '{place / 'socket'}' \"$@\""
    (place / "python").write_text(f"#!/bin/sh\n{client}\n")
    (place / "python").chmod(0o755)
    with (place / "log").open("w") as log:
        subprocess.Popen(
            [sys.executable, str(SOURCES / "server.py"), str(place), str(_session["owner"])],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # so that Ctrl-C ends tests first; the server ends with its owner
        )
