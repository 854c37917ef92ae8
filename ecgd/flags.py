"""The loop that keeps the flags: looks at a person when something happened, and at each flag when its time is over."""

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog

from config.schema import Fhir, Settings
from delivery.flag import message
from domain.alert import Risk
from domain.ecg import Patient
from domain.finding import Output, Score, Status
from domain.flag import Flag, changed, switched_off
from domain.outgoing import Outgoing
from store.flags import Flags, Known, Told

log = structlog.get_logger()


class FlagKeeper:
    """Persons whose flags may have to change, as a loop sees them."""

    def __init__(self, flags: Flags, *, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._flags, self._settings, self._clock = flags, settings, clock
        self._failed = set[str]()

    def claim(self) -> str | None:
        """A person to look at; one for whom that failed keeps the others waiting for nothing."""
        return self._flags.due(self._failed)

    def wait(self, timeout_s: float) -> None:
        """Until there may be one; after failures for a while."""
        if not self._failed:
            self._flags.wait(timeout_s)
            return
        time.sleep(timeout_s)
        self._failed.clear()

    def handle(self, person: str) -> None:
        """Look at what is known and write what follows; done twice, nothing follows the second time."""
        for flag in self._flags.look(person, lambda known: decided(known, self._settings, self._clock())):
            log.info("flag", risk=flag.risk, state=flag.state, why=flag.why or "", flag=flag.key, finding=flag.finding)

    def named(self, _person: str) -> dict[str, object]:
        """Not by the person."""
        return {"queue": "flags"}

    def put_back(self, person: str, error: Exception) -> None:
        """It stays due, and is looked at again after a wait."""
        self._failed.add(person)


def decided(known: Known, settings: Settings, now: datetime) -> tuple[tuple[Flag, tuple[Outgoing, ...]], ...]:
    """The flags that change, each with what its destinations are told. Pure."""
    return tuple(
        (flag, tuple(_told(flag, known.told[flag.finding], settings))) for flag in _changed(known, settings, now)
    )


def _changed(known: Known, settings: Settings, now: datetime) -> Iterator[Flag]:
    if settings.flags is None:
        yield from switched_off(known.flags, now)
        return
    for risk in Risk:
        yield from changed(
            [flag for flag in known.flags if flag.risk is risk],
            known.person,
            risk,
            known.evidence.get(risk, ()),
            known.left,
            lasts=timedelta(hours=settings.flags.lasts_h),
            now=now,
        )


def _told(flag: Flag, about: Told, settings: Settings) -> Iterator[Outgoing]:
    model = _score(about.model[(Output.ARREST if flag.risk is Risk.ARREST else Output.POTASSIUM).value])
    patient = Patient(identifiers=about.identifiers)
    for destination in settings.destinations:
        if not isinstance(destination, Fhir) or destination.profile != "r4":
            continue  # no other EHR documents that it lets Flags be written
        made = message(flag, patient, about.encounter, model, destination)
        if made is not None:
            yield made


def _score(facts: Mapping[str, Any]) -> Score:
    """The model as the result names it."""
    names = ("model", "version", "bundle_sha256", "value", "unit")
    kept: dict[str, Any] = {name: facts[name] for name in names}
    return Score(**kept, status=Status(facts["status"]), output=Output(facts["output"]))
