"""List the weights that come with the package, or check them: ``ppsci-gan weights --help``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import safetensors

from ppsci_gan import weights
from ppsci_gan.cli import explain_errors
from ppsci_gan.weights import finding


@explain_errors
def main(program: str = "python -m ppsci_gan.commands.weights", arguments: Sequence[str] | None = None) -> None:
    """Read the command line.

    Args:
        program: What the command is called.
        arguments: By default those of the process.
    """
    parser = argparse.ArgumentParser(program, description=__doc__.partition(":")[0])
    parser.add_argument("name", nargs="?", help="print the path of these weights, after checking them")
    parser.add_argument("--check", action="store_true", help="compare every file with its SHA-256")
    given = parser.parse_args(arguments)
    if given.name:
        print(weights.find(f"pretrained:{given.name}"))
        return
    files = weights.pretrained()
    width = max(map(len, files))
    for name, file in files.items():
        if given.check:
            finding.check_digest(file)
        print(f"{name:{width}}  {file.stat().st_size / 1e6:5.1f} MB  {describe(file)}{'  ok' * given.check}")


def describe(file: Path) -> str:
    """Return what a file of this suite holds, without reading its arrays.

    Args:
        file: A ``.safetensors`` file.

    Examples:
        >>> from ppsci_gan import weights
        >>> from ppsci_gan.commands.weights import describe
        >>> describe(weights.pretrained()["wgangp_mnist_quick"])
        'WganGpMnistGenerator, ..., iteration 3000'
    """
    with safetensors.safe_open(file, framework="numpy") as handle:
        state = json.loads((handle.metadata() or {}).get("state", "{}"))
    networks = [network["class"] for network in state.get("networks", {}).values()]
    if networks:
        return f"{', '.join(networks)}, iteration {state['iteration']}"
    return f"classifier of {state['data']}" if "data" in state else "of an earlier version"


if __name__ == "__main__":
    main()
