"""Waveform Data as numbers, DICOM PS3.3 C.10.9: byte order, bits stored, padding, calibration to mV."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters import codes
from adapters.recording import Samples
from domain.errors import Rejected
from domain.reason import Reason

_TYPES = {("SB", 8): "i1", ("UB", 8): "u1", ("SS", 16): "i2", ("US", 16): "u2", ("SL", 32): "i4", ("UL", 32): "u4"}
_BEYOND_MV = 20.0  # no electrode gives this: an undeclared 32767 is padding there, and a clipped peak below
_LONG_S = 0.5  # a value that also occurs in a trace is padding only where it lasts
_END_S = 0.01

Mask = NDArray[np.bool_]


def raw_samples(group: Any, big_endian: bool) -> NDArray[Any]:
    """Return the group's samples ``[samples, channels]`` as encoded; interleaved by channel (C.10.9.1.7)."""
    channels, samples = int(group.NumberOfWaveformChannels), int(group.NumberOfWaveformSamples)
    dtype = _dtype(group, big_endian)
    data = _bytes(group["WaveformData"], dtype, big_endian)
    size = channels * samples * dtype.itemsize
    if channels < 1 or samples < 1:
        raise Rejected(Reason.NO_WAVEFORM, "an empty multiplex group")
    if len(data) < size:
        raise Rejected(Reason.UNDECODABLE, "waveform data shorter than declared")
    if len(data) >= size + channels * dtype.itemsize and len(data) > size + 1:
        raise Rejected(Reason.UNDECODABLE, "waveform data longer than declared")
    return np.frombuffer(data[:size], dtype=dtype).reshape(samples, channels).astype(dtype.newbyteorder("="))


def _dtype(group: Any, big_endian: bool) -> np.dtype[Any]:
    code = codes.clean(str(group.WaveformSampleInterpretation)), int(group.WaveformBitsAllocated)
    if code not in _TYPES:
        raise Rejected(Reason.UNSUPPORTED_OBJECT, "sample interpretation and bits allocated")
    return np.dtype((">" if big_endian else "<") + _TYPES[code])


def _bytes(element: Any, dtype: np.dtype[Any], big_endian: bool) -> bytes:
    data = bytes(element.value or b"")
    if big_endian and element.VR == "OW" and dtype.itemsize == 1:  # PS3.5 8.3: bytes are swapped within their words
        data = np.frombuffer(data[: len(data) // 2 * 2], "u2").byteswap().tobytes()
    return data


def sign_extended(raw: NDArray[Any], bits_stored: int, ignore: Mask) -> NDArray[Any]:
    """Extend the sign bit where a sender left it out (C.10.9.1.7 demands it); ``raw`` is one channel.

    Done only where values do not fit the signed range of ``bits_stored``, fit the unsigned, and run smoother with it:
    a sender that states too few bits is seen as well, and there the samples are right as they are.
    """
    if raw.dtype.kind != "i" or not 2 <= bits_stored < raw.dtype.itemsize * 8 or ignore.all():
        return raw
    half = 1 << (bits_stored - 1)
    seen = raw[~ignore].astype(np.int64)
    if seen.max() < half or seen.min() < 0 or seen.max() >= 2 * half:
        return raw
    turned = np.where(seen >= half, seen - 2 * half, seen)
    if np.abs(np.diff(turned)).sum() >= np.abs(np.diff(seen)).sum():
        return raw
    extended: NDArray[Any] = np.where(~ignore & (raw >= half), raw.astype(np.int64) - 2 * half, raw)
    return extended


def padding_value(group: Any, big_endian: bool) -> int | None:
    """Return the declared Waveform Padding Value (5400,100A), or ``None``."""
    element = group.get("WaveformPaddingValue")
    if element is None or element == b"" or element == "":
        return None
    if isinstance(element, int):
        return element
    dtype = _dtype(group, big_endian)
    data = bytes(element)[: dtype.itemsize]
    return int(np.frombuffer(data, dtype)[0]) if len(data) == dtype.itemsize else None


def padded(raw: NDArray[Any], declared: int | None, rate_hz: float, mv_per_unit: NDArray[np.float64]) -> Mask:
    """Tell which samples ``[samples, channels]`` are padding.

    A declared value at the edge of the range (0x8000), or one that would mean more than 20 mV, is padding wherever it
    stands; so are -32768 and 32767 undeclared, where they would mean as much. Any other declared value (senders declare
    0 and mean it half the time) also occurs in traces: it is padding only where all channels hold it at an end of the
    group, or one holds it for half a second.
    """
    edges = np.iinfo(raw.dtype).min, np.iinfo(raw.dtype).max
    mask = np.zeros(raw.shape, bool)
    for value in {*edges, edges[0] if declared is None else declared}:
        impossible = np.abs(float(value) * mv_per_unit) > _BEYOND_MV
        mask |= (raw == value) & (impossible | (value == declared and value in edges))
    if declared is None or declared in edges:
        return mask
    same = raw == declared
    mask |= _ends(same.all(axis=1), _END_S * rate_hz)[:, None]
    for channel in range(raw.shape[1]):
        mask[:, channel] |= _runs(same[:, channel], _LONG_S * rate_hz)
    return mask


def _edges(flags: Mask) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    steps = np.diff(np.concatenate(([0], flags.astype(np.int8), [0])))
    return np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)


def _runs(flags: Mask, longer_than: float) -> Mask:
    kept = np.zeros_like(flags)
    for start, stop in zip(*_edges(flags), strict=True):
        kept[start:stop] = stop - start >= longer_than
    return kept


def _ends(flags: Mask, longer_than: float) -> Mask:
    kept = np.zeros_like(flags)
    for start, stop in zip(*_edges(flags), strict=True):
        if start == 0 or stop == len(flags):
            kept[start:stop] = stop - start >= longer_than
    return kept


def calibration(channel: Any) -> tuple[float, float]:
    """Return (mV a unit, baseline in mV) of a channel definition.

    C.10.9.1.4.2: sample * sensitivity * correction factor + baseline, the baseline in the sensitivity's own unit.
    """
    if channel.get("ChannelSensitivity") is None or not channel.get("ChannelSensitivityUnitsSequence"):
        raise Rejected(Reason.UNKNOWN_UNIT, "no channel sensitivity or no unit of it")
    unit = channel.ChannelSensitivityUnitsSequence[0]
    scale = codes.millivolts(str(unit.get("CodeValue") or unit.get("LongCodeValue") or ""))
    if scale is None:
        raise Rejected(Reason.UNKNOWN_UNIT, "the channel sensitivity's unit is not uV, mV or V")
    factor = _number(channel, "ChannelSensitivity", 1.0) * _number(channel, "ChannelSensitivityCorrectionFactor", 1.0)
    if not 0 < factor < np.inf:
        raise Rejected(Reason.BAD_VALUE, "channel sensitivity times correction factor is not positive")
    return factor * scale, _number(channel, "ChannelBaseline", 0.0) * scale


def _number(channel: Any, keyword: str, default: float) -> float:
    value = channel.get(keyword)
    number = default if value is None or value == "" else float(value)
    if not np.isfinite(number):
        raise Rejected(Reason.BAD_VALUE, "a channel's calibration is not finite")
    return number


def calibrated(raw: NDArray[Any], mask: Mask, mv_per_unit: float, baseline_mv: float) -> Samples:
    """One channel in mV, NaN where padded."""
    samples: Samples = raw.astype(np.float64) * mv_per_unit + baseline_mv
    samples[mask] = np.nan
    return samples
