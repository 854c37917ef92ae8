"""An ECG that a message only points to: asked for once, fetched once, read under its message, and never lost."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from adapters import formats
from adapters.hl7_reference import embedded, references
from config.doors import References
from config.schema import Reading, Settings
from domain.arrival import Arrival, Format
from domain.ecg import Ecg
from domain.errors import Problem, Rejected, Transient
from domain.outgoing import Outgoing
from domain.reason import Reason
from ecgd.queues import ChannelQueue, JobQueue
from ecgd.references import CHANNEL, ReferenceSender, asking
from simulator.files import write_aecg
from simulator.heart import ecg, varied
from simulator.patient import SyntheticPatient
from store.database import Database
from store.inbox import Inbox
from store.jobs import Jobs
from store.memory import Memory
from store.outbox import Outbox
from store.report import counts
from tests.conftest import Clock

URL = "https://muse.hospital/web/ecg?ID=1&Type=PDF"
POINTER = URL.replace("&", "\\T\\")
PLACES = References.model_validate({"allow": ["https://muse.hospital/web/"]})
SETTINGS = Settings()
AT = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
PATIENT = SyntheticPatient.seeded(4)
DOCUMENT = write_aecg(ecg(varied(4), 4), 500, PATIENT, acquired_at=AT)


def message(*pointers: str, status: str = "F", patient: str = PATIENT.id) -> bytes:
    rows = [f"OBX|{n}|RP|L^ECG||{one}^^APPLICATION^PDF||||||{status}" for n, one in enumerate(pointers, start=1)]
    head = [
        "MSH|^~\\&|MUSE|ED|||20240102030405||ORU^R01|M1|P|2.5.1",
        f"PID|1||{patient}||A^B",
        "OBR|1|||E|||20240102030405",
    ]
    return "\r".join([*head, *rows, ""]).encode()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (POINTER, (URL,)),
        (URL, (URL,)),  # its sender forgot to escape
        ("HTTPS://muse.hospital/x", ("HTTPS://muse.hospital/x",)),
        ("\\E\\\\E\\share\\E\\ecg.pdf", ()),
        ("file:///ecg.pdf", ()),
        ("https://muse.hospital/a b", ()),
        ("https://muse.hospital/" + "x" * 3000, ()),
        ("", ()),
    ],
)
def test_a_reference_is_a_url_however_its_ampersands_are_written(value: str, expected: tuple[str, ...]) -> None:
    assert references(message(value)) == expected


def test_references_are_read_once_each_in_any_encoding_and_only_where_they_count() -> None:
    assert references(message(POINTER, POINTER, "http://b/c")) == (URL, "http://b/c")
    assert references(message(POINTER).decode().encode("utf-16")) == (URL,)
    assert references(message(POINTER).replace(b"\r", b"\r\n")) == (URL,)
    assert references(message(POINTER, status="D")) == ()
    assert len(references(message(*(f"https://a/{n}" for n in range(9))))) == 4
    assert references(b"\xff\xfe\x00garbage") == ()


@pytest.mark.parametrize("codec", ["utf-8", "utf-16-le"])
def test_what_was_fetched_is_read_under_its_message_as_if_it_had_been_embedded(codec: str) -> None:
    made = embedded(message(POINTER).decode().encode(codec), URL, DOCUMENT)
    arrival = Arrival(key="k", format=Format.HL7, payload=made, source="hl7:MUSE^ED", received_at=AT)
    (one,) = formats.read(arrival, Reading())
    assert (one.patient.family, one.acquired_at, one.origin.instance) == ("A", AT, "M1")
    assert not one.unfit


def test_a_document_of_another_patient_is_not_filed_under_the_message_s() -> None:
    made = embedded(message(POINTER, patient="another"), URL, DOCUMENT)
    with pytest.raises(Rejected) as caught:
        formats.read(Arrival(key="k", format=Format.HL7, payload=made, source="", received_at=AT), Reading())
    assert caught.value.reason is Reason.BAD_VALUE


@dataclass
class Site:
    """What the other side has; stands in for ``delivery.reference.Fetcher``."""

    content: bytes | Exception = DOCUMENT
    asked: list[tuple[str, datetime]] = field(default_factory=list)
    longest_s: float = 1.0

    def fetch(self, url: str, asked_at: datetime) -> bytes:
        self.asked.append((url, asked_at))
        if isinstance(self.content, Exception):
            raise self.content
        return self.content

    def close(self) -> None:
        """Nothing is open."""


@dataclass
class House:
    """A store, a worker that only asks, and the channel that fetches."""

    database: Database
    inbox: Inbox
    jobs: Jobs
    outbox: Outbox
    clock: Clock
    site: Site = field(default_factory=Site)

    def __post_init__(self) -> None:
        self.read_too: list[Arrival] = []
        sender = ReferenceSender(self.site, Memory(self.database), self.inbox.accept)  # type: ignore[arg-type]
        self.channel = ChannelQueue(self.outbox, CHANNEL, sender, others=(), settings=SETTINGS, clock=self.clock)

    def arrive(self, payload: bytes, key: str = "hl7:MUSE^ED:M1") -> None:
        arrival = Arrival(key=key, format=Format.HL7, payload=payload, source="hl7:MUSE^ED", received_at=AT)
        self.inbox.accept(arrival).result(30)

    def work(self, places: References | None = PLACES) -> None:
        """Settle all that waits."""

        def read(arrival: Arrival) -> tuple[Ecg, ...]:
            self.read_too.append(arrival)
            return ()

        asks = asking(read, self.outbox.put, places, self.clock) if places else read
        queue = JobQueue(
            self.jobs, read=asks, score=lambda _: (), settings=SETTINGS, clock=self.clock, stuck=lambda: None
        )
        while job := self.jobs.claim():
            queue.handle(job)

    def fetch(self) -> None:
        """One message of the channel, as the loop does it."""
        message = self.channel.claim()
        assert message is not None
        try:
            self.channel.handle(message)
        except Problem as error:  # as ecgd.loop
            self.channel.put_back(message, error)

    @property
    def states(self) -> dict[str, int]:
        return dict(counts(self.database).jobs)

    @property
    def messages(self) -> dict[str, int]:
        return dict(counts(self.database).outbox)


@pytest.fixture
def house(database: Database, clock: Clock) -> Iterator[House]:
    inbox = Inbox(database, same_content=lambda *_: False, settings=SETTINGS.store, clock=clock)
    jobs, outbox = Jobs(database, SETTINGS.store, clock), Outbox(database, SETTINGS.store, clock)
    with closing(inbox), closing(jobs), closing(outbox):
        yield House(database=database, inbox=inbox, jobs=jobs, outbox=outbox, clock=clock)


def test_what_a_message_points_to_becomes_an_arrival_of_its_own(house: House) -> None:
    house.arrive(message(POINTER))
    house.work()
    house.fetch()
    assert house.site.asked == [(URL, house.clock())]
    house.work()
    original, fetched = house.read_too
    assert (fetched.format, fetched.source, fetched.received_at) == (Format.HL7, original.source, AT)
    assert fetched.payload == embedded(original.payload, URL, DOCUMENT)
    assert (house.states, house.messages) == ({"ignored": 2}, {"sent": 1})


def test_nothing_is_fetched_by_default(house: House) -> None:
    assert SETTINGS.reading.references is None
    house.arrive(message(POINTER))
    house.work(places=None)
    assert (house.states, house.messages) == ({"ignored": 1}, {})


def test_a_place_that_is_not_allowed_is_shown_to_a_person_and_not_asked(house: House) -> None:
    house.arrive(message("https://elsewhere.example/ecg.pdf"))
    house.work()
    assert (house.states, house.messages) == ({"quarantined": 1}, {})
    assert counts(house.database).job_reasons[Reason.REFERENCE_NOT_ALLOWED] == 1


def test_a_worker_killed_before_it_settled_asks_again_and_it_is_fetched_once(house: House) -> None:
    house.arrive(message(POINTER))
    job = house.jobs.claim()
    assert job is not None
    asking(lambda _: (), house.outbox.put, PLACES, house.clock)(job.arrival)
    house.clock.pass_s(SETTINGS.store.lease_s + 1)
    house.work()
    house.fetch()
    assert house.channel.claim() is None
    assert len(house.site.asked) == 1


def test_a_deliverer_killed_after_it_kept_the_document_does_not_keep_another_drawing_of_it(house: House) -> None:
    house.arrive(message(POINTER))
    house.work()
    killed = house.channel.claim()
    assert killed is not None
    ReferenceSender(house.site, Memory(house.database), house.inbox.accept).send(killed.outgoing)  # type: ignore[arg-type]
    house.clock.pass_s(SETTINGS.store.lease_s + 1)
    house.site.content = DOCUMENT + b"<!-- drawn a second later -->"
    house.fetch()
    house.work()
    assert (house.states, house.messages, len(house.site.asked)) == ({"ignored": 2}, {"sent": 1}, 1)


def test_a_host_that_is_down_costs_time_and_no_ecg(house: House) -> None:
    house.arrive(message(POINTER))
    house.work()
    house.site.content = Transient(Reason.DESTINATION_UNAVAILABLE, "time-out")
    for _ in range(5):
        house.fetch()
        assert house.messages == {"waiting": 1}
        house.clock.pass_s(SETTINGS.delivery.longest_wait_s + 1)
    house.site.content = DOCUMENT
    house.fetch()
    house.work()
    assert (house.states, house.messages) == ({"ignored": 2}, {"sent": 1})
    assert {asked_at for _, asked_at in house.site.asked} == {min(at for _, at in house.site.asked)}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<!doctype html><title>Log in</title>", Reason.UNKNOWN_FORMAT),
        (message(POINTER), Reason.UNKNOWN_FORMAT),  # a message is not asked for another
        (Rejected(Reason.REFERENCE_MISSING, "HTTP 404"), Reason.REFERENCE_MISSING),
    ],
)
def test_what_is_no_ecg_or_never_came_is_buried_with_its_reason(
    house: House, content: bytes | Exception, reason: Reason
) -> None:
    house.arrive(message(POINTER))
    house.work()
    house.site.content = content
    house.fetch()
    assert dict(counts(house.database).outbox_reasons) == {reason: 1}


def test_a_message_that_was_fetched_is_asked_for_nothing_more(house: House) -> None:
    house.arrive(message(POINTER, "https://muse.hospital/web/other"), key="reference:0123")
    house.work()
    assert (house.states, house.messages) == ({"ignored": 1}, {})


def test_the_request_says_what_whose_and_since_when(house: House) -> None:
    put: list[Outgoing] = []
    arrival = Arrival(key="k", format=Format.HL7, payload=message(POINTER), source="", received_at=AT)
    asking(lambda _: (), put.append, PLACES, house.clock)(arrival)
    assert json.loads(put[0].body) == {"arrival": "k", "url": URL, "asked_at": house.clock().isoformat()}
    assert URL not in put[0].key
