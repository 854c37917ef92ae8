from datetime import UTC, datetime

import numpy as np
import pytest

from adapters import formats
from config.schema import Reading, Settings
from domain.arrival import Arrival, Format
from domain.ecg import Ecg
from domain.errors import Rejected, Transient
from domain.finding import Abstention, Output, Score, Status
from domain.outcome import Outcome, Settlement
from domain.reason import Reason
from ecgd.pipeline import process
from simulator.sample import real_dicom

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
ARRIVAL = Arrival(
    key="dicom:1.2.3", format=Format.DICOM, payload=real_dicom().read_bytes(), source="dicom:A", received_at=NOW
)
MODEL = {"model": "m", "version": "1", "bundle_sha256": "0" * 64, "status": Status.SITE_VALIDATED}
POTASSIUM = Score(**MODEL, output=Output.POTASSIUM, value=7.0, unit="mmol/L")
ABSTAINED = Abstention(**MODEL, output=Output.POTASSIUM, reason=Reason.LEAD_FLAT, leads=("V2",))
SETTINGS = Settings.model_validate(
    {
        "destinations": [{"base_url": "http://ehr/fhir"}],
        "alerts": {"webhooks": [{"name": "pager", "url": "http://pager/"}]},
    }
)


@pytest.fixture(scope="module")
def ecg() -> Ecg:
    return formats.read(ARRIVAL, Reading())[0]


def _process(*ecgs: Ecg, answer: Score | Abstention = POTASSIUM, error: Exception | None = None) -> Settlement:
    def read(_arrival: Arrival) -> tuple[Ecg, ...]:
        if error:
            raise error
        return ecgs

    return process(7, ARRIVAL, read=read, score=lambda _: (answer,), settings=SETTINGS, clock=lambda: NOW)


def test_a_scored_ecg_becomes_a_finding_with_its_messages(ecg: Ecg) -> None:
    settled = _process(ecg)
    assert (settled.outcome, settled.reason) == (Outcome.SCORED, None)
    assert [message.channel for message in settled.outgoing] == ["fhir:ehr"]
    assert [(alert.finding, alert.risk) for alert in settled.raised] == [(settled.findings[0].key, "potassium_high")]
    assert settled.findings[0].arrival_id == 7
    assert list(settled.timings) == ["read", "recognise", "score", "decide", "explain", "report"]


def test_abstention_of_every_model_is_the_outcome_and_the_ehr_is_told_but_nobody_is_alerted(ecg: Ecg) -> None:
    settled = _process(ecg, answer=ABSTAINED)
    assert (settled.outcome, settled.reason) == (Outcome.ABSTAINED, Reason.LEAD_FLAT)
    assert [message.channel for message in settled.outgoing] == ["fhir:ehr"]
    assert (settled.raised, [*settled.standing.values()]) == ((), [frozenset()])


def test_a_message_without_an_ecg_is_ignored() -> None:
    assert (_process().outcome, _process().reason) == (Outcome.IGNORED, Reason.NO_ECG)


def test_what_cannot_be_read_is_quarantined_with_the_readers_reason() -> None:
    settled = _process(error=Rejected(Reason.UNKNOWN_UNIT))
    assert (settled.outcome, settled.reason, settled.findings) == (Outcome.QUARANTINED, Reason.UNKNOWN_UNIT, ())


def test_what_is_not_the_arrivals_fault_does_not_settle_it() -> None:
    with pytest.raises(Transient):
        _process(error=Transient(Reason.STORE_UNAVAILABLE))


def test_two_ecgs_in_one_file_are_two_findings_with_keys_of_their_own(ecg: Ecg) -> None:
    settled = _process(ecg, ecg)
    assert len({finding.key for finding in settled.findings}) == 2
    assert len({message.key for message in settled.outgoing}) == 2
    assert len({alert.finding for alert in settled.raised}) == 2


def test_the_same_arrival_processed_again_makes_the_same_keys(ecg: Ecg) -> None:
    first, again = _process(ecg), _process(ecg)
    assert [m.key for m in first.outgoing] == [m.key for m in again.outgoing]
    assert np.array_equal(first.findings[0].ecg.signal, again.findings[0].ecg.signal)
