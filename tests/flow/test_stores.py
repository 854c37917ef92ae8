"""The same way through on both databases, also with the roles as processes of their own and several workers."""

import os

import pytest

from tests import peers
from tests.flow import ecgs, senders
from tests.flow.harness import ROLES, installed, until
from tests.flow.received import findings, whole_and_once


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.peer)])
def store(request, tmp_path):
    """The ``store`` block; PostgreSQL over TCP with a password file, as a site has it."""
    if request.param == "sqlite":
        return {"url": "sqlite:///ecgd.db"}
    cluster, name = peers.postgresql(), f"flow{os.getpid()}_{tmp_path.name[-12:].replace('-', '_').lower()}"
    cluster.sql(f'CREATE DATABASE "{name}"')
    password = tmp_path / "password"
    password.write_text(peers.PASSWORD)
    password.chmod(0o600)
    return {"url": cluster.tcp_url(name), "password_file": str(password)}


def test_one_ecg_through_each_door_reaches_the_receiver_once(store, tmp_path, ehr, fhir):
    with installed(tmp_path, *ROLES, store=store, destinations=[fhir]) as ecgd:
        objects = [ecgs.dicom(4000), ecgs.dicom(4001)]
        senders.store(ecgd.ports["dicom"], objects)
        answers = senders.mllp(ecgd.ports["hl7"], [ecgs.oru_na(4002).payload, ecgs.oru_pdf(4003).payload])
        assert [senders.answer(one)[0] for one in answers] == ["AA", "AA"]
        ecgd.drop(ecgs.pdf(4004))
        until(lambda: len(findings(ehr.resources())) == 5, 90, "five findings in the FHIR receiver")
        code, facts = until(lambda: ecgd.settled(), 60, "nothing waiting")
        assert code == 0, facts
        whole_and_once(ehr.resources(), 5)
        assert set(ecgd.stop().values()) == {0}


def test_what_was_waiting_when_the_service_stopped_is_done_when_it_starts_again(store, tmp_path, ehr, fhir):
    with installed(tmp_path, "listen", store=store, destinations=[fhir]) as ecgd:
        senders.mllp(ecgd.ports["hl7"], [ecgs.oru_na(4100 + n).payload for n in range(3)])
        assert ecgd.stop() == {"listen": 0}
        assert ecgd.reconcile_but_for_waiting() == 3
        assert findings(ehr.resources()) == {}
        ecgd.start("work")
        until(lambda: len(ecgd.events("settled")) == 3, 60, "three ECGs settled")
        assert ecgd.stop() == {"work": 0}
        ecgd.start("deliver")
        until(lambda: len(findings(ehr.resources())) == 3, 60, "three findings in the FHIR receiver")
        whole_and_once(ehr.resources(), 3)
