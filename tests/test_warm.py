"""What ``warm.python()`` runs ends, prints and is told as by a Python of its own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import warm

ENDS = {
    "well": "print('said')",
    "with a code": "import sys; sys.exit(3)",
    "with a message": "import sys; sys.exit('bad')",
    "by an exception": "{}['missing']",
    "by a signal": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "with a process behind": "import os; os.fork() or print('said')",
    "with atexit": "import atexit; atexit.register(print, 'last')",
}


@pytest.mark.parametrize("end", ENDS)
def test_output_and_exit_code_are_those_of_python(end):
    found, expected = (
        subprocess.run([python, "-c", ENDS[end]], capture_output=True, text=True, check=False, timeout=60)
        for python in (warm.python(), sys.executable)
    )
    assert (found.returncode, found.stdout) == (expected.returncode, expected.stdout)
    assert found.stderr.splitlines()[-1:] == expected.stderr.splitlines()[-1:]


TELLS = """
import os, sys
print(sys.argv[1:], __name__, os.getcwd(), os.environ["GIVEN"], sys.stdin.read())
import beside
"""


@pytest.mark.parametrize("how", ["file", "-m", "-c"])
def test_a_program_is_told_what_python_tells_it(tmp_path, how):
    (tmp_path / "beside.py").write_text("print('found')")
    (tmp_path / "program.py").write_text(TELLS)
    program = {"file": ["program.py"], "-m": ["-m", "program"], "-c": ["-c", TELLS]}[how]
    options = {"cwd": tmp_path, "env": {**os.environ, "GIVEN": "here"}, "input": "given", "capture_output": True}
    found, expected = (
        subprocess.run([python, "-u", *program, "a b", "--c"], check=True, text=True, timeout=60, **options).stdout
        for python in (warm.python(), sys.executable)
    )
    assert found == expected
    assert found.endswith("here given\nfound\n")


COMPUTES = """
import sys
assert "paddle" in sys.modules
import paddle
print((paddle.ones([9, 9]) @ paddle.ones([9])).sum().item())
"""


def test_paddle_is_there_before_the_program_and_computes_in_it():
    assert subprocess.check_output([warm.python(), "-c", COMPUTES], text=True, timeout=60) == "81.0\n"


def test_the_suites_own_code_is_imported_anew():
    code = "import sys; print([name for name in sys.modules if name.startswith('ppsci_gan')])"
    assert subprocess.check_output([warm.python(), "-c", code], text=True, timeout=60) == "[]\n"


def test_programs_that_a_program_starts_are_warm_as_well():
    inner = "import sys; print('paddle' in sys.modules)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}], check=True)"
    assert subprocess.check_output([warm.python(), "-c", code], text=True, timeout=60) == "True\n"


SLEEPS = """
import os, sys, time
try:
    print(os.getpid(), flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    sys.exit(7)
"""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 7), (signal.SIGTERM, -signal.SIGTERM), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_signals_reach_the_program(number, code):
    with subprocess.Popen([warm.python(), "-c", SLEEPS], stdout=subprocess.PIPE, text=True) as process:
        program = int(process.stdout.readline())
        process.send_signal(number)
        assert process.wait(timeout=30) == code
    until = time.monotonic() + 30
    while Path(f"/proc/{program}").exists():
        assert time.monotonic() < until
        time.sleep(0.01)
