"""Several destinations at once, peers that are not ours: SMART Backend Services, an engine, and a dead one."""

import json

import hl7
import pytest
from joserfc.jwk import ECKey

from delivery.fhir import bundle
from delivery.http import FhirSender
from delivery.superseded import retracting
from domain.ecg import Identifier, Patient
from domain.errors import Transient
from domain.outgoing import Outgoing
from domain.reason import Reason
from tests.delivery import findings
from tests.flow import ecgs, senders
from tests.flow.ecgs import AUTHORITY_SYSTEM
from tests.flow.harness import free_port, installed, until
from tests.flow.peers.engine import engine
from tests.flow.peers.sekmet import CLIENT, SCOPE, Sekmet

pytestmark = pytest.mark.peer

OLD, NEW = (ECKey.generate_key("P-384", {"kid": kid}, private=True) for kid in ("2025-11", "2026-05"))
KINDS = ("DocumentReference", "Observation", "RiskAssessment")


@pytest.fixture(scope="module")
def sekmet(tmp_path_factory):
    """It knows our old key and not yet the new one."""
    with Sekmet(tmp_path_factory.mktemp("sekmet"), OLD) as server:
        yield server


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    file = tmp_path_factory.mktemp("keys") / "ours.jwks"
    file.write_text(json.dumps({"keys": [key.as_dict(private=True) for key in (OLD, NEW)]}))
    file.chmod(0o600)
    return file


def smart(keys):
    return {"client_id": CLIENT, "jwks_file": str(keys), "scope": SCOPE}


def message(number, settings):
    person = Patient(identifiers=(Identifier(value=f"sekmet-{number}", authority="HOSP", type="MR"),), family="Byron")
    finding = findings.finding(findings.arrest(), findings.potassium(), patient=person)
    body = json.dumps(bundle(finding, settings)).encode()
    return Outgoing(key=finding.key, channel=settings.channel, content_type="application/fhir+json", body=body)


@pytest.fixture
def settings(sekmet, keys):
    creating = findings.MATCHING.model_copy(update={"unknown": "create"})
    return findings.settings(base_url=sekmet.url, auth="smart", smart=smart(keys), patient=creating)


@pytest.fixture
def sender(settings):
    made = FhirSender(settings)
    yield made
    made.close()


def test_a_server_that_cannot_search_for_a_risk_assessment_has_each_once_however_often_it_is_sent(
    sekmet, settings, sender
):
    assert not sender.can().offer("RiskAssessment").named
    assert sender.can().offer("RiskAssessment").chosen
    sent = message(1, settings)
    for _ in range(3):
        sender.send(sent)
    assert [len(sekmet.stored(kind)) for kind in KINDS] == [1, 2, 2]
    told = retracting(sent.body, sent.key, "wrong patient", settings)
    sender.send(told)
    assert [len(sekmet.stored(kind)) for kind in KINDS] == [1, 2, 2]
    assert {one["status"] for kind in KINDS for one in sekmet.stored(kind)} == {"entered-in-error"}


def test_a_client_that_the_server_does_not_know_is_told_to_nobody_and_tried_again(settings, sender, caplog):
    stranger = settings.model_copy(update={"smart": settings.smart.model_copy(update={"client_id": "stranger"})})
    unknown = FhirSender(stranger, can=sender.can())
    with pytest.raises(Transient) as caught:
        unknown.send(message(2, settings))
    unknown.close()
    assert caught.value.reason is Reason.UNAUTHORISED
    assert "eyJ" not in caplog.text


def test_one_ecg_reaches_every_destination_and_a_dead_one_delays_nobody(sekmet, keys, tmp_path, fhir_of):
    dead = {**fhir_of(f"http://127.0.0.1:{free_port()}/fhir"), "name": "dead", "timeout_s": 2}
    patient = {"systems": {"SIM": AUTHORITY_SYSTEM}, "unknown": "create"}
    record = {"kind": "fhir", "base_url": sekmet.url, "auth": "smart", "smart": smart(keys), "patient": patient}
    with engine(lambda said: said.create_ack()) as (port, heard):
        interface = {"kind": "hl7v2", "host": "127.0.0.1", "port": port, "picture": "png"}
        with installed(tmp_path, "serve", destinations=[dead, record, interface]) as ecgd:
            sent = [ecgs.oru_na(7100), ecgs.oru_na(7101)]
            answers = senders.mllp(ecgd.ports["hl7"], [one.payload for one in sent])
            assert [senders.answer(one)[0] for one in answers] == ["AA", "AA"]
            until(lambda: len(heard) == 2, 90, "two results at the engine")
            ours = {one.patient.id for one in sent}
            until(lambda: ours <= _patients(sekmet), 60, "both results in the record")
            assert "destination_unavailable" in {row["reason"] for row in ecgd.events("later")}
            assert not ecgd.events("buried")
    assert {hl7.parse(one).segment("PID")[3][0][0][0] for one in heard} == ours
    assert all("STAND-IN MODEL, TEST ONLY" in one for one in heard)


def _patients(sekmet):
    return {one["identifier"][0]["value"] for one in sekmet.stored("Patient")}
