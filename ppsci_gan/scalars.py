"""The numbers of a run over its iterations, in a file that programs read, and their curves."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np

from ppsci_gan import plots
from ppsci_gan.files import atomic


class Scalars:
    """``scalars.jsonl``: one JSON object a line, with the iteration and whatever was measured then.

    Args:
        path: The file; it is appended to.

    Examples:
        >>> import tempfile
        >>> from ppsci_gan.scalars import Scalars
        >>> scalars = Scalars(tempfile.mkdtemp() + "/scalars.jsonl")
        >>> for iteration in (1, 2, 3):
        ...     scalars.write(iteration, {"critic/loss": 0.5 * iteration})
        >>> scalars.drop_after(1)
        >>> scalars.rows()
        [{'iteration': 1, 'critic/loss': 0.5}]
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)

    def write(self, iteration: int, values: dict[str, float]) -> None:
        """Append a row.

        Args:
            iteration: When.
            values: By name.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as out:
            out.write(json.dumps({"iteration": iteration, **values}) + "\n")

    def rows(self) -> list[dict[str, float]]:
        """Return all rows, in order."""
        return [json.loads(line) for line in self.path.read_text().splitlines()] if self.path.is_file() else []

    def drop_after(self, iteration: int) -> None:
        """Forget what came after an iteration that a run goes on from.

        Args:
            iteration: The last one to keep.
        """
        if self.path.is_file():
            kept = [row for row in self.rows() if row["iteration"] <= iteration]
            with atomic(self.path) as path:
                path.write_text("".join(json.dumps(row) + "\n" for row in kept))

    def plot(self, path: str) -> None:
        """Draw the curves of losses and scores.

        Args:
            path: The picture.
        """
        rows = self.rows()
        names = [name for name in dict.fromkeys(name for row in rows for name in row) if name.count("/")]
        curves = {
            name: tuple(np.array([(row["iteration"], row[name]) for row in rows if name in row]).T)
            for name in names
            if not name.startswith("lr/")
        }
        if curves:
            plots.save_curves(curves, path)
