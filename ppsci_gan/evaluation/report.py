"""Showing scores, and keeping them in a file that programs read."""

from __future__ import annotations

import json
from typing import Any

from ppsci.utils import logger

from ppsci_gan.devices import ranks
from ppsci_gan.files import atomic

_SUFFIXES = {"_std": "std", "_std_of_real": "real_std", "_of_real": "real"}


def report(groups: dict[str, dict[str, float]], protocols: dict[str, dict[str, Any]], path: str) -> None:
    """Log every score with its protocol, and write the same as JSON.

    Args:
        groups: Scores by metric and key, as the second value of ``ppsci.solver.Solver.eval``. ``<key>_std`` is the
            standard deviation of a score, ``<key>_of_real`` what real data score.
        protocols: What decides a figure, by ``<metric>.<key>`` or by metric: samples, network, seed, ...
        path: The file.

    Examples:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from ppsci_gan.evaluation.report import report
        >>> path = tempfile.mkdtemp() + "/scores.json"
        >>> report({"points": {"modes": 8.0}}, {"points": {"samples": 10000}}, path)
        >>> print(Path(path).read_text().strip())
        {
          "points.modes": {
            "value": 8.0,
            "protocol": {
              "samples": 10000
            }
          }
        }
    """
    records = {}
    for metric, values in groups.items():
        for key in select_main_keys(values):
            record = {"value": float(values[key])}
            record.update({name: float(values[key + end]) for end, name in _SUFFIXES.items() if key + end in values})
            name = f"{metric}.{key}"
            records[name] = {**record, "protocol": protocols.get(name, protocols.get(metric, {}))}
    if ranks.is_first():
        with atomic(path) as temporary:
            temporary.write_text(json.dumps(records, indent=2) + "\n")
    for name, record in records.items():
        logger.message(describe(name, record))
    logger.message(f"Scores: {path}")


def select_main_keys(values: dict[str, float]) -> list[str]:
    """Return the keys of the scores, without those of their deviations and of real data.

    Args:
        values: By key, as ``report`` takes them.

    Examples:
        >>> from ppsci_gan.evaluation.report import select_main_keys
        >>> select_main_keys({"score": 9.0, "score_std": 0.1, "score_of_real": 9.7, "modes_of_real": 8.0})
        ['score', 'modes_of_real']
    """
    belonging = {key + suffix for key in values for suffix in _SUFFIXES}
    return [key for key in values if key not in belonging]


def describe(name: str, record: dict[str, Any]) -> str:
    r"""Return a score, and below it its protocol.

    Args:
        name: ``<metric>.<key>``.
        record: ``value``, ``protocol`` and, where there are, ``std``, ``real`` and ``real_std``.

    Examples:
        >>> from ppsci_gan.evaluation.report import describe
        >>> describe("points.modes", {"value": 8.0, "real": 8.0, "protocol": {"samples": 10000, "seed": 42}})
        'points.modes: 8 (real: 8)\n    samples 10000, seed 42'
    """
    protocol = dict(record["protocol"])
    title = f" [{protocol.pop('title')}]" if "title" in protocol else ""
    spread = f" +- {record['std']:.4g}" if "std" in record else ""
    real_spread = f" +- {record['real_std']:.4g}" if "real_std" in record else ""
    real = f" (real: {record['real']:.5g}{real_spread})" if "real" in record else ""
    better = f", {protocol.pop('better')} is better" if "better" in protocol else ""
    details = ", ".join(f"{key} {_short(key, value)}" for key, value in protocol.items())
    return f"{name}{title}: {record['value']:.5g}{spread}{real}{better}\n    {details}".rstrip()


def _short(key: str, value: Any) -> str:
    return f"{value[:8]}..." if key.endswith("sha256") else str(value)
