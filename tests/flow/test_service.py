"""The daemon as operations sees it: health, metrics, logs, stopping, exit codes."""

import socket
import urllib.error
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.flow import ecgs, senders
from tests.flow.harness import ROLES, STOP_S, installed, until
from tests.flow.received import findings, whole_and_once


@pytest.fixture(scope="module")
def ecgd(tmp_path_factory, module_ehr, fhir_of):
    with installed(tmp_path_factory.mktemp("service"), *ROLES, destinations=[fhir_of(module_ehr.url)]) as running:
        yield running


def page(ecgd, role, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{ecgd.ports[role]}{path}", timeout=10) as answer:
        return answer.status, answer.read().decode()


def metrics(ecgd, role):
    families = text_string_to_metric_families(page(ecgd, role, "/metrics/")[1])
    return {(sample.name, *sorted(sample.labels.items())): sample.value for f in families for sample in f.samples}


@pytest.mark.parametrize("role", ROLES)
def test_every_role_says_that_it_is_well(ecgd, role):
    assert page(ecgd, role, "/healthz")[0] == 200


def test_the_pages_are_on_loopback_only(ecgd):
    for role in ROLES:
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.2", ecgd.ports[role]), 5)


def test_metrics_count_what_came_in_and_what_became_of_it(ecgd, module_ehr):
    before = len(findings(module_ehr.resources()))
    (sent,) = [ecgs.oru_na(5000)]
    senders.mllp(ecgd.ports["hl7"], [sent.payload, sent.payload])
    until(lambda: len(findings(module_ehr.resources())) == before + 1, 60, "the finding")
    until(lambda: ecgd.settled(), 60, "nothing waiting")
    listened, worked, delivered = (metrics(ecgd, role) for role in ROLES)
    assert listened["ecgd_arrivals_total", ("door", "hl7"), ("receipt", "new")] == 1
    assert listened["ecgd_arrivals_total", ("door", "hl7"), ("receipt", "duplicate")] == 1
    assert sum(value for name, value in worked.items() if name[0] == "ecgd_outcomes_total") == 1
    assert delivered["ecgd_sent_total", ("channel", "fhir:ehr")] == 1


def test_logs_and_metrics_hold_nothing_of_a_patient_whatever_was_sent(ecgd, module_ehr, tmp_path):
    """Every kind of trouble, each with a planted patient; then the traces are searched for."""
    good, cut, odd = ecgs.oru_na(5100), ecgs.oru_na(5101), ecgs.dicom(5102)
    broken = ecgs.oru_na(5103).payload.replace(b"|NM|", b"|XX|").replace(b"^MDC_ATTR_SAMP_RATE", b"^NOTHING")
    wrong_type = ecgs.oru_na(5104).payload.replace(b"ORU^R01^ORU_R01", b"ORM^O01^ORM_O01")
    senders.mllp(ecgd.ports["hl7"], [good.payload, broken, wrong_type])
    with socket.create_connection(("127.0.0.1", ecgd.ports["hl7"]), 10) as connection:
        connection.sendall(senders.START + cut.payload[: len(cut.payload) // 2])
    senders.store(ecgd.ports["dicom"], [odd], damage=True)
    (ecgd.folder / "x").write_bytes(ecgs.oru_pdf(5105).payload[:-200])
    (ecgd.folder / "x").rename(ecgd.incoming / f"{ecgs.oru_pdf(5105).patient.family}.hl7")
    until(lambda: not ecgd.left_to_take(), 30, "the folder is empty")
    until(lambda: ecgd.settled(), 60, "nothing waiting")
    assert ecgd.reconcile()[0] == 0
    traces = ecgd.logs() + "".join(page(ecgd, role, "/metrics/")[1] for role in ROLES)
    traces += ecgd.run("status").stdout + ecgd.run("reconcile").stdout
    for sent in (good, cut, odd, *(ecgs.oru_na(number) for number in (5000, 5103, 5104, 5105))):
        for planted in (sent.patient.id, sent.patient.family, sent.patient.visit, f"C{sent.number}"):
            assert planted not in traces


def test_sigterm_stops_every_role_in_time_and_what_it_had_in_hand_is_whole(tmp_path, ehr, fhir):
    with installed(tmp_path, *ROLES, destinations=[fhir]) as ecgd:
        sents = [ecgs.oru_na(5200 + n, seconds=5.0) for n in range(30)]
        answers = senders.mllp(ecgd.ports["hl7"], [sent.payload for sent in sents])
        until(lambda: ecgd.events("settled"), 60, "the first is settled")
        codes = ecgd.stop()  # raises when one outlives the unit's time-out
        assert codes == dict.fromkeys(ROLES, 0)
        assert [senders.answer(one)[0] for one in answers] == ["AA"] * 30
        ecgd.reconcile_but_for_waiting()
        done = findings(ehr.resources())
        assert all(set(parts.values()) == {1} for parts in done.values())
        ecgd.start(*ROLES)
        until(lambda: len(findings(ehr.resources())) == 30, 60, "all thirty")
        whole_and_once(ehr.resources(), 30)


def test_serve_runs_all_roles_and_stops_them_all(tmp_path, fhir):
    with installed(tmp_path, "serve", destinations=[fhir]) as ecgd:
        for role in ROLES:
            assert page(ecgd, role, "/healthz")[0] == 200
        assert ecgd.processes["serve"].stop(STOP_S + 5) == 0
        for role in ROLES:
            with pytest.raises(urllib.error.URLError):
                page(ecgd, role, "/healthz")
        ecgd.processes.clear()


def test_a_mistaken_configuration_is_refused_with_every_mistake_and_exit_code_4(tmp_path):
    (tmp_path / "bad.yaml").write_text("store: {lease_s: 0}\ndoors: {hl7: {prot: 1}}\n")
    with installed(tmp_path) as ecgd:
        ecgd.config = tmp_path / "bad.yaml"
        done = ecgd.run("serve")
    assert done.returncode == 4
    assert "store.lease_s" in done.stderr
    assert "doors.hl7.prot" in done.stderr
