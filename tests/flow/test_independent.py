"""The same results at a FHIR server that is not ours, held against the official R4 definitions by two validators."""

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from config.load import load
from store.alert_rows import raise_
from store.database import open_database
from store.wake import PAGER
from tests.delivery.alerting.alerts import SAID
from tests.fhir_validation import Medplum, errors
from tests.flow import ecgs, senders
from tests.flow.ecgs import AUTHORITY_SYSTEM
from tests.flow.harness import installed, until
from tests.flow.received import findings, patients, whole_and_once
from tests.store.values import raised

pytestmark = pytest.mark.peer


@pytest.fixture(scope="module")
def medplum():
    with Medplum() as server:
        yield server


@pytest.fixture(scope="module")
def ecgd(tmp_path_factory, medplum, fhir_of):
    with installed(tmp_path_factory.mktemp("independent"), "serve", destinations=[fhir_of(medplum.url)]) as running:
        yield running


@pytest.fixture(scope="module")
def holding(tmp_path_factory, medplum, fhir_of):
    """An installation that waits for patients to appear in the EHR."""
    fhir = {"base_url": medplum.url, "patient": {"systems": {"SIM": AUTHORITY_SYSTEM}, "unknown": "hold"}}
    with installed(tmp_path_factory.mktemp("holding"), "serve", destinations=[fhir]) as running:
        yield running


@pytest.fixture(scope="module")
def paging(tmp_path_factory, medplum, fhir_of):
    """An installation whose alerts go into the record and nowhere else."""
    alerts = {"routes": [{"name": "all", "steps": [{"to": ["fhir:ehr"]}]}]}
    models, folder = {"allow_stand_in": True}, tmp_path_factory.mktemp("paging")
    with installed(folder, "deliver", destinations=[fhir_of(medplum.url)], alerts=alerts, models=models) as running:
        yield running


def test_one_ecg_through_each_door_is_there_once_and_fits_the_definitions(ecgd, medplum, tmp_path):
    objects = senders.write(tmp_path, [ecgs.dicom(6000), ecgs.encapsulated(6001)])
    assert senders.storescu(ecgd.ports["dicom"], objects).returncode == 0
    answers = senders.mllp(ecgd.ports["hl7"], [ecgs.oru_na(6002).payload, ecgs.oru_pdf(6003).payload])
    assert [senders.answer(one)[0] for one in answers] == ["AA", "AA"]
    ecgd.drop(ecgs.pdf(6004))
    until(lambda: len(findings(medplum.stored())) == 5, 90, "five findings in the independent server")
    code, facts = until(lambda: ecgd.settled(), 60, "nothing waiting")
    assert code == 0, facts
    stored = medplum.stored()
    whole_and_once(stored, 5)
    assert set(patients(stored)) >= {ecgs.dicom(number).patient.id for number in range(6000, 6004)}
    for one in stored:  # one by one: Pyrofile takes no more than 1 MB
        entry = {"fullUrl": f"urn:uuid:{one['id']}", "resource": one}
        assert errors({"resourceType": "Bundle", "type": "collection", "entry": [entry]}, medplum) == []


def test_a_result_waits_for_its_patient_and_then_refers_to_the_one_there_is(holding, medplum):
    sent = ecgs.oru_na(6100)
    assert senders.answer(senders.mllp(holding.ports["hl7"], [sent.payload])[0])[0] == "AA"
    until(lambda: [row for row in holding.events("later") if row["reason"] == "patient_unknown"], 60, "a held result")
    assert patients(medplum.stored())[sent.patient.id] == 0
    identifier = {"system": AUTHORITY_SYSTEM, "value": sent.patient.id}
    patient = medplum.create({"resourceType": "Patient", "identifier": [identifier], "gender": "unknown"})
    until(lambda: holding.settled(), 60, "nothing waiting")
    about = [one for one in medplum.stored() if one.get("subject", {}).get("reference") == f"Patient/{patient['id']}"]
    assert {one["resourceType"] for one in about} == {"DocumentReference", "Observation", "RiskAssessment"}
    assert patients(medplum.stored())[sent.patient.id] == 1


def test_an_alert_is_a_communication_about_the_patient_there_is_and_fits_the_definitions(paging, medplum):
    settings = load(paging.config)
    whose = {"value": "M6200", "authority": "SIM", "type": "MR"}
    identifier = {"system": AUTHORITY_SYSTEM, "value": whose["value"]}
    patient = medplum.create({"resourceType": "Patient", "identifier": [identifier], "gender": "unknown"})
    with closing(open_database(settings.store, settings.state_dir)) as database:
        now, said = datetime.now(UTC), {**SAID, "patient": [whose]}
        with database.write(PAGER) as connection:
            raise_(connection, replace(raised(f"{6200:032x}", said=said), expires_at=now + timedelta(hours=1)), now)
    about = f"Patient/{patient['id']}"
    found = until(lambda: [one for one in _communications(medplum) if _about(one) == about], 60, "the alert")
    assert any("Potassium estimated" in line["contentString"] for line in found[0]["payload"])
    assert paging.run("alerts", "test").stdout == "fhir:ehr: sent\n"
    assert sorted(map(_about, _communications(medplum)), key=str) == [None, about]
    # Pyrofile does not know a required choice (payload.content[x]) when it sees one, and is not asked
    assert medplum.errors(_communications(medplum)) == []


def _about(resource):
    return resource.get("subject", {}).get("reference")


def _communications(medplum):
    return [one for one in medplum.stored() if one["resourceType"] == "Communication"]
