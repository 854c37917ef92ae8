"""One recording through three doors of the running daemon: one alert, one current result; a person attaches another."""

import json

import pytest

from simulator.files import Envelope, write_dicom, write_oru_na, write_pdf
from tests.flow import ecgs, senders
from tests.flow.ecgs import AUTHORITY_SYSTEM, Sent
from tests.flow.harness import installed, until
from tests.flow.received import OURS, identifiers

ALWAYS_CRITICAL = {"arrest": {"moderate": 0.0, "high": 0.0}}


@pytest.fixture(scope="module")
def ecgd(tmp_path_factory, module_ehr, fhir_of):
    settings = {
        "destinations": [fhir_of(module_ehr.url)],
        "alerts": {"webhooks": [{"name": "pager", "url": f"{module_ehr.url}/alert"}]},
        "models": {"allow_stand_in": True},
        "thresholds": ALWAYS_CRITICAL,
    }
    settings["destinations"][0]["patient"]["default_system"] = AUTHORITY_SYSTEM  # a page names no authority
    with installed(tmp_path_factory.mktemp("one"), "serve", **settings) as running:
        yield running


def _doors(number, *, patient=True):
    """One recording as a page, a message and an object."""
    signal, who, when, _ = ecgs._drawn(number, 10.0)
    page = write_pdf(signal, 500, patient=who if patient else None, acquired_at=when)
    message = write_oru_na(signal, 500, who, acquired_at=when, envelope=Envelope(control_id=f"C{number}"))
    instance = write_dicom(signal, 500, who, acquired_at=when)
    return Sent(number, page, ".pdf", who), Sent(number, message, ".hl7", who), Sent(number, instance, ".dcm", who)


def _current(ehr, key_of="RiskAssessment"):
    """Finding keys of what stands and of what does not, by the status of the risk of arrest."""
    found = {"stands": set(), "taken back": set()}
    for one in ehr.resources(key_of):
        for _, system, value in identifiers(one):
            if system == OURS and ".arrest-risk." in value:
                found["taken back" if one["status"] == "entered-in-error" else "stands"].add(value.split(".")[0])
    return found


def _settled(ecgd):
    return until(lambda: ecgd.settled(), 120, "nothing waiting")


def test_one_recording_through_three_doors_is_one_alert_and_one_current_result(ecgd, module_ehr):
    page, message, instance = _doors(7000)
    ecgd.drop(page)
    until(lambda: len(module_ehr.alerts) == 1, 120, "the page's alert")
    assert senders.answer(senders.mllp(ecgd.ports["hl7"], [message.payload])[0])[0] == "AA"
    assert senders.store(ecgd.ports["dicom"], [instance]) == [0]
    until(lambda: len(_current(module_ehr)["taken back"]) == 1, 120, "the page's result taken back")
    code, facts = _settled(ecgd)
    assert code == 0, facts
    assert facts["totals"]["jobs"] == {"ignored": 1, "scored": 2}
    assert facts["totals"]["job_reasons"] == {"same_ecg": 1}
    assert len(module_ehr.alerts) == 1
    (stands,), (before,) = _current(module_ehr)["stands"], _current(module_ehr)["taken back"]
    documents = {one["identifier"][0]["value"]: one for one in module_ehr.resources("DocumentReference")}
    assert documents[f"{before}.picture"]["status"] == "superseded"
    assert documents[f"{stands}.picture"]["status"] == "current"
    assert documents[f"{stands}.picture"]["relatesTo"][0]["target"]["identifier"]["value"] == f"{before}.picture"
    taken = [one for one in module_ehr.resources("Observation") if one["identifier"][0]["value"].startswith(before)]
    assert {one["status"] for one in taken} == {"entered-in-error"}
    assert module_ehr.duplicates() == []


def test_an_ecg_without_a_patient_is_listed_and_a_person_attaches_it(ecgd, module_ehr):
    page, _, _ = _doors(7100, patient=False)
    alerts = len(module_ehr.alerts)
    ecgd.drop(page)
    until(lambda: len(module_ehr.alerts) == alerts + 1, 120, "the alert")
    _settled(ecgd)
    (waiting,) = json.loads(ecgd.run("status", "--json").stdout)["unidentified"]
    done = ecgd.run(
        "attach", str(waiting["arrival"]), "--patient", page.patient.id, "--authority", "SIM", "--by", "nurse"
    )
    assert done.returncode == 0, done.stderr
    until(lambda: len(_current(module_ehr)["taken back"]) == 2, 120, "the unidentified result taken back")
    code, facts = _settled(ecgd)
    assert code == 0, facts
    assert json.loads(ecgd.run("status", "--json").stdout)["unidentified"] == []
    patients = [one for one in module_ehr.resources("Patient") if one["identifier"][0]["value"] == page.patient.id]
    (patient,) = patients
    about = [
        one
        for one in module_ehr.resources("RiskAssessment")
        if one["subject"].get("reference", "").endswith(patient["id"])
    ]
    assert {one["status"] for one in about} == {"preliminary"}
    assert len(module_ehr.alerts) == alerts + 1
