"""Twelve leads at 500 Hz: resampling, order, derivation, Einthoven's law."""

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from adapters.recording import Recording
from domain.ecg import LEADS, RATE_HZ
from domain.errors import Rejected
from domain.reason import Reason

Matrix = NDArray[np.float64]

LIMB = LEADS[:6]
_FROM_I_AND_II = {"III": (-1.0, 1.0), "aVR": (-0.5, -0.5), "aVL": (1.0, -0.5), "aVF": (-0.5, 1.0)}
# Each row is zero on an honest ECG: Einthoven's and Goldberger's definitions of the limb leads, and two that need no I,
# for pages whose augmented leads share their moment only with each other and with a rhythm strip of II.
LAWS = np.array(
    [
        # I    II    III  aVR   aVL  aVF
        [1.0, -1.0, 1.0, 0.0, 0.0, 0.0],
        [0.5, 0.5, 0.0, 1.0, 0.0, 0.0],
        [-1.0, 0.5, 0.0, 0.0, 1.0, 0.0],
        [0.5, -1.0, 0.0, 0.0, 0.0, 1.0],
        [0.0, 0.0, 0.0, 1.0, 1.0, 1.0],
        [0.0, 1.0, 0.0, 2 / 3, 0.0, -2 / 3],
    ]
)
_MOST_DENOMINATOR = 2000  # of the rate's ratio: 500 : 71.3 is 5000 : 713; the error stays under 1 sample in 10 s


def arrange(recording: Recording) -> NDArray[np.float32]:
    """Return float32 ``[12, n]`` in mV at 500 Hz in the order of ``LEADS``, NaN where a lead was not recorded.

    A recording at 500 Hz comes through bit for bit (as float32). Limb leads that are absent are derived from I and II.
    """
    native = np.full((len(LEADS), recording.samples), np.nan)
    for row, name in enumerate(LEADS):
        if name in recording.leads:
            native[row] = recording.leads[name]
    for name in derivable(recording):
        native[LEADS.index(name)] = np.dot(_FROM_I_AND_II[name], native[:2])
    return resampled(native, recording.rate_hz, RATE_HZ).astype(np.float32)


def derivable(recording: Recording) -> tuple[str, ...]:
    """Limb leads that were not recorded at all while I and II were, so that they follow from those."""
    if not {"I", "II"} <= _recorded(recording):
        return ()
    return tuple(name for name in _FROM_I_AND_II if name not in _recorded(recording))


def _recorded(recording: Recording) -> set[str]:
    return {name for name, samples in recording.leads.items() if not np.isnan(samples).all()}


def resampled(rows: Matrix, from_hz: float, to_hz: float) -> Matrix:
    """Resample ``[k, n]`` by a polyphase filter that cuts at the lower Nyquist rate; NaN runs stay NaN.

    Output sample j lies at j / to_hz s, as the input's first sample lies at 0: nothing is shifted.
    """
    ratio = Fraction(to_hz / from_hz).limit_denominator(_MOST_DENOMINATOR)
    if ratio <= 0 or ratio.numerator > 50 * _MOST_DENOMINATOR:
        raise Rejected(Reason.UNKNOWN_RATE, "the sampling rate cannot be brought to 500 Hz")
    if ratio == 1:
        return rows.copy()
    gaps = np.isnan(rows)
    filled = np.array([_bridged(row, gap) for row, gap in zip(rows, gaps, strict=True)])
    level = filled.mean(axis=1, keepdims=True)  # the filter's phases differ by 0.05 % in gain: an offset would ripple
    made: Matrix = level + resample_poly(filled - level, ratio.numerator, ratio.denominator, axis=1, padtype="line")
    made[_gaps_at(gaps, made.shape[1], float(1 / ratio))] = np.nan
    return made


def _bridged(row: Matrix, gap: NDArray[np.bool_]) -> Matrix:
    """Bridge gaps by straight lines, so that the filter does not ring at their edges."""
    if not gap.any():
        return row
    if gap.all():
        return np.zeros_like(row)
    index = np.arange(len(row))
    return np.interp(index, index[~gap], row[~gap])


def _gaps_at(gaps: NDArray[np.bool_], length: int, step: float) -> NDArray[np.bool_]:
    """Output samples of which either neighbour in the input is missing."""
    position = np.arange(length) * step
    last = gaps.shape[1] - 1
    before = np.minimum(np.floor(position + 1e-9).astype(int), last)
    after = np.minimum(np.ceil(position - 1e-9).astype(int), last)
    missing: NDArray[np.bool_] = gaps[:, before] | gaps[:, after]
    return missing


def einthoven(signal: NDArray[np.float32]) -> tuple[float, float]:
    """How far the limb leads are from Einthoven's law (III = II - I) and Goldberger's (aVR = -(I + II) / 2, ...).

    Returns the 99th percentile of the residual in mV and the residual's share of the leads in it (root mean squares;
    0 honest, about 1 when leads have nothing to do with each other), each the worst of the laws that can be tested.
    Each lead's constant offset is taken out first: it says nothing of which lead it is. (0, 0) where none is testable.
    """
    worst_mv, worst_share = 0.0, 0.0
    limbs = signal[: len(LIMB)].astype(np.float64)
    known = ~np.isnan(limbs)
    for law in LAWS:
        used = law != 0
        common = known[used].all(axis=0)
        if common.sum() < RATE_HZ:  # less than a second
            continue
        terms = limbs[used] if common.all() else limbs[used][:, common]
        terms = law[used, None] * (terms - terms.mean(axis=1, keepdims=True))
        residual = terms.sum(axis=0)
        size = np.abs(residual)
        rank = int(0.99 * (len(size) - 1))
        worst_mv = max(worst_mv, float(np.partition(size, rank)[rank]))
        power = float(np.vdot(terms, terms))
        worst_share = max(worst_share, float(np.sqrt(np.vdot(residual, residual) / power)) if power else 0.0)
    return worst_mv, worst_share
