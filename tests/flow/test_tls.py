"""TLS with client certificates at both doors, spoken by DCMTK and by plain openssl."""

import pytest

from tests.flow import ecgs, senders
from tests.flow.certificates import Authority
from tests.flow.harness import installed, until
from tests.flow.received import patients

pytestmark = pytest.mark.peer


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"), "hospital")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("stranger"), "elsewhere").sign("cart1")


@pytest.fixture(scope="module")
def cart(authority):
    return authority.sign("cart1")


@pytest.fixture(scope="module")
def ecgd(tmp_path_factory, module_ehr, fhir_of, authority):
    server = authority.sign("server")
    tls = {"certificate": str(server.certificate), "key": str(server.key), "client_ca": str(authority.certificate)}
    peer = {"ae_title": "CART1", "addresses": ["127.0.0.1/32"], "certificate_cn": "cart1"}
    doors = {"dicom": {"tls": tls, "peers": [peer]}, "hl7": {"tls": tls}}
    destinations = [fhir_of(module_ehr.url)]
    with installed(tmp_path_factory.mktemp("tls"), "serve", doors=doors, destinations=destinations) as running:
        yield running


def test_storescu_delivers_over_tls_with_its_certificate(ecgd, module_ehr, authority, cart, tmp_path):
    sent = ecgs.dicom(2000)
    done = senders.storescu(
        ecgd.ports["dicom"], senders.write(tmp_path, [sent]), tls=senders.dcmtk_tls(cart, authority)
    )
    assert done.returncode == 0, done.stdout + done.stderr
    until(lambda: sent.patient.id in patients(module_ehr.resources()), 60, "the patient in the FHIR server")


def test_a_certificate_of_another_authority_opens_no_dicom_door(ecgd, authority, stranger):
    assert senders.echoscu(ecgd.ports["dicom"], tls=senders.dcmtk_tls(stranger, authority)).returncode != 0


def test_a_title_is_bound_to_its_certificate(ecgd, authority, cart):
    other = authority.sign("cart2")
    assert senders.echoscu(ecgd.ports["dicom"], tls=senders.dcmtk_tls(cart, authority)).returncode == 0
    assert senders.echoscu(ecgd.ports["dicom"], tls=senders.dcmtk_tls(other, authority)).returncode != 0


def test_a_sender_without_tls_gets_no_association(ecgd):
    assert senders.echoscu(ecgd.ports["dicom"]).returncode != 0


def test_openssl_gets_its_messages_acknowledged(ecgd, module_ehr, authority, cart):
    sents = [ecgs.oru_na(2100), ecgs.oru_pdf(2101)]
    answers, _ = senders.s_client(ecgd.ports["hl7"], [sent.payload for sent in sents], client=cart, authority=authority)
    assert [senders.answer(one) for one in answers] == [("AA", "C2100"), ("AA", "C2101")]
    wanted = {sent.patient.id for sent in sents}
    until(lambda: wanted <= set(patients(module_ehr.resources())), 60, "the patients in the FHIR server")


@pytest.mark.parametrize("known", [False, True], ids=["no certificate", "another authority's"])
def test_openssl_without_a_certificate_of_ours_gets_no_answer(ecgd, authority, stranger, known):
    client = stranger if known else None
    answers, _ = senders.s_client(ecgd.ports["hl7"], [ecgs.oru_na(2110).payload], client=client, authority=authority)
    assert answers == []


def test_nothing_of_a_stranger_is_kept(ecgd, module_ehr, authority, stranger):
    sent, (code, before) = ecgs.oru_na(2110), until(lambda: ecgd.settled(), 60, "nothing waiting")
    senders.s_client(ecgd.ports["hl7"], [sent.payload], client=stranger, authority=authority)
    after = until(lambda: ecgd.settled(), 60, "nothing waiting")
    assert (code, after[0]) == (0, 0)
    assert after[1]["totals"]["arrivals"] == before["totals"]["arrivals"]
    assert sent.patient.id not in patients(module_ehr.resources())
