"""Import what every script imports, then fork for each program that a client asks for: ``server.py FOLDER OWNER``."""

import gc
import json
import os
import runpy
import signal
import socket
import sys
import threading
from pathlib import Path

# The suite's own modules are not among them: every program imports what it needs of them itself.
PRELOADED = (
    "hydra",
    "matplotlib.backends.backend_agg",
    "matplotlib.figure",
    "paddle",
    "paddle.distributed.launch.main",
    "PIL.Image",
    "ppsci",
    "safetensors.numpy",
    "scipy.linalg",
    "scipy.stats",
)


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def serve(place: Path, owner: int) -> None:
    """Fork for every connection, as long as the owner lives. Returns in a fork, to run its program."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the supervisors
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place / "unready"))
        listener.listen(64)
        listener.settimeout(0.5)
        (place / "unready").rename(place / "socket")
        while alive(owner):
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            if os.fork() == 0:
                listener.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                return supervise(connection)
            connection.close()
    sys.exit()


def supervise(connection: socket.socket) -> dict:
    """Fork once more, tell the client the process and how it ends. Returns in the fork, with the client's request."""
    request, descriptors = receive(connection)
    program = os.fork()
    if program == 0:
        connection.close()
        for number, descriptor in enumerate(descriptors):
            os.dup2(descriptor, number)
            os.close(descriptor)
        return request
    for descriptor in descriptors:
        os.close(descriptor)

    def follow_the_client():
        if not connection.recv(1):
            os.kill(program, signal.SIGKILL)

    connection.sendall(f"{program}\n".encode())
    threading.Thread(target=follow_the_client, daemon=True).start()
    _, status = os.waitpid(program, 0)
    connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def receive(connection: socket.socket) -> tuple[dict, list[int]]:
    """Return what a client asks for, and its standard input, output and errors."""
    head, descriptors, _, _ = socket.recv_fds(connection, 8, 3)
    with connection.makefile("rb") as stream:
        return json.loads(stream.read(int.from_bytes(head, "big"))), descriptors


def become(request: dict, python: str) -> None:
    """Run the program as Python would: a file, ``-m`` and a module, or ``-c`` and code."""
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.executable = python
    arguments = request["arguments"]
    if arguments[0] == "-u":
        arguments = arguments[1:]
        sys.stdout.reconfigure(write_through=True)
    sys.argv = arguments
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        sys.path[0] = request["folder"]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    elif arguments[0] == "-c":
        sys.argv = ["-c", *arguments[2:]]
        sys.path[0] = ""
        exec(compile(arguments[1], "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.path[0] = str(Path(arguments[0]).resolve().parent)
        runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    for module in PRELOADED:
        __import__(module)
    # What is there stays: a collection in a fork would only write to, and thereby copy, the pages that all share.
    gc.collect()
    gc.freeze()
    place = Path(sys.argv[1])
    become(serve(place, int(sys.argv[2])), str(place / "python"))
