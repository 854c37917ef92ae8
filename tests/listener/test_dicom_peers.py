import pytest

from config.schema import DicomDoor, DicomPeer
from listener.dicom_peers import Refusal, common_name, refusal

DOOR = DicomDoor(
    ae_title="ECGD",
    peers=(
        DicomPeer(ae_title="CART1", addresses=("10.1.0.0/16", "2001:db8::/32")),
        DicomPeer(ae_title="CART1", addresses=("10.9.9.9/32",)),
        DicomPeer(ae_title="PACS", addresses=("10.2.0.1/32",), certificate_cn="pacs.example"),
    ),
)


@pytest.mark.parametrize(
    ("calling", "called", "address", "certificate_cn", "expected"),
    [
        ("CART1", "ECGD", "10.1.2.3", None, None),
        ("CART1 ", " ECGD ", "10.1.2.3", None, None),
        ("CART1", "ECGD", "10.9.9.9", None, None),
        ("CART1", "ECGD", "2001:db8::1", None, None),
        ("CART1", "ECGD", "::ffff:10.1.2.3", None, None),
        ("CART1", "ECGD", "10.1.2.3", "whoever", None),
        ("CART1", "ECGD", "10.2.0.1", None, Refusal.CALLING_AE),
        ("cart1", "ECGD", "10.1.2.3", None, Refusal.CALLING_AE),
        ("OTHER", "ECGD", "10.1.2.3", None, Refusal.CALLING_AE),
        ("", "ECGD", "10.1.2.3", None, Refusal.CALLING_AE),
        ("CART1", "OTHER", "10.1.2.3", None, Refusal.CALLED_AE),
        ("OTHER", "OTHER", "10.1.2.3", None, Refusal.CALLING_AE),
        ("CART1", "ECGD", "fe80::1%eth0", None, Refusal.CALLING_AE),
        ("PACS", "ECGD", "10.2.0.1", "pacs.example", None),
        ("PACS", "ECGD", "10.2.0.1", "cart.example", Refusal.CALLING_AE),
        ("PACS", "ECGD", "10.2.0.1", None, Refusal.CALLING_AE),
        ("PACS", "ECGD", "10.2.0.2", "pacs.example", Refusal.CALLING_AE),
    ],
)
def test_a_title_counts_with_its_address_and_certificate_only(calling, called, address, certificate_cn, expected):
    found = refusal(DOOR, calling=calling, called=called, address=address, certificate_cn=certificate_cn)
    assert found is expected


def test_nobody_may_associate_with_a_door_without_peers():
    found = refusal(DicomDoor(), calling="CART1", called="ECGD", address="127.0.0.1", certificate_cn=None)
    assert found is Refusal.CALLING_AE


@pytest.mark.parametrize(
    ("certificate", "expected"),
    [
        ({"subject": ((("countryName", "DE"),), (("commonName", "cart1"),))}, "cart1"),
        ({"subject": ((("countryName", "DE"),),)}, None),
        ({}, None),
        (None, None),
    ],
)
def test_the_common_name_is_the_subjects(certificate, expected):
    assert common_name(certificate) == expected
