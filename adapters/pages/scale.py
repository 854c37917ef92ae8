"""How many pt are a second and a millivolt: what is measured on the page against what is printed on it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from adapters.pages.grid import PT_MM, Pulse
from adapters.pages.labels import Printed
from adapters.pages.timing import COLUMN_S
from domain.ecg import ReadWarning
from domain.errors import Rejected
from domain.reason import Reason

SPEEDS = (12.5, 25.0, 50.0, 100.0)
"""What paper runs at, mm/s."""

PULSE_S = 0.2
"""How long a calibration pulse lasts."""

_SCALED = 0.02  # a page this far from its true size is said to be scaled
_DIFFERS = 0.05


@dataclass(frozen=True, slots=True)
class Scale:
    """``speed_mm_s`` and ``gain_mm_mv``: as measured with a ruler on the page at its true size."""

    pt_per_s: float
    limb_pt_per_mv: float
    chest_pt_per_mv: float
    warnings: tuple[ReadWarning, ...]

    @property
    def speed_mm_s(self) -> float:
        """Paper speed found."""
        return self.pt_per_s / PT_MM

    @property
    def gain_mm_mv(self) -> float:
        """Gain of the limb leads found."""
        return self.limb_pt_per_mv / PT_MM

    def pt_per_mv(self, lead: str) -> float:
        """Gain of a lead: chest leads may be drawn smaller than limb leads."""
        return self.chest_pt_per_mv if lead.upper().startswith("V") else self.limb_pt_per_mv


def calibrate(
    grid_mm: float | None, pulses: Sequence[Pulse], printed: Printed, columns: int, column_pt: float
) -> Scale:
    """Weigh grid and pulses against the print. Raises ``Rejected(PAGE_NOT_CALIBRATED)`` rather than guess.

    ``grid_mm``: pt a millimetre of the grid; ``column_pt``: width of one of ``columns`` columns.
    """
    doubts: dict[ReadWarning, None] = {}
    pulse = _agreed(pulses)
    millimetre = grid_mm or _by_pulse(pulse, printed)
    if millimetre is None:
        doubts[ReadWarning.CALIBRATED_BY_LABEL] = None
        millimetre = PT_MM
    elif (printed.speeds or printed.gains) and abs(millimetre / PT_MM - 1) > _SCALED:
        doubts[ReadWarning.LABEL_DISAGREES_WITH_GRID] = None
    speed, speed_doubted = _speed(printed, columns, column_pt / millimetre, _pulse_mm(pulses, millimetre), grid_mm)
    limb, chest, gain_doubted = _gain(pulse, printed, millimetre)
    if speed_doubted or gain_doubted:
        doubts[ReadWarning.LABEL_DISAGREES_WITH_GRID] = None
    return Scale(speed * millimetre, limb, chest, tuple(doubts))


def _agreed(pulses: Sequence[Pulse]) -> float | None:
    if not pulses:
        return None
    heights = np.array([pulse.height for pulse in pulses])
    if heights.max() > (1 + _DIFFERS) * heights.min():
        raise Rejected(Reason.PAGE_NOT_CALIBRATED, "calibration pulses of different heights")
    return float(np.median(heights))


def _by_pulse(pulse: float | None, printed: Printed) -> float | None:
    """Without a grid, a pulse of a printed gain tells how the page was scaled."""
    if pulse is None or len(printed.gains) != 1 or len(set(printed.gains[0])) != 1:
        return None
    return pulse / printed.gains[0][0]


def _pulse_mm(pulses: Sequence[Pulse], millimetre: float) -> float | None:
    return float(np.median([pulse.x1 - pulse.x0 for pulse in pulses])) / millimetre if pulses else None


def _speed(
    printed: Printed, columns: int, column_mm: float, pulse_mm: float | None, grid_mm: float | None
) -> tuple[float, bool]:
    """Return the speed in mm of the page's own grid a second, and whether the print says otherwise."""
    measured = [speed for speed in SPEEDS if _customary(speed, columns, column_mm)]
    if pulse_mm is not None:
        measured = [speed for speed in measured if _near(pulse_mm / speed, PULSE_S, 0.2)]
    if len(printed.speeds) == 1:
        return _weighed(printed.speeds[0], measured, columns, column_mm, pulse_mm)
    if printed.speeds:
        measured = [speed for speed in printed.speeds if speed in measured]
    if len(measured) != 1 or grid_mm is None:
        raise Rejected(Reason.PAGE_NOT_CALIBRATED, "no paper speed printed, and none to be told from grid and columns")
    return measured[0], False


def _weighed(
    said: float, measured: Sequence[float], columns: int, column_mm: float, pulse_mm: float | None
) -> tuple[float, bool]:
    if _customary(said, columns, column_mm):
        return said, False
    if pulse_mm is not None and _near(pulse_mm / said, PULSE_S, 0.2):
        return said, False  # short columns, and the pulse bears the print out
    if len(measured) == 1 and pulse_mm is not None:
        return measured[0], True  # columns and pulse together against the print
    if columns == 4 and column_mm / said < 2.0:
        raise Rejected(Reason.PAGE_NOT_CALIBRATED, "printed paper speed does not fit the columns")
    return said, False


def _customary(speed: float, columns: int, column_mm: float) -> bool:
    return columns in COLUMN_S and _near(column_mm / speed, COLUMN_S[columns], 0.06)


def _near(value: float, target: float, share: float) -> bool:
    return abs(value / target - 1) <= share


def _gain(pulse: float | None, printed: Printed, millimetre: float) -> tuple[float, float, bool]:
    """Return pt a mV of limb and of chest leads, and whether the print says otherwise."""
    if len(printed.gains) > 1:
        raise Rejected(Reason.PAGE_NOT_CALIBRATED, "several gains printed")
    if not printed.gains:
        if pulse is None:
            raise Rejected(Reason.PAGE_NOT_CALIBRATED, "neither a calibration pulse nor a gain on the page")
        return pulse, pulse, False
    limb, chest = (gain * millimetre for gain in printed.gains[0])
    if pulse is None or _near(pulse, limb, _DIFFERS):
        exact = 1.0 if pulse is None else pulse / limb
        return limb * exact, chest * exact, False
    if limb != chest:
        raise Rejected(Reason.PAGE_NOT_CALIBRATED, "printed gains differ by lead and the pulse fits neither")
    return pulse, pulse, True
