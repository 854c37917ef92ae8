"""The Waveform Sequence as leads on one time axis, DICOM PS3.3 C.10.9 and A.34.3."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from adapters import codes
from adapters.dicom_samples import calibrated, calibration, padded, padding_value, raw_samples, sign_extended
from adapters.recording import MOST_LEADS, Samples
from adapters.strips import Strip, joined
from domain.errors import Rejected
from domain.reason import Reason

_BEAT_S = 2.0  # an averaged beat lasts 1.0 to 1.2 s; nothing shorter than 2 s is a rhythm
_BEAT_WORDS = ("MEDIAN", "AVERAGE", "AVG", "DOMINANT", "TEMPLATE", "BEAT", "COMPLEX", "REPRESENTATIVE")
_UNUSABLE = {"TEST DATA", "DISCONNECTED", "INVALID", "UNCALIBRATED"}  # Channel Status (003A,0205)
_MOST_GROUPS = 64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Waveform:
    """Leads of equal length at one rate; ``padding`` and ``median_only`` as found."""

    leads: dict[str, Samples]
    rate_hz: float
    padding: bool
    median_only: bool


def waveform(dataset: Any, big_endian: bool) -> Waveform:
    """Read the rhythm of a data set, or its averaged beat where there is no rhythm. Raises ``Rejected``."""
    groups = dataset.get("WaveformSequence")
    if not groups:
        raise Rejected(Reason.NO_WAVEFORM, "no waveform sequence")
    if len(groups) > _MOST_GROUPS:
        raise Rejected(Reason.TOO_LARGE, "more multiplex groups than an ECG has")
    rhythm = _rhythm(groups)
    chosen = sorted(rhythm or groups, key=_preference)
    strips = [strip for group in chosen for strip in _strips(group, big_endian)]
    if not strips:
        raise Rejected(Reason.UNKNOWN_LEAD, "no channel has a lead's code")
    leads, rate_hz = joined(strips)
    padding = any(np.isnan(strip.samples).any() and not np.isnan(strip.samples).all() for strip in strips)
    return Waveform(leads=leads, rate_hz=rate_hz, padding=padding, median_only=not rhythm)


def _rhythm(groups: Sequence[Any]) -> list[Any]:
    """The groups that are no averaged beat; a derived one only where none is original."""
    long = [group for group in groups if not is_beat(group)]
    return [group for group in long if not _derived(group)] or long


def is_beat(group: Any) -> bool:
    """Tell an averaged beat by its label; without one, by its length, since both are DERIVED or not as carts please."""
    label = codes.clean(str(group.get("MultiplexGroupLabel") or "")).upper()
    if label == "RHYTHM":
        return False
    if any(word in label for word in _BEAT_WORDS):
        return True
    return int(group.NumberOfWaveformSamples) < _BEAT_S * _rate(group)


def _preference(group: Any) -> tuple[bool, int, float]:
    """Original before derived, many leads before few, long before short.

    Where two groups hold the same moment of a lead, the earlier in this order is taken: leads recorded together stay
    together, and a rhythm strip of II only fills what the 12 leads left open.
    """
    return _derived(group), -int(group.NumberOfWaveformChannels), -int(group.NumberOfWaveformSamples) / _rate(group)


def _derived(group: Any) -> bool:
    return codes.clean(str(group.get("WaveformOriginality") or "")).upper() == "DERIVED"


def _rate(group: Any) -> float:
    rate_hz = float(group.SamplingFrequency)
    if not 0 < rate_hz < np.inf:
        raise Rejected(Reason.UNKNOWN_RATE, "the sampling frequency is not positive")
    return rate_hz


def _strips(group: Any, big_endian: bool) -> Iterator[Strip]:
    raw, rate_hz, channels = raw_samples(group, big_endian), _rate(group), group.ChannelDefinitionSequence
    if len(channels) != raw.shape[1] or len(channels) > MOST_LEADS:
        raise Rejected(Reason.BAD_VALUE, "channel definitions do not match the channels")
    leads = [_lead(channel) for channel in channels]
    scales = [calibration(channel) if lead else (1.0, 0.0) for lead, channel in zip(leads, channels, strict=True)]
    mask = padded(raw, padding_value(group, big_endian), rate_hz, np.array([scale for scale, _ in scales]))
    start_s = float(group.get("MultiplexGroupTimeOffset") or 0) / 1000  # C.10.9.1.1: ms
    seen: dict[str, Samples] = {}
    for index, (lead, channel) in enumerate(zip(leads, channels, strict=True)):
        if lead is None:
            continue
        stored = int(channel.get("WaveformBitsStored") or raw.dtype.itemsize * 8)
        column = sign_extended(raw[:, index], stored, mask[:, index])
        samples = calibrated(column, mask[:, index], *scales[index])
        if codes.clean(str(channel.get("ChannelStatus") or "")).upper() in _UNUSABLE:
            samples[:] = np.nan
        if lead == "-aVR":  # Cabrera's sequence stores it upside down
            lead, samples = "aVR", -samples
        if not np.array_equal(seen.setdefault(lead, samples), samples, equal_nan=True):
            raise Rejected(Reason.UNKNOWN_LEAD, "two channels of one group have the same lead's code")
        yield Strip(lead=lead, samples=samples, rate_hz=rate_hz, start_s=start_s + _skew_s(channel, rate_hz))


def _lead(channel: Any) -> str | None:
    """The lead by its code, or ``None`` for a channel that is no known lead: the others are still what they say."""
    for source in channel.get("ChannelSourceSequence") or ():
        code = str(source.get("CodeValue") or source.get("LongCodeValue") or "")
        if lead := codes.lead(code, str(source.get("CodingSchemeDesignator") or "")):
            return lead
    return None


def _skew_s(channel: Any, rate_hz: float) -> float:
    """C.10.9.1.4.3: how long after the group's start the channel's first sample was taken."""
    skew = channel.get("ChannelSampleSkew")
    skew_s = float(channel.get("ChannelTimeSkew") or 0) if skew in (None, "") else float(skew) / rate_hz
    return skew_s + float(channel.get("ChannelOffset") or 0)
