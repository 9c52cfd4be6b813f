"""Scripts that tests run on several ranks, and how they are launched."""

import os
import subprocess
from pathlib import Path

import warm

RANKS = Path(__file__).parent


def launch(folder, *command, ranks=2, environment=None, code=0, timeout=120):
    """Run a script on ranks of this machine and return what they printed."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})}
    command = [warm.python(environment), "-m", "paddle.distributed.launch", "--log_dir", str(folder / "log"), *command]
    if "--devices" not in command:
        command[5:5] = ["--nproc_per_node", str(ranks)]
    done = subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, timeout=timeout, check=False
    )
    logs = "\n".join(file.read_text(errors="replace") for file in sorted((folder / "log").glob("workerlog.*")))
    assert done.returncode == code, f"{done.stdout}\n{done.stderr}\n{logs}"
    return logs
