"""Scores as columns, from rows written by hand."""

from datetime import UTC, datetime

import numpy as np

from domain.scores import Scores, Words

BEGAN = datetime(2026, 5, 1, 22, 30, tzinfo=UTC)
HOUR_US = 3_600_000_000


def words(values):
    names = tuple(dict.fromkeys(values))
    return Words(codes=np.array([names.index(one) for one in values], np.int32), names=names)


def scores(*rows):
    """``rows``: dicts with ``value``; ``unit``, ``person``, ``arrival``, ``hour`` after ``BEGAN`` where they matter."""
    numbers = range(1, len(rows) + 1)
    hours = np.array([row.get("hour", 0) for row in rows], float)
    at = (int(BEGAN.timestamp() * 1e6) + hours * HOUR_US).astype(np.int64)
    return Scores(
        id=np.array(numbers, np.int64),
        arrival=np.array([row.get("arrival", number) for number, row in zip(numbers, rows, strict=True)], np.int64),
        decided_us=at,
        recorded_us=at,
        person=words([row.get("person", "") for row in rows]),
        unit=words([row.get("unit", "ED") for row in rows]),
        age_years=np.full(len(rows), 50.0),
        device=words(["cart"] * len(rows)),
        door=words(["dicom"] * len(rows)),
        paced=np.array([row.get("paced", False) for row in rows], np.bool_),
        model=words(["m"] * len(rows)),
        mode=words(["alert"] * len(rows)),
        value=np.array([row["value"] for row in rows], float),
    )
