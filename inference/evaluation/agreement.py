"""How far two models that estimate the same agree, and whom each would alert about."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from domain.answers import Answers
from domain.finding import Output
from domain.scores import Words
from inference.evaluation import metrics
from inference.evaluation.bootstrap import Counts, Estimates, Floats, estimate

LEVELS = {
    Output.ARREST: ("normal", "moderate", "high"),
    Output.POTASSIUM: ("severe_low", "low", "normal", "high", "severe_high"),
}
LIMITS = 1.96  # Bland and Altman, Lancet 1986: 95 % of differences lie so many standard deviations about their mean
_DAY_US = 86_400_000_000
_FIRST_DAY = date(1970, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pairs:
    """The ECGs of which both models said something, row for row; ``only_a``, ``only_b``: of how many only one did."""

    a: Answers
    b: Answers
    only_a: int
    only_b: int

    @property
    def patient(self) -> NDArray[np.intp]:
        """Codes of persons ``[n]``; an ECG of nobody known is a person of its own."""
        known = self.a.person.which(np.array([name != "" for name in self.a.person.names], np.bool_))
        alone = -1 - np.arange(len(self.a))
        return np.unique(np.where(known, self.a.person.codes, alone), return_inverse=True)[1]


def paired(a: Answers, b: Answers) -> Pairs:
    """Join by finding."""
    _, first, second = np.intersect1d(a.finding, b.finding, assume_unique=True, return_indices=True)
    return Pairs(a=a.at(first), b=b.at(second), only_a=len(a) - len(first), only_b=len(b) - len(second))


class Agreement:
    """Correlation, difference ``b - a`` with its limits of agreement, and levels, for any weighting of patients."""

    def __init__(self, pairs: Pairs, output: Output) -> None:
        middle = pairs.a.value.mean() if len(pairs.a) else 0.0  # centred: squares of 4 mmol/L would cost digits
        a, b = pairs.a.value - middle, pairs.b.value - middle
        columns = {"n": np.ones_like(a), "a": a, "b": b, "aa": a * a, "bb": b * b, "ab": a * b}
        self._names, self._totals = metrics.sums(columns, pairs.patient)
        self._levels = len(LEVELS[output])
        cells = table(pairs, output)
        self._cells = metrics.sums({str(cell): cells == cell for cell in range(self._levels**2)}, pairs.patient)[1]

    def __call__(self, counts: Counts) -> Mapping[str, Floats]:
        """Each figure ``[b]`` for ``counts [b, patients]``."""
        weights = counts.astype(float)
        total = dict(zip(self._names, (weights @ self._totals).T, strict=True))
        levels = (weights @ self._cells).reshape(-1, self._levels, self._levels)
        n, mean = total["n"], metrics.ratio(total["b"] - total["a"], total["n"])
        squares = total["aa"] - 2 * total["ab"] + total["bb"]
        spread = np.sqrt(metrics.ratio(np.maximum(squares - n * mean**2, 0), np.maximum(n - 1, 0)))
        spread_a, spread_b = (total[s * 2] - total[s] ** 2 / n for s in "ab")
        common = total["ab"] - total["a"] * total["b"] / n
        product = np.sqrt(np.where((spread_a > 1e-12) & (spread_b > 1e-12), spread_a * spread_b, 0))
        return {
            "correlation": metrics.ratio(common, product),
            "mean_difference": mean,
            "limit_low": mean - LIMITS * spread,
            "limit_high": mean + LIMITS * spread,
            "same_level": metrics.ratio(np.trace(levels, axis1=1, axis2=2), n),
            "kappa": metrics.weighted_kappa(levels),
        }


def estimates(pairs: Pairs, output: Output, resamples: int, seed: int) -> Estimates:
    """Every figure with its interval."""
    patients = int(pairs.patient.max()) + 1
    return estimate(Agreement(pairs, output), patients, len(pairs.a), resamples, seed)


def table(pairs: Pairs, output: Output) -> NDArray[np.intp]:
    """The cell ``[n]`` of each ECG in the table of levels: a's level times their number, plus b's."""
    names = LEVELS[output]
    return _codes(pairs.a.level, names) * len(names) + _codes(pairs.b.level, names)


def _codes(words: Words, names: tuple[str, ...]) -> NDArray[np.intp]:
    order = np.array([names.index(name) for name in words.names], np.intp)
    return order[words.codes] if len(words.codes) else np.empty(0, np.intp)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alerts:
    """How many ECGs of one unit, on one day in UTC or on ``days``, each model would alert about."""

    unit: str
    day: date | None
    days: int
    ecgs: int
    a: int
    b: int
    only_a: int
    only_b: int


def per_unit(pairs: Pairs) -> Iterator[Alerts]:
    """Each unit, and all of them under ``*`` when there are several, over the days on which any ECG came."""
    days = len(np.unique(pairs.a.decided_us // _DAY_US))
    units = np.unique(pairs.a.unit.codes)
    for code in units:
        yield _counted(pairs, pairs.a.unit.codes == code, pairs.a.unit.names[code], days=days)
    if len(units) > 1:
        yield _counted(pairs, np.ones(len(pairs.a), bool), "*", days=days)


def per_day(pairs: Pairs) -> Iterator[Alerts]:
    """Each unit and day on which either model would alert."""
    codes, days = pairs.a.unit.codes, pairs.a.decided_us // _DAY_US
    alarmed = pairs.a.critical | pairs.b.critical
    for code, day in sorted(
        {*zip(codes[alarmed].tolist(), days[alarmed].tolist(), strict=True)}, key=lambda k: k[::-1]
    ):
        rows = (codes == code) & (days == day)
        yield _counted(pairs, rows, pairs.a.unit.names[code], day=_FIRST_DAY + timedelta(days=day))


def differing(pairs: Pairs) -> NDArray[np.intp]:
    """The rows about which only one would alert, in the order of their decisions."""
    rows = np.flatnonzero(pairs.a.critical != pairs.b.critical)
    found: NDArray[np.intp] = rows[np.argsort(pairs.a.decided_us[rows], kind="stable")]
    return found


def _counted(pairs: Pairs, rows: NDArray[np.bool_], unit: str, *, day: date | None = None, days: int = 1) -> Alerts:
    a, b = pairs.a.critical[rows], pairs.b.critical[rows]
    return Alerts(
        unit=unit,
        day=day,
        days=days,
        ecgs=int(rows.sum()),
        a=int(a.sum()),
        b=int(b.sum()),
        only_a=int((a & ~b).sum()),
        only_b=int((b & ~a).sum()),
    )
