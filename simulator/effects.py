"""What a disturbance does to a beat, as changes relative to the same heart without it.

Sizes are of the order of the sources named beside them; they vary from patient to patient far more than with the
potassium itself, which is why ``sensitivity`` belongs to the patient and not to the value.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """Factors (1: unchanged) and additions (0: unchanged); none: ``Effects()``.

    ``t_amplitude`` may pass below 0: the T wave turns over. ``t_width`` narrows towards the peak, which makes the wave
    tented and symmetric. ``st_mv`` is the size of a shift of the ST segment against the T wave's usual direction
    (negative: depression) at the lead where it is largest; ``u_mv`` the U wave's height there. ``qt_ms`` moves the end
    of the T wave, ``pr_ms`` the P wave. ``sine`` from 0 to 1 blends QRS and T into one sine-like wave.
    """

    p_amplitude: float = 1.0
    pr_ms: float = 0.0
    qrs_width: float = 1.0
    qrs_amplitude: float = 1.0
    st_mv: float = 0.0
    t_amplitude: float = 1.0
    t_width: float = 1.0
    qt_ms: float = 0.0
    u_mv: float = 0.0
    rate_bpm: float = 0.0
    sine: float = 0.0


def together(one: Effects, other: Effects) -> Effects:
    """Both at once: factors multiply, additions add, of two sine waves the greater stands."""
    return Effects(
        p_amplitude=one.p_amplitude * other.p_amplitude,
        pr_ms=one.pr_ms + other.pr_ms,
        qrs_width=one.qrs_width * other.qrs_width,
        qrs_amplitude=one.qrs_amplitude * other.qrs_amplitude,
        st_mv=one.st_mv + other.st_mv,
        t_amplitude=one.t_amplitude * other.t_amplitude,
        t_width=one.t_width * other.t_width,
        qt_ms=one.qt_ms + other.qt_ms,
        u_mv=one.u_mv + other.u_mv,
        rate_bpm=one.rate_bpm + other.rate_bpm,
        sine=max(one.sine, other.sine),
    )


def of_potassium(mmol_l: float, sensitivity: float = 1.0) -> Effects:
    """Serum potassium, 1.5 to 9 mmol/L, in a patient of this ``sensitivity`` (1: typical; 0.3 to 2 in a cohort)."""
    if not 1.0 <= mmol_l <= 10.0:
        raise ValueError("potassium lies between 1 and 10 mmol/L")
    return _low(max(0.0, 4.0 - mmol_l) * sensitivity) if mmol_l < 4.5 else _high((mmol_l - 4.5) * sensitivity)


def _low(below: float) -> Effects:
    """Hypokalemia, ``below`` mmol/L under 4.0.

    Surawicz 1957 (Circulation 16:603): at 2.7 mmol/L and less, ST depression of 0.05 mV or more, U of 0.1 mV or more
    and U higher than T in II or V3 in most; between 3 and 3.5 in few. Weaver and Burchell 1960 (Circulation
    21:505): the T wave falls first, U rises. In 163,547 patients of general practice (PubMed 31629993) each mmol/L
    less cost T 0.043 mV and made QTc 13 ms, PR 5 ms longer; those who show it are fewer and show more. Lin 2020
    (the ECG12Net paper): longest QTc, wider QRS, longer PR at <= 2.5 mmol/L.
    """
    deep = max(0.0, below - 0.7)
    return Effects(
        p_amplitude=1 + 0.12 * below,
        pr_ms=5.0 * below,
        qrs_width=1 + 0.02 * below,
        st_mv=-0.015 * below - 0.03 * deep,
        t_amplitude=max(-0.3, 1 - 0.38 * below),
        t_width=1 + 0.12 * below,
        qt_ms=14.0 * below,
        u_mv=0.03 * below + 0.05 * deep,
        rate_bpm=3.0 * below,
    )


def _high(above: float) -> Effects:
    """Hyperkalemia, ``above`` mmol/L over 4.5.

    Surawicz 1967 (Am Heart J 73:814): T tall, narrow and tented from 5.5 on; QRS wider from 6.5; P low and broad, PR
    longer above 7, P gone above 8 to 9; sine wave above 9 to 10. Dillon 2015 (J Am Heart Assoc 4:e001864): over
    dialysis the T wave's slope rises with potassium faster than its height. Montague 2008 (Clin J Am Soc Nephrol
    3:324): strict criteria are met by a fifth of patients above 6. Varga 2019 (BMC Emerg Med 19:33): above 7 mmol/L
    wide QRS in 32 %, peaked T and long PR in 18 % each, long QTc in 21 %; half show nothing. Durfey 2017 (West J
    Emerg Med 18:963): at 6.5 and more, QRS prolongation and rates under 50 in a fifth.
    """
    peaked, slowed, late = max(0.0, above - 0.5), max(0.0, above - 1.5), max(0.0, above - 2.5)
    sine = min(1.0, max(0.0, above - 3.7) / 1.6)
    return Effects(
        p_amplitude=max(0.0, 1 - 0.08 * peaked - 0.24 * late),
        pr_ms=9.0 * slowed + 14.0 * late,
        qrs_width=1 + 0.03 * peaked + 0.06 * slowed + 0.16 * late,
        qrs_amplitude=max(0.5, 1 - 0.03 * slowed - 0.08 * late),
        t_amplitude=1 + 0.12 * above + 0.16 * peaked,
        t_width=max(0.6, 1 - 0.05 * above - 0.06 * peaked),
        qt_ms=-4.0 * peaked + 18.0 * late,
        rate_bpm=-2.0 * slowed - 7.0 * late,
        sine=sine,
    )
