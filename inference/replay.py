"""Stored answers held against thresholds as the service would have: the rules of ``levels``, a million rows at once.

What the service decided of each ECG is a function of its answer, its context, and the answers to the person's ECGs
that were recorded before it and had been decided by then; so it is here.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

import numpy as np
from numpy.typing import NDArray

from config.thresholds import Thresholds, When, like
from domain.finding import Output, Severity
from domain.scores import Ints, Scores, Words
from inference.levels import Step, steps, word

Bools = NDArray[np.bool_]
MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Replayed:
    """``step``: place of each row's level in ``levels``, -1: normal. ``rule``: number of its override, -1: none."""

    levels: tuple[Step, ...]
    step: NDArray[np.int8]
    rule: NDArray[np.int16]

    def at(self, level: str) -> Bools:
        """Which rows have this level."""
        found: Bools = self.step == [one.level for one in self.levels].index(level)
        return found

    @property
    def critical(self) -> Bools:
        """Which rows would alert a person."""
        grave = [number for number, one in enumerate(self.levels) if one.severity is Severity.CRITICAL]
        return np.isin(self.step, grave)


def replay(scores: Scores, thresholds: Thresholds, output: Output) -> Replayed:
    """Decide every row anew."""
    rule = rules(scores, thresholds, output)
    tables = [steps(thresholds, output, number) for number in (None, *range(len(thresholds.overrides)))]
    found = np.full(len(scores), -1, np.int8)
    chains = _Chains(scores, thresholds) if _margin(thresholds, output) else None
    for number in reversed(range(len(tables[0]))):
        reaches = np.array([table[number].reaches for table in tables])[rule + 1]
        keeps = np.array([table[number].keeps for table in tables])[rule + 1]
        upwards = tables[0][number].side > 0
        reached = scores.value >= reaches if upwards else scores.value <= reaches
        kept = scores.value >= keeps if upwards else scores.value <= keeps
        found[chains.held(reached, kept) if chains else reached] = number
    return Replayed(levels=tables[0], step=found, rule=rule)


def _margin(thresholds: Thresholds, output: Output) -> float:
    return float(getattr(thresholds.hysteresis, word(output)))


def rules(scores: Scores, thresholds: Thresholds, output: Output) -> NDArray[np.int16]:
    """The number of the override that is used for each row, -1: none."""
    found = np.full(len(scores), -1, np.int16)
    for number, override in reversed([*enumerate(thresholds.overrides)]):
        if override.says(word(output)):
            chosen = _matching(scores, override.when)
            if override.until is not None:
                end = datetime.combine(override.until + timedelta(days=1), time(), UTC)
                chosen &= scores.decided_us < (end - _EPOCH) // MICROSECOND
            found[chosen] = number
    return found


def _matching(scores: Scores, when: When) -> Bools:
    chosen = np.ones(len(scores), np.bool_)
    if when.unit is not None:
        chosen &= _like(scores.unit, when.unit)
    if when.device is not None:
        chosen &= _like(scores.device, when.device)
    if when.door is not None:
        chosen &= scores.door.which(np.array([name in when.door for name in scores.door.names], np.bool_))
    if when.paced is not None:
        chosen &= scores.paced == when.paced
    if when.age is not None:
        chosen &= scores.age_years >= when.age.at_least  # NaN is in no band
        if when.age.below is not None:
            chosen &= scores.age_years < when.age.below
    return chosen


def _like(words: Words, patterns: tuple[str, ...]) -> Bools:
    return words.which(np.array([any(like(name, one) for one in patterns) for name in words.names], np.bool_))


class _Chains:
    """Rows in the order person, model, time of recording; only rows of one person and model have to do with another.

    Where that is also the order of deciding, the last row that reached the level or fell below its margin settles it
    for all that follow. Where an ECG came late, or one arrival held several, each row looks back by itself.
    """

    def __init__(self, scores: Scores, thresholds: Thresholds) -> None:
        group = scores.person.codes.astype(np.int64) * max(len(scores.model.names), 1) + scores.model.codes
        self._order = np.lexsort((scores.id, scores.recorded_us, group))
        self._group = group[self._order]
        self._at, self._id = scores.recorded_us[self._order], scores.id[self._order]
        self._arrival = scores.arrival[self._order]
        named = np.array([name != "" for name in scores.person.names], np.bool_)
        self._named = scores.person.which(named)[self._order]
        self._longest = timedelta(hours=thresholds.hysteresis.within_h) // MICROSECOND
        starts = np.flatnonzero(np.r_[True, self._group[1:] != self._group[:-1]]) if len(group) else np.zeros(0, int)
        sizes = np.diff(np.r_[starts, len(group)])
        self._start = np.repeat(starts, sizes)
        self._odd = np.repeat(self._odd_groups(starts), sizes)

    def _odd_groups(self, starts: NDArray[np.intp]) -> Bools:
        same = self._group[1:] == self._group[:-1]
        odd = same & ((self._id[1:] < self._id[:-1]) | (self._arrival[1:] == self._arrival[:-1]))
        return np.logical_or.reduceat(np.r_[False, odd], starts) if len(starts) else np.zeros(0, np.bool_)

    def held(self, reached: Bools, kept: Bools) -> Bools:
        """Which rows reach or keep a level, given which reach it by themselves and which are within its margin."""
        reached, kept = reached[self._order], kept[self._order]
        settled = np.where(reached | ~kept, np.arange(len(kept)), -1)
        last = np.maximum.accumulate(settled) if len(settled) else settled
        near = (last >= self._start) & (self._at - self._at[last] <= self._longest)
        on = reached | (kept & self._named & near & reached[last])
        for row in np.flatnonzero(self._odd & kept & ~reached & self._named):
            on[row] = self._looks_back(int(row), reached, kept)
        found = np.empty_like(on)
        found[self._order] = on
        return found

    def _looks_back(self, row: int, reached: Bools, kept: Bools) -> bool:
        for before in range(row - 1, int(self._start[row]) - 1, -1):
            if self._id[before] > self._id[row] or self._arrival[before] == self._arrival[row]:
                continue  # not decided by then
            if self._at[row] - self._at[before] > self._longest or not kept[before]:
                return False
            if reached[before]:
                return True
        return False


def microseconds(at: datetime) -> int:
    """A time as the columns have it."""
    return (at - _EPOCH) // MICROSECOND


def only(scores: Scores, since: datetime, until: datetime) -> Bools:
    """Which rows were decided from ``since`` to before ``until``."""
    decided: Ints = scores.decided_us
    return (decided >= microseconds(since)) & (decided < microseconds(until))
