"""Other people's senders against the running daemon: every ECG through every door reaches the FHIR server, once."""

import os
import time

import hl7.client
import pytest

from simulator.files import GroupOptions
from tests.flow import ecgs, senders
from tests.flow.harness import installed, until
from tests.flow.received import findings, patients, whole_and_once


@pytest.fixture(scope="module")
def ecgd(tmp_path_factory, module_ehr, fhir_of):
    with installed(tmp_path_factory.mktemp("doors"), "serve", destinations=[fhir_of(module_ehr.url)]) as running:
        yield running


@pytest.fixture
def arrived(module_ehr):
    """Waits until each of these patients has a whole finding, and asserts that it is there once."""

    def wait(*sents):
        wanted = {sent.patient.id for sent in sents}
        until(lambda: wanted <= set(patients(module_ehr.resources())), 60, "the patients in the FHIR server")
        got = patients(module_ehr.resources())
        assert {got[patient] for patient in wanted} == {1}
        whole_and_once(module_ehr.resources(), len(findings(module_ehr.resources())))

    return wait


@pytest.mark.peer
def test_dcmtk_s_echo_is_answered(ecgd):
    assert senders.echoscu(ecgd.ports["dicom"]).returncode == 0


@pytest.mark.peer
def test_an_unknown_calling_title_is_turned_away(ecgd):
    done = senders.echoscu(ecgd.ports["dicom"], calling="NOBODY")
    assert done.returncode != 0
    assert "Calling AE Title Not Recognized" in done.stdout + done.stderr


@pytest.mark.peer
@pytest.mark.parametrize("propose", ["-xe", "-xb", "-xi"])
def test_storescu_gets_success_in_every_uncompressed_transfer_syntax(ecgd, arrived, tmp_path, propose):
    sent = ecgs.dicom(1000 + ["-xe", "-xb", "-xi"].index(propose))
    done = senders.storescu(ecgd.ports["dicom"], senders.write(tmp_path, [sent]), propose=propose)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0x0000" in done.stdout + done.stderr or "Success" in done.stdout + done.stderr
    arrived(sent)


@pytest.mark.peer
def test_dcmsend_delivers_many_objects_over_one_association(ecgd, arrived, tmp_path):
    options = [GroupOptions(), GroupOptions(scheme="MDC", median_beat=True), GroupOptions(sensitivity_uv=4.88)]
    sents = [ecgs.dicom(1010 + n, options=option) for n, option in enumerate(options)]
    done = senders.dcmsend(ecgd.ports["dicom"], senders.write(tmp_path, sents))
    assert done.returncode == 0, done.stdout + done.stderr
    arrived(*sents)


@pytest.mark.peer
def test_an_encapsulated_page_is_read_like_a_page(ecgd, arrived, tmp_path):
    sent = ecgs.encapsulated(1020)
    done = senders.storescu(ecgd.ports["dicom"], senders.write(tmp_path, [sent]))
    assert done.returncode == 0, done.stdout + done.stderr
    arrived(sent)


@pytest.mark.peer
def test_the_same_object_sent_again_in_another_syntax_succeeds_and_is_not_scored_twice(
    ecgd, arrived, tmp_path, module_ehr
):
    paths = senders.write(tmp_path, [ecgs.dicom(1030)])
    assert senders.storescu(ecgd.ports["dicom"], paths, propose="-xe").returncode == 0
    arrived(ecgs.dicom(1030))
    before = len(findings(module_ehr.resources()))
    assert senders.storescu(ecgd.ports["dicom"], paths, propose="-xi").returncode == 0
    assert [row["receipt"] for row in ecgd.events("arrival")][-1] == "duplicate"
    assert ecgd.reconcile()[0] == 0
    assert len(findings(module_ehr.resources())) == before


@pytest.mark.peer
def test_python_hl7_s_command_gets_its_acknowledgements(ecgd, arrived, tmp_path):
    sents = [ecgs.oru_na(1100), ecgs.oru_pdf(1101), ecgs.oru_na(1102, version="2.3")]
    stream = tmp_path / "messages.mllp"
    stream.write_bytes(b"".join(senders.START + sent.payload + senders.END for sent in sents))
    done = senders.mllp_send(ecgd.ports["hl7"], stream)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("MSA|AA|") == 3
    arrived(*sents)


def test_python_hl7_s_client_keeps_one_connection_for_many_messages(ecgd, arrived):
    sents = [ecgs.oru_na(1110 + n) for n in range(3)]
    with hl7.client.MLLPClient("127.0.0.1", ecgd.ports["hl7"]) as client:
        answers = [senders.answer(client.send_message(sent.payload)) for sent in sents]
    assert answers == [("AA", f"C{sent.number}") for sent in sents]
    arrived(*sents)


def test_pipelined_messages_are_answered_in_their_order(ecgd, arrived):
    sents = [ecgs.oru_na(1120 + n) for n in range(6)]
    acknowledgements = senders.mllp(ecgd.ports["hl7"], [sent.payload for sent in sents])
    assert [senders.answer(one) for one in acknowledgements] == [("AA", f"C{sent.number}") for sent in sents]
    arrived(*sents)


def test_the_same_message_again_is_acknowledged_again_and_other_content_under_its_number_is_not(ecgd, arrived):
    sent, other = ecgs.oru_na(1130), ecgs.oru_na(1131)
    impostor = other.payload.replace(b"|C1131|", b"|C1130|")
    (first,) = senders.mllp(ecgd.ports["hl7"], [sent.payload])
    (second,) = senders.mllp(ecgd.ports["hl7"], [sent.payload])
    (third,) = senders.mllp(ecgd.ports["hl7"], [impostor])
    assert [senders.answer(one)[0] for one in (first, second, third)] == ["AA", "AA", "AE"]
    assert b"|205" in third
    arrived(sent)


def test_a_dropped_file_of_every_format_is_taken(ecgd, arrived):
    sents = [ecgs.dicom(1200), ecgs.oru_na(1201)]
    for sent in sents:
        ecgd.drop(sent)
    page = ecgs.pdf(1202)
    ecgd.drop(page)
    until(lambda: not ecgd.left_to_take(), 30, "the folder is empty")
    assert {"1200.dcm", "1201.hl7", "1202.pdf"} <= {path.name for path in (ecgd.incoming / "done").rglob("*")}
    arrived(*sents)


@pytest.mark.parametrize("sent", [ecgs.dicom(1210), ecgs.oru_na(1211), ecgs.pdf(1212)], ids=["dicom", "hl7", "pdf"])
def test_a_half_written_file_is_left_alone_until_the_rest_is_there(ecgd, module_ehr, sent):
    path = ecgd.incoming / f"{sent.number}{sent.suffix}"
    half = len(sent.payload) // 2
    before = len(findings(module_ehr.resources()))
    with path.open("wb") as file:
        file.write(sent.payload[:half])
        file.flush()
        until(lambda: time.time() - path.stat().st_mtime > 1.5, 5, "settle_s and sweep_s have passed")
        assert path.exists()
        assert not list((ecgd.incoming / "refused").glob(f"{sent.number}*"))
        file.write(sent.payload[half:])
    until(lambda: len(findings(module_ehr.resources())) == before + 1, 60, "the finding")
    until(lambda: not ecgd.left_to_take(), 30, "the folder is empty")
    assert [taken.read_bytes() for taken in (ecgd.incoming / "done").glob(f"{sent.number}*")] == [sent.payload]


def test_a_file_that_is_no_ecg_goes_to_refused_with_the_reason(ecgd):
    (ecgd.folder / "outside.txt").write_bytes(b"shopping list: bread, milk\n" * 20)
    os.rename(ecgd.folder / "outside.txt", ecgd.incoming / "list.txt")
    refused = ecgd.incoming / "refused" / "list.txt"
    until(refused.exists, 30, "the refused file; its note is written before it is moved")
    assert "unknown_format" in refused.with_name("list.txt.reason.txt").read_text()
    assert ecgd.left_to_take() == []


def test_everything_that_was_acknowledged_is_accounted_for(ecgd):
    code, facts = until(lambda: ecgd.settled(), 60, "nothing waiting")
    assert code == 0, facts
