"""Showing scores, and keeping them in a file that programs read."""

from __future__ import annotations

import json

from ppsci.utils import logger

from ppsci_gan.files import atomic


def report(scores: dict[str, dict[str, float]], path: str) -> None:
    """Log scores, one a line, and write them as JSON.

    Args:
        scores: By metric and key, as the second value of ``ppsci.solver.Solver.eval``.
        path: The file.

    Examples:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from ppsci_gan.metrics.report import report
        >>> path = tempfile.mkdtemp() + "/scores.json"
        >>> report({"points": {"modes": 8.0}}, path)
        >>> print(Path(path).read_text().strip())
        {
          "points": {
            "modes": 8.0
          }
        }
    """
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(scores, indent=2) + "\n")
    for metric, values in scores.items():
        for key, value in values.items():
            logger.message(f"{metric + '.' + key:<40} {value:.5g}")
    logger.message(f"Scores: {path}")
