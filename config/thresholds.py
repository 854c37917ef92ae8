"""The thresholds: one owner for every number that makes a person come.

Which levels hold for an ECG is decided output by output: of the overrides that match it and say something of the
output, the first in the list; what it leaves out, and everything where none matches, is as written above the list.
"""

import re
from collections.abc import Iterator
from datetime import date
from itertools import combinations
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BeforeValidator, Field, model_validator

from config.base import Name, Strict
from config.mistakes import Fault, Faults, twice

Probability = Annotated[float, Field(ge=0, le=1)]
Potassium = Annotated[float, Field(ge=1.5, le=7.5, description="mmol/L; estimates are bounded to the same range")]
Years = Annotated[float, Field(ge=0, le=130)]
Levels = TypeVar("Levels", bound=Strict)


def _several(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else (value,)


Pattern = Annotated[str, Field(min_length=1, max_length=200)]
Patterns = Annotated[tuple[Pattern, ...], BeforeValidator(_several, json_schema_input_type=str | tuple[str, ...])]


Door = Literal["dicom", "hl7", "folder"]
Doors = Annotated[tuple[Door, ...], BeforeValidator(_several, json_schema_input_type=Door | tuple[Door, ...])]


class ArrestThresholds(Strict):
    """Probabilities of arrest; at or above ``high`` a person is alerted."""

    moderate: Probability = Field(0.05, description="at or above: abnormal")
    high: Probability = Field(0.20, description="at or above: critical")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.moderate <= self.high:
            raise ValueError("moderate must not exceed high")
        return self


class PotassiumThresholds(Strict):
    """Estimated potassium in mmol/L; at ``severe_low`` or below and ``severe_high`` or above a person is alerted."""

    severe_low: Potassium = Field(2.5, description="mmol/L; at or below: critical")
    low: Potassium = Field(3.5, description="mmol/L; at or below: abnormal")
    high: Potassium = Field(5.5, description="mmol/L; at or above: abnormal")
    severe_high: Potassium = Field(6.5, description="mmol/L; at or above: critical")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.severe_low < self.low < self.high < self.severe_high:
            raise ValueError("severe_low < low < high < severe_high must hold")
        return self


class SomeArrest(Strict):
    """Those of the levels that an override changes."""

    moderate: Probability | None = Field(None, description="absent: as above the list")
    high: Probability | None = Field(None, description="absent: as above the list")


class SomePotassium(Strict):
    """Those of the levels that an override changes; within the same bounds, so that none can be put out of reach."""

    severe_low: Potassium | None = Field(None, description="mmol/L; absent: as above the list")
    low: Potassium | None = Field(None, description="mmol/L; absent: as above the list")
    high: Potassium | None = Field(None, description="mmol/L; absent: as above the list")
    severe_high: Potassium | None = Field(None, description="mmol/L; absent: as above the list")


class AgeBand(Strict):
    """Completed and begun years at the ECG: ``at_least <= age < below``; an unknown age is in no band."""

    at_least: Years = Field(0, description="years")
    below: Years | None = Field(None, description="years; absent: however old")

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.below is not None and not self.at_least < self.below:
            raise ValueError("at_least must be less than below")
        return self

    def within(self, other: "AgeBand") -> bool:
        """Whether every age here is in the other band."""
        above = other.below is None or (self.below is not None and self.below <= other.below)
        return other.at_least <= self.at_least and above


class When(Strict):
    """What an ECG must be for an override to apply; what is left out does not matter. ``*`` stands for any letters."""

    unit: Patterns | None = Field(None, description="one or several, as the sender names it (PV1-3.1); case is ignored")
    age: AgeBand | None = None
    device: Patterns | None = Field(None, description="manufacturer, model and serial number with blanks between")
    door: Doors | None = Field(None, description="through which it came")
    paced: bool | None = Field(None, description="whether a pacemaker's spikes were found in it")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self == When.model_construct():
            raise ValueError("empty: it would match every ECG; write unit, age, device, door or paced")
        return self

    def within(self, other: "When") -> bool:
        """Whether ``other`` certainly matches whatever this matches."""
        return all(
            (
                other.unit is None or (self.unit is not None and _all_in(self.unit, other.unit)),
                other.age is None or (self.age is not None and self.age.within(other.age)),
                other.device is None or (self.device is not None and _all_in(self.device, other.device)),
                other.door is None or (self.door is not None and set(self.door) <= set(other.door)),
                other.paced is None or self.paced == other.paced,
            )
        )


def like(text: str, pattern: str) -> bool:
    """Whether a text is as the pattern says, ignoring case and blanks around; ``*`` stands for any letters or none."""
    wanted = re.escape(pattern.strip().casefold()).replace(r"\*", ".*")
    return re.fullmatch(wanted, text.strip().casefold(), re.DOTALL) is not None


def _all_in(ours: tuple[str, ...], theirs: tuple[str, ...]) -> bool:
    return all(any(like(one, other) for other in theirs) for one in ours)


class Override(Strict):
    """Other levels for some ECGs."""

    name: Name = Field(description="told with every result that it applied to")
    when: When
    arrest: SomeArrest = SomeArrest()
    potassium: SomePotassium = SomePotassium()
    owner: str | None = Field(None, max_length=200, description="who answers for it")
    reason: str | None = Field(None, max_length=1000, description="why it is there")
    until: date | None = Field(None, description="the last day, in UTC, on which it applies")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.says("arrest") and not self.says("potassium"):
            raise ValueError("changes nothing: write a level under arrest or potassium")
        return self

    def says(self, output: Literal["arrest", "potassium"]) -> bool:
        """Whether it changes a level of this output."""
        return bool(_given(getattr(self, output)))


class Hysteresis(Strict):
    """By how much a later ECG of the same person must fall below a threshold to lose its level, and for how long.

    The level is kept until ``within_h`` after the last ECG that reached it by itself. 0: no level is kept.
    """

    arrest: float = Field(0, ge=0, le=0.5, description="probability")
    potassium: float = Field(0, ge=0, le=1, description="mmol/L; on the low side the estimate must rise by as much")
    within_h: float = Field(24, gt=0, le=168, description="h between the two ECGs' times of recording")

    @property
    def on(self) -> bool:
        """Whether any level may be kept."""
        return self.arrest > 0 or self.potassium > 0


class Thresholds(Strict):
    """From which estimates on an ECG is abnormal or critical; every result carries the hash of this section."""

    arrest: ArrestThresholds = ArrestThresholds()
    potassium: PotassiumThresholds = PotassiumThresholds()
    hysteresis: Hysteresis = Hysteresis()
    overrides: tuple[Override, ...] = ()

    @model_validator(mode="after")
    def _agree(self) -> Self:
        names = twice((("overrides", number, "name"), one.name) for number, one in enumerate(self.overrides))
        faults = [*names, *self._disordered(), *self._never_reached()] or [*self._margins()]
        if faults:
            raise Faults(*faults)
        return self

    def arrest_by(self, override: Override | None) -> ArrestThresholds:
        """The levels with an override's in place of theirs."""
        return _with(self.arrest, override.arrest if override else None)

    def potassium_by(self, override: Override | None) -> PotassiumThresholds:
        """The levels with an override's in place of theirs."""
        return _with(self.potassium, override.potassium if override else None)

    def _disordered(self) -> Iterator[Fault]:
        for number, one in enumerate(self.overrides):
            for by in (self.arrest_by, self.potassium_by):
                try:
                    by(one)
                except ValueError as error:  # pydantic's has the reason in its details
                    reason = error.errors()[0]["msg"].removeprefix("Value error, ")  # type: ignore[attr-defined]
                    yield Fault(("overrides", number), f"with the levels that it leaves as they are, {reason}")

    def _never_reached(self) -> Iterator[Fault]:
        """An override below one that is wider: nobody would notice that it does nothing."""
        for (at, first), (below, then) in combinations(enumerate(self.overrides), 2):
            lasts = first.until is None or (then.until is not None and then.until <= first.until)
            if first.name == then.name or not lasts or not then.when.within(first.when):
                continue
            outputs: tuple[Literal["arrest", "potassium"], ...] = ("arrest", "potassium")
            for output in outputs:
                if first.says(output) and then.says(output):
                    what = f"{then.name} never sets {output}: {first.name}, {{0}}, matches the same before it"
                    yield Fault(("overrides", below), what, f"put {then.name} first", (("overrides", at),))

    def _margins(self) -> Iterator[Fault]:
        for one in (None, *self.overrides):
            whose = f" with override {one.name}" if one else ""
            arrest, potassium = self.arrest_by(one), self.potassium_by(one)
            if self.hysteresis.arrest and self.hysteresis.arrest >= arrest.moderate:
                what = f"too wide{whose}: the level moderate could not be lost"
                yield Fault(("hysteresis", "arrest"), what, f"less than {arrest.moderate:g}")
            if self.hysteresis.potassium * 2 >= potassium.high - potassium.low:
                what = f"too wide{whose}: low and high could both be kept"
                half = (potassium.high - potassium.low) / 2
                yield Fault(("hysteresis", "potassium"), what, f"less than {half:g}")


def _given(levels: Strict) -> dict[str, float]:
    return {name: value for name, value in levels.model_dump().items() if value is not None}


def _with(levels: Levels, some: Strict | None) -> Levels:
    return levels if some is None else type(levels).model_validate({**levels.model_dump(), **_given(some)})
