"""Fit to score, or why not; and what goes with the result. Better no score than one from a broken trace.

A defect stops scoring: the signal is not that of these twelve leads of a heart, in millivolts, over long enough a time.
A warning does not: mains, wander and muscle noise that models were trained with, a paced heart, leads that resemble one
another oddly and yet not certainly so. Every bound was set between honest ECGs and planted faults; what honest records
reach stands beside each, and docs/reading.md has how often each fault is found and how often honest ECGs are refused.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adapters.beats import Found, find
from adapters.quality.beat import Beat, typical_beat
from adapters.quality.electrodes import exchanged
from adapters.quality.limbs import limb_leads
from adapters.quality.noise import noise, swamped, told
from adapters.quality.repeats import repeated, rhythmic
from adapters.quality.samples import missing, saturated, short, still
from adapters.quality.scale import amplitude, calibration_pulse, each_for_itself
from adapters.recording import Recording
from domain.ecg import RATE_HZ, Defect, ReadWarning
from domain.reason import Reason

__all__ = ["Verdict", "judge"]

Signal = NDArray[np.float32]

_LONG_ENOUGH_S = 5.0  # to hold the three beats that a rhythm takes
_SWAMPED_BY = {Reason.LEAD_MISSING, Reason.LEAD_FLAT, Reason.NOISE, Reason.IMPLAUSIBLE_AMPLITUDE, Reason.EINTHOVEN}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """``unfit``: empty when fit to score. ``warnings``: doubts that go with the result."""

    unfit: tuple[Defect, ...]
    warnings: tuple[ReadWarning, ...]


def judge(signal: Signal, recording: Recording, found: Found | None = None) -> Verdict:
    """Judge ``signal`` (``[12, n]`` in mV at 500 Hz, arranged from ``recording``); ``found``: its beats, if known."""
    found = found or find(signal, RATE_HZ)
    beat = typical_beat(signal, found.places)
    measured = noise(signal)
    defects = [
        *_scanned(recording),
        *_length(signal, recording),
        *missing(signal),
        *still(signal),
        *saturated(recording),
        *amplitude(signal, beat),
        *each_for_itself(recording),
        *calibration_pulse(recording),
        *swamped(beat, measured),
        *limb_leads(signal),
    ]
    lost = _no_beats(signal, recording, beat)
    if lost and not defects and not rhythmic(signal):
        defects.append(Defect(reason=Reason.NOISE))
    # A lead already known to be wrong makes its neighbours look wrong too.
    leads = exchanged(beat, paced=found.paced) if not {one.reason for one in defects} & _SWAMPED_BY else None
    defects += leads.defects if leads else ()
    warnings = {
        **told(measured),
        ReadWarning.PACED: found.paced,
        ReadWarning.LEADS_DOUBTFUL: bool(leads and leads.doubted),
        ReadWarning.BEATS_NOT_FOUND: lost,
    }
    return Verdict(unfit=tuple(defects), warnings=tuple(one for one, holds in warnings.items() if holds))


def _scanned(recording: Recording) -> list[Defect]:
    """Read off pixels: some leads come out too badly to be scored (docs/reading.md), and nothing yet says which."""
    return [Defect(reason=Reason.SCANNED)] if ReadWarning.SCANNED in recording.warnings else []


def _length(signal: Signal, recording: Recording) -> list[Defect]:
    if recording.median_only or repeated(recording):
        return [Defect(reason=Reason.MEDIAN_ONLY)]
    too_short = short(signal)
    return [too_short] if too_short else []


def _no_beats(signal: Signal, recording: Recording, beat: Beat) -> bool:
    long_enough = (~np.isnan(signal)).any(axis=0).sum() >= _LONG_ENOUGH_S * RATE_HZ
    return bool(long_enough and not recording.median_only and not beat.centres.size)
