"""Stand for ``python``: let a server run the program, with this process's folder, environment and open files.

``client.py SOCKET ARGUMENTS...``; standard library only, and no site-packages, so that it starts in milliseconds.
"""

import json
import os
import signal
import socket
import sys
import time

PATIENCE = 120  # seconds for the server to have imported everything
PASSED_ON = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


def connect(address: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    until = time.monotonic() + PATIENCE
    while True:
        try:
            connection.connect(address)
        except (FileNotFoundError, ConnectionRefusedError):
            if time.monotonic() > until:
                sys.exit(f"{address}: no server there; the log beside it says why.")
            time.sleep(0.05)
        else:
            return connection


def main(address: str, *arguments: str) -> None:
    # Until it is known who is to get them: the program may have begun, and be sent a signal, before its number is read.
    signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)
    connection = connect(address)
    request = {"arguments": arguments, "folder": os.getcwd(), "environment": dict(os.environ)}
    content = json.dumps(request).encode()
    socket.send_fds(connection, [len(content).to_bytes(8, "big")], [0, 1, 2])
    connection.sendall(content)
    with connection.makefile() as answers:
        program = int(answers.readline())
        for number in PASSED_ON:
            signal.signal(number, lambda number, _: os.kill(program, number))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
        code = int(answers.readline())
    if code < 0:  # ended by a signal
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)


main(*sys.argv[1:])
