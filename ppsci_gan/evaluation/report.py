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
    for metric in groups:
        table = {name: record for name, record in records.items() if name.partition(".")[0] == metric}
        if table:
            logger.message(describe(table))
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


def describe(records: dict[str, dict[str, Any]]) -> str:
    r"""Return a table of scores, and below it, once, what of their protocol all of them share.

    Args:
        records: By ``<metric>.<key>`` its ``value``, ``protocol`` and, where known, ``std``, ``real``, ``real_std``.

    Examples:
        >>> from ppsci_gan.evaluation.report import describe
        >>> protocol = {"samples": 10000, "seed": 42}
        >>> modes = {"value": 8.0, "real": 8.0, "protocol": {**protocol, "better": "higher"}}
        >>> print(describe({"points.modes": modes, "points.spread": {"value": 1.25, "protocol": protocol}}))
        score          value  real  better
        points.modes       8     8  higher
        points.spread   1.25
          samples 10000, seed 42
    """
    protocols = {name: dict(record["protocol"]) for name, record in records.items()}
    rows = [("score", "value", "real", "better", "")]
    first = next(iter(protocols.values()))
    shared = {key: value for key, value in first.items() if all(p.get(key) == value for p in protocols.values())}
    shared = {key: value for key, value in shared.items() if key not in ("title", "better")}
    for name, record in records.items():
        own = {key: value for key, value in protocols[name].items() if key not in shared}
        title, better = own.pop("title", ""), own.pop("better", "")
        note = "; ".join(filter(None, [title, _list(own)]))
        real = _number(record["real"], record.get("real_std")) if "real" in record else ""
        rows.append((name, _number(record["value"], record.get("std")), real, better, note))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        f"{name:{widths[0]}}  {value:>{widths[1]}}  {real:>{widths[2]}}  {better:{widths[3]}}  {note}".rstrip()
        for name, value, real, better, note in rows
    ]
    return "\n".join([*lines, *([f"  {_list(shared)}"] if shared else [])])


def _number(value: float, deviation: float | None) -> str:
    return f"{value:.5g}" + (f" +- {deviation:.2g}" if deviation is not None else "")


def _list(protocol: dict[str, Any]) -> str:
    return ", ".join(f"{key} {_short(key, value)}" for key, value in protocol.items())


def _short(key: str, value: Any) -> str:
    return f"{value[:8]}..." if key.endswith("sha256") else str(value)
