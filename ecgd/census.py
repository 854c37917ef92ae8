"""Whose an ECG is now and in which visit, as the admission feed says where the ECG's sender did not."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from config.schema import Settings
from domain.census import Movement, Visit, visit_at
from domain.ecg import Ecg, Identifier, Patient
from domain.outcome import Outcome, Settlement
from domain.person import person_key
from domain.reason import Reason


class People(Protocol):
    """What the census knows; see ``store.census``."""

    def survivor(self, patient: Patient) -> tuple[Identifier, ...]:
        """The identifiers of whom a patient was merged into; empty: of nobody."""

    def visits(self, person: str) -> tuple[Visit, ...]:
        """A person's stays."""


class Nobody:
    """A census without anybody in it: for what is scored by hand."""

    def survivor(self, patient: Patient) -> tuple[Identifier, ...]:
        """Nobody was merged."""
        return ()

    def visits(self, person: str) -> tuple[Visit, ...]:
        """Nobody stays."""
        return ()


def administrative(movements: Iterable[Movement], settings: Settings) -> Settlement:
    """Settle a message of the admission feed."""
    told = tuple(
        replace(one, merged=named(one.merged, settings))
        if one.merged
        else replace(one, whose=named(one.whose, settings))
        for one in movements
    )
    return Settlement(outcome=Outcome.IGNORED, reason=Reason.ADMINISTRATIVE, movements=told)


def named(whose: tuple[Identifier, ...], settings: Settings) -> tuple[Identifier, ...]:
    """The identifiers, also as senders give them that name no authority: one whose system is a destination's default.

    A page's 0042 and the feed's 0042 of that authority are one person.
    """
    bare = (
        replace(one, authority="")
        for one in whose
        for where in settings.destinations
        if one.authority and where.patient.default_system == where.patient.systems.get(one.authority, "")
    )
    return tuple(dict.fromkeys((*whose, *bare)))


def in_its_visit(ecg: Ecg, received_at: datetime, people: People) -> Ecg:
    """The ECG with its visit's number: the sender's, else that of the one visit open when it was taken."""
    person = person_key(ecg.patient)
    if ecg.order.encounter is not None or not person:
        return ecg
    number = visit_at(people.visits(person), ecg.acquired_at or received_at)
    return replace(ecg, order=replace(ecg.order, encounter=number)) if number else ecg
