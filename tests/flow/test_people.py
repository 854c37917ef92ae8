"""Admissions and ECGs through the MLLP port of the running daemon: visit, flag, correction, merge, withdrawal."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from simulator.files import Envelope, write_oru_na
from tests.flow import ecgs, senders
from tests.flow.harness import installed, until
from tests.flow.received import OURS, identifiers

ALWAYS_CRITICAL = {"arrest": {"moderate": 0.0, "high": 0.0}}
VISITS = "urn:oid:2.999.2"
TAKEN = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=30)  # flags of last year's ECGs are over


@pytest.fixture(scope="module")
def ecgd(tmp_path_factory, module_ehr, fhir_of):
    fhir = fhir_of(module_ehr.url)
    fhir["patient"]["encounter_systems"] = {"SIM": VISITS}
    settings = {
        "destinations": [fhir],
        "alerts": {"webhooks": [{"name": "pager", "url": f"{module_ehr.url}/alert"}]},
        "models": {"allow_stand_in": True},
        "thresholds": ALWAYS_CRITICAL,
    }
    with installed(tmp_path_factory.mktemp("people"), "serve", **settings) as running:
        yield running


def adt(event, number, patient, *segments, minutes):
    """An ADT message of a hospital's information system, so many minutes after the ECGs were taken."""
    at = f"{TAKEN + timedelta(minutes=minutes):%Y%m%d%H%M%S%z}"
    head = f"MSH|^~\\&|HIS|HOSP|ECGD|ED|{at}||ADT^{event}|A{number}{event}|P|2.5.1"
    return "\r".join([head, f"EVN||{at}", f"PID|1||{patient}^^^SIM^MR", *segments, ""]).encode()


def oru(number, status="F", *, control=""):
    """The ECG ``number`` without its visit, its OBX-11 as told; the same order whatever the message's number."""
    signal, who, _, _ = ecgs._drawn(number, 10.0)
    message = write_oru_na(signal, 500, who, acquired_at=TAKEN, envelope=Envelope(control_id=f"P{number}")).decode()
    lines = [line for line in message.split("\r") if not line.startswith("PV1")]
    lines = [line[:-1] + status if line.startswith("OBX") else line for line in lines]
    lines[0] = lines[0].replace(f"|P{number}|", f"|P{number}{control}|")
    return who, "\r".join(lines).encode()


def say(ecgd, *messages):
    """Send on one connection; all are accepted."""
    answers = senders.mllp(ecgd.ports["hl7"], messages)
    assert [senders.answer(one)[0] for one in answers] == ["AA"] * len(messages)


def risks(ehr, *, status="preliminary"):
    """Risks of arrest of a status."""
    return [
        one
        for one in ehr.resources("RiskAssessment")
        if one["status"] == status
        and any(system == OURS and ".arrest-risk." in value for _, system, value in identifiers(one))
    ]


def patient_of(ehr, resource):
    """Whose it is, by record number."""
    kept = {f"Patient/{one['id']}": one["identifier"][0]["value"] for one in ehr.resources("Patient")}
    return kept[resource["subject"]["reference"]]


def test_from_admission_to_withdrawal(ecgd, module_ehr):
    who, first = oru(8100)
    say(ecgd, adt("A01", 1, who.id, "PV1|1|E|ED^R1^B2||||||||||||||||V77^^^SIM^VN", minutes=-5))
    until(lambda: ecgd.settled(), 60, "the admission")  # an ECG at the same moment would be worked on first
    say(ecgd, first)
    (flag,) = until(lambda: module_ehr.resources("Flag"), 120, "a flag")
    (risk,) = until(lambda: risks(module_ehr), 60, "the result")
    assert risk["encounter"]["identifier"] == {"system": VISITS, "value": "V77"}
    assert (flag["status"], patient_of(module_ehr, flag)) == ("active", who.id)
    assert flag["encounter"]["identifier"]["value"] == "V77"
    assert flag["meta"]["tag"][0]["code"] == "HTEST"
    assert flag["author"]["reference"].startswith("Device/")

    say(ecgd, oru(8100, "C", control="C")[1])
    until(lambda: len(risks(module_ehr, status="entered-in-error")) == 1, 120, "the first result taken back")
    until(lambda: len(risks(module_ehr)) == 1, 60, "the corrected one")

    say(ecgd, adt("A40", 2, "SURVIVOR", f"MRG|{who.id}^^^SIM^MR", minutes=10))
    until(
        lambda: len(risks(module_ehr, status="entered-in-error")) == 2,
        120,
        "the result under the old number taken back",
    )
    (risk,) = until(lambda: risks(module_ehr), 60, "the result under the new number")
    assert patient_of(module_ehr, risk) == "SURVIVOR"
    until(lambda: patient_of(module_ehr, module_ehr.resources("Flag")[0]) == "SURVIVOR", 60, "the flag moved")
    assert [one["status"] for one in module_ehr.resources("Flag")] == ["active"]

    say(ecgd, oru(8100, "D", control="D")[1])
    until(lambda: not risks(module_ehr), 120, "nothing stands")
    until(lambda: module_ehr.resources("Flag")[0]["status"] == "entered-in-error", 60, "the flag taken back")
    code, facts = until(lambda: ecgd.settled(), 120, "nothing waiting")
    assert code == 0, facts
    assert facts["totals"]["job_reasons"] == {"administrative": 2, "withdrawn": 1}
    assert module_ehr.duplicates() == []
    assert not any(word in ecgd.logs() for word in (who.id, "SURVIVOR", who.family))


def test_a_person_takes_a_result_back_and_a_discharge_ends_a_flag(ecgd, module_ehr):
    before = {one["id"] for one in module_ehr.resources("Flag")}
    _, first = oru(8200)
    who, second = oru(8300)
    admitted = adt("A01", 3, who.id, "PV1|1|E|ED||||||||||||||||V78^^^SIM^VN", minutes=-5)
    say(ecgd, first, admitted, second)

    def flags(status):
        found = [one for one in module_ehr.resources("Flag") if one["id"] not in before]
        return [one for one in found if one["status"] == status]

    until(lambda: len(flags("active")) == 2, 120, "two flags")
    say(ecgd, adt("A03", 4, who.id, "PV1|1|E|ED||||||||||||||||V78^^^SIM^VN", minutes=20))
    (ended,) = until(lambda: flags("inactive"), 60, "the flag of who was discharged")
    assert patient_of(module_ehr, ended) == who.id
    number = [row["arrival"] for row in ecgd.events("settled") if row["outcome"] == "scored"][-2]
    done = ecgd.run("retract", str(number), "--reason", "electrodes of another patient", "--by", "nurse")
    assert done.returncode == 0, done.stderr
    until(lambda: flags("entered-in-error"), 60, "its flag taken back")
    taken = [one for one in risks(module_ehr, status="entered-in-error") if "electrodes of another" in json.dumps(one)]
    assert len(taken) == 1
    assert ecgd.run("retract", str(number), "--reason", "again").returncode == 1
