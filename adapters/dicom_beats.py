"""Beats as the cart marked them: annotations that refer to samples, DICOM PS3.3 C.10.10 and PS3.16 CID 3335."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median
from typing import Any

from adapters.codes import clean
from adapters.dicom_header import text

_POINTS = {  # SCPECG: EN 1064 5.10.3 and 5.7.1
    "5.10.3-1": "p_onset_ms", "5.10.3-2": "p_offset_ms", "5.10.3-3": "qrs_onset_ms", "5.7.1-3": "fiducial_ms",
    "5.10.3-4": "qrs_offset_ms", "5.10.3-5": "t_offset_ms",
}  # fmt: skip
_SEGMENTS = {  # MDC: a wave from its first to its last sample
    "10:256": ("p_onset_ms", "p_offset_ms"), "10:1600": ("qrs_onset_ms", "qrs_offset_ms"),
    "10:1024": (None, "t_offset_ms"),
}  # fmt: skip
_SHORTEST_RR_MS = 200.0  # carts mark the averaged beat beside the rhythm's first, in the same group


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """One annotation group's marks over all leads, in ms from its multiplex group's start."""

    p_onset_ms: float | None = None
    p_offset_ms: float | None = None
    qrs_onset_ms: float | None = None
    fiducial_ms: float | None = None
    qrs_offset_ms: float | None = None
    t_offset_ms: float | None = None


def beats(dataset: Any, annotations: Iterable[Any]) -> tuple[Beat, ...]:
    """Gather the marks by annotation group; marks of a single channel are none of a beat."""
    rates_hz = [float(group.SamplingFrequency) for group in dataset.get("WaveformSequence") or ()]
    found: dict[str, Beat] = {}
    for annotation in annotations:
        places_ms = _places_ms(annotation, rates_hz)
        group = text(annotation, "AnnotationGroupNumber")
        for name, place_ms in zip(_names(annotation), places_ms, strict=False):
            if name is not None:
                found[group] = replace(found.get(group, Beat()), **{name: place_ms})
    return tuple(found.values())


def intervals(known: Sequence[Beat]) -> list[tuple[str, float | None, str]]:
    """Give the medians over beats of P, PR, QRS and QT, and of RR between successive beats."""
    spans = (
        ("p_ms", "p_onset_ms", "p_offset_ms"), ("pr_ms", "p_onset_ms", "qrs_onset_ms"),
        ("qrs_ms", "qrs_onset_ms", "qrs_offset_ms"), ("qt_ms", "qrs_onset_ms", "t_offset_ms"),
    )  # fmt: skip
    made = [(name, _median(_spans(known, start, end)), "ms") for name, start, end in spans]
    times = sorted(time for beat in known if (time := beat.fiducial_ms or beat.qrs_onset_ms) is not None)
    return [*made, ("rr_ms", _median(b - a for a, b in pairwise(times) if b - a >= _SHORTEST_RR_MS), "ms")]


def _spans(known: Sequence[Beat], start: str, end: str) -> list[float]:
    pairs = ((getattr(beat, start), getattr(beat, end)) for beat in known)
    return [last - first for first, last in pairs if first is not None and last is not None]


def _median(values: Iterable[float]) -> float | None:
    found = list(values)
    return float(median(found)) if found else None


def _names(annotation: Any) -> tuple[str | None, ...]:
    """What the annotation's places are: one name for a point, two for a segment."""
    concepts = annotation.get("ConceptNameCodeSequence")
    code = clean(str(concepts[0].get("CodeValue") or "")) if concepts else ""
    if not _over_all_leads(annotation):
        return ()
    return _SEGMENTS.get(code, ()) if text(annotation, "TemporalRangeType") == "SEGMENT" else (_POINTS.get(code),)


def _over_all_leads(annotation: Any) -> bool:
    """Pairs of multiplex group and channel; channel 0 is every one of the group."""
    channels = list(annotation.get("ReferencedWaveformChannels") or ())
    return not channels or 0 in channels[1::2]


def _places_ms(annotation: Any, rates_hz: Sequence[float]) -> list[float]:
    """Sample positions, from 1, at the rate of the multiplex group referred to, or time offsets in ms."""
    offsets = annotation.get("ReferencedTimeOffsets")
    if offsets is not None:
        return [float(value) for value in _several(offsets)]
    channels = list(annotation.get("ReferencedWaveformChannels") or (1,))
    group = int(channels[0]) - 1
    if not 0 <= group < len(rates_hz) or not rates_hz[group] > 0:
        return []
    positions = _several(annotation.get("ReferencedSamplePositions"))
    return [(int(value) - 1) * 1000 / rates_hz[group] for value in positions]


def _several(value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    return [value] if isinstance(value, int | float | str) else list(value)
