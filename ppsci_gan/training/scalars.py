"""The numbers of a run over its iterations, in a file that programs read, and their curves."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
from ppsci.utils import logger

from ppsci_gan import plots
from ppsci_gan.files import atomic


class Scalars:
    """``scalars.jsonl``: one JSON object per line, with the iteration and its measurements.

    Args:
        path: The file; it is appended to.

    Examples:
        >>> import tempfile
        >>> from ppsci_gan.training.scalars import Scalars
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
        """Return all rows, in order; without what a killed process or a full disk has left half-written."""
        if not self.path.is_file():
            return []
        lines = self.path.read_text(errors="replace").split("\n")
        rows = [_parse(line) for line in lines if line]
        if None in rows:
            logger.warning(f"{self.path}: {rows.count(None)} of {len(rows)} lines are not whole and are left out.")
        return [row for row in rows if row is not None]

    def drop_after(self, iteration: int) -> None:
        """Drop the rows after the iteration that a run resumes from.

        Args:
            iteration: The last one to keep.
        """
        if self.path.is_file():
            kept = [row for row in self.rows() if row["iteration"] <= iteration]
            with atomic(self.path) as path:
                path.write_text("".join(json.dumps(row) + "\n" for row in kept))

    def curves(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Return the curves, (iterations, values), by name."""
        rows = self.rows()
        names = dict.fromkeys(name for row in rows for name in row if name != "iteration")
        return {name: tuple(np.array([(r["iteration"], r[name]) for r in rows if name in r]).T) for name in names}

    def plot(self, folder: str | os.PathLike) -> None:
        """Draw the losses as ``curves.png`` and, where there were evaluations, their scores as ``scores.png``.

        Args:
            folder: Of the pictures.
        """
        losses, scores, of_real = {}, {}, {}
        for name, curve in self.curves().items():
            group, _, key = name.partition("/")
            if not group.startswith("eval_"):
                if key and group != "lr":
                    losses[name] = curve
            elif key.endswith("_of_real"):
                of_real[key.removesuffix("_of_real")] = curve[1][-1]
            elif not key.endswith("_std"):
                scores.setdefault(key, {})[group.removeprefix("eval_")] = curve
        if losses:
            plots.save_curves(losses, os.path.join(folder, "curves.png"))
        if scores:
            plots.save_curves(scores, os.path.join(folder, "scores.png"), levels=of_real)


def _parse(line: str) -> dict[str, float] | None:
    """Return a line's row; None where it is not one."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    is_row = isinstance(row, dict) and all(isinstance(value, (int, float)) for value in row.values())
    return row if is_row and isinstance(row.get("iteration"), int) else None
