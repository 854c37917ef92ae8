"""When each column of a page was recorded, and which lead an unlabelled rhythm strip shows."""

from collections.abc import Mapping, Sequence

import numpy as np

from adapters.pages.sample import Samples

COLUMN_S = {1: 10.0, 2: 5.0, 4: 2.5}
"""How long a column lasts, by custom, on a page of so many."""

_SNAP = 0.02
_LAG_S = 0.06
_DRIFT_S = 0.028  # columns and strips of one page may be this far out of step
_ALIKE = 0.98  # correlation of a strip with its own lead; they are the same samples drawn twice
_MARGIN = 0.2  # in one column at least: in others a steady rhythm fits wherever it is laid
_LEVEL = 0.1


def sequential(starts_s: Sequence[float]) -> tuple[float, ...]:
    """Return when columns begin on a page read from left to right.

    Within 2 % of the customary 2.5 s (or 5 s) apart, they are that far apart: some carts draw a column's last samples
    under the next one's first, or leave a few out.
    """
    usual = COLUMN_S.get(len(starts_s))
    if usual and len(starts_s) > 1 and abs(starts_s[-1] / (len(starts_s) - 1) / usual - 1) < _SNAP:
        return tuple(usual * column for column in range(len(starts_s)))
    return tuple(starts_s)


def simultaneous(
    columns: Sequence[Sequence[Samples]], strips: Sequence[Samples], times_s: Sequence[float], rate: float
) -> bool:
    """Tell from the rhythm strips whether all columns show the same 2.5 s: do their QRS complexes stand together?

    One column that tells is enough where none speaks against it. Without a strip, or without a clear answer, columns
    follow one another, as on almost every 3x4 page.
    """
    differences, matches = [], []
    for column, start_s in list(zip(columns, times_s, strict=True))[1:]:
        for strip in strips:
            if column:
                activity = np.sum([_activity(lead, rate) for lead in _equal(column)], axis=0)
                here, there = (_match(activity, _activity(strip, rate), at, rate) for at in (0.0, start_s))
                differences.append(here - there)
                matches.append(here)
    return bool(differences) and max(differences) > _MARGIN and min(differences) > -_LEVEL and min(matches) > 0.5


def lead_of(strip: Samples, leads: Mapping[str, Samples], starts_s: Mapping[str, float], rate: float) -> str | None:
    """Return the lead whose column repeats a part of ``strip``, or ``None`` when none does, or more than one."""
    close = {lead: error(strip, samples, starts_s[lead], rate) for lead, samples in leads.items()}
    ranked = sorted((value, lead) for lead, value in close.items())
    if not ranked or ranked[0][0] > 1 - _ALIKE**2 or (len(ranked) > 1 and ranked[1][0] < 2.5 * ranked[0][0]):
        return None
    return ranked[0][1]


def error(strip: Samples, lead: Samples, start_s: float, rate: float) -> float:
    """Return the share of a lead's power that the strip does not have at the same time, levels aside; 0 is the same."""
    best = np.inf
    reach = round(_DRIFT_S * rate)
    for lag in range(-reach, reach + 1, 2):
        first = round(start_s * rate) + lag
        if first < 0:
            continue
        there = strip[first : first + lead.size]
        here = lead[: there.size]
        both = np.isfinite(there) & np.isfinite(here)
        if both.sum() < 0.8 * lead.size:
            continue
        wanted, off = here[both] - here[both].mean(), here[both] - there[both]
        power = float(np.sum(wanted**2))
        best = min(best, float(np.sum((off - off.mean()) ** 2)) / power if power > 0 else np.inf)
    return best


def _equal(column: Sequence[Samples]) -> list[Samples]:
    length = min(lead.size for lead in column)
    return [lead[:length] for lead in column]


def _activity(lead: Samples, rate: float) -> Samples:
    """Return how steep the trace is, smoothed over 50 ms: where the QRS complexes are, in any lead."""
    steep = np.abs(np.diff(np.nan_to_num(lead, nan=0.0), prepend=0.0))
    steep[:3] = 0.0
    window = max(round(0.05 * rate), 1)
    return np.convolve(steep, np.ones(window) / window, mode="same")


def _match(part: Samples, whole: Samples, at_s: float, rate: float) -> float:
    reach = round(_LAG_S * rate)
    first = round(at_s * rate)
    best = 0.0
    for lag in range(-reach, reach + 1, max(reach // 6, 1)):
        there = whole[max(first + lag, 0) : max(first + lag, 0) + part.size]
        here = part[: there.size]
        if there.size > 0.8 * part.size and here.std() > 0 and there.std() > 0:
            best = max(best, float(np.corrcoef(here, there)[0, 1]))
    return best


def same_beats(one: Mapping[str, Samples], other: Mapping[str, Samples], rate: float) -> bool:
    """Tell whether two sets of leads were recorded at the same time: their QRS complexes coincide throughout."""
    first = np.sum([_activity(lead, rate) for lead in one.values()], axis=0)
    second = np.sum([_activity(lead, rate) for lead in other.values()], axis=0)
    return abs(first.size / second.size - 1) < 0.05 and _match(second[: first.size], first, 0.0, rate) > 0.6
